"""What requests about promotion may say. Every field is a flag of the command (:mod:`opsd.api.flags`)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from opsd.api.models.base import Body, FlagName, LoopIdText, Text

_MOST = 1_000_000_000
_Positive = Annotated[int, Field(ge=1, le=_MOST)]
_Count = Annotated[int, Field(ge=0, le=_MOST)]
_Rate = Annotated[float, Field(ge=0, le=1)]
_Percent = Annotated[int, Field(ge=1, le=100)]
_ExpandOrResume = Literal["expand", "resume"]


class _Limits(Body):
    """By which limits the gates judge; what is not given has the command's default."""

    windowExecutions: _Positive = 20
    """So many of the newest autonomous executions count."""
    minSampleSize: _Positive = 20
    """At least so many of them are needed."""
    maxAmbiguityRate: _Rate = 0.2
    """Share of intents that may end ambiguous."""
    maxFailureRate: _Rate = 0.2
    """Share of intents that may fail."""
    maxManualBacklog: _Count = 5
    """Intents that may wait for a person."""
    maxDrillAgeHours: _Positive = 168
    """Hours since each drill was passed."""


class _Seam(Body):
    """What a run belongs to."""

    loopId: LoopIdText | None = None
    """The loop it belongs to, as a note."""
    horizonRef: Text | None = None
    """The Horizon item it belongs to, as a note."""
    evidenceRefs: Annotated[list[Text], FlagName("--evidence-ref")] = Field(default=[], max_length=100)
    """What supports it."""


class PromotionGates(_Limits):
    """An evaluation of the gates."""

    failOnHold: bool = False
    """A hold has exit code 2."""


class PromotionCi(PromotionGates):
    """An evaluation for a pipeline."""

    skipOnMissingEvidence: bool = False
    """Where evidence is missing, evaluate nothing and say skipped."""


class PromotionApply(_Seam):
    """A change of the rollout. Who asks answers for it."""

    intent: Literal["expand", "resume", "rollback"]
    """What is wanted."""
    expandStep: _Percent = 25
    """By how many percent expand goes on."""
    approvalRef: Text
    """What approves it."""
    rationale: Text
    """Why."""
    reviewBy: Text
    """Until when the permission holds, as 2027-01-31T00:00:00Z."""
    maxDecisionAgeMinutes: _Positive | None = None
    """Expand and resume refuse an older decision; default any age."""
    emergency: bool = False
    """A rollback that pauses whatever the evidence and the registry's rules say."""


class _Governed(_Limits, _Seam):
    """Evaluation and application in one. Who asks answers for it."""

    applyIntent: _ExpandOrResume = "expand"
    """What is applied on a decision to promote."""
    expandStep: _Percent = 25
    """By how many percent expand goes on."""
    approvalRef: Text | None = None
    """What approves it; needed to apply or roll back, as are the next two."""
    rationale: Text | None = None
    """Why."""
    reviewBy: Text | None = None
    """Until when the permission holds, as 2027-01-31T00:00:00Z."""
    skipOnMissingEvidence: bool = False
    """No decision instead of a hold where evidence is missing."""


class PromotionOrchestrate(_Governed):
    """Evaluate, then preview, apply or roll back."""

    mode: Literal["dry_run", "apply", "rollback"]
    """What follows the evaluation."""
    failOnHold: bool = False
    """A hold ends with exit code 2, and nothing is applied or rolled back."""
    emergency: bool = False
    """A rollback that goes on whatever the evaluation and the registry's rules say."""


class PromotionController(_Governed):
    """One pass of the guarded controller."""

    mode: Literal["propose_only", "guarded_auto_apply"] = "propose_only"
    """Record what it would do, or do it within the budgets."""
    decisionTtlMinutes: _Positive = 60
    """An older decision is held."""
    budgetWindowHours: _Positive = 24
    """The window of the budget."""
    maxAppliesPerWindow: _Count = 1
    """Applies within the window."""
    maxExpandStepPerWindow: _Count = 25
    """Percent by which the canary is raised within the window."""
    cooldownMinutes: _Count = 60
    """Minutes since the last apply or rollback."""
    holdWhilePaused: bool = False
    """Hold while the rollout is paused by hand or by a rollback."""
