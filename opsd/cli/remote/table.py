"""Which command asks which route; whatever is not here works on this host only."""

from __future__ import annotations

from opsd.cli.remote import alerts, daemon, fleet, loops, promotion, steps, tokens, views
from opsd.cli.remote.command import ServerCommand

COMMANDS: dict[str, ServerCommand] = {
    **loops.COMMANDS,
    **fleet.COMMANDS,
    **promotion.COMMANDS,
    **steps.COMMANDS,
    **alerts.COMMANDS,
    **daemon.COMMANDS,
    **tokens.COMMANDS,
    **views.COMMANDS,
}
