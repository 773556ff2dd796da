"""``opsd --server`` against a server that answers other things than this API: one line, no success, nothing obeyed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from opsd.cli.main import main
from tests.cli.process import on_a_terminal

EVIL = "x\x1b[31m\x9b31m\u202eevil\r\nok\u2028z"
OBEYED = ("\x1b", "\x9b", "\u202e", "\u2028", "\r")
COMMANDS = (
    ("fleet", "registry"),
    ("fleet", "reconcile"),
    ("config", "show"),
    ("config", "check"),
    ("audit", "verify"),
    ("token", "new", "--principal", "ci", "--scope", "read"),
    ("control", "--loop", "alpha", "--intent", "cancel"),
    ("alerts", "dispatch", "--loop", "alpha"),
    ("whoami",),
    ("loops",),
)


class Server:
    """Gives every request the same answer."""

    def __init__(self) -> None:
        self.status = 200
        self.document: dict[str, object] = {}
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(server.document).encode()
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(server.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

            def log_message(self, *_said: object) -> None:
                """Nobody reads it."""

        self.http = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    thread = threading.Thread(target=found.http.serve_forever, args=(0.01,))
    thread.start()
    yield found
    found.http.shutdown()
    thread.join()
    found.http.server_close()


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_an_answer_without_what_was_asked_for_is_one_line(
    server: Server, command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    server.document = {"ok": True}
    assert main([*command, "--server", server.url]) == 1
    said = capsys.readouterr().err
    assert said == f"error: {server.url} answered something else than this API would\n"


@pytest.mark.parametrize("exit_code", [0, -1, None, "none", 10**40, [], True])
def test_a_refusal_is_never_a_success(server: Server, exit_code: object, capsys: pytest.CaptureFixture[str]) -> None:
    error = {"code": "command_failed", "message": EVIL}
    server.status, server.document = 409, {"ok": False, "error": error, "result": {}, "exitCode": exit_code}
    assert main(["promotion", "gates", "--server", server.url]) == 1
    assert not [char for char in OBEYED if char in capsys.readouterr().err]


async def test_a_document_on_a_terminal_is_not_obeyed_and_stays_the_same(server: Server) -> None:
    server.document = {"ok": True, "promotion": {"decision": EVIL, "apply": None, "controller": None}}
    code, seen = await on_a_terminal("promotion", "state", "--pretty", "--server", server.url)
    assert code == 0
    assert not [char for char in OBEYED if char in seen]
    assert json.loads(seen)["decision"] == EVIL
