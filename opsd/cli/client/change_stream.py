"""Following ``/api/v1/stream``: everything that changes, also across lost connections and restarts of the daemon.

Guarantees: what a broken connection has missed is asked for by ``Last-Event-ID``, and the server's ``gap`` is handed on
where it is more than that has kept. The first connection has to succeed; a later one is tried again for as long as it
takes, with growing pauses, unless the server refuses. A peer that says nothing is given up, one that says too much too.
Only the standard library; frames are taken apart by the parser that reads sprites' streams.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from socket import socket
from typing import NoReturn

from opsd.api.changes import ChangeKind
from opsd.api.stream_reader import StreamEnd
from opsd.cli.client.api_client import ApiRequest, Server, connect, headers_of, refusal, target_of, trouble_of
from opsd.contract import jsoncodec
from opsd.contract.errors import OpsError
from opsd.contract.jsoncodec import JsonValue
from opsd.contract.values import get
from opsd.supervisor.tasks.backoff import next_delay
from opsd.transport.sse import Frame, SseParser

PATH = "/stream"
#: What the daemon publishes.
KINDS = tuple(kind.value for kind in ChangeKind)
#: What this client adds: the connection is lost, and tried again.
DISCONNECTED = "disconnected"
#: No changes, but what has to be known of the stream itself.
ABOUT_THE_STREAM = ("hello", "gap", DISCONNECTED)

#: Three of the keep-alives that the daemon sends when nothing happens.
SILENCE_S = 45.0
_CONNECT_S = 10.0
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0
#: A connection that was as long of use was none of the failures in a row.
_LASTED_S = 10.0
_MAX_FRAME_BYTES = 4 * 1024 * 1024
_MAX_REFUSAL_BYTES = 65_536
_READ_BYTES = 65_536
#: What may go into a header; anything else is no id of this API.
_ID = re.compile(r"[!-~]{1,200}")


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard: one of :data:`KINDS`, ``hello``, ``gap``, or :data:`DISCONNECTED`.

    ``data`` is None where it was no JSON, ``id`` is empty before the first.
    """

    kind: str
    id: str
    data: JsonValue


class _LostError(Exception):
    """The connection is of no more use; another may be."""


class _TimeIsUpError(Exception):
    """So long was to be followed."""


class _RefusedError(OpsError):
    """The server does not want to stream."""

    def __init__(self, said: OpsError, status: int) -> None:
        super().__init__(said.message, code=said.code)
        self.status = status


def follow(server: Server, query: Mapping[str, str], *, for_s: float | None = None) -> Generator[Heard, None, None]:
    """What the server says, for ``for_s`` seconds or without an end.

    Raises:
        OpsError: there is no server at first, it refuses, or does not speak as this API does.
    """
    until = None if for_s is None else time.monotonic() + for_s
    last_id, failures, was_connected = "", 0, False
    while True:
        begun, greeted = time.monotonic(), False
        try:
            for heard in _one_connection(server, query, last_id, until):
                last_id, greeted, was_connected = heard.id, True, True
                yield heard
            reason = "the connection was closed"
        except _TimeIsUpError:
            return
        except _RefusedError as error:
            if not was_connected or error.status < 500:  # while a daemon starts, what stands before it answers 50x
                raise
            reason = error.message
        except (_LostError, OSError, HTTPException) as error:
            reason = trouble_of(error)
            if not was_connected:
                raise OpsError(f"no answer from {server.url}: {reason}", code="unreachable") from None
        failures = 1 if greeted and time.monotonic() - begun >= _LASTED_S else failures + 1
        if greeted:
            yield Heard(DISCONNECTED, last_id, {"reason": reason})
        pause_s = next_delay(
            failures,
            base_s=_FIRST_PAUSE_S,
            cap_s=_LONGEST_PAUSE_S,
            jitter=0.5,
            rand=random.random(),  # noqa: S311 - so that not all clients come back at once
        )
        time.sleep(pause_s if until is None else max(0.0, min(pause_s, until - time.monotonic())))


def _one_connection(server: Server, query: Mapping[str, str], last_id: str, until: float | None) -> Iterator[Heard]:
    """What one connection brings, until it ends in good order."""
    headers = {"Accept": "text/event-stream", "Cache-Control": "no-store", **headers_of(server)}
    if last_id:
        headers["Last-Event-ID"] = last_id
    with closing(connect(server, min(_CONNECT_S, _left_s(until)))) as connection:
        connection.request("GET", target_of(server, ApiRequest("GET", PATH, query)), headers=headers)
        wire = connection.sock
        with closing(connection.getresponse()) as response:
            _check(server, response)
            for frame in _frames(response, wire, until):
                last_id = frame.last_id if _ID.fullmatch(frame.last_id) else last_id
                data = _decoded(frame.data)
                if frame.event == "end":
                    _end(data)
                yield Heard(frame.event, last_id, data)


def _end(data: JsonValue) -> NoReturn:
    """The daemon ends, which another connection may survive, or the token does not work any more."""
    reason = get(data, "reason")
    if reason == StreamEnd.UNAUTHORIZED:
        raise OpsError("the token does not work any more", code="unauthorized")
    raise _LostError(f"the daemon ended the stream: {reason}")


def _check(server: Server, response: HTTPResponse) -> None:
    """Raise what the server said instead of beginning a stream."""
    if response.status == 200 and response.headers.get_content_type() == "text/event-stream":
        return
    document = jsoncodec.object_in(response.read(_MAX_REFUSAL_BYTES))
    if document is not None and document.get("ok") is False:
        said = refusal(document)
    else:
        said = OpsError(f"{server.url} answered {response.status} and nothing that this API would say")
    raise _RefusedError(said, response.status)


def _frames(response: HTTPResponse, wire: socket, until: float | None) -> Iterator[Frame]:
    parser = SseParser(_MAX_FRAME_BYTES)
    while True:
        wire.settimeout(min(SILENCE_S, _left_s(until)))
        try:
            data = response.read1(_READ_BYTES)
        except TimeoutError:
            _left_s(until)
            raise _LostError(f"nothing was heard for {SILENCE_S:g} seconds") from None
        if not data:
            return
        yield from parser.feed(data)


def _left_s(until: float | None) -> float:
    """Seconds until then.

    Raises:
        _TimeIsUpError: there are none.
    """
    left_s = SILENCE_S if until is None else until - time.monotonic()
    if left_s <= 0:
        raise _TimeIsUpError
    return left_s


def _decoded(text: str) -> JsonValue:
    try:
        return jsoncodec.loads(text.encode("utf-8", "replace"))
    except ValueError:
        return None
