"""``opsd project-state``: combine a snapshot with the events of one poll and store the result (contract 10, part 4).

Nothing is written when anything is refused. What is printed and what is stored are the same bytes; on a terminal, and
without ``--pretty``, a readable page is printed instead.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from opsd.cli.arguments import Arguments, CommandSpec, Flag
from opsd.cli.output import write_bytes
from opsd.cli.page import Page, loop_place, tell
from opsd.contract.errors import ArtifactError, ProjectionError
from opsd.contract.ids import LoopId, parse_loop_id
from opsd.runtime.layout import absolute_repo

if TYPE_CHECKING:
    from opsd.contract.jsoncodec import JsonObject, JsonValue

SPEC = CommandSpec(
    "opsd project-state",
    "Projects a loop's lifecycle from a snapshot and the events of one poll, and stores it.",
    (
        Flag("--repo", "the managed repo (required)", "<path>"),
        Flag("--loop", "the loop's id (required)", "<id>"),
        Flag("--snapshot-file", "a snapshot envelope; without it the loop is read", "<path>"),
        Flag("--events-file", "event envelopes, one a line; without it there are none", "<path>"),
        Flag("--state-file", "default <repo>/.superloop/ops-manager/<loop>/state.json", "<path>"),
        Flag("--pretty", "indent by two spaces, the file too"),
    ),
)


def main(argv: Sequence[str]) -> int:
    """Project, store, print.

    Raises:
        OpsError: bad arguments, or envelopes that are missing, unreadable or not this loop's.
    """
    arguments = SPEC.parse(argv)
    given_repo, given_loop = arguments.required("--repo"), arguments.required("--loop")
    loop_id = parse_loop_id(given_loop, reserved=True)
    repo = absolute_repo(given_repo)

    from opsd.contract.checks import check_snapshot
    from opsd.contract.timestamps import format_utc
    from opsd.loop.project_state import project_and_store

    now = format_utc(time.time())
    snapshot_file, events_file = arguments.optional("--snapshot-file"), arguments.optional("--events-file")
    raw = _stored_snapshot(snapshot_file) if snapshot_file else _fresh_snapshot(repo, loop_id, now)
    if events_file is not None and not os.path.isfile(events_file):
        raise ArtifactError(f"events file not found: {events_file}")
    snapshot = check_snapshot(raw, loop_id)  # before any line of the events is looked at
    stored = project_and_store(
        repo,
        loop_id,
        snapshot,
        now=now,
        last_event=None if events_file is None else _last_envelope(events_file, loop_id),
        state_file=arguments.optional("--state-file"),
        snapshot_file=snapshot_file,
        events_file=events_file,
        pretty=arguments.switch("--pretty"),
    )
    if sys.stdout.isatty():
        present(arguments, stored.state)
    else:
        write_bytes(stored.data)
    return 0


def present(arguments: Arguments, state: JsonObject, place: Sequence[str] = ()) -> None:
    """Print the projection."""

    def page() -> Page:
        from opsd.cli.loop.run_page import state_page

        return state_page(state, loop_place(arguments, place))

    tell(arguments, state, page)


def _stored_snapshot(path: str) -> JsonValue:
    from opsd.contract import jsoncodec
    from opsd.storage.files import read_bytes

    data = read_bytes(path)
    if data is None:
        raise ArtifactError(f"snapshot file not found: {path}")
    if not data.strip():
        return None
    try:
        return jsoncodec.loads(data)
    except ValueError:
        raise ArtifactError(f"invalid snapshot JSON: {path}") from None


def _fresh_snapshot(repo: str, loop_id: LoopId, now: str) -> JsonObject:
    from opsd.runtime.reader import LoopReader

    return dict(LoopReader(repo, loop_id).snapshot(now=now, trace_id=None))


def _last_envelope(path: str, loop_id: LoopId) -> JsonObject | None:
    """The last envelope of a file in which every line has to be an event of this loop; one line in memory at a time."""
    from opsd.contract import jsoncodec
    from opsd.contract.checks import check_events

    last: JsonObject | None = None
    with open(path, "rb") as file:
        for terminated in file:
            line = terminated.removesuffix(b"\n")
            if not line:
                continue
            try:
                last = jsoncodec.loads(line)
            except ValueError:
                raise ProjectionError(f"invalid event envelope in {path}") from None
            check_events((last,), loop_id)
    return last
