"""The settings of the daemon's jobs: promotion gates, promotion controller, Horizon bridge."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from opsd.supervisor.settings.group import Count, Group, Period


class PromotionSettings(Group):
    """The promotion gates on a timer (contract 90): decision and evidence, recorded and as metrics."""

    enabled: bool = True
    """Evaluate the gates where there is a fleet. It changes no fleet. Default true."""
    interval_seconds: Period = 900.0
    """Seconds between evaluations. Default 900."""
    deadline_seconds: Period = 120.0
    """Seconds after which an evaluation is ended. Default 120."""
    window_executions: Count = 20
    """So many of the newest autonomous executions count. Default 20."""
    min_sample_size: Count = 20
    """At least so many of them are needed. Default 20."""
    max_ambiguity_rate: float = Field(default=0.2, ge=0, le=1)
    """Share of intents that may end ambiguous. Default 0.2."""
    max_failure_rate: float = Field(default=0.2, ge=0, le=1)
    """Share of intents that may fail. Default 0.2."""
    max_manual_backlog: int = Field(default=5, ge=0, le=1_000_000_000)
    """Intents that may wait for a person. Default 5."""
    max_drill_age_hours: Count = 168
    """Hours since each drill was passed. Default 168."""


class ControllerSettings(Group):
    """The guarded promotion controller (contract 95, 4). It judges by the limits of `promotion`."""

    mode: Literal["off", "propose_only", "guarded_auto_apply"] = "off"
    """Off; record what it would do; or change the rollout within budgets. Default off."""
    interval_seconds: Period = 3_600.0
    """Seconds between passes. Default 3600."""
    deadline_seconds: Period = 1_800.0
    """Seconds after which a pass is ended; the next one completes it. Default 1800."""
    apply_intent: Literal["expand", "resume"] = "expand"
    """What is applied on a decision to promote. Default expand."""
    expand_step: int = Field(default=25, ge=1, le=100)
    """By how many percent the canary is raised. Default 25."""
    decision_ttl_minutes: Count = 60
    """Age in minutes beyond which a decision is held. Default 60."""
    budget_window_hours: Count = 24
    """The window of the budget, in hours. Default 24."""
    max_applies_per_window: int = Field(default=1, ge=0, le=1_000_000_000)
    """Applies within the window. Default 1."""
    max_expand_step_per_window: int = Field(default=25, ge=0, le=1_000_000_000)
    """Percent by which the canary is raised within the window. Default 25."""
    cooldown_minutes: int = Field(default=60, ge=0, le=1_000_000_000)
    """Minutes since the last apply or rollback. Default 60."""
    freeze_windows_file: Path | None = None
    """Times in which nothing is applied. Default: none."""
    hold_while_paused: bool = True
    """Hold while the rollout is paused by hand or by a rollback: a person resumes it. Default true."""
    by: str | None = Field(default=None, min_length=1)
    """Who answers for what is applied; needed in guarded_auto_apply, as are the next three. Default: none."""
    approval_ref: str | None = Field(default=None, min_length=1)
    """What approves it. Default: none."""
    rationale: str | None = Field(default=None, min_length=1)
    """Why. Default: none."""
    review_by: str | None = Field(default=None, min_length=1)
    """Until when the permission holds, as 2027-01-31T00:00:00Z. Default: none."""

    @model_validator(mode="after")
    def _governed(self) -> Self:
        needed = {"by": self.by, "approval_ref": self.approval_ref, "rationale": self.rationale}
        missing = [name for name, value in {**needed, "review_by": self.review_by}.items() if value is None]
        if self.mode == "guarded_auto_apply" and missing:
            raise ValueError(f"guarded_auto_apply needs {', '.join(missing)}")
        return self


class HorizonSettings(Group):
    """The bridge from a Horizon outbox to the operator's queue (contract 97)."""

    enabled: bool = False
    """Look into the outbox on a timer. Default false."""
    interval_seconds: Period = 30.0
    """Seconds between looks. Default 30."""
    deadline_seconds: Period = 300.0
    """Seconds after which a look is ended; the next one takes up what it left. Default 300."""
    outbox_dir: Path | None = None
    """The outbox, relative to the repo. Default: `.superloop/horizons/outbox`."""
    max_files: int = Field(default=1_000, ge=0, le=1_000_000_000)
    """Files that one look claims at most; 0 is no limit. Default 1000."""
    retention_days: int = Field(default=0, ge=0, le=36_500)
    """Days after which finished files and their keys are forgotten; 0 keeps them. Default 0."""
