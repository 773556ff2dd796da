"""The service's background work: started here, seen when it fails, started again."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

_RESTART_S = 1.0
T = TypeVar("T")


class Background:
    """Owns long-lived tasks; one that raises or returns is told on stderr, counted and started again."""

    def __init__(self, on_failure: Callable[[], None]) -> None:
        self._on_failure = on_failure
        self._tasks: set[asyncio.Task[None]] = set()
        self._short: set[asyncio.Task[Any]] = set()
        self.failing: set[str] = set()

    def start(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run ``work`` until :meth:`stop`."""
        task = asyncio.create_task(self._keep(name, work), name=name)
        self._tasks.add(task)

    async def _keep(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            try:
                await work()
                problem = "returned"
            except Exception as error:  # noqa: BLE001 - whatever ends it, it must be seen
                problem = f"failed: {type(error).__name__}: {error}"
            self.failing.add(name)
            self._on_failure()
            print(f"background task {name} {problem}; starting it again", file=sys.stderr, flush=True)
            await asyncio.sleep(_RESTART_S)
            self.failing.discard(name)

    def spawn(self, name: str, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run something short to its end, whoever waits for it; its result goes to who does."""
        task = asyncio.create_task(work, name=name)
        self._short.add(task)
        task.add_done_callback(self._short.discard)
        task.add_done_callback(_seen)
        return task

    async def stop(self) -> None:
        """End everything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _seen(task: asyncio.Task[Any]) -> None:
    """Take the failure of a task that nobody may be waiting for any more; whoever waits gets it all the same."""
    if not task.cancelled():
        task.exception()
