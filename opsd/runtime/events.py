"""Journal lines as ``loop_run_event`` envelopes (contract 10, 3.2)."""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from opsd.contract import jsoncodec
from opsd.contract.errors import ArtifactError, UsageError
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.reasons import EVENT_TYPE, SCHEMA_VERSION, SEQUENCE_SOURCE
from opsd.contract.values import emptynull, first_present, int0, text
from opsd.runtime.journal import LineBlock
from opsd.runtime.snapshot import event_name, present_or_none

if TYPE_CHECKING:
    from opsd.contract.envelopes import EventEnvelope, Source


class EnvelopeFactory:
    """Builds the envelopes of one poll: what they share is fixed once, what differs is built per line.

    ``emitted_at`` is the wire timestamp of the poll, ``line_count`` the number of complete lines it is bounded by.
    """

    def __init__(self, source: Source, events_path: str, *, emitted_at: str, trace_id: str | None, line_count: int):
        self._source = source
        self._path = events_path
        self._emitted_at = emitted_at
        self._trace_id = trace_id
        self._line_count = line_count

    def envelopes(
        self, blocks: Iterable[LineBlock], *, limit: int, skip_line: int | None = None, max_bytes: int = 0
    ) -> tuple[list[EventEnvelope], int]:
        """The envelopes of the blocks' lines, at most ``limit`` (0 = all), and the byte offset behind the last one.

        Zero-length lines give none. ``skip_line`` is the one line that an operator chose to step over. ``max_bytes`` of
        lines are enough too (0 = all): a page of long lines has fewer events, but at least one.

        Raises:
            ArtifactError: a line that is not an event, named by its number.
            UsageError: the line to step over is an event.
        """
        out: list[EventEnvelope] = []
        end = taken = 0
        for block in blocks:
            decode = jsoncodec.loads if jsoncodec.needs_care(block.data) else jsoncodec.loads_plain
            number = block.first_number - 1
            start = block.start
            for line in block.lines():
                number += 1
                start += len(line)
                if line == b"\n":
                    continue
                if number == skip_line:
                    self.check_bad(line, number)
                    continue
                try:
                    raw = decode(line)
                except ValueError:
                    if not line.strip(b" \t\r\n"):
                        raise self._error("missing event name", number) from None
                    raise self._error("invalid JSON event", number) from None
                out.append(self._envelope(raw, number))
                end = start
                taken += len(line)
                if len(out) == limit or (max_bytes and taken >= max_bytes):
                    return out, end
        return out, end

    def check_bad(self, line: bytes, number: int) -> None:
        """Refuse to step over a line that can be read.

        Raises:
            UsageError: the line is an event.
        """
        try:
            self.envelope(line, number)
        except (ValueError, ArtifactError):
            return
        raise UsageError(f"line {number} of {self._path} is an event that can be read; it is not stepped over")

    def envelope(self, line: bytes, number: int) -> EventEnvelope:
        """The envelope of one line that is known to be an event."""
        return self._envelope(jsoncodec.loads(line), number)

    def _envelope(self, raw: JsonValue, number: int) -> EventEnvelope:
        if type(raw) is not dict:
            if raw is None:
                raise self._error("missing event name", number)
            raise self._error("unexpected JSON type", number)
        get = raw.get
        name = get("event")
        timestamp = get("timestamp")
        run_id = get("run_id")
        iteration = get("iteration")
        # The plain values that the runtime writes pass straight through; everything else takes the rules' long way.
        if type(name) is not str or not name or name[-1] == "\n":
            name = event_name(raw)
            if not name:
                raise self._error("missing event name", number)
        if type(timestamp) is not str or not timestamp or timestamp[-1] == "\n":
            timestamp = text(first_present(timestamp, ""))
            if not timestamp:
                raise self._error("missing event timestamp", number)
        if type(run_id) is not str or not run_id or run_id[-1] == "\n":
            run_id = text(first_present(run_id, "unknown")) or "unknown"
        if type(iteration) is not int:
            iteration = int0(first_present(iteration, 0))
        role, status, message = get("role"), get("status"), get("message")
        return {
            "schemaVersion": SCHEMA_VERSION,
            "envelopeType": EVENT_TYPE,
            "emittedAt": self._emitted_at,
            "traceId": self._trace_id,
            "source": self._source,
            "sequence": {"source": SEQUENCE_SOURCE, "value": number},
            "cursor": {"eventLineOffset": number, "eventLineCount": self._line_count},
            "run": {"runId": run_id, "iteration": iteration},
            "event": {
                "timestamp": timestamp,
                "name": name,
                "role": None if role is None else _optional(role),
                "status": None if status is None else _optional(status),
                "message": None if message is None else _optional(message),
                "payload": present_or_none(get("data")),
                "raw": raw,
            },
        }

    def _error(self, what: str, number: int) -> ArtifactError:
        return ArtifactError(f"{what} at line {number} in {self._path}", line=number)


class IngestedEvents(NamedTuple):
    """Events that were read and found to be events; only the last one is kept as a line.

    ``numbers`` are their line numbers, ``end`` the byte offset behind the last one.
    """

    numbers: list[int]
    last_line: bytes
    end: int


def ingest(
    blocks: Iterable[LineBlock], factory: EnvelopeFactory, *, limit: int, skip_line: int | None = None
) -> IngestedEvents:
    """Decode and check every line of the blocks, at most ``limit`` events (0 = all), without building envelopes.

    The events are those of :meth:`EnvelopeFactory.envelopes`, and so are the errors: a block in which anything is
    unusual is gone through line by line, all others at the decoder's speed.

    Raises:
        ArtifactError: a line that is not an event, named by its number.
    """
    numbers: list[int] = []
    last_line = b""
    end = 0
    for block in blocks:
        lines = block.lines()
        room = limit - len(numbers) if limit else len(lines)
        step_over = skip_line is not None and 0 <= skip_line - block.first_number < len(lines)
        plain = lines if len(lines) <= room else lines[:room]
        if not step_over and _all_plain_events(plain):
            numbers.extend(range(block.first_number, block.first_number + len(plain)))
            last_line = plain[-1]
            end = block.start + len(block.data) - sum(map(len, lines[room:]))
        else:
            envelopes, reached = factory.envelopes([block], limit=room if limit else 0, skip_line=skip_line)
            numbers.extend(envelope["sequence"]["value"] for envelope in envelopes)
            if envelopes:
                last_line, end = lines[numbers[-1] - block.first_number], reached
        if limit and len(numbers) >= limit:
            break
    return IngestedEvents(numbers, last_line, end)


_name_of = itemgetter("event")
_timestamp_of = itemgetter("timestamp")


def _all_plain_events(lines: list[bytes]) -> bool:
    """True when every line is an object with a non-empty text ``event`` and ``timestamp``, as the runtime writes."""
    if any(map(jsoncodec.may_be_deep, [line for line in lines if len(line) > 2 * jsoncodec.MAX_DEPTH])):
        return False
    try:
        values = list(map(jsoncodec.loads_unchecked, lines))
        names = list(map(_name_of, values))
        stamps = list(map(_timestamp_of, values))
        texts = "".join(names) + "".join(stamps)  # refuses what is no text
    except (ValueError, KeyError, TypeError):
        return False
    # A newline at the end of a text is removed and may leave nothing: the long way decides.
    return "" not in names and "" not in stamps and "\n" not in texts


def _optional(value: JsonValue) -> str | None:
    return emptynull(text(first_present(value, "")))


def decode_line(line: bytes) -> JsonObject | None:
    """The object in one journal line; None for null.

    Raises:
        ValueError: not JSON.
        TypeError: JSON of another kind.
    """
    value = jsoncodec.loads(line)
    if value is None or isinstance(value, dict):
        return value
    raise TypeError
