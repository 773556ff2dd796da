"""``opsd promotion gates``: may a guarded-autonomous fleet go beyond dogfood (contract 90, A). Changes no fleet.

On a terminal it is a readable page, elsewhere (and with ``--pretty``) the decision as it was recorded.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from opsd.cli.arguments import Arguments, CommandSpec, Flag
from opsd.cli.page import Page, as_typed, tell
from opsd.cli.promotion.flags import EVIDENCE_FLAGS, TRACE_FLAG
from opsd.contract.errors import UsageError
from opsd.contract.values import integral
from opsd.runtime.layout import absolute_repo

if TYPE_CHECKING:
    from opsd.contract.jsoncodec import JsonObject
    from opsd.promotion.inputs import Thresholds
    from opsd.promotion.run import Evaluation
    from opsd.storage.fleet_parts import FleetPart

SPEC = CommandSpec(
    "opsd promotion gates",
    "Asks five gates whether the fleet may be promoted, and records the decision: promote or hold.",
    (
        Flag("--repo", "the managed repo (required)", "<path>"),
        Flag("--fleet-status-file", "a fleet status; default: made now, always from the default files", "<path>"),
        *EVIDENCE_FLAGS,
        TRACE_FLAG,
        Flag("--fail-on-hold", "exit with 2 unless the fleet may be promoted"),
        Flag("--pretty", "the document, indented by two spaces"),
    ),
    exits={2: "with --fail-on-hold: hold"},
)

_RATE = re.compile(r"[0-9]+(?:\.[0-9]+)?|\.[0-9]+", re.ASCII)
_HOLD_EXIT = 2


def main(argv: Sequence[str]) -> int:
    """Evaluate, record, print; 0, or 2 for a hold with ``--fail-on-hold``.

    Raises:
        OpsError: an argument or the fleet status cannot be used (nothing is written then), or the record could not
            be written. The exit code is 1.
    """
    arguments = SPEC.parse(argv)
    document, exit_code = _evaluate(arguments)
    present(arguments, document)
    return exit_code


def present(arguments: Arguments, document: JsonObject, place: Sequence[str] = ()) -> None:
    """Print the decision, also one of another program or of a run that skipped."""

    def page() -> Page:
        from opsd.cli.promotion.gates_page import gates_page

        return gates_page(document, place or as_typed(arguments, "--repo"))

    tell(arguments, document, page)


def evaluate(argv: Sequence[str]) -> Evaluation:
    """The command without its printing, for who runs it as a step in this process.

    Raises:
        OpsError: see :func:`main`.
    """
    return _evaluate(SPEC.parse(argv))


def _evaluate(arguments: Arguments) -> Evaluation:
    given_repo = arguments.required("--repo")
    thresholds = _thresholds(arguments)
    repo = absolute_repo(given_repo)

    from opsd.cli.fleet.status_step import fleet_status_in, fleet_status_of
    from opsd.promotion.run import Evaluation, GatesRequest, run_gates
    from opsd.storage.fleet_store import FileFleetStore

    status_file = arguments.optional("--fleet-status-file")
    request = GatesRequest(
        repo, thresholds, status_file, arguments.optional("--trace-id", env="OPS_MANAGER_TRACE_ID") or ""
    )
    store = FileFleetStore(repo, given_parts(arguments))
    read_status = partial(fleet_status_of, repo) if status_file is None else partial(fleet_status_in, status_file)
    document = run_gates(store, request, read_status, clock=time.time)
    held = document["summary"]["promote"] is not True
    return Evaluation(document, _HOLD_EXIT if held and arguments.switch("--fail-on-hold") else 0)


def given_parts(arguments: Arguments) -> dict[FleetPart, str]:
    """The files of evidence and record that were named."""
    from opsd.storage.fleet_parts import FleetDocument, FleetLog

    flags: dict[FleetPart, str] = {
        FleetLog.HANDOFF: "--handoff-telemetry-file",
        FleetDocument.DRILLS: "--drill-state-file",
        FleetDocument.PROMOTION: "--promotion-state-file",
        FleetLog.PROMOTION: "--promotion-telemetry-file",
    }
    return {part: path for part, flag in flags.items() if (path := arguments.optional(flag))}


def _thresholds(arguments: Arguments) -> Thresholds:
    """In the contract's order of complaint."""
    from opsd.promotion.inputs import Thresholds

    default = Thresholds()
    backlog = "--max-manual-backlog"
    return Thresholds(
        window_executions=arguments.positive("--window-executions", default.window_executions),
        min_sample_size=arguments.positive("--min-sample-size", default.min_sample_size),
        max_ambiguity_rate=_rate(arguments, "--max-ambiguity-rate", default.max_ambiguity_rate),
        max_failure_rate=_rate(arguments, "--max-failure-rate", default.max_failure_rate),
        max_manual_backlog=arguments.non_negative(
            backlog, default.max_manual_backlog, f"{backlog} must be an integer >= 0"
        ),
        max_drill_age_h=arguments.positive("--max-drill-age-hours", default.max_drill_age_h),
    )


def _rate(arguments: Arguments, flag: str, default: int | float) -> int | float:
    text = arguments.given(flag)
    if text is None:
        return default
    if _RATE.fullmatch(text) is None or float(text) > 1:
        raise UsageError(f"{flag} must be a number between 0 and 1")
    return integral(float(text))
