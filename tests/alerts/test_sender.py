"""Sending to receivers that misbehave, over real sockets."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import struct
import subprocess
from collections.abc import AsyncIterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from opsd.alerts.model import HttpAnswer, SinkRequest
from opsd.alerts.targets import resolver
from opsd.alerts.targets.sender import Sender
from tests.transport.misbehaving import respond, send, serving

PATH = "/services/T0/B0/abcDEF123456xyz"
LONG_S = 30.0
NOW = 1_795_507_200.0


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    found = Sender(clock=lambda: NOW)
    yield found
    await found.close()


def request(url: str, *headers: tuple[str, str], **more: Any) -> SinkRequest:
    return SinkRequest(url, (("Content-Type", "application/json"), *headers), b'{"a":1}', **more)


def without_duration(answer: HttpAnswer) -> tuple[object, ...]:
    assert answer.duration_s >= 0
    return answer.status, answer.excerpt, answer.retry_after_s, answer.error


# -- answers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 202, 400, 404, 500, 503])
async def test_any_answer_is_reported_with_its_excerpt(sender: Sender, status: int) -> None:
    async with serving(respond(status, b"because\nof this\n")) as server:
        answer = await sender.send(request(server.url + PATH), LONG_S)
    assert without_duration(answer) == (status, "because of this", None, None)


async def test_what_is_sent_is_the_request_and_little_else(sender: Sender) -> None:
    async with serving(respond(200)) as server:
        await sender.send(request(server.url + PATH, ("Authorization", "Bearer t0ken")), LONG_S)
    head = server.requests[0].decode()
    lines = head.split("\r\n")
    names = sorted(line.partition(":")[0].lower() for line in lines[1:] if line)
    assert lines[0] == f"POST {PATH} HTTP/1.1"
    assert names == ["accept", "authorization", "content-length", "content-type", "host", "user-agent"]
    assert "Content-Type: application/json" in lines
    assert "Authorization: Bearer t0ken" in lines


@pytest.mark.parametrize(
    ("value", "seconds"), [("2", 2.0), (formatdate(NOW + 90, usegmt=True), 90.0), ("soon", None), ("-1", None)]
)
async def test_both_forms_of_retry_after_are_read(sender: Sender, value: str, seconds: float | None) -> None:
    async with serving(respond(429, b"", f"Retry-After: {value}")) as server:
        answer = await sender.send(request(server.url), LONG_S)
    assert (answer.status, answer.retry_after_s) == (429, seconds)


async def test_a_redirect_is_an_answer_and_not_followed(sender: Sender) -> None:
    async with serving(respond(200)) as other:
        async with serving(respond(302, b"", f"Location: {other.url}/elsewhere")) as server:
            answer = await sender.send(request(server.url), LONG_S)
    assert without_duration(answer) == (302, None, None, None)
    assert other.requests == []


async def test_an_endless_body_is_not_read_to_its_end(sender: Sender) -> None:
    async def endless(_head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while not writer.transport.is_closing():
            writer.write(b"x" * 65536)
            await writer.drain()

    async with serving(endless) as server:
        answer = await sender.send(request(server.url), LONG_S)
    assert without_duration(answer) == (200, "x" * 300, None, None)


async def test_a_compressed_body_is_not_inflated(sender: Sender) -> None:
    async with serving(respond(200, b"\x1f\x8b\x08", "Content-Encoding: gzip")) as server:
        answer = await sender.send(request(server.url), LONG_S)
    assert without_duration(answer) == (200, "\ufffd\ufffd\ufffd", None, None)


async def test_a_receiver_that_repeats_secrets_is_masked(sender: Sender) -> None:
    body = f"no hook {PATH} for t0ken-123 and key-4567".encode()
    async with serving(respond(404, body)) as server:
        sent = request(server.url + PATH, ("Authorization", "Bearer t0ken-123"), secrets=("key-4567",))
        answer = await sender.send(sent, LONG_S)
    assert answer.excerpt == "no hook [redacted] for [redacted] and [redacted]"


# -- no answer -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"], ids=["before the head", "inside the body"]
)
async def test_a_receiver_that_hangs_is_given_up_in_time(sender: Sender, said: bytes) -> None:
    async with serving(send(said, then_hang=True)) as server:
        answer = await sender.send(request(server.url + PATH), 0.2)
    assert without_duration(answer) == (
        None,
        None,
        None,
        "no complete answer from http://127.0.0.1 within 0.2 s",
    )


async def reset(_head: bytes, writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (send(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), "the answer is not HTTP"),
        (send(b""), "the connection broke before the answer was complete"),
        (reset, "the connection broke before the answer was complete"),
        (send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"), "the answer broke off"),
        (send(b"HTTP/1.1 200 OK\r\n" + b"X-A: " + b"y" * 100_000 + b"\r\n\r\n"), "the answer is not HTTP"),
    ],
    ids=["garbage", "closed", "reset", "broken off", "huge header"],
)
async def test_what_is_no_answer_is_told_in_our_own_words(sender: Sender, answer: Any, error: str) -> None:
    async with serving(answer) as server:
        found = await sender.send(request(server.url + PATH), LONG_S)
    assert without_duration(found) == (None, None, None, f"{error} (http://127.0.0.1)")
    assert found.sent


async def test_a_refused_connection_is_told_without_the_path(sender: Sender) -> None:
    answer = await sender.send(request(f"http://127.0.0.1:1{PATH}"), LONG_S)
    assert answer.error == "no connection: Connection refused (http://127.0.0.1)"
    assert not answer.sent


async def test_tls_to_a_receiver_without_it_fails(sender: Sender) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail ready\r\n")
        await reader.read()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        answer = await sender.send(request(f"https://127.0.0.1:{port}{PATH}"), LONG_S)
    assert answer.error == "no TLS connection could be made (https://127.0.0.1)"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
async def test_a_certificate_that_nobody_vouches_for_is_refused(sender: Sender, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, *subject]
    subprocess.run(make, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    async with await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        answer = await sender.send(request(f"https://127.0.0.1:{port}{PATH}"), LONG_S)
    assert answer.error == "the receiver's certificate is not valid (https://127.0.0.1)"


async def test_a_header_that_would_break_out_is_not_sent(sender: Sender) -> None:
    async with serving(respond(200)) as server:
        answer = await sender.send(request(server.url, ("Authorization", "Bearer a\r\nX-Evil: 1")), LONG_S)
    assert server.requests == []
    assert answer.error is not None
    assert "evil" not in answer.error.lower()
    assert not answer.sent


async def test_a_cancelled_request_leaves_the_sender_usable(sender: Sender) -> None:
    async with serving(send(b"", then_hang=True), respond(200)) as server:
        task = asyncio.create_task(sender.send(request(server.url), LONG_S))
        while not server.requests:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await sender.send(request(server.url), LONG_S)).status == 200


async def test_a_closed_sender_opens_again(sender: Sender) -> None:
    async with serving(respond(200)) as server:
        await sender.send(request(server.url), LONG_S)
        await sender.close()
        assert (await sender.send(request(server.url), LONG_S)).status == 200


# -- where nothing is sent -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://hooks.example/x",
        "hooks.example/secret",
        "",
        "http://",
        "http://[bad/x",
        "https://h:x/",
    ],
)
async def test_only_http_and_https_urls_are_sent_to(sender: Sender, url: str) -> None:
    answer = await sender.send(request(url), LONG_S)
    assert (answer.error, answer.sent) == ("the address is not an http or https URL", False)


async def test_plain_http_leaves_this_host_only_when_the_sink_allows_it(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = names(monkeypatch, {})
    refused = await sender.send(request("http://hooks.example/secret-path"), LONG_S)
    assert refused.error == (
        "plain http is allowed to this host only; use https or set allowInsecureHttp (http://hooks.example)"
    )
    assert (asked, refused.sent) == ([], False)
    tried = await sender.send(request("http://hooks.example/secret-path", allow_insecure_http=True), LONG_S)
    assert tried.error == "the host's name cannot be resolved (http://hooks.example)"


@pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]", "[fd00:ec2::254]"])
async def test_a_metadata_address_is_not_sent_to(sender: Sender, host: str) -> None:
    answer = await sender.send(request(f"https://{host}/latest"), LONG_S)
    assert answer.error is not None
    assert answer.error.startswith("link-local and metadata addresses are not sent to: ")


def names(monkeypatch: pytest.MonkeyPatch, known: dict[str, list[str]]) -> list[str]:
    """Let names resolve as ``known`` says; the list of what is asked for."""
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, *_rest: object) -> list[Any]:
        asked.append(host)
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in known[host]]

    monkeypatch.setattr(resolver.socket, "getaddrinfo", getaddrinfo)
    return asked


@pytest.mark.parametrize("addresses", [["169.254.169.254"], ["127.0.0.1", "169.254.169.254"]])
async def test_a_name_that_resolves_to_a_metadata_address_is_not_sent_to(
    sender: Sender, monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    async with serving(respond(200)) as server:
        names(monkeypatch, {"hooks.example": addresses})
        url = server.url.replace("127.0.0.1", "hooks.example")
        answer = await sender.send(request(url + PATH, allow_insecure_http=True), LONG_S)
    assert answer.error == "link-local and metadata addresses are not sent to: hooks.example (http://hooks.example)"
    assert server.requests == []


async def test_a_name_of_this_host_is_not_believed_to_be_elsewhere(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    names(monkeypatch, {"hooks.localhost": ["192.0.2.1"]})
    answer = await sender.send(request("http://hooks.localhost/x"), LONG_S)
    assert answer.error == "the host's name cannot be resolved (http://hooks.localhost)"


async def test_other_names_are_resolved_once_and_sent_to(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(respond(200)) as server:
        asked = names(monkeypatch, {"hooks.example": ["127.0.0.1"]})
        url = server.url.replace("127.0.0.1", "hooks.example")
        answer = await sender.send(request(url, allow_insecure_http=True), LONG_S)
    assert (answer.status, asked) == (200, ["hooks.example"])


async def test_a_proxy_of_the_environment_is_used(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(respond(202)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        answer = await sender.send(request("http://hooks.example/x", allow_insecure_http=True), LONG_S)
    assert answer.status == 202
    assert proxy.requests[0].startswith(b"POST http://hooks.example/x HTTP/1.1")
