"""Driving a run's deliveries: one lane per sink, beside the others (contract 50, R3).

A sink that hangs holds up its own lane only. Whatever ends a drive early, the journal knows how far it came. Imported
only where there is something to send.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from opsd.alerts.model import HttpAnswer, SinkRequest
from opsd.alerts.run.dispatch_run import DispatchRun
from opsd.alerts.run.sending import Send, pick, settle
from opsd.alerts.run.step import step

_T = TypeVar("_T")

_SHORTEST_PAUSE_S = 0.05

#: Runs a blocking function elsewhere, like ``loop.run_in_executor`` without its first argument.
InThread = Callable[..., "asyncio.Future[Any]"]


class Sender(Protocol):
    """Sends requests; never raises for what the other side does."""

    async def send(self, request: SinkRequest, timeout_s: float) -> HttpAnswer:
        """What came back."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


def here(work: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
    """Run a blocking step right here: for a process with nothing else to do."""
    done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    done.set_result(work(*arguments))
    return done


class Drive:
    """A run under way.

    Args:
        in_thread: where blocking steps run; they never overlap.
    """

    def __init__(self, run: DispatchRun, sender: Sender, in_thread: InThread = here) -> None:
        self._run = run
        self._sender = sender
        self._in_thread = in_thread
        self._one_step = asyncio.Lock()
        self._changed = asyncio.Event()
        self._news = True
        self._lanes: dict[str, asyncio.Event] = {}

    def poke(self) -> None:
        """There may be new rows, or a document that shows a recovery."""
        self._news = True
        self._changed.set()

    @property
    def has_news(self) -> bool:
        """It was poked and has not looked since; what came too late for this drive is for the next."""
        return self._news

    def wind_up(self) -> None:
        """Begin nothing more: requests that are under way may end. What is new stays for the next run."""
        self._run.is_closing = True
        self._news = False
        for wake in self._lanes.values():
            wake.set()
        self._changed.set()

    async def drive(self) -> None:
        """Everything that may be done now, until nothing more may be done within the budget.

        Raises:
            OpsError: see :func:`opsd.alerts.run.intake.take_in`; what was begun is in the journal.
        """
        try:
            async with asyncio.TaskGroup() as lanes:
                while True:
                    self._changed.clear()
                    news, self._news = self._news, False
                    sinks = await self._step(step, self._run, news)
                    for sink_id in sinks:
                        if sink_id in self._lanes:
                            self._lanes[sink_id].set()
                        else:
                            self._lanes[sink_id] = asyncio.Event()
                            lanes.create_task(self._lane(sink_id, self._lanes[sink_id]), name=f"lane:{sink_id}")
                    if not self._lanes and not self._news:
                        return
                    await self._wait_for_change()
        except* Exception as group:  # noqa: BLE001 - what a lane raised goes on as itself
            raise group.exceptions[0] from None

    async def _wait_for_change(self) -> None:
        """A lane has ended, there is news, or a telemetry row is due."""
        now = self._run.means.clock()
        pause_s = max(_SHORTEST_PAUSE_S, self._run.next_report_at(now) - now)
        try:
            async with asyncio.timeout(pause_s):
                await self._changed.wait()
        except TimeoutError:
            pass

    async def _lane(self, sink_id: str, wake: asyncio.Event) -> None:
        while True:
            wake.clear()
            picked = await self._step(pick, self._run, sink_id)
            if picked is None:
                del self._lanes[sink_id]
                self._changed.set()
                return
            if isinstance(picked, Send):
                answer = await self._sender.send(picked.request, picked.timeout_s)
                await self._step(settle, self._run, picked, answer)
                for other in self._lanes.values():
                    other.set()  # the next row's turn may have come
                continue
            try:
                async with asyncio.timeout(picked):
                    await wake.wait()
            except TimeoutError:
                pass

    async def _step(self, work: Callable[..., _T], *arguments: Any) -> _T:
        """One blocking step."""
        async with self._one_step:
            result: _T = await to_its_end(self._in_thread(work, *arguments))
            return result


async def to_its_end(running: asyncio.Future[_T]) -> _T:
    """What work in a thread comes to; who is cancelled meanwhile waits for it still: a lock outlives what it guards."""
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise
