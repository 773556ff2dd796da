"""Which command asks which route; whatever is not here works on this host only."""

from __future__ import annotations

from opsd.cli.remote import alerts, daemon, fleet, loops, promotion, steps, tokens, views
from opsd.cli.remote.command import RemoteCommand
from opsd.cli.remote.views import ViewCommand

COMMANDS: dict[str, RemoteCommand | ViewCommand] = {
    **loops.COMMANDS,
    **fleet.COMMANDS,
    **promotion.COMMANDS,
    **steps.COMMANDS,
    **alerts.COMMANDS,
    **daemon.COMMANDS,
    **tokens.COMMANDS,
    **views.COMMANDS,
}
