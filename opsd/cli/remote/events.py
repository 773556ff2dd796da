"""``opsd events --server``: the events page by page, then the cursor file of *this* host moves.

Guarantees: as on the manager's host a call that fails prints nothing and leaves the cursor alone, and the cursor moves
only after every envelope has left the process. Until the last page has come, what is printed waits in a temporary file.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from typing import IO

from opsd.cli.arguments import Arguments, loop_of
from opsd.cli.client.api_client import ANSWER_TOO_LARGE, ApiRequest, get_request, loop_path
from opsd.cli.loop.events import print_events, read_cursor, skipped_line, tell_of_none
from opsd.cli.output import encode
from opsd.cli.remote.command import Ask
from opsd.contract import jsoncodec
from opsd.contract.errors import OpsError, UsageError
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.values import digits, get

#: Events that are asked for at a time: as many as the route gives.
PAGE = 1000
#: What waits is held in memory up to so many bytes.
_IN_MEMORY = 8 * 1024 * 1024


def first_page(arguments: Arguments) -> ApiRequest:
    """The first request.

    Raises:
        OpsError: bad arguments, or an unusable cursor.
    """
    most = arguments.non_negative("--max-events", 0)
    skip_line, trace_id = skipped_line(arguments), arguments.optional("--trace-id")
    path = loop_path(loop_of(arguments), "/events")
    request = get_request(path, skipLine=skip_line, traceId=trace_id)
    return _behind(_stored_cursor(arguments), request, min(most or PAGE, PAGE))


def talk(arguments: Arguments, ask: Ask, _place: Sequence[str]) -> int:
    """Print the events behind the cursor and advance it.

    Raises:
        OpsError: bad arguments, an unusable cursor, or a refusal.
    """
    request = first_page(arguments)
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as waiting:
        cursor = _collect(ask, request, arguments.non_negative("--max-events", 0), waiting)
        sys.stdout.flush()
        if not waiting.tell():
            tell_of_none()
        waiting.seek(0)
        if sys.stdout.isatty():
            print_events(map(jsoncodec.loads, waiting))
        else:
            shutil.copyfileobj(waiting, sys.stdout.buffer)
            sys.stdout.buffer.flush()
    file = arguments.optional("--cursor-file")
    if file is not None:
        from opsd.storage.files import replace_file

        replace_file(file, encode(cursor, pretty=True))
    return 0


def _collect(ask: Ask, request: ApiRequest, most: int, waiting: IO[bytes]) -> JsonObject:
    """Write every page up to the last line that there was at the first one; the cursor behind them.

    Args:
        most: events at most, 0 for all.
    """
    end, written, page = None, 0, PAGE
    while True:
        try:
            answer = ask(request)
        except OpsError as error:
            asked = int(request.query["maxEvents"])
            if error.code != ANSWER_TOO_LARGE or asked == 1:
                raise
            page = asked // 2
            request = replace(request, query={**request.query, "maxEvents": str(page)})
            continue
        events, cursor = answer.get("events"), answer.get("cursor")
        offset, count = digits(get(cursor, "eventLineOffset")), digits(get(cursor, "eventLineCount"))
        if not isinstance(events, list) or not isinstance(cursor, dict) or offset is None or count is None:
            raise OpsError("the server answered no events")
        for envelope in events:
            waiting.write(encode(envelope))
        written += len(events)
        end = count if end is None else end
        if offset <= int(request.query["cursor"]) or offset >= end or (most and written >= most):
            return cursor
        request = _behind(cursor, request, min(page, most - written if most else page))


def _behind(cursor: JsonObject, request: ApiRequest, most: int) -> ApiRequest:
    """The request for at most so many events behind a cursor."""
    from opsd.loop.records import cursor_offset

    offset, anchor = cursor_offset(cursor), cursor.get("anchorSha256")
    query = {name: value for name, value in request.query.items() if name != "anchor"}
    if isinstance(anchor, str) and offset:
        query["anchor"] = anchor
    return replace(request, query={**query, "cursor": str(offset), "maxEvents": str(most)})


def _stored_cursor(arguments: Arguments) -> JsonObject:
    """Where the cursor file stands; at the first line with ``--from-start``.

    Raises:
        UsageError: neither was given: there is no usual place for such a file on this host.
    """
    file = arguments.optional("--cursor-file")
    if arguments.switch("--from-start"):
        return {}
    if file is None:
        raise UsageError("--cursor-file, a file of this host, or --from-start is required with --server")
    return read_cursor(file)
