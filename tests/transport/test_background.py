"""Network transports for threads: one event loop serves them all, and it can be ended while they wait."""

from __future__ import annotations

import asyncio
import threading
from queue import SimpleQueue

import pytest

from opsd.contract.errors import OpsError
from opsd.contract.reasons import TransportKind
from opsd.transport.background import BackgroundTransport, NetworkThread
from opsd.transport.base import Observation, ObservationQuery
from opsd.transport.http_client import ServiceClient

QUERY = ObservationQuery(cursor=0, trace_id="t")


class Remote:
    """Answers at once, or never."""

    kind = TransportKind.SPRITE_SERVICE

    def __init__(self, *, hang: bool = False) -> None:
        self.asked = threading.Event()
        self._hang = hang

    async def observe(self, query: ObservationQuery) -> Observation:
        self.asked.set()
        if self._hang:
            await asyncio.Event().wait()
        return Observation({"cursor": query.cursor})

    async def close(self) -> None: ...


def test_many_threads_observe_over_one_event_loop() -> None:
    network = NetworkThread(ServiceClient)
    transport = BackgroundTransport(network, Remote(), timeout_s=60)
    seen: SimpleQueue[Observation] = SimpleQueue()
    threads = [threading.Thread(target=lambda: seen.put(transport.observe(QUERY))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    network.close()
    assert [seen.get_nowait().snapshot for _ in threads] == [{"cursor": 0}] * 8


def test_what_takes_too_long_is_an_error() -> None:
    network = NetworkThread(ServiceClient)
    with pytest.raises(OpsError, match=r"no answer within 0\.01 s"):
        network.observe(Remote(hang=True), QUERY, timeout_s=0.01)
    network.close()


def test_an_end_interrupts_who_waits_and_whoever_comes_later() -> None:
    network, remote = NetworkThread(ServiceClient), Remote(hang=True)
    said: SimpleQueue[str] = SimpleQueue()

    def wait() -> None:
        with pytest.raises(OpsError) as failed:
            network.observe(remote, QUERY, timeout_s=60)
        said.put(failed.value.message)

    thread = threading.Thread(target=wait)
    thread.start()
    remote.asked.wait()
    network.close()
    thread.join()
    assert said.get_nowait() == "the pass was interrupted"
    with pytest.raises(OpsError, match="interrupted"):
        network.observe(remote, QUERY, timeout_s=60)
    network.close()
