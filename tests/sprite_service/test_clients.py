"""Clients that guess tokens, go away, or hold connections: what they cost the others, and what is counted of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from sprite_service.config import Config, Limits
from sprite_service.server import RunningServer, start
from tests.sprite_service.support import LOOP, PATIENCE_S, TOKEN, make_repo, raw_connection, read_to_the_end, service

_MOST = 2


@asynccontextmanager
async def _serving(repo: Path) -> AsyncIterator[tuple[RunningServer, aiohttp.ClientSession]]:
    """A service in this process, and a client that sends no token."""
    make_repo(repo)
    limits = Limits(max_requests=_MOST, stop_timeout_s=0.01)
    running = await start(Config(str(repo), port=0, token=TOKEN, access_log=False, limits=limits))
    try:
        async with aiohttp.ClientSession(running.url, timeout=aiohttp.ClientTimeout(total=PATIENCE_S)) as session:
            yield running, session
    finally:
        await running.stop()


async def _status(session: aiohttp.ClientSession, token: str) -> int:
    async with session.get("/healthz", headers={"Authorization": f"Bearer {token}"}) as response:
        return response.status


async def _until_in_flight(running: RunningServer, count: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while running.service.metrics.in_flight != count:
            await asyncio.sleep(0.005)


async def test_wrong_tokens_that_wait_for_their_answer_take_nobodys_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sprite_service.access.Access.delay_after_failure", lambda _access, _peer: PATIENCE_S)
    async with _serving(tmp_path) as (running, session):
        guesses = [asyncio.create_task(_status(session, "a guess")) for _ in range(_MOST)]
        await _until_in_flight(running, _MOST)
        assert await _status(session, "one more") == 401  # at once: no more of them wait than may ask
        assert await _status(session, TOKEN) == 200
        for guess in guesses:
            guess.cancel()
        await asyncio.gather(*guesses, return_exceptions=True)
        await _until_in_flight(running, 0)


@pytest.mark.parametrize("path", ["/ops/events/stream", "/ops/events"])
async def test_a_client_that_went_away_is_no_failure_of_the_service(tmp_path: Path, path: str) -> None:
    async with _serving(tmp_path) as (running, session):
        query = {"loopId": LOOP, "cursor": "3", "wait": "60"}
        headers = {"Authorization": f"Bearer {TOKEN}"}
        asked = asyncio.create_task(session.get(path, params=query, headers=headers))
        await _until_in_flight(running, 1)
        asked.cancel()
        for response in await asyncio.gather(asked, return_exceptions=True):
            if isinstance(response, aiohttp.ClientResponse):
                response.close()
        await _until_in_flight(running, 0)
        assert running.service.metrics.requests == {(path, 499): 1}


async def test_beyond_the_limit_a_connection_takes_the_place_of_the_one_that_asked_nothing_for_longest(
    tmp_path: Path,
) -> None:
    make_repo(tmp_path)
    ask = "GET {} HTTP/1.1\r\nHost: x\r\nX-Ops-Token: {}\r\n\r\n".format
    async with service(tmp_path, "--header-timeout", "600", "--max-connections", "3") as running:
        async with AsyncExitStack() as stack, asyncio.timeout(PATIENCE_S):

            async def connected(path: str, token: str = TOKEN) -> asyncio.StreamReader:
                reader, writer = await stack.enter_async_context(raw_connection(running))
                writer.write(ask(path, token).encode())
                return reader

            streams = f"/ops/events/stream?loopId={LOOP}"
            busy = [await connected(streams) for _ in range(2)]
            for reader in busy:
                assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            stranger = await connected("/healthz", "a guess")
            assert (await stranger.readline()).startswith(b"HTTP/1.1 401")
            busy.append(await connected(streams))
            assert (await busy[-1].readline()).startswith(b"HTTP/1.1 200")
            await read_to_the_end(stranger)
            further = await connected("/healthz")  # every other one is being answered
            assert await read_to_the_end(further) == b""
            for reader in busy:
                assert await reader.readline()
