"""The commands that the daemon runs beside its loops: promotion gates, promotion controller, Horizon bridge. Pure.

Each is what a person would type, with the flags that the settings stand for; :mod:`.timer` runs it. What writes a
registry by itself is off unless the settings say otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from opsd.api.flags import plain
from opsd.storage.fleet_parts import FleetDocument
from opsd.supervisor.settings.model import Settings


class JobName(StrEnum):
    """The jobs; the value names task, metrics and log lines."""

    GATES = "promotion-gates"
    CONTROLLER = "promotion-controller"
    BRIDGE = "horizon-bridge"


@dataclass(frozen=True, slots=True)
class Job:
    """One command on a timer.

    Attributes:
        argv: what follows ``opsd``.
        interval_s, deadline_s: seconds between runs, and those after which a run is ended.
        needs: documents of the fleet without which there is nothing to do yet.
        good_exits: exit codes of a run that did its work.
    """

    argv: Sequence[str]
    interval_s: float
    deadline_s: float
    needs: tuple[FleetDocument, ...] = ()
    good_exits: frozenset[int] = frozenset({0})


_FLEET = (FleetDocument.REGISTRY, FleetDocument.STATE)


def job_of(name: JobName, repo: str, settings: Settings) -> Job | None:
    """The job by the settings; None where they do not want it, or where it could not be right.

    The promotion commands know a registry in its usual place only.
    """
    if name is JobName.BRIDGE:
        return _bridge(repo, settings)
    if settings.registry.file is not None:
        return None
    return _gates(repo, settings) if name is JobName.GATES else _controller(repo, settings)


def _gates(repo: str, settings: Settings) -> Job | None:
    wanted = settings.promotion
    if not wanted.enabled:
        return None
    argv = ["promotion", "gates", "--repo", repo, *_thresholds(settings)]
    return Job(argv, wanted.interval_seconds, wanted.deadline_seconds, _FLEET)


def _controller(repo: str, settings: Settings) -> Job | None:
    wanted = settings.controller
    if wanted.mode == "off":
        return None
    argv = ["promotion", "controller", "--repo", repo, "--mode", wanted.mode, "--apply-intent", wanted.apply_intent]
    argv += ["--expand-step", str(wanted.expand_step), "--decision-ttl-minutes", str(wanted.decision_ttl_minutes)]
    argv += ["--budget-window-hours", str(wanted.budget_window_hours)]
    argv += ["--max-applies-per-window", str(wanted.max_applies_per_window)]
    argv += ["--max-expand-step-per-window", str(wanted.max_expand_step_per_window)]
    argv += ["--cooldown-minutes", str(wanted.cooldown_minutes), *_thresholds(settings)]
    governance = (wanted.by, wanted.approval_ref, wanted.rationale, wanted.review_by)
    for flag, value in zip(("--by", "--approval-ref", "--rationale", "--review-by"), governance, strict=True):
        if value is not None:
            argv += [flag, value]
    if wanted.freeze_windows_file is not None:
        argv += ["--freeze-windows-file", str(wanted.freeze_windows_file)]
    if wanted.hold_while_paused:
        argv.append("--hold-while-paused")
    return Job(argv, wanted.interval_seconds, wanted.deadline_seconds, _FLEET)


def _thresholds(settings: Settings) -> list[str]:
    wanted = settings.promotion
    return [
        *("--window-executions", str(wanted.window_executions)),
        *("--min-sample-size", str(wanted.min_sample_size)),
        *("--max-ambiguity-rate", plain(wanted.max_ambiguity_rate)),
        *("--max-failure-rate", plain(wanted.max_failure_rate)),
        *("--max-manual-backlog", str(wanted.max_manual_backlog)),
        *("--max-drill-age-hours", str(wanted.max_drill_age_hours)),
    ]


def _bridge(repo: str, settings: Settings) -> Job | None:
    wanted = settings.horizon
    if not wanted.enabled:
        return None
    argv = ["horizon-bridge", "--repo", repo, "--max-files", str(wanted.max_files)]
    argv += ["--retention-days", str(wanted.retention_days)]
    if wanted.outbox_dir is not None:
        argv += ["--outbox-dir", str(wanted.outbox_dir)]
    # 2: a file broke the envelope contract; it was put aside, and the run has done its work.
    return Job(argv, wanted.interval_seconds, wanted.deadline_seconds, good_exits=frozenset({0, 2}))
