"""Which command asks which route; whatever is not here works on this host only."""

from __future__ import annotations

from opsd.cli.remote import alerts, daemon, fleet, loops, promotion, steps, system, tokens
from opsd.cli.remote.command import RemoteCommand

COMMANDS: dict[str, RemoteCommand] = {
    **loops.COMMANDS,
    **fleet.COMMANDS,
    **promotion.COMMANDS,
    **steps.COMMANDS,
    **alerts.COMMANDS,
    **daemon.COMMANDS,
    **system.COMMANDS,
    **tokens.COMMANDS,
}
