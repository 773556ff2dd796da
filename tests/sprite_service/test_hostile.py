"""5,000 hostile requests: no failure of our own making, no stack trace, no file outside ``.superloop/``."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from tests.control.support import Repo
from tests.sprite_service.support import PATIENCE_S, TOKEN, Service, client, get, raw_connection, service

CASES = 5000
_WORDS = [
    "demo",
    "",
    " ",
    ".",
    "..",
    "../../../out",
    "/etc/passwd",
    "a/b",
    "a\x00b",
    "a\nb",
    "%2e%2e",
    "ä" * 50,
    "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
    "-1",
    "0",
    "1",
    "99999999999999999999",
    "1e9",
    "NaN",
    "true",
    "null",
    "x" * 3000,
    "'; DROP TABLE loops; --",
    "$(touch out)",
    "<script>",
    "fleet",
]
_PATHS = ["/healthz", "/readyz", "/metrics", "/ops/loops", "/ops/snapshot", "/ops/events", "/ops/events/stream"]
_PATHS += ["/ops/control", "/", "//", "/ops", "/ops/../etc", "/OPS/SNAPSHOT", "/ops/snapshot/"]
_NAMES = ["loopId", "cursor", "maxEvents", "wait", "x", "loopId[]", ""]
_FIELDS = ["loopId", "intent", "by", "note", "idempotencyKey", "traceId", "noConfirm", "timeoutSeconds", "x"]


def word(rand: random.Random) -> str:
    return rand.choice(_WORDS)


def value(rand: random.Random, depth: int = 0) -> Any:
    kinds: list[Callable[[], Any]] = [
        lambda: word(rand),
        lambda: "\ud800" + word(rand),
        lambda: rand.choice([None, True, False, 0, -1, 5, 1.5, 10**30]),
        lambda: rand.choice(["cancel", "approve", "reject", "CANCEL"]),
    ]
    if depth < 3:
        kinds += [
            lambda: [value(rand, depth + 1) for _ in range(rand.randrange(3))],
            lambda: {word(rand): value(rand, depth + 1) for _ in range(rand.randrange(3))},
        ]
    return rand.choice(kinds)()


def body(rand: random.Random) -> bytes:
    kind = rand.randrange(6)
    if kind == 0:
        return rand.randbytes(rand.randrange(200))
    if kind == 1:
        return rand.choice([b"", b"{", b"[]", b"null", b"5", b'"x"', b"[" * 5000, b'{"a":' * 3000, b"\xff\xfe{}"])
    document = {name: value(rand) for name in rand.sample(_FIELDS, rand.randrange(len(_FIELDS)))}
    if rand.random() < 0.5:  # gets past the first checks
        document |= {"loopId": "demo", "intent": rand.choice(["cancel", "approve", "reject"])}
    return json.dumps(document).encode()


async def send(session: aiohttp.ClientSession, rand: random.Random) -> None:
    """One request; its answer must be one of the contract's."""
    query = [(rand.choice(_NAMES), word(rand)) for _ in range(rand.randrange(4))]
    url = URL.build(path=rand.choice(_PATHS), query=query)
    streams = url.path.endswith("/stream")
    if streams:
        url = url.update_query(cursor="99999")  # one that would be served would not end
    if "wait" in url.query:
        url = url.update_query(wait="0.001")
    method = rand.choice(["GET", "GET", "POST", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "BREW"])
    headers = {}
    if rand.random() < 0.3:
        printable = "".join(char for char in word(rand) if char.isprintable() and ord(char) < 256)
        names = ["X-Trace-Id", "X-Idempotency-Key", "Content-Type", *([] if streams else ["Last-Event-ID"])]
        headers[rand.choice(names)] = printable
    data = body(rand) if method in ("POST", "PUT", "PATCH") else None
    try:
        async with session.request(method, url, data=data, headers=headers) as response:
            content = await response.read()
            status = response.status
    except TimeoutError:
        raise AssertionError(f"no answer to {method} {url} {headers} {data!r}") from None
    except aiohttp.ClientError:
        return  # the service closed the connection: its right
    if status >= 500 and status != 501:
        answer = json.loads(content)
        known = answer.get("error", {}).get("code") in ("runtime_error", "overloaded") or "exitCode" in answer
        assert known, (method, str(url), data, status, content)
    assert b"Traceback" not in content


async def _raw(running: Service, rand: random.Random) -> None:
    """Bytes that are no HTTP, or nearly."""
    lines = [
        rand.choice([b"GET", b"POST", b"\x16\x03\x01", b"G\x00T", b"GET" * 50])
        + b" "
        + rand.randbytes(rand.randrange(30)),
        b"Content-Length: " + rand.choice([b"-1", b"abc", b"99999999999999", b"5", b"0x10", b"1, 2"]),
        b"Transfer-Encoding: " + rand.choice([b"chunked", b"chunked, identity", b"xchunked"]),
        b"X-Ops-Token: " + TOKEN.encode(),
        rand.randbytes(rand.randrange(60)),
    ]
    rand.shuffle(lines)
    async with raw_connection(running) as (reader, writer):
        try:
            writer.write(b"\r\n".join(lines) + b"\r\n\r\n" + rand.randbytes(20))
            writer.write_eof()
            async with asyncio.timeout(PATIENCE_S):
                answer = await reader.read(200)
        except OSError:
            return
        assert not answer.startswith(b"HTTP/1.1 500"), lines


@pytest.mark.parametrize("seed", range(4))
async def test_hostile_requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    rand = random.Random(seed)
    root = tmp_path / "vm" / "repo"
    root.mkdir(parents=True)
    repo = Repo(root)
    monkeypatch.setenv("SUPERLOOP_BIN", "/bin/true")
    monkeypatch.setenv("OPS_MANAGER_CONFIRM_SCRIPT", "/bin/true")
    before = _files(tmp_path)
    async with service(root, "--no-access-log", "--header-timeout", "5") as running:
        async with client(running) as session:
            for _ in range(CASES // 4 // 10):
                await asyncio.gather(*(send(session, rand) for _ in range(9)), _raw(running, rand))
            assert (await get(session, "/readyz"))[0] == 200
        code, err = running.stop()
    assert (code, "Traceback" in err) == (0, False), err[-3000:]
    new = {path for path in _files(tmp_path) - before if path != running.log}
    inside = root / ".superloop" / "ops-manager"
    assert all(path.is_relative_to(inside) for path in new), new
    assert repo.loop.is_dir()


def _files(root: Path) -> set[Path]:
    return {path for path in root.rglob("*") if path.is_file()}
