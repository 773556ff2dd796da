"""The argument vectors with which orchestrate starts promotion CI and apply (contract 95, 3.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from opsd.promotion.rollout.context import Governance, Seam, evidence_flags, split_refs
from opsd.promotion.rollout.words import Intent, Mode

#: The evaluator's settings, handed on as they are, in this order.
OVERRIDES = (
    "--fleet-status-file",
    "--handoff-telemetry-file",
    "--drill-state-file",
    "--window-executions",
    "--min-sample-size",
    "--max-ambiguity-rate",
    "--max-failure-rate",
    "--max-manual-backlog",
    "--max-drill-age-hours",
)


@dataclass(frozen=True, slots=True)
class OrchestrateRequest:
    """What an orchestration was asked to do.

    Attributes:
        repo: absolute.
        overrides: flags of :data:`OVERRIDES` and switches that go to promotion CI, in order.
        result_file, summary_file, ci_result_file, ci_summary_file: where the artifacts go.
        trace_id: empty where none was given; none is made up here (3.5).
        emergency: a rollback goes on although the evaluation fails (weakness 12).
        step_summary_file: what a pipeline collects summaries in, empty for none.
    """

    repo: str
    mode: Mode
    apply_intent: Intent
    expand_step: int
    governance: Governance
    seam: Seam
    result_file: str
    summary_file: str
    ci_result_file: str
    ci_summary_file: str
    overrides: Sequence[str] = ()
    idempotency_key: str = ""
    trace_id: str = ""
    emergency: bool = False
    step_summary_file: str = ""

    def files(self) -> Mapping[str, str]:
        """As the result names them."""
        return {
            "resultFile": self.result_file,
            "summaryFile": self.summary_file,
            "promotionCiResultFile": self.ci_result_file,
            "promotionCiSummaryFile": self.ci_summary_file,
        }


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What promotion CI has found; ``exit`` differs from 0 only where an emergency went on all the same."""

    decision: str
    failed_gates: Sequence[object] = field(default_factory=list)
    reason_codes: Sequence[object] = field(default_factory=list)
    exit: int = 0


def ci_arguments(request: OrchestrateRequest) -> list[str]:
    """For promotion CI."""
    argv = ["--repo", request.repo, "--result-file", request.ci_result_file, "--summary-file", request.ci_summary_file]
    argv += request.overrides
    return argv + (["--trace-id", request.trace_id] if request.trace_id else [])


def apply_arguments(request: OrchestrateRequest) -> list[str]:
    """For promotion apply; the mode is apply or rollback."""
    intent = Intent.ROLLBACK if request.mode is Mode.ROLLBACK else request.apply_intent
    argv = ["--repo", request.repo, "--promotion-state-file", request.ci_result_file, "--intent", intent.value]
    argv += request.governance.flags()
    if intent is Intent.EXPAND:
        argv += ["--expand-step", str(request.expand_step)]
    if request.idempotency_key:
        argv += ["--idempotency-key", request.idempotency_key]
    if request.trace_id:
        argv += ["--trace-id", request.trace_id]
    return argv + request.seam.id_flags() + evidence_flags(split_refs(request.seam.evidence_refs))
