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
from opsd.compose_alerts import AlertOptions
from opsd.contract.jsoncodec import JsonObject
from opsd.control.verdict import ControlRequest, Intent
from opsd.fleet.handoff.dispatch import Dispatch
from opsd.fleet.observed import LoopPass
from opsd.fleet.registry import LoopEntry
from opsd.loop.health_files import HealthQuestion
from opsd.loop.outcome import PassOrder
from opsd.storage.fleet_store import FileFleetStore


class Gate(Protocol):
    """Who may ask."""

    async def check(
        self, request: web.Request, scope: Scope, target: Target, *, open_on_loopback: bool = False
    ) -> Identity:
        """Who asks; raises what the listener answers when they may not."""

    def still(self, identity: Identity, scope: Scope, target: Target) -> bool:
        """Whether who was let in would be let in now."""


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
class EventsQuery:
    """Which events: at most ``most`` behind the line offset ``cursor``.

    ``anchor`` is the SHA-256 of the line at the cursor as it was read; ``skip_line`` the one undecodable line that an
    operator steps over.
    """

    cursor: int
    most: int
    anchor: str | None = None
    skip_line: int | None = None


@dataclass(frozen=True, slots=True)
class ConfirmationQuery:
    """Which intent's effect is looked for, how long, and how often; seconds."""

    intent: Intent
    timeout_s: int
    interval_s: int


@dataclass(frozen=True, slots=True)
class FleetRules:
    """What the settings say of the fleet's steps: may this host dispatch by itself, and what counts for auto-pause."""

    autonomous: bool
    skip_empty_executions: bool


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

    def loops(self) -> Sequence[Mapping[str, object]]:
        """What is known of every loop, in registry order."""

    def loop(self, loop: str) -> Mapping[str, object] | None:
        """What is known of one loop; None when it is not supervised."""

    def entry(self, loop: str) -> LoopEntry | None:
        """The loop's registry entry."""

    def in_thread(self, work: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        """Blocking work of moments, in a thread."""

    def order_pass(self, loop: str, order: PassOrder) -> asyncio.Future[LoopPass] | None:
        """Queue a pass for an operator; done when it has ended. None when there is no such loop.

        Raises:
            ApiError: the next pass was asked for otherwise.
        """

    async def status(self, loop: str, window: int | None) -> Mapping[str, object]:
        """The loop's operator status, from its files.

        Raises:
            OpsError: nothing is known of it yet.
        """

    async def health(self, loop: str, question: HealthQuestion) -> JsonObject:
        """The loop's health as of now, from its files.

        Raises:
            OpsError: nothing is known of it yet, a file is damaged, or the limits contradict each other.
        """

    async def snapshot(self, loop: str, run_id: str | None, trace_id: str | None) -> JsonObject:
        """The loop's snapshot envelope, through its own transport; ``run_id`` is reported instead of the inferred one.

        Raises:
            OpsError: the loop cannot be read.
        """

    async def events(self, loop: str, query: EventsQuery, trace_id: str | None) -> JsonObject:
        """Events through the loop's own transport, and the cursor document that acknowledges them.

        Raises:
            OpsError: the loop cannot be read from there.
        """

    async def confirmation(
        self, loop: str, query: ConfirmationQuery, trace_id: str, gone: Callable[[], bool]
    ) -> JsonObject:
        """Look for an intent's effect until it is there, the time is up, or nobody waits any more.

        Raises:
            ApiError: too many look at a time.
        """

    async def fleet_document(self, name: str) -> Mapping[str, object]:
        """The fleet's ``status``, ``policy`` or ``handoff``, from its files.

        Raises:
            OpsError: there is none, or it is damaged.
        """

    def control(
        self, entry: LoopEntry, request: ControlRequest, command_timeout_s: float | None = None
    ) -> tuple[JsonObject, int, str]:
        """Carry an intent out: the intents row, the command's exit code, and what else there is to say. Blocking.

        Args:
            command_timeout_s: when a runtime command of this host is stopped; None for the command's own default.

        Raises:
            OpsError: it could not be written down; nothing was executed.
        """

    async def run_command(self, argv: Sequence[str], deadline_s: float, *, by: str = "", alone: str = "") -> CommandEnd:
        """Run ``opsd`` with these arguments as a process of its own; it is ended after ``deadline_s`` seconds.

        ``by``: who wants it, and leaves a place to others; empty: anybody. ``alone``: a name that only one of those
        that run may have.

        Raises:
            ApiError: too many run, or one of this name does, or the daemon ends.
        """

    def freeze_windows_file(self) -> str | None:
        """The times in which the promotion controller applies nothing, by the settings."""

    def horizon_outbox(self) -> str | None:
        """Where the bridge looks, by the settings; None: the usual place."""

    def fleet_rules(self) -> FleetRules:
        """What the settings say of the fleet's steps."""

    def threshold_catalog_file(self) -> str | None:
        """The catalog of threshold profiles; None: the one in the package."""

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
