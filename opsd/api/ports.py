"""What the API asks of whoever hosts it. The daemon implements it; nothing here knows the daemon."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import web

from opsd.access.authenticate import Identity, Target
from opsd.access.model import Scope
from opsd.api.changes import ChangeFeed
from opsd.api.loop_ports import Loops
from opsd.compose_alerts import AlertOptions
from opsd.contract.jsoncodec import JsonObject
from opsd.fleet.handoff.dispatch import Dispatch
from opsd.loop.outcome import PassOrder
from opsd.storage.fleet_store import FileFleetStore


class Gate(Protocol):
    """Who may ask."""

    async def check(
        self, request: web.Request, scope: Scope, target: Target, *, open_on_loopback: bool = False
    ) -> Identity:
        """Who asks; raises what the listener answers when they may not."""

    def renewed(self, identity: Identity) -> Identity | None:
        """Who was let in a while ago, with the rights of now; None: nobody any more."""

    def principals(self) -> int:
        """How many have a token of their own."""


@dataclass(frozen=True, slots=True)
class CommandEnd:
    """How a command of this manager ended: its exit code, the document it printed, and its complaint ("" for none)."""

    exit_code: int
    document: JsonObject | None
    said: str


class PrincipalsFile(Protocol):
    """The principals file whose tokens are accepted here."""

    @property
    def path(self) -> str:
        """Where it is."""

    async def look_now(self) -> None:
        """Take up what it says now, not when it is time to.

        Raises:
            ManagerFileError: it cannot be used; the last good one stays in force.
        """


@dataclass(frozen=True, slots=True)
class Configured:
    """What the settings say for steps that anybody asks for.

    Args:
        autonomous: this host may dispatch by itself.
        skip_empty_executions: executions that attempted nothing do not count for auto-pause.
        freeze_windows_file: the times in which the promotion controller applies nothing; None without any.
        horizon_outbox: where the bridge looks; None: the usual place.
        threshold_catalog_file: the catalog of threshold profiles; None: the one in the package.
    """

    autonomous: bool
    skip_empty_executions: bool
    freeze_windows_file: str | None
    horizon_outbox: str | None
    threshold_catalog_file: str | None


class Host(Protocol):
    """The daemon as the API sees it. Everything that is not a coroutine is cheap, except where it says blocking."""

    @property
    def repo(self) -> str:
        """The managed repo, absolute."""

    @property
    def env(self) -> Mapping[str, str]:
        """The environment that commands on this host would have."""

    @property
    def started_at(self) -> str:
        """Since when it runs."""

    @property
    def changes(self) -> ChangeFeed:
        """What happens, as it happens."""

    @property
    def principals(self) -> PrincipalsFile | None:
        """The principals file that is in force; None where none is set up."""

    @property
    def loops(self) -> Loops:
        """The loops that it supervises."""

    def in_thread(self, work: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        """Blocking work of moments, in a thread."""

    async def fleet_document(self, name: str) -> Mapping[str, object]:
        """The fleet's ``status``, ``policy`` or ``handoff``, from its files.

        Raises:
            OpsError: there is none, or it is damaged.
        """

    async def reconcile_fleet(
        self, order: PassOrder, trace_id: str, *, pass_wait_s: float, lock_wait_s: float
    ) -> JsonObject:
        """A new pass over every loop of the registry, and the fleet's state.

        Raises:
            BusyError: a loop's next pass was asked for otherwise.
            OpsError: the registry cannot be used, or another run holds the fleet.
        """

    async def run_command(self, argv: Sequence[str], deadline_s: float, *, by: str = "", alone: str = "") -> CommandEnd:
        """Run ``opsd`` with these arguments as a process of its own; it is ended after ``deadline_s`` seconds.

        ``by``: who wants it, and leaves a place to others; empty: anybody. ``alone``: a name that only one of those
        that run may have.

        Raises:
            BusyError: too many run, or one of this name does, or the daemon ends.
        """

    def configured(self) -> Configured:
        """What the settings in force say for its steps."""

    def settings(self) -> JsonObject:
        """The settings that are in force, without any secret."""

    def check_settings(self) -> JsonObject:
        """Whether a reload would succeed, and what is wrong, without any secret. Blocking."""

    def fleet_store(self) -> FileFleetStore:
        """The fleet's files."""

    def alert_options(self) -> AlertOptions:
        """How alerts are delivered here."""

    def dispatch(self) -> Dispatch:
        """Control as the handoff calls it."""
