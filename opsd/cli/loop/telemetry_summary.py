"""``opsd telemetry-summary``: a loop's newest telemetry, with a profile recommendation (contract 40, section 4).

On a terminal it is a readable page, elsewhere (and with ``--pretty``) the summary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from opsd.cli.arguments import Arguments, CommandSpec, Flag
from opsd.cli.help_text import columns_of_terminal
from opsd.cli.page import Page, loop_place, tell
from opsd.contract.errors import ManagerFileError
from opsd.contract.ids import parse_loop_id
from opsd.runtime.layout import absolute_repo

if TYPE_CHECKING:
    from opsd.contract.jsoncodec import JsonObject

SPEC = CommandSpec(
    "opsd telemetry-summary",
    "Prints figures over the newest passes of a loop and the threshold profile that suits them. Writes nothing.",
    (
        Flag("--repo", "the managed repo (required)", "<path>"),
        Flag("--loop", "the loop's id (required)", "<id>"),
        Flag("--reconcile-telemetry-file", "default <ops>/telemetry/reconcile.jsonl", "<path>"),
        Flag("--control-telemetry-file", "default <ops>/telemetry/control.jsonl", "<path>"),
        Flag("--window", "lines of each file that are looked at, default 200", "<n>"),
        Flag("--pretty", "the document, indented by two spaces"),
    ),
)


def main(argv: Sequence[str]) -> int:
    """Print the summary.

    Raises:
        OpsError: bad arguments, no reconcile telemetry, or a bad row inside the window.
    """
    arguments = SPEC.parse(argv)
    given_repo, given_loop = arguments.required("--repo"), arguments.required("--loop")
    window = arguments.positive("--window", 200)
    loop_id = parse_loop_id(given_loop, reserved=True)
    repo = absolute_repo(given_repo)

    from opsd.loop.summary_files import summary_of
    from opsd.storage.files import signature
    from opsd.storage.layout import ManagerLayout
    from opsd.storage.model import RowLog

    layout = ManagerLayout(repo, loop_id)
    reconcile_file = arguments.optional("--reconcile-telemetry-file") or layout.path(RowLog.RECONCILE)
    control_file = arguments.optional("--control-telemetry-file") or layout.path(RowLog.CONTROL)
    if signature(reconcile_file) is None:
        raise ManagerFileError(f"reconcile telemetry file not found: {reconcile_file}")
    summary = summary_of(repo, loop_id, reconcile_file, control_file, window)
    present(arguments, summary)
    return 0


def present(arguments: Arguments, summary: JsonObject, place: Sequence[str] = ()) -> None:
    """Print the summary."""

    def page() -> Page:
        from opsd.cli.loop.tuning_page import summary_page

        return summary_page(summary, loop_place(arguments, place), columns_of_terminal())

    tell(arguments, summary, page)
