"""``opsd promotion ci``: the promotion gates for a pipeline: result, summary, skip, enforce (contract 90, B).

On a terminal it is the page of ``opsd promotion gates``, elsewhere (and with ``--pretty``) the result.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from opsd.cli.arguments import Arguments, CommandSpec, Flag
from opsd.cli.output import write_error
from opsd.cli.promotion import gates
from opsd.cli.promotion.flags import EVIDENCE_FLAGS, TRACE_FLAG
from opsd.contract import jsoncodec
from opsd.contract.errors import OpsError, ReplacedStepError
from opsd.runtime.layout import absolute_repo

if TYPE_CHECKING:
    from opsd.promotion.ci import CiOutcome, Evaluator
    from opsd.promotion.run import Evaluation

SCRIPT_VARIABLE = "OPS_MANAGER_PROMOTION_GATES_SCRIPT"

SPEC = CommandSpec(
    "opsd promotion ci",
    "Runs the promotion gates for a pipeline; keeps the result as JSON and as a Markdown summary.",
    (
        Flag("--repo", "the managed repo (required)", "<path>"),
        Flag("--fleet-status-file", "a fleet status; default: made now", "<path>"),
        *EVIDENCE_FLAGS,
        TRACE_FLAG,
        Flag(
            "--summary-file",
            "replaced, default <fleet>/promotion-ci-summary.md; $GITHUB_STEP_SUMMARY gets it too",
            "<path>",
        ),
        Flag("--result-file", "replaced, default <fleet>/promotion-ci-result.json", "<path>"),
        Flag("--skip-on-missing-evidence", "where evidence is no file: evaluate nothing, say skipped, exit with 0"),
        Flag("--fail-on-hold", "exit with 2 unless the fleet may be promoted; a skipped run stays 0"),
        Flag("--pretty", "the document, indented by two spaces"),
    ),
    exits={2: "with --fail-on-hold: hold"},
)

#: What is handed on to the evaluator, in the contract's order (B2.4).
_OPTIONS = (
    "--window-executions",
    "--min-sample-size",
    "--max-ambiguity-rate",
    "--max-failure-rate",
    "--max-manual-backlog",
    "--max-drill-age-hours",
    "--trace-id",
)
_SWITCHES = ("--pretty", "--fail-on-hold")


def main(argv: Sequence[str]) -> int:
    """Skip or evaluate, keep the result, print it; the evaluator's exit code, 0 for a skipped run.

    Raises:
        OpsError: bad arguments, no decision document (no result and no summary are left then), or a failed write.
    """
    arguments = SPEC.parse(argv)
    outcome = _run(arguments)
    gates.present(arguments, outcome.document)
    if outcome.complaint:
        raise OpsError(outcome.complaint, exit_code=outcome.exit_code)
    return outcome.exit_code


def _run(arguments: Arguments) -> CiOutcome:
    repo = absolute_repo(arguments.required("--repo"))

    from opsd.promotion.ci import CiRequest, run_ci
    from opsd.storage.fleet_parts import FleetDocument, FleetPart, FleetReport
    from opsd.storage.fleet_store import FileFleetStore

    outputs: dict[FleetPart, str] = {
        FleetReport.PROMOTION_CI_SUMMARY: "--summary-file",
        FleetDocument.PROMOTION_CI_RESULT: "--result-file",
    }
    given = {part: path for part, flag in outputs.items() if (path := arguments.optional(flag))}
    request = CiRequest(
        repo=repo,
        status_file=arguments.optional("--fleet-status-file"),
        options=[(flag, value) for flag in _OPTIONS if (value := arguments.optional(flag))],
        switches=[flag for flag in _SWITCHES if arguments.switch(flag)],
        skip_on_missing_evidence=arguments.switch("--skip-on-missing-evidence"),
        step_summary=os.environ.get("GITHUB_STEP_SUMMARY") or None,
    )
    store = FileFleetStore(repo, {**gates.given_parts(arguments), **given})
    return run_ci(store, request, _evaluator(), clock=time.time)


def _evaluator() -> Evaluator:
    """The gates in this process, or the program that replaces them."""
    program = os.environ.get(SCRIPT_VARIABLE)
    return (lambda argv: _run_program(program, argv)) if program else gates.evaluate


def _run_program(program: str, argv: Sequence[str]) -> Evaluation:
    """What the program decided; its stdout alone is read, so that a warning spoils no decision (weakness 5)."""
    from opsd.promotion.run import Evaluation
    from opsd.runtime.process import run_program

    answer = run_program([program, *argv])
    document = jsoncodec.object_in(answer.stdout)
    if document is not None:
        return Evaluation(document, answer.exit)
    exit_code = answer.exit or 1
    if not answer.output.strip():
        raise OpsError(f"{program} printed no decision", exit_code=exit_code)
    write_error(answer.output.decode("utf-8", "replace").rstrip("\n"))
    raise ReplacedStepError("the promotion gates script printed no decision", exit_code=exit_code)
