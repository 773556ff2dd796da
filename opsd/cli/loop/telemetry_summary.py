"""``opsd telemetry-summary``: a loop's newest telemetry, with a profile recommendation (contract 40, section 4)."""

from __future__ import annotations

from collections.abc import Sequence

from opsd.cli.arguments import CommandSpec, Flag
from opsd.cli.output import write_json
from opsd.contract.errors import ManagerFileError
from opsd.contract.ids import parse_loop_id
from opsd.runtime.layout import absolute_repo

SPEC = CommandSpec(
    "opsd telemetry-summary",
    "Prints figures over the newest passes of a loop and the threshold profile that suits them. Writes nothing.",
    (
        Flag("--repo", "the managed repo (required)", "<path>"),
        Flag("--loop", "the loop's id (required)", "<id>"),
        Flag("--reconcile-telemetry-file", "default <ops>/telemetry/reconcile.jsonl", "<path>"),
        Flag("--control-telemetry-file", "default <ops>/telemetry/control.jsonl", "<path>"),
        Flag("--window", "lines of each file that are looked at, default 200", "<n>"),
        Flag("--pretty", "indent by two spaces"),
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
    write_json(summary, pretty=arguments.switch("--pretty"))
    return 0
