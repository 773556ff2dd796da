"""The health check, against real listeners."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from opsd.net.probe import NotReadyError, local_address, require_ready


@contextmanager
def listener(status: int, body: bytes, seen: list[str | None] | None = None) -> Iterator[int]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if seen is not None:
                seen.extend([self.path, self.headers["Authorization"]])
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_ready_is_a_200_of_readyz_and_the_token_goes_along() -> None:
    seen: list[str | None] = []
    with listener(200, b"{}", seen) as port:
        require_ready("0.0.0.0", port, token="hush")
    assert seen == ["/readyz", "Bearer hush"]


@pytest.mark.parametrize(
    ("status", "body", "what"),
    [
        (503, b'{"ok": false, "reasons": ["task \\u001b x", "y"]}', "is not ready: task ? x; y"),
        (503, b"not JSON", "is not ready: status 503"),
        (401, b'{"reasons": "none"}', "answers 401: it asks for a token that it knows"),
    ],
)
def test_anything_else_is_told_with_its_reasons(status: int, body: bytes, what: str) -> None:
    with listener(status, body) as port, pytest.raises(NotReadyError) as caught:
        require_ready("127.0.0.1", port)
    assert caught.value.message == f"127.0.0.1:{port} {what}"


def test_nobody_there_is_not_ready() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else takes the port
        with pytest.raises(NotReadyError, match="does not answer: Connection refused"):
            require_ready("127.0.0.1", taken.getsockname()[1])


def test_a_listener_that_says_nothing_is_not_ready_after_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute, pytest.raises(NotReadyError, match="does not answer"):
        require_ready("127.0.0.1", mute.getsockname()[1], timeout_s=0.05)


def test_a_listener_on_every_address_is_asked_over_loopback() -> None:
    assert [local_address(host) for host in ("0.0.0.0", "::", "", "10.0.0.7")] == [
        "127.0.0.1",
        "::1",
        "127.0.0.1",
        "10.0.0.7",
    ]
