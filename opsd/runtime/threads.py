"""How blocking work leaves the event loop: what takes moments by a function one is handed, what takes minutes here."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

InThread: TypeAlias = Callable[..., "asyncio.Future[Any]"]
"""``loop.run_in_executor`` without its first argument."""

_T = TypeVar("_T")


async def in_own_thread(work: Callable[[], _T]) -> _T:
    """Work that may take minutes and holds none of the threads that passes need."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_T] = loop.create_future()

    def settle(result: _T | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        try:
            result, error = work(), None
        except BaseException as caught:  # noqa: BLE001 - handed to whoever waits
            result, error = None, caught
        try:
            loop.call_soon_threadsafe(settle, result, error)
        except RuntimeError:  # the event loop has ended; what was done is in the rows
            return

    threading.Thread(target=run, name="opsd-long-work", daemon=True).start()
    return await done
