"""``opsd snapshot``: one loop's state as one envelope; writes no file (contract 10, 3.1).

On a terminal it is a readable page, elsewhere (and with ``--pretty``) the envelope.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from opsd.cli.arguments import Arguments, CommandSpec, Flag
from opsd.cli.page import Page, loop_place, tell
from opsd.contract.ids import parse_loop_id
from opsd.runtime.layout import absolute_repo

if TYPE_CHECKING:
    from opsd.contract.jsoncodec import JsonObject

SPEC = CommandSpec(
    "opsd snapshot",
    "Prints the loop_run_snapshot envelope of one loop.",
    (
        Flag("--repo", "the managed repo (required)", "<path>"),
        Flag("--loop", "the loop's id (required)", "<id>"),
        Flag("--run-id", "report this run id instead of the inferred one", "<id>"),
        Flag("--trace-id", "traceId of the envelope", "<id>"),
        Flag("--pretty", "the document, indented by two spaces"),
    ),
)


def main(argv: Sequence[str]) -> int:
    """Print the snapshot.

    Raises:
        OpsError: bad arguments, or artifacts that are missing or unreadable.
    """
    arguments = SPEC.parse(argv)
    given_repo, given_loop = arguments.required("--repo"), arguments.required("--loop")
    loop_id = parse_loop_id(given_loop)
    repo = absolute_repo(given_repo)

    from opsd.contract.timestamps import format_utc
    from opsd.runtime.reader import LoopReader

    envelope = LoopReader(repo, loop_id).snapshot(
        now=format_utc(time.time()),
        trace_id=arguments.optional("--trace-id"),
        run_id=arguments.optional("--run-id"),
    )
    present(arguments, dict(envelope))
    return 0


def present(arguments: Arguments, envelope: JsonObject, place: Sequence[str] = ()) -> None:
    """Print the snapshot."""

    def page() -> Page:
        from opsd.cli.loop.run_page import snapshot_page

        return snapshot_page(envelope, loop_place(arguments, place))

    tell(arguments, envelope, page)
