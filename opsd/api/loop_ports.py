"""What the API asks of the loops that its host supervises. The daemon implements it; nothing here knows the daemon."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from opsd.contract.jsoncodec import JsonObject
from opsd.control.verdict import ControlRequest, Intent
from opsd.fleet.observed import LoopPass
from opsd.fleet.registry import LoopEntry
from opsd.loop.health_files import HealthQuestion
from opsd.loop.outcome import PassOrder


@dataclass(frozen=True, slots=True)
class EventsQuestion:
    """Which events: at most ``most`` behind the line offset ``cursor``.

    ``anchor`` is the SHA-256 of the line at the cursor as it was read; ``skip_line`` the one undecodable line that an
    operator steps over.
    """

    cursor: int
    most: int
    anchor: str | None = None
    skip_line: int | None = None


@dataclass(frozen=True, slots=True)
class ConfirmationQuestion:
    """Which intent's effect is looked for, how long, and how often; seconds."""

    intent: Intent
    timeout_s: int
    interval_s: int


class Loops(Protocol):
    """The supervised loops. Everything that is not a coroutine is cheap, except where it says blocking."""

    def views(self) -> Sequence[Mapping[str, object]]:
        """What is known of every loop, in registry order."""

    def view(self, loop: str) -> Mapping[str, object] | None:
        """What is known of one loop; None when it is not supervised."""

    def entry(self, loop: str) -> LoopEntry | None:
        """The loop's registry entry."""

    def order_pass(self, loop: str, order: PassOrder) -> asyncio.Future[LoopPass]:
        """Queue a pass for an operator; done when it has ended.

        Raises:
            ApiError: there is no such loop.
            BusyError: its next pass was asked for otherwise.
        """

    def look_again(self, loop: str) -> None:
        """Something was done about the loop: a pass comes soon, so that everybody sees what came of it."""

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

    async def events(self, loop: str, question: EventsQuestion, trace_id: str | None) -> JsonObject:
        """Events through the loop's own transport, and the cursor document that acknowledges them.

        Raises:
            OpsError: the loop cannot be read from there.
        """

    async def confirmation(
        self, loop: str, question: ConfirmationQuestion, trace_id: str, gone: Callable[[], bool], *, by: str = ""
    ) -> JsonObject:
        """Look for an intent's effect until it is there, the time is up, or nobody waits any more.

        ``by``: who wants it, and leaves places to others; empty: anybody.

        Raises:
            BusyError: too many look at a time, in all or for ``by``.
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
