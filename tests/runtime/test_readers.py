"""Readers that are kept: one caller at a time each, the least recently used dropped first."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from opsd.contract.ids import LoopId
from opsd.runtime.reader import LoopReader
from opsd.runtime.readers import Readers

ALPHA, BETA, GAMMA = LoopId("alpha"), LoopId("beta"), LoopId("gamma")


def readers(most: int = 8) -> Readers:
    threads = ThreadPoolExecutor(4)
    return Readers("/repo", lambda *work: asyncio.get_running_loop().run_in_executor(threads, *work), max_cached=most)


async def test_the_same_reader_serves_a_loop_again() -> None:
    kept = readers()
    first = await kept.use(ALPHA, lambda reader: reader)
    assert await kept.use(ALPHA, lambda reader: reader) is first
    assert kept.idle(ALPHA) is first
    assert await kept.use(BETA, lambda reader: reader) is not first


async def test_the_least_recently_used_is_dropped_first_and_never_one_in_use() -> None:
    kept = readers(2)
    release, held = threading.Event(), threading.Event()

    def hold(_reader: LoopReader) -> None:
        held.set()
        release.wait()

    holding = asyncio.create_task(kept.use(ALPHA, hold))
    await asyncio.to_thread(held.wait)
    for loop in (BETA, GAMMA):
        await kept.use(loop, lambda reader: reader)
    assert kept.idle(ALPHA) is None
    release.set()
    await holding
    assert kept.idle(ALPHA) is not None
    assert kept.idle(BETA) is None
    assert len(kept) == 2


async def test_a_caller_that_goes_away_does_not_give_the_reader_to_the_next_one_early() -> None:
    kept = readers()
    release, held, order = threading.Event(), threading.Event(), list[str]()

    def hold(_reader: LoopReader) -> None:
        held.set()
        release.wait()
        order.append("first")

    first = asyncio.create_task(kept.use(ALPHA, hold))
    await asyncio.to_thread(held.wait)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    second = asyncio.create_task(kept.use(ALPHA, lambda _reader: order.append("second")))
    assert kept.idle(ALPHA) is None
    release.set()
    await second
    assert order == ["first", "second"]


async def test_an_error_of_the_work_is_the_callers_and_the_reader_is_free_again(tmp_path: Path) -> None:
    kept = readers()

    def fail(_reader: LoopReader) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await kept.use(ALPHA, fail)
    assert await kept.use(ALPHA, lambda _reader: 1) == 1
