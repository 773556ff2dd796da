"""``opsd events``: the events behind a cursor as JSON lines, then the cursor moves (contract 10, 3.2).

On a terminal each event is a readable line.

Guarantees: a call that fails prints nothing and leaves the cursor alone; the cursor moves only after every
envelope has left the process. Memory stays bounded whatever the number of events: they are all checked first,
without being kept, and printed in a second walk over the same lines.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from opsd.cli.arguments import Arguments, CommandSpec, Flag, require_positive_int
from opsd.cli.output import encode, write_bytes
from opsd.contract.errors import ArtifactError, CursorError
from opsd.contract.ids import LoopId, parse_loop_id
from opsd.runtime.layout import absolute_repo

if TYPE_CHECKING:
    from opsd.contract.jsoncodec import JsonObject, JsonValue
    from opsd.runtime.reader import LoopReader

#: Envelopes that are held and printed at a time.
BATCH = 2000

SPEC = CommandSpec(
    "opsd events",
    "Prints the loop_run_event envelopes behind the cursor and advances it.",
    (
        Flag("--repo", "the managed repo (required)", "<path>"),
        Flag("--loop", "the loop's id (required)", "<id>"),
        Flag("--cursor-file", "default <repo>/.superloop/loops/<loop>/ops-manager.cursor.json", "<path>"),
        Flag("--from-start", "begin at the first line, whatever the cursor says"),
        Flag("--max-events", "stop after so many, 0 = all (default)", "<n>"),
        Flag("--trace-id", "traceId of the envelopes", "<id>"),
        Flag("--skip-bad-line", "step over this one line that cannot be decoded; the cursor file records it", "<n>"),
    ),
)


def main(argv: Sequence[str]) -> int:
    """Print the events and advance the cursor.

    Raises:
        OpsError: bad arguments, missing artifacts, an unusable cursor, or a line that is not an event.
    """
    arguments = SPEC.parse(argv)
    given_repo, given_loop = arguments.required("--repo"), arguments.required("--loop")
    max_events = arguments.non_negative("--max-events", 0)
    skip_line = skipped_line(arguments)
    loop_id = parse_loop_id(given_loop)
    repo = absolute_repo(given_repo)

    from opsd.runtime.reader import LoopReader

    reader = LoopReader(repo, loop_id)
    reader.line_count()  # missing artifacts are reported before the cursor is looked at
    cursor_file = arguments.optional("--cursor-file") or f"{reader.layout.loop_dir}/ops-manager.cursor.json"
    cursor = {} if arguments.switch("--from-start") else read_cursor(cursor_file)
    cursor_after = _print_events(reader, repo, loop_id, cursor, max_events, skip_line, arguments.optional("--trace-id"))

    from opsd.storage.files import replace_file

    replace_file(cursor_file, encode(cursor_after, pretty=True))
    return 0


def skipped_line(arguments: Arguments) -> int | None:
    """The line that the operator chose to step over with ``--skip-bad-line``."""
    given = arguments.given("--skip-bad-line")
    return None if given is None else require_positive_int(given, "--skip-bad-line must be an integer >= 1")


def read_cursor(path: str) -> JsonObject:
    """The cursor document, empty when there is none.

    Raises:
        CursorError: not JSON, or no usable offset in it.
        ArtifactError: JSON of another kind.
    """
    from opsd.contract import jsoncodec
    from opsd.loop.reconcile import cursor_problem
    from opsd.storage.files import read_bytes

    data = read_bytes(path)
    if data is None:
        return {}
    if not data.strip():
        raise CursorError(f"invalid cursor offset in {path}")
    try:
        value = jsoncodec.loads(data)
    except ValueError:
        raise CursorError(f"invalid JSON in cursor file: {path}") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ArtifactError(f"unexpected JSON type in cursor file: {path}")
    problem = cursor_problem(value, damaged=False, location=path)
    if problem is not None:
        raise CursorError(problem)
    return value


def print_events(envelopes: Iterable[Mapping[str, JsonValue]]) -> None:
    """Print envelopes: a JSON line each, for a person a readable one."""
    if not sys.stdout.isatty():
        write_bytes(b"".join([encode(envelope) for envelope in envelopes]))
        return
    from opsd.cli.loop.events_page import event_lines
    from opsd.cli.page import show

    show(event_lines(envelopes))


def tell_of_none() -> None:
    """Tell a person that there was nothing to print; a program sees it."""
    if sys.stdout.isatty():
        write_bytes(b"no events behind the cursor\n")


def _print_events(
    reader: LoopReader,
    repo: str,
    loop_id: LoopId,
    cursor: JsonObject,
    max_events: int,
    skip_line: int | None,
    trace_id: str | None,
) -> JsonObject:
    """Check everything, print everything; the cursor document that acknowledges it."""
    from opsd.contract.timestamps import format_utc
    from opsd.loop.records import cursor_document, cursor_offset
    from opsd.transport.base import IngestCursor

    now = format_utc(time.time())
    offset = cursor_offset(cursor)
    anchor = cursor.get("anchorSha256")
    found = reader.ingest(
        offset=offset,
        max_events=max_events,
        now=now,
        trace_id=trace_id,
        anchor=anchor if isinstance(anchor, str) else None,
        skip_line=skip_line,
    )
    left = len(found.numbers)
    if not left:
        tell_of_none()
    while left:
        batch = reader.poll(offset=offset, max_events=min(left, BATCH), now=now, trace_id=trace_id, skip_line=skip_line)
        for envelope in batch.events:  # lines that arrived since the check are not part of this call
            envelope["cursor"]["eventLineCount"] = found.line_count
        if not batch.events:
            raise ArtifactError(f"{reader.layout.events} changed while it was read; poll again")
        print_events(batch.events)
        left -= len(batch.events)
        offset = batch.offset
    document = cursor_document(repo, loop_id, IngestCursor(found.offset, found.line_count, found.anchor), now)
    return document if skip_line is None else {**document, "skippedLine": skip_line}
