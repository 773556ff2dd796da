"""The daemon's own listener, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog
from pydantic import SecretStr

from opsd.access.model import Scope
from opsd.access.source import PrincipalsSource
from opsd.contract.errors import ManagerFileError, UsageError
from opsd.net.connections import BoundedServer
from opsd.supervisor.daemon_metrics import DaemonMetrics
from opsd.supervisor.http.access import Authenticator, is_loopback
from opsd.supervisor.http.listener import ApiLimits, HttpApi
from tests.access.factories import principal, secret, token, write


class View:
    """A daemon with one loop, ``a/ä``."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.requested: list[str] = []
        self.names = ["alpha"]
        self.on_request: Callable[[], None] = lambda: None

    def readiness(self) -> tuple[bool, Sequence[str]]:
        return not self.reasons, self.reasons

    def loops(self) -> Sequence[Mapping[str, object]]:
        return [{"loopId": name} for name in self.names]

    def loop(self, loop: str) -> Mapping[str, object] | None:
        if loop == "broken":
            raise RuntimeError("hush-hush")
        return {"loopId": loop} if loop == "alpha" else None

    async def status(self, loop: str) -> Mapping[str, object] | None:
        if loop == "new":
            raise ManagerFileError("no status artifacts found for loop: new")
        return {"health": {}} if loop == "alpha" else None

    def request_reconcile(self, loop: str) -> bool:
        self.on_request()
        if loop != "alpha":
            return False
        self.requested.append(loop)
        return True


class Client:
    """One running listener and a client for it."""

    def __init__(self, session: aiohttp.ClientSession, port: int, view: View, metrics: DaemonMetrics) -> None:
        self.session, self.port, self.view, self.metrics = session, port, view, metrics
        self.base = f"http://127.0.0.1:{port}"

    async def get(self, path: str, method: str = "GET", **options: Any) -> tuple[int, Any]:
        async with self.session.request(method, self.base + path, **options) as response:
            return response.status, await response.json()


@asynccontextmanager
async def listening(
    host: str = "127.0.0.1", token: SecretStr | None = None, source: PrincipalsSource | None = None, **options: Any
) -> AsyncIterator[Client]:
    view, metrics = View(), DaemonMetrics("1.2.3")
    access = Authenticator(host, metrics.access, api_token=token, source=source, monotonic=lambda: 0.0)
    api = HttpApi(metrics, view, access=access, host=host, port=0, **options)
    _, port = await api.start()
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
            yield Client(session, port, view, metrics)
    finally:
        await api.stop()
        await api.stop()


def run(scenario: Callable[[Client], Awaitable[None]], **options: Any) -> None:
    async def main() -> None:
        async with listening(**options) as client:
            await scenario(client)

    asyncio.run(main())


@asynccontextmanager
async def ask_and_take_nothing(client: Client, path: str) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """What asks for an answer that it does not take, as often as it is called: on a busy machine one may be over."""
    writers: list[asyncio.StreamWriter] = []

    async def ask() -> None:
        _reader, writer = await asyncio.open_connection("127.0.0.1", client.port, limit=1)
        writers.append(writer)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        await writer.drain()

    try:
        yield ask
    finally:
        for writer in writers:
            writer.close()


def test_the_probes_tell_that_the_process_answers_and_whether_it_works() -> None:
    async def scenario(client: Client) -> None:
        assert await client.get("/healthz") == (200, {"ok": True})
        assert await client.get("/readyz") == (200, {"ok": True, "reasons": []})
        client.view.reasons.append("task tailer:alpha hung")
        assert await client.get("/readyz") == (503, {"ok": False, "reasons": ["task tailer:alpha hung"]})

    run(scenario)


def test_metrics_are_served_in_the_text_format() -> None:
    async def scenario(client: Client) -> None:
        client.metrics.loops.add_loop("alpha")
        async with client.session.get(client.base + "/metrics") as response:
            assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
            assert 'opsd_loop_events_ingested_total{loop="alpha"} 0\n' in await response.text()
        async with client.session.head(client.base + "/metrics") as response:
            assert (response.status, await response.read()) == (200, b"")

    run(scenario)


def test_a_scraper_that_stops_reading_does_not_hold_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opsd.supervisor.http.listener.SCRAPE_TIMEOUT_SECONDS", 0.3)
    monkeypatch.setattr("opsd.supervisor.http.listener.MAX_SCRAPES", 1)

    async def scraped(client: Client) -> int:
        async with client.session.head(client.base + "/metrics") as response:
            return response.status

    async def scenario(client: Client) -> None:
        for index in range(5000):
            client.metrics.loops.add_loop(f"loop-{index}-{'x' * 150}")
        async with asyncio.timeout(60), ask_and_take_nothing(client, "/metrics") as again:
            while await scraped(client) != 503:
                await again()
            assert (await client.get("/v1/loops"))[0] == 200
            while await scraped(client) != 200:
                await asyncio.sleep(0.01)

    run(scenario, limits=ApiLimits(max_requests=1))


def test_a_client_that_does_not_take_its_answer_does_not_hold_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opsd.api.taken.ANSWER_TIMEOUT_SECONDS", 0.3)

    async def scenario(client: Client) -> None:
        client.view.names = [f"loop-{index}-{'x' * 1000}" for index in range(20_000)]
        async with asyncio.timeout(60), ask_and_take_nothing(client, "/v1/loops") as again:
            while (await client.get("/v1/loops/alpha"))[0] != 503:
                await again()
            while (await client.get("/v1/loops/alpha"))[0] != 200:
                await asyncio.sleep(0.01)

    run(scenario, limits=ApiLimits(max_requests=1))


def test_the_live_view_is_served() -> None:
    async def scenario(client: Client) -> None:
        assert await client.get("/v1/loops") == (200, {"ok": True, "loops": [{"loopId": "alpha"}]})
        assert await client.get("/v1/loops/alpha") == (200, {"ok": True, "loop": {"loopId": "alpha"}})
        missing = {"ok": False, "error": {"code": "not_found", "message": "no such loop"}}
        assert await client.get("/v1/loops/beta") == (404, missing)
        assert await client.get("/v1/loops/beta/reconcile", "POST") == (404, missing)

    run(scenario)


def test_an_operators_request_is_queued() -> None:
    async def scenario(client: Client) -> None:
        status, body = await client.get("/v1/loops/alpha/reconcile", "POST")
        assert (status, body) == (202, {"ok": True, "loopId": "alpha", "queued": True})
        assert client.view.requested == ["alpha"]

    run(scenario)


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Host": "evil.example"}, {"Host": "evil.example:9464"}]
)
def test_a_web_page_cannot_make_an_operators_request(headers: dict[str, str]) -> None:
    async def scenario(client: Client) -> None:
        status, body = await client.get("/v1/loops/alpha/reconcile", "POST", headers=headers)
        assert (status, body["error"]["code"]) == (403, "forbidden")
        assert client.view.requested == []

    run(scenario)


@pytest.mark.parametrize("authorization", ["", "Bearer wrong", "Basic right", "Bearer", "Bearer right!", "right"])
def test_a_configured_token_is_required_on_loopback_too(authorization: str) -> None:
    async def scenario(client: Client) -> None:
        headers = {"Authorization": authorization} if authorization else {}
        status, body = await client.get("/v1/loops/alpha/reconcile", "POST", headers=headers)
        assert (status, body["error"]) == (401, {"code": "unauthorized", "message": "missing or invalid token"})
        assert client.view.requested == []
        assert (await client.get("/v1/loops"))[0] == 200

    run(scenario, token=SecretStr("right"))


def test_the_right_token_opens_the_api() -> None:
    async def scenario(client: Client) -> None:
        headers = {"Authorization": "bearer  right", "Origin": "https://console.example"}
        assert (await client.get("/v1/loops/alpha/reconcile", "POST", headers=headers))[0] == 202

    run(scenario, token=SecretStr("right"))


def test_off_loopback_the_api_is_closed_without_a_token_and_the_probes_stay_open() -> None:
    async def scenario(client: Client) -> None:
        assert (await client.get("/v1/loops"))[1]["error"]["code"] == "forbidden"
        assert (await client.get("/v1/loops/alpha/reconcile", "POST"))[0] == 403
        assert (await client.get("/healthz"))[0] == 200

    run(scenario, host="0.0.0.0")


def test_off_loopback_reading_needs_the_token() -> None:
    async def scenario(client: Client) -> None:
        assert (await client.get("/v1/loops"))[0] == 401
        assert (await client.get("/v1/loops", headers={"Authorization": "Bearer right"}))[0] == 200

    run(scenario, host="0.0.0.0", token=SecretStr("right"))


def test_errors_have_one_form_and_no_stack_trace() -> None:
    async def scenario(client: Client) -> None:
        status, body = await client.get("/v1/loops/broken")
        assert (status, body["error"]["code"]) == (500, "internal_error")
        assert "hush-hush" not in str(body)
        assert "Traceback" not in str(body)
        assert (await client.get("/nowhere"))[1]["error"] == {"code": "not_found", "message": "no such page"}
        status, body = await client.get("/metrics", "DELETE")
        assert (status, body["error"]["code"]) == (405, "method_not_allowed")

    run(scenario)


def test_bodies_and_headers_are_bounded() -> None:
    async def scenario(client: Client) -> None:
        status, body = await client.get("/v1/loops/alpha/reconcile", "POST", data=b"x" * 2000)
        assert (status, body["error"]["code"]) == (413, "too_large")
        assert client.view.requested == []
        async with client.session.get(client.base + "/healthz", headers={"X-Long": "x" * 3000}) as response:
            assert response.status == 400
            assert "Traceback" not in await response.text()

    run(scenario, limits=ApiLimits(max_body_bytes=1000, max_header_bytes=2000))


def test_requests_beyond_the_limit_are_told_to_come_back() -> None:
    async def scenario(client: Client) -> None:
        _reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
        writer.write(b"POST /v1/loops/alpha/reconcile HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n")
        await writer.drain()
        async with asyncio.timeout(60):
            while (await client.get("/v1/loops"))[0] != 503:
                await asyncio.sleep(0.01)
        assert (await client.get("/healthz"))[0] == 200
        assert (await client.get("/readyz"))[0] == 200
        writer.write(b"hello")
        await writer.drain()
        async with asyncio.timeout(60):
            while (await client.get("/v1/loops"))[0] != 200:
                await asyncio.sleep(0.01)
        writer.close()
        assert client.view.requested == ["alpha"]

    run(scenario, limits=ApiLimits(max_requests=1))


def test_a_connection_that_says_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(client: Client) -> None:
        opened = [await asyncio.open_connection("127.0.0.1", client.port)]
        opened[0][1].write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        said = await opened[0][0].readuntil(b"}\n")
        monkeypatch.setattr("opsd.supervisor.http.connections.SILENCE_S", 0.2)
        opened += [await asyncio.open_connection("127.0.0.1", client.port) for _ in range(2)]
        opened[1][1].write(b"GET /healthz HTTP/1.1\r\nHost: loc")
        async with asyncio.timeout(60):
            for reader, _writer in opened[1:]:
                with contextlib.suppress(ConnectionResetError):
                    assert await reader.read() == b""
        opened[0][1].write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert (said + await opened[0][0].read()).count(b"HTTP/1.1 200 OK") == 2
        for _reader, writer in opened:
            writer.close()

    run(scenario)


def test_beyond_the_limit_a_connection_takes_the_place_of_the_one_that_asked_nothing_for_longest() -> None:
    async def scenario(client: Client) -> None:
        others = [await asyncio.open_connection("127.0.0.1", client.port) for _ in range(4)]
        others[0][1].write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await others[0][0].readline()).startswith(b"HTTP/1.1 200")
        assert (await client.get("/healthz"))[0] == 200  # a fifth, for which the second has to go
        async with asyncio.timeout(60):
            with contextlib.suppress(ConnectionResetError):
                assert await others[1][0].read() == b""
        for _reader, writer in (others[0], *others[2:]):
            writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        for reader, _writer in (others[0], *others[2:]):
            assert b"HTTP/1.1 200" in await reader.read()
        for _reader, writer in others:
            writer.close()

    run(scenario, limits=ApiLimits(max_requests=1, max_streams=1))


_SLOW = b"POST /v1/loops/alpha/reconcile HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n"


async def _asked_slowly(client: Client, times: int) -> list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """So many connections whose requests are being answered, which is as many as may be at a time."""
    found = [await asyncio.open_connection("127.0.0.1", client.port) for _ in range(times)]
    for _reader, writer in found:
        writer.write(_SLOW)
    async with asyncio.timeout(60):
        while (await client.get("/v1/loops"))[0] != 503:
            await asyncio.sleep(0.01)
    return found


async def _answered(found: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> None:
    for reader, writer in found:
        writer.write(b"{}")
        assert (await reader.readline()).startswith(b"HTTP/1.1 202")
        writer.close()


def test_a_connection_that_is_being_answered_makes_place_for_nobody() -> None:
    async def scenario(client: Client) -> None:
        oldest = await _asked_slowly(client, 2)
        others = [await asyncio.open_connection("127.0.0.1", client.port) for _ in range(8)]
        assert (await client.get("/healthz"))[0] == 200
        await _answered(oldest)
        for _reader, writer in others:
            writer.close()

    run(scenario, limits=ApiLimits(max_requests=2, max_streams=1))


class Connected:
    """A connection as the server sees it, and its transport in one."""

    def __init__(self) -> None:
        self._task_handler = None
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True


async def test_where_all_connections_are_being_answered_a_further_one_is_closed() -> None:
    first, second, third = Connected(), Connected(), Connected()
    server: Any = BoundedServer(None, lambda *_parts: None, 1, silence_s=10)  # type: ignore[arg-type,return-value]
    server.connection_made(first, first)
    server.request_factory(None, None, first, None, None)
    server.connection_made(second, second)
    assert (first.aborted, second.aborted) == (False, True)
    for gone in (second, first):
        server.connection_lost(gone)
    server.connection_made(third, third)
    server.connection_lost(third)
    assert not third.aborted


def test_a_port_that_is_taken_is_an_error_that_names_the_settings() -> None:
    async def scenario(client: Client) -> None:
        access = Authenticator("127.0.0.1", client.metrics.access)
        with pytest.raises(UsageError) as refused:
            await HttpApi(client.metrics, client.view, access=access, port=client.port).start()
        said = f"http.host, http.port: cannot listen on 127.0.0.1:{client.port}: Address already in use"
        assert refused.value.message == said

    run(scenario)


def test_loopback_is_recognised_in_all_its_spellings() -> None:
    assert all(
        map(is_loopback, ("localhost", "LOCALHOST.", "127.0.0.1", "127.9.9.9", "::1", "[::1]", "::ffff:127.0.0.1"))
    )
    assert not any(map(is_loopback, ("", "0.0.0.0", "::", "10.0.0.1", "localhost.evil.example", "127.0.0.1.evil")))


def test_the_status_of_a_loop_comes_from_its_files() -> None:
    async def scenario(client: Client) -> None:
        assert await client.get("/v1/loops/alpha/status") == (200, {"ok": True, "status": {"health": {}}})
        for loop, message in (("other", "no such loop"), ("new", "no status artifacts found for loop: new")):
            status, body = await client.get(f"/v1/loops/{loop}/status")
            assert (status, body["error"]) == (404, {"code": "not_found", "message": message})

    run(scenario)


def test_a_principal_sees_and_moves_only_its_own_loops(tmp_path: Path) -> None:
    source = PrincipalsSource(str(write(tmp_path / "p.json", (principal("ci", Scope.CONTROL, loops=("al*",)),))))
    source.load()

    async def scenario(client: Client) -> None:
        client.view.names = ["alpha", "beta"]
        client.session.headers["Authorization"] = f"Bearer {secret()}"
        assert (await client.get("/v1/loops"))[1]["loops"] == [{"loopId": "alpha"}]
        assert (await client.get("/v1/loops/alpha/reconcile", "POST"))[0] == 202
        for path in ("/v1/loops/beta", "/v1/loops/beta/status", "/v1/loops/nowhere"):
            status, body = await client.get(path)
            assert (status, body["error"]["message"]) == (403, "this needs the scope read for this loop")
        assert (await client.get("/v1/loops/beta/reconcile", "POST"))[0] == 403
        status, body = await client.get("/v1/fleet/status")
        assert (status, body["error"]["message"]) == (403, "this needs the scope read for every loop")

    run(scenario, source=source)


def test_guessers_are_told_when_to_come_back() -> None:
    async def scenario(client: Client) -> None:
        headers = {"Authorization": "Bearer wrong"}
        statuses = [(await client.get("/v1/loops", headers=headers))[0] for _ in range(11)]
        assert statuses == [401] * 10 + [429]
        async with client.session.get(client.base + "/v1/loops", headers=headers) as response:
            assert 1 <= int(response.headers["Retry-After"]) <= 6

    run(scenario, token=SecretStr("right"))


def test_who_asked_is_in_the_log_of_that_request_and_of_no_later_one(tmp_path: Path) -> None:
    bound: list[Any] = []

    async def scenario(client: Client) -> None:
        client.view.on_request = lambda: bound.append(dict(structlog.contextvars.get_contextvars()))
        for seed in (1, 2):
            headers = {"Authorization": f"Bearer {secret(seed)}"}
            assert (await client.get("/v1/loops/alpha/reconcile", "POST", headers=headers))[0] == 202
        assert (await client.get("/healthz"))[0] == 200

    everybody = (principal("ann", Scope.ADMIN, tokens=[token(1)]), principal("ci", Scope.CONTROL, tokens=[token(2)]))
    source = PrincipalsSource(str(write(tmp_path / "p.json", everybody)))
    source.load()
    run(scenario, source=source)
    assert bound == [
        {"principal": "ann", "credential": token(1).id},
        {"principal": "ci", "credential": token(2).id},
    ]
