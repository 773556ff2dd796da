"""``opsd alerts dispatch``: deliver what a loop has escalated (contract 50, 4 and 12).

On a terminal the answer is readable, elsewhere (and with ``--pretty``) it is JSON.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from opsd.cli.arguments import Arguments, CommandSpec, Flag
from opsd.cli.output import write_json
from opsd.cli.page import as_typed, for_a_person, show
from opsd.contract.errors import UsageError
from opsd.contract.ids import new_trace_id, parse_loop_id
from opsd.runtime.credentials import CredentialEnvironment
from opsd.runtime.layout import absolute_repo

if TYPE_CHECKING:
    from opsd.alerts.run.dispatch_run import DispatchRun

SPEC = CommandSpec(
    "opsd alerts dispatch",
    "Delivers a loop's new escalations, and what is still owed of earlier ones. Prints the dispatch state.",
    (
        Flag("--repo", "the managed repo (required)", "<path>"),
        Flag("--loop", "the loop's id (required)", "<id>"),
        Flag(
            "--escalations-file",
            "default <ops>/escalations.jsonl, <ops> = <repo>/.superloop/ops-manager/<loop>",
            "<path>",
        ),
        Flag("--dispatch-state-file", "default <ops>/alert-dispatch-state.json", "<path>"),
        Flag("--dispatch-telemetry-file", "default <ops>/telemetry/alerts.jsonl", "<path>"),
        Flag("--trace-id", "default $OPS_MANAGER_TRACE_ID, else generated", "<id>"),
        Flag("--alert-config-file", "default $OPS_MANAGER_ALERT_SINKS_FILE, else the shipped catalog", "<path>"),
        Flag("--delivery-config-file", "default $OPS_MANAGER_ALERT_DELIVERY_FILE", "<path>"),
        Flag("--delivery-budget-seconds", "a run ends within so many seconds, default 10", "<n>"),
        Flag("--max-escalations", "new rows at most, 0 = all (default)", "<n>"),
        Flag("--reset-cursor", "read the escalations from their first line again"),
        Flag("--dry-run", "print what would be sent, with secrets masked; send and write nothing"),
        Flag("--test-sink", "send a synthetic event to this sink; touches neither offset nor ledger", "<id>"),
        Flag("--list-dead-letters", "print the deliveries that were given up"),
        Flag("--replay-dead-letters", "tell them again, with the same ids"),
        Flag("--delivery-id", "with --replay-dead-letters: this one only", "<id>"),
        Flag("--fail-on-delivery-failure", "exit 2 when the run's status is failed or partial"),
        Flag("--pretty", "indent stdout by two spaces"),
    ),
    exits={2: "with --fail-on-delivery-failure: the run's status is failed or partial"},
)

#: What the commands on the page repeat, as typed, beside the loop.
_PLACES = (
    *("--repo", "--escalations-file", "--dispatch-state-file", "--dispatch-telemetry-file"),
    *("--alert-config-file", "--delivery-config-file"),
)


def main(argv: Sequence[str]) -> int:
    """Run the dispatcher; 0 whatever became of the deliveries, unless ``--fail-on-delivery-failure`` asks otherwise.

    Raises:
        OpsError: bad arguments, an unusable state, offset or delivery file.
    """
    arguments = SPEC.parse(argv)
    given_repo, given_loop = arguments.required("--repo"), arguments.required("--loop")
    max_rows = arguments.non_negative("--max-escalations", 0)
    budget_s = arguments.non_negative("--delivery-budget-seconds", 10)
    loop_id = parse_loop_id(given_loop, reserved=True)
    repo = absolute_repo(given_repo)
    trace_id = arguments.optional("--trace-id", "OPS_MANAGER_TRACE_ID") or new_trace_id()

    from opsd import compose_alerts

    options = compose_alerts.AlertOptions(
        config_file=arguments.optional("--alert-config-file"),
        delivery_file=arguments.optional("--delivery-config-file"),
        escalations_file=arguments.optional("--escalations-file"),
        state_file=arguments.optional("--dispatch-state-file"),
        telemetry_file=arguments.optional("--dispatch-telemetry-file"),
        budget_s=float(budget_s),
    )
    env = CredentialEnvironment(os.environ)  # the secrets of sinks may be files
    run, warnings = compose_alerts.dispatch_run(repo, loop_id, trace_id, options, env, max_rows=max_rows)
    document = _perform(arguments, run)
    if warnings and isinstance(document, dict):
        document = {**document, "warnings": warnings}
    present(arguments, document, as_typed(arguments, *_PLACES))
    failed = isinstance(document, dict) and document.get("status") in ("failed", "partial")
    return 2 if failed and arguments.switch("--fail-on-delivery-failure") else 0


def present(arguments: Arguments, document: object, place: Sequence[str]) -> None:
    """Print the answer; the commands on the page repeat ``place`` and the loop."""
    dry_run = arguments.switch("--dry-run")  # made of whole bodies, which are best read as what they are
    if not for_a_person(arguments) or dry_run or not isinstance(document, dict):
        write_json(document, pretty=arguments.switch("--pretty") or (dry_run and sys.stdout.isatty()))
        return
    from opsd.cli.alerts import pages as alerts_page

    flags = [*place, *as_typed(arguments, "--loop")]
    if arguments.switch("--list-dead-letters"):
        show(alerts_page.dead_letters_page(document, flags))
    elif arguments.optional("--test-sink") is not None:
        show(alerts_page.sink_answer_page(document))
    else:
        show(alerts_page.dispatch_page(document, flags))


def _perform(arguments: Arguments, run: DispatchRun) -> object:
    from opsd import compose_alerts
    from opsd.alerts.run import rehearsal
    from opsd.alerts.run.dispatcher import dispatch

    sink_id = arguments.optional("--test-sink")
    replay = arguments.switch("--replay-dead-letters")
    delivery_id = arguments.optional("--delivery-id")
    if delivery_id is not None and not replay:
        raise UsageError("--delivery-id requires --replay-dead-letters")
    if arguments.switch("--list-dead-letters"):
        return rehearsal.dead_letters(run)
    if arguments.switch("--dry-run"):
        return rehearsal.dry_run(run)
    if sink_id is not None:
        return rehearsal.test_sink(run, sink_id, compose_alerts.open_sender)
    return dispatch(
        run,
        compose_alerts.open_sender,
        from_start=arguments.switch("--reset-cursor"),
        replay=(delivery_id or "all") if replay else "",
    )
