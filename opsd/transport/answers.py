"""What a sprite service answered, judged before anything believes it (contract 20, 3.2 steps 3 and 4)."""

from __future__ import annotations

from opsd.contract import jsoncodec
from opsd.contract.jsoncodec import JsonValue
from opsd.contract.reasons import FailureCode
from opsd.contract.secrets import MASK
from opsd.contract.values import digits, first_present, get, last_lines
from opsd.transport.base import EnvelopeBatch, IngestCursor, IngestFailure, Observation, ObservationQuery

#: A failure message is cut at so many characters (contract 20, weakness 16).
MAX_MESSAGE = 4096
#: More of a body than any message of it holds, also where masks make it shorter.
_EXCERPT_BYTES = 1024 * 1024
_EXCERPT_LINES = 40


def bounded_message(text: str, secret: str | None = None) -> str:
    """The last 40 lines of ``text``, bounded and with ``secret`` masked: fit for telemetry."""
    message = last_lines(text)
    if secret:
        message = message.replace(secret, MASK)
    return message if len(message) <= MAX_MESSAGE else message[:MAX_MESSAGE] + " [cut]"


def excerpt_of(body: bytes, secret: str | None = None) -> str:
    """:func:`bounded_message` of a body; one of any size costs no more than an honest one."""
    lines = body.rstrip(b"\n").rsplit(b"\n", _EXCERPT_LINES)[-_EXCERPT_LINES:]
    return bounded_message(b"\n".join(lines)[:_EXCERPT_BYTES].decode("utf-8", "replace"), secret)


def events_path(quoted_loop: str, query: ObservationQuery) -> str:
    """What to ask ``/ops/events`` for; beside the contract's parameters the line that an operator steps over."""
    path = f"/ops/events?loopId={quoted_loop}&cursor={query.cursor}&maxEvents={query.max_events}"
    return path if query.skip_line is None else f"{path}&skipLine={query.skip_line}"


def parse_snapshot(body: bytes) -> JsonValue:
    """The snapshot document; None for an empty body, which the projection refuses.

    Raises:
        ValueError: not JSON.
    """
    return jsoncodec.loads(body) if body.strip() else None


def invalid(message: str) -> Observation:
    """A failed observation: the service answered something that cannot be used."""
    return Observation(failure=IngestFailure(FailureCode.SERVICE_RESPONSE_INVALID, message))


def observation_of(snapshot: JsonValue, events_body: bytes) -> Observation:
    """The observation that a snapshot and the body of ``/ops/events`` make."""
    answer = jsoncodec.object_in(events_body)
    events, cursor = get(answer, "events"), get(answer, "cursor")
    if get(answer, "ok") is not True or not isinstance(events, list) or not isinstance(cursor, dict):
        return invalid("service /ops/events response shape invalid")
    offset = digits(first_present(cursor.get("eventLineOffset"), 0))
    count = digits(first_present(cursor.get("eventLineCount"), 0))
    if offset is None or count is None:
        return invalid("service cursor values are invalid")
    return Observation(snapshot, EnvelopeBatch(events), IngestCursor(offset, count))
