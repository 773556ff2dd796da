"""Commands that show what a running daemon knows: each asks by itself, whichever daemon is named."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

from opsd.cli.arguments import Arguments
from opsd.cli.client.views import CONFIG, View, perform
from opsd.cli.remote.command import spec_of


@dataclass(frozen=True, slots=True)
class ViewCommand:
    """A :class:`ServerCommand` whose ``module`` holds its ``SPEC`` and its ``view``."""

    module: str
    route: str
    also: tuple[str, ...] = ()

    @property
    def spec(self) -> str:
        """``module:NAME`` of its :class:`CommandSpec`."""
        return f"{self.module}:SPEC"

    @property
    def flags(self) -> tuple[str, ...]:
        """All of its flags, but for the one that says which daemon is this host's."""
        return tuple(flag.name for flag in spec_of(self.spec).flags if flag != CONFIG)

    def perform(self, arguments: Arguments, named: str) -> int:
        """See :meth:`ServerCommand.perform`."""
        view: View = import_module(self.module).view
        return perform(view, arguments, named)


COMMANDS: dict[str, ViewCommand] = {
    "loops": ViewCommand("opsd.cli.loop.loops", "GET /loops", ("GET /loops/{loop}",)),
    "watch": ViewCommand("opsd.cli.daemon.watch", "GET /stream"),
    "escalations": ViewCommand("opsd.cli.loop.escalations", "GET /loops/{loop}/escalations"),
    "alerts dead-letters": ViewCommand("opsd.cli.alerts.dead_letters", "GET /alerts/dead-letters"),
    "fleet candidates": ViewCommand("opsd.cli.fleet.candidates", "GET /fleet/candidates"),
    "promotion state": ViewCommand("opsd.cli.promotion.state", "GET /promotion"),
    "whoami": ViewCommand("opsd.cli.daemon.whoami", "GET /identity"),
}
