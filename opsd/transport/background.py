"""Network transports for callers that have threads and no event loop: one loop, one pool of connections for all."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future

from opsd.contract.errors import OpsError
from opsd.transport.base import AsyncTransport, Observation, ObservationQuery
from opsd.transport.http_client import ServiceClient

#: The event loop keeps the time; this is for one that ended before it began with the observation.
_GRACE_S = 5.0


class NetworkThread:
    """An event loop in a thread of its own. Every method may be called from any thread.

    Args:
        make_client: makes the client, in the event loop.
    """

    def __init__(self, make_client: Callable[[], ServiceClient]) -> None:
        self._make_client = make_client
        self._ready: Future[tuple[asyncio.AbstractEventLoop, ServiceClient]] = Future()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()), name="network", daemon=True)
        self._thread.start()

    @property
    def client(self) -> ServiceClient:
        """The shared client; for transports that observe through :meth:`observe`."""
        return self._ready.result()[1]

    def observe(self, transport: AsyncTransport, query: ObservationQuery, *, timeout_s: float) -> Observation:
        """One observation, waited for.

        Raises:
            OpsError: it took longer than ``timeout_s`` seconds, or :meth:`close` came first.
        """
        loop, _client = self._ready.result()
        observing = self._observe(transport, query, timeout_s)
        try:
            pending = asyncio.run_coroutine_threadsafe(observing, loop)
        except RuntimeError:  # the loop is closed
            observing.close()
            raise OpsError("the pass was interrupted") from None
        try:
            return pending.result(timeout_s + _GRACE_S)
        except TimeoutError:
            raise OpsError(f"no answer within {timeout_s:g} s") from None
        except CancelledError:
            raise OpsError("the pass was interrupted") from None

    @staticmethod
    async def _observe(transport: AsyncTransport, query: ObservationQuery, timeout_s: float) -> Observation:
        async with asyncio.timeout(timeout_s):
            return await transport.observe(query)

    def close(self, *, wait_s: float = 5.0) -> None:
        """Cancel what is under way, close the connections and end the thread, within ``wait_s`` seconds."""
        if self._ready.exception() is None:
            loop, _client = self._ready.result()
            try:
                loop.call_soon_threadsafe(self._end.set)
            except RuntimeError:  # it has ended already
                pass
        self._thread.join(wait_s)

    async def _live(self) -> None:
        try:
            client = self._make_client()
        except Exception as error:  # noqa: BLE001 - told to everybody who asks for the client
            self._ready.set_exception(error)
            return
        self._ready.set_result((asyncio.get_running_loop(), client))
        try:
            await self._end.wait()
        finally:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await client.close()


class BackgroundTransport:
    """An asynchronous transport as a blocking one."""

    def __init__(self, network: NetworkThread, transport: AsyncTransport, *, timeout_s: float) -> None:
        self.kind = transport.kind
        self._network = network
        self._transport = transport
        self._timeout_s = timeout_s

    def observe(self, query: ObservationQuery) -> Observation:
        """See :meth:`NetworkThread.observe`."""
        return self._network.observe(self._transport, query, timeout_s=self._timeout_s)
