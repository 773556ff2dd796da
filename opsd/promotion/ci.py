"""One run of the promotion gates for a pipeline: skip, evaluate, keep result and summary (contract 90, B).

Guarantees: result and summary on disk are never older than the run (weakness 6): the former ones are removed before
anything is evaluated, and each is written whole. Nothing is started for a path (weakness 3); every argument stays one
token (weakness 4). Exit code 0 always stands for a decision (weakness 2).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import format_utc
from opsd.promotion.ci_summary import decision_of, evaluated_summary, skipped_summary
from opsd.promotion.run import Evaluation
from opsd.promotion.words import Decision, Reason
from opsd.storage import files, row_files
from opsd.storage.fleet_parts import FleetDocument, FleetLog, FleetReport
from opsd.storage.fleet_port import FleetStore

_EVIDENCE = (FleetLog.HANDOFF, FleetDocument.DRILLS)
_OUTPUTS = (FleetReport.PROMOTION_CI_SUMMARY, FleetDocument.PROMOTION_CI_RESULT)

#: Evaluates with the arguments of ``opsd promotion gates``; raises :class:`OpsError` where there is no document.
Evaluator = Callable[[Sequence[str]], Evaluation]


@dataclass(frozen=True, slots=True)
class CiRequest:
    """What a pipeline asks for.

    Args:
        options: further flags of the evaluator and their values, in its order; only those that are not empty.
        switches: further switches of the evaluator, in its order.
        step_summary: a file that the summary is appended to, None for none.
    """

    repo: str
    status_file: str | None = None
    options: Sequence[tuple[str, str]] = ()
    switches: Sequence[str] = ()
    skip_on_missing_evidence: bool = False
    step_summary: str | None = None


class CiOutcome(NamedTuple):
    """The result as it was kept, what the command ends with, and what it has to complain of ("" for nothing)."""

    document: JsonObject
    exit_code: int
    complaint: str = ""


def run_ci(store: FleetStore, request: CiRequest, evaluator: Evaluator, *, clock: Callable[[], float]) -> CiOutcome:
    """Skip or evaluate, and keep what came of it.

    Args:
        clock: seconds since 1970.

    Raises:
        OpsError: what the evaluator raises; there is no result and no summary then. Or one could not be written.
    """
    store.prepare(*_OUTPUTS)
    for output in _OUTPUTS:
        store.remove(output)
    missing = missing_evidence(store, request.status_file) if request.skip_on_missing_evidence else []
    if missing:
        document = skipped_result(request.repo, missing, now=format_utc(clock()))
        _keep(store, request, document, skipped_summary(missing))
        return CiOutcome(document, 0)
    document, exit_code = evaluator(evaluator_arguments(store, request))
    locations = [
        store.location(part)
        for part in (FleetDocument.PROMOTION_CI_RESULT, FleetDocument.PROMOTION, FleetLog.PROMOTION)
    ]
    _keep(store, request, document, evaluated_summary(document, *locations))
    if decision_of(document) is None:
        return CiOutcome(document, exit_code or 1, "the promotion gates printed no decision")
    return CiOutcome(document, exit_code)


def missing_evidence(store: FleetStore, status_file: str | None) -> list[str]:
    """What of the evidence is no file, in the contract's order (B2.2)."""
    named = [status_file] if status_file is not None and files.signature(status_file) is None else []
    return named + [store.location(part) for part in _EVIDENCE if not store.exists(part)]


def skipped_result(repo: str, missing: Sequence[str], *, now: str) -> JsonObject:
    """The result of a run that evaluated nothing (B3)."""
    return {
        "schemaVersion": "v1",
        "generatedAt": now,
        "source": {"repoPath": repo},
        "summary": {
            "decision": Decision.SKIPPED.value,
            "promote": False,
            "reasonCodes": [Reason.CI_EVIDENCE_MISSING.value],
            "missingEvidencePaths": list(missing),
        },
    }


def evaluator_arguments(store: FleetStore, request: CiRequest) -> list[str]:
    """The evaluator's argument vector, in the contract's order (B2.4)."""
    argv = ["--repo", request.repo]
    argv += ["--handoff-telemetry-file", store.location(FleetLog.HANDOFF)]
    argv += ["--drill-state-file", store.location(FleetDocument.DRILLS)]
    argv += ["--promotion-state-file", store.location(FleetDocument.PROMOTION)]
    argv += ["--promotion-telemetry-file", store.location(FleetLog.PROMOTION)]
    if request.status_file is not None:
        argv += ["--fleet-status-file", request.status_file]
    return [*argv, *(part for option in request.options for part in option), *request.switches]


def _keep(store: FleetStore, request: CiRequest, document: JsonObject, summary: str) -> None:
    store.replace(FleetDocument.PROMOTION_CI_RESULT, document)
    store.replace_report(FleetReport.PROMOTION_CI_SUMMARY, summary)
    if request.step_summary is not None:
        row_files.append_lines(request.step_summary, summary.encode("utf-8", "backslashreplace"))
