"""When a request is tried again (contract 30, 5.3), as a table and over sockets."""

from __future__ import annotations

import pytest

from opsd.contract.errors import UsageError
from opsd.transport.http_client import (
    ClientLimits,
    ServiceClient,
    ServiceRequestError,
)
from opsd.transport.retry import RetryPolicy, retry_wait
from tests.transport.misbehaving import Answer, respond, send, serving

ONE_SHOT = RetryPolicy(attempts=3, backoff_s=2.0)
DAEMON = RetryPolicy(attempts=3, backoff_s=2.0, patient=True, jitter=0.5)


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504])
def test_the_contracts_statuses_are_retried_with_a_linear_wait(status: int) -> None:
    waits = [
        retry_wait(ONE_SHOT, attempt=attempt, status=status, method="POST", retry_after_s=9.0, rand=1.0)
        for attempt in (1, 2, 3)
    ]
    assert waits == [2.0, 4.0, None]


@pytest.mark.parametrize("status", [0, 301, 400, 401, 403, 404, 413, 501, 505])
def test_no_other_status_is_and_no_connection_failure(status: int) -> None:
    assert retry_wait(ONE_SHOT, attempt=1, status=status, method="GET", retry_after_s=None, rand=0.0) is None


@pytest.mark.parametrize(
    ("status", "method", "retry_after_s", "expected"),
    [
        (503, "GET", None, 3.0),  # 2 s, moved by half of it at rand = 1
        (503, "GET", 7.0, 7.0),
        (503, "GET", 1.0, 2.0),
        (503, "GET", 9999.0, 30.0),
        (0, "GET", None, 3.0),
        (0, "POST", None, None),  # it may have been received
        (404, "GET", 1.0, None),
    ],
)
def test_the_daemon_is_patient_and_moves_its_waits(
    status: int, method: str, retry_after_s: float | None, expected: float | None
) -> None:
    assert (
        retry_wait(DAEMON, attempt=1, status=status, method=method, retry_after_s=retry_after_s, rand=1.0) == expected
    )


async def test_a_token_is_not_sent_in_clear_unless_allowed() -> None:
    with pytest.raises(UsageError, match=r"plain HTTP to sprite\.example"):
        ServiceClient().headers("http://sprite.example", "hush", None)
    allowed = ServiceClient(allow_plaintext_token=True).headers("http://sprite.example", "hush", "t-1")
    assert allowed == {
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Authorization": "Bearer hush",
        "X-Ops-Token": "hush",
        "X-Trace-Id": "t-1",
    }
    with pytest.raises(UsageError, match="the token holds a control character"):
        ServiceClient().headers("http://localhost", "a\r\nX: y", None)


class Waits(list[float]):
    """A sleep that only takes notes."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


async def test_it_is_tried_again_until_it_works() -> None:
    waits = Waits()
    client = ServiceClient(sleep=waits)
    async with serving(respond(503), respond(429), respond(200, b'{"ok":true}')) as server:
        body = await client.request("GET", server.url + "/", "/x?y=%2F", token="t", policy=RetryPolicy(3, 0.5))
    await client.close()
    assert (body, waits) == (b'{"ok":true}', [0.5, 1.0])
    assert {head.split(b"\r\n")[0] for head in server.requests} == {b"GET /x?y=%2F HTTP/1.1"}
    assert all(b"X-Ops-Token: t\r\n" in head for head in server.requests)


async def test_what_failed_for_good_is_told_in_the_contracts_words_without_the_token() -> None:
    client = ServiceClient(sleep=Waits())
    async with serving(respond(502, b"no: hush-hush\nsecond line")) as server:
        with pytest.raises(ServiceRequestError) as caught:
            await client.request("POST", server.url, "/ops/x", token="hush-hush", body=b"{}", policy=RetryPolicy(2))
    await client.close()
    assert len(server.requests) == 2
    assert caught.value.message == (
        f"service request failed (method=POST url={server.url}/ops/x code=502): no: [redacted]\nsecond line"
    )


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (send(b"HTTP/1.1 200 OK\r\n", then_hang=True), "no complete answer in time"),
        (send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nab", then_hang=True), "no complete answer in time"),
    ],
)
async def test_an_answer_that_does_not_end_is_a_failure_without_a_status(answer: Answer, told: str) -> None:
    await fails_without_a_status(answer, told, timeout_s=0.3)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (send(b"not http at all\r\n\r\n"), ""),
        (send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"), ""),
        (send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n"), ""),
        (send(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20_000 + b"\r\n\r\n"), ""),
        (respond(200, b"x" * 2000), "the answer is larger than 1000 bytes"),
        (send(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n" + b"x" * 2000), "larger than 1000 bytes"),
        (send(b""), ""),
    ],
)
async def test_an_answer_that_is_none_is_a_failure_without_a_status(answer: Answer, told: str) -> None:
    await fails_without_a_status(answer, told, timeout_s=60.0)


async def fails_without_a_status(answer: Answer, told: str, *, timeout_s: float) -> None:
    client = ServiceClient(ClientLimits(total_timeout_s=timeout_s, max_body_bytes=1000), sleep=Waits())
    async with serving(answer) as server:
        with pytest.raises(ServiceRequestError) as caught:
            await client.request("GET", server.url, "/", policy=RetryPolicy(1))
    await client.close()
    assert caught.value.status == 0
    assert told in caught.value.diagnostic
    assert len(caught.value.diagnostic) < 5000


async def test_a_redirection_is_not_followed_and_nothing_compressed_is_inflated() -> None:
    client = ServiceClient(sleep=Waits())
    async with serving(respond(302, b"", "Location: http://127.0.0.1:1/steal")) as server:
        with pytest.raises(ServiceRequestError) as caught:
            await client.request("GET", server.url, "/", token="t")
        assert caught.value.status == 302
        assert len(server.requests) == 1
    async with serving(respond(200, b"\x1f\x8b-not-really", "Content-Encoding: gzip")) as server:
        assert await client.request("GET", server.url, "/") == b"\x1f\x8b-not-really"
    await client.close()


async def test_a_connection_that_is_refused_is_told() -> None:
    client = ServiceClient(sleep=Waits())
    with pytest.raises(ServiceRequestError, match=r"code=000") as caught:
        await client.request("GET", "http://127.0.0.1:1", "/ops/snapshot")
    await client.close()
    assert "127.0.0.1" in caught.value.diagnostic


async def test_the_usual_variables_name_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "HTTP_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:3128")
    monkeypatch.setenv("no_proxy", "localhost,.inside.example")
    client = ServiceClient()
    assert client.proxy_for("http://sprite.example:1/x") == "http://127.0.0.1:3128"
    assert client.proxy_for("http://a.inside.example/x") is None
    assert client.proxy_for("http://localhost:5/x") is None
    assert client.proxy_for("http://[bad") is None
