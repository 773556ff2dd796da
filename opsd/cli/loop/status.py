"""``opsd status``: what is known of one loop, from the files of its passes; writes nothing (contract 40, section 6).

On a terminal it is a readable page, elsewhere (and with ``--pretty``) the contract's document.
``--watch`` shows it again and again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from opsd.cli.arguments import Arguments, CommandSpec, Flag
from opsd.cli.page import Page, loop_place, tell
from opsd.contract.errors import OpsError
from opsd.contract.ids import LoopId, parse_loop_id
from opsd.runtime.layout import absolute_repo

if TYPE_CHECKING:
    from opsd.contract.jsoncodec import JsonObject
    from opsd.loop.status import StatusInputs
    from opsd.storage.layout import Part

SPEC = CommandSpec(
    "opsd status",
    "What is known of one loop: lifecycle, health, control, alerts, tuning, and which pass each of it comes from.",
    (
        Flag("--repo", "the managed repo (required)", "<path>"),
        Flag("--loop", "the loop's id (required)", "<id>"),
        Flag("--state-file", "default <ops>/state.json, <ops> = <repo>/.superloop/ops-manager/<loop>", "<path>"),
        Flag("--cursor-file", "default <ops>/cursor.json", "<path>"),
        Flag("--health-file", "default <ops>/health.json", "<path>"),
        Flag("--intents-file", "default <ops>/intents.jsonl", "<path>"),
        Flag("--heartbeat-state-file", "default <ops>/heartbeat.json", "<path>"),
        Flag("--heartbeat-telemetry-file", "default <ops>/telemetry/heartbeat.jsonl", "<path>"),
        Flag("--sequence-state-file", "default <ops>/sequence-state.json", "<path>"),
        Flag("--sequence-telemetry-file", "default <ops>/telemetry/sequence.jsonl", "<path>"),
        Flag("--control-invocations-file", "default <ops>/telemetry/control-invocations.jsonl", "<path>"),
        Flag("--drift-state-file", "default <ops>/profile-drift.json", "<path>"),
        Flag("--drift-history-file", "default <ops>/telemetry/profile-drift.jsonl", "<path>"),
        Flag("--alert-dispatch-state-file", "default <ops>/alert-dispatch-state.json", "<path>"),
        Flag("--alert-dispatch-telemetry-file", "default <ops>/telemetry/alerts.jsonl", "<path>"),
        Flag("--summary-window", "rows of telemetry that are summarised, default 200", "<n>"),
        Flag("--pretty", "the document, indented by two spaces"),
        Flag("--watch", "a readable page, again every two seconds, until Ctrl-C"),
    ),
)

_WATCH_S = 2.0


def main(argv: Sequence[str]) -> int:
    """Print the status; 0 whatever the health.

    Raises:
        OpsError: bad arguments, nothing found, or a file that is damaged.
    """
    arguments = SPEC.parse(argv)
    given_repo, given_loop = arguments.required("--repo"), arguments.required("--loop")
    window = arguments.positive("--summary-window", 200)
    loop_id = parse_loop_id(given_loop, reserved=True)
    repo = absolute_repo(given_repo)

    from opsd.loop.status import status

    if arguments.switch("--watch"):
        return watch(lambda: status(_read(arguments, repo, loop_id, window)), loop_place(arguments, ()))
    document = status(_read(arguments, repo, loop_id, window))
    present(arguments, document)
    return 0


def present(arguments: Arguments, document: JsonObject, place: Sequence[str] = ()) -> None:
    """Print the status."""

    def page() -> Page:
        from opsd.cli.loop.status_page import status_page

        return status_page(document, loop_place(arguments, place))

    tell(arguments, document, page)


def watch(look: Callable[[], JsonObject], place: Sequence[str]) -> int:
    """Show the document that ``look`` finds, again and again; ``place`` names the loop in commands."""
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    from opsd.cli.loop.status_page import status_page

    with Live(auto_refresh=False) as live:
        while True:
            try:
                live.update(Group(*status_page(look(), place)), refresh=True)
            except OpsError as error:  # a file may be damaged, and a daemon away, for a moment only
                live.update(Text(f"error: {error.message}", style="bold red"), refresh=True)
            time.sleep(_WATCH_S)


def _read(arguments: Arguments, repo: str, loop_id: LoopId, window: int) -> StatusInputs:
    """All inputs in the contract's order (6.2).

    Raises:
        ManagerFileError: neither state nor health exists, or a document is no JSON object.
    """
    from dataclasses import replace

    from opsd.alerts.standing import delivery_standing
    from opsd.loop.status_inputs import read_inputs
    from opsd.storage.layout import ManagerLayout
    from opsd.storage.model import Document, RowLog

    layout = ManagerLayout(repo, loop_id)
    flags: dict[str, Part] = {
        "--state-file": Document.STATE,
        "--cursor-file": Document.CURSOR,
        "--health-file": Document.HEALTH,
        "--intents-file": RowLog.INTENTS,
        "--heartbeat-state-file": Document.HEARTBEAT,
        "--heartbeat-telemetry-file": RowLog.HEARTBEAT,
        "--sequence-state-file": Document.SEQUENCE,
        "--sequence-telemetry-file": RowLog.SEQUENCE,
        "--control-invocations-file": RowLog.INVOCATIONS,
        "--drift-state-file": Document.DRIFT,
        "--drift-history-file": RowLog.DRIFT,
        "--alert-dispatch-state-file": Document.ALERT_DISPATCH,
        "--alert-dispatch-telemetry-file": RowLog.ALERTS,
    }
    paths = {part: arguments.optional(flag) or layout.path(part) for flag, part in flags.items()}
    paths |= {log: layout.path(log) for log in (RowLog.RECONCILE, RowLog.CONTROL)}

    def summarize(reconcile_file: str, control_file: str) -> JsonObject:
        from opsd.loop.summary_files import summary_of

        program = os.environ.get("OPS_MANAGER_TELEMETRY_SUMMARY_SCRIPT")
        if not program:
            return summary_of(repo, loop_id, reconcile_file, control_file, window)
        from opsd.cli.loop.replaced_steps import run_summary

        summary = run_summary(program, repo, loop_id, reconcile_file, control_file, window)
        if summary is None:
            raise OpsError("the telemetry summary program failed")
        return summary

    inputs = read_inputs(repo, loop_id, paths, window, summarize)
    return replace(inputs, delivery=delivery_standing(repo, paths[Document.ALERT_DISPATCH], time.time()))
