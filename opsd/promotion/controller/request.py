"""What a controller pass is asked to do, and the argument vectors of the commands it starts (contract 95, 4.1, 4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from opsd.contract.jsoncodec import JsonObject
from opsd.promotion.controller.budget import Budget
from opsd.promotion.controller.words import Mode
from opsd.promotion.rollout import words as rollout
from opsd.promotion.rollout.context import Governance, Seam, evidence_flags
from opsd.promotion.rollout.words import Intent

#: The files of a pass by their keys in the record, in the record's order, and their default names. State and telemetry
#: come first; the others are what its steps write.
STEP_FILES = {
    "promotionCiResultFile": "promotion-controller-ci-result.json",
    "promotionCiSummaryFile": "promotion-controller-ci-summary.md",
    "verifyResultFile": "promotion-controller-verify-ci-result.json",
    "verifySummaryFile": "promotion-controller-verify-ci-summary.md",
    "previewResultFile": "promotion-controller-preview-result.json",
    "previewSummaryFile": "promotion-controller-preview-summary.md",
    "applyResultFile": "promotion-controller-apply-result.json",
    "applySummaryFile": "promotion-controller-apply-summary.md",
    "rollbackResultFile": "promotion-controller-rollback-result.json",
    "rollbackSummaryFile": "promotion-controller-rollback-summary.md",
}

#: The file keys of what orchestrate writes, by its mode.
_ORCHESTRATED = {rollout.Mode.DRY_RUN: "preview", rollout.Mode.APPLY: "apply", rollout.Mode.ROLLBACK: "rollback"}


@dataclass(frozen=True, slots=True)
class ControllerRequest:
    """One pass.

    Attributes:
        repo: absolute.
        files: every path of the record's ``files``, by its key.
        overrides: evaluator flags and switches, handed on to every evaluation.
        freeze_windows_file: None for no windows.
        hold_while_paused: hold while a manual pause stands, whoever set it (weakness 13).
    """

    repo: str
    mode: Mode
    apply_intent: Intent
    expand_step: int
    decision_ttl_minutes: int
    budget: Budget
    governance: Governance
    seam: Seam
    trace_id: str
    files: JsonObject = field(default_factory=dict)
    overrides: Sequence[str] = ()
    freeze_windows_file: str | None = None
    idempotency_key: str = ""
    hold_while_paused: bool = False

    @property
    def guarded(self) -> bool:
        """The pass may change the registry."""
        return self.mode is Mode.GUARDED_AUTO_APPLY

    @property
    def planned_step(self) -> int | None:
        """By how many percent this pass would expand; None when it would not."""
        return self.expand_step if self.apply_intent is Intent.EXPAND else None

    def outputs(self, mode: rollout.Mode) -> tuple[str, str]:
        """Result and summary that orchestrate writes in ``mode``."""
        name = _ORCHESTRATED[mode]
        return self.files[f"{name}ResultFile"], self.files[f"{name}SummaryFile"]


def orchestrate_arguments(request: ControllerRequest, mode: rollout.Mode) -> list[str]:
    """For promotion orchestrate in one of its modes."""
    result, summary = request.outputs(mode)
    argv = ["--repo", request.repo, "--mode", mode.value]
    if mode is rollout.Mode.APPLY:
        argv += ["--apply-intent", request.apply_intent.value, "--expand-step", str(request.expand_step)]
    argv += ["--promotion-ci-result-file", request.files["promotionCiResultFile"]]
    argv += ["--promotion-ci-summary-file", request.files["promotionCiSummaryFile"]]
    argv += ["--result-file", result, "--summary-file", summary]
    if mode is not rollout.Mode.DRY_RUN:
        argv += request.governance.flags()
    if mode is rollout.Mode.APPLY and request.idempotency_key:
        argv += ["--idempotency-key", request.idempotency_key]
    argv += [*request.overrides, "--trace-id", request.trace_id, *request.seam.id_flags()]
    return argv + evidence_flags(request.seam.evidence_refs)


def verify_arguments(request: ControllerRequest) -> list[str]:
    """For promotion CI, once more."""
    argv = ["--repo", request.repo, "--result-file", request.files["verifyResultFile"]]
    argv += ["--summary-file", request.files["verifySummaryFile"], *request.overrides]
    return [*argv, "--trace-id", request.trace_id]
