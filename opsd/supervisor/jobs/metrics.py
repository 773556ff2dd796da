"""The metrics of promotion and of the Horizon bridge: decision, gates, drills, what the controller did, what waits.

Only for the event loop's thread. All labels are closed sets of the contract; what a document could add to them is cut.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.timestamps import parse_epoch
from opsd.contract.values import as_object, get
from opsd.promotion.controller.words import Status
from opsd.promotion.gates import GATES
from opsd.promotion.words import Decision, Drill, Outcome
from opsd.supervisor.jobs.job import JobName
from opsd.supervisor.metrics.exposition import Family

_DAY_S = 86_400


class JobMetrics:
    """All of them. ``clock`` gives seconds since 1970."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._drilled: dict[Drill, float] = {}

        def counter(name: str, text: str, *labels: str) -> Family:
            return Family("counter", name, text, labels)

        def gauge(name: str, text: str, *labels: str) -> Family:
            return Family("gauge", name, text, labels)

        self._runs = counter(
            "opsd_job_runs_total",
            "Runs of promotion gates, controller and Horizon bridge, by result.",
            "name",
            "result",
        )
        self._last = gauge("opsd_job_last_success_timestamp_seconds", "Time the job last did its work.", "name")
        self._duration = gauge("opsd_job_last_duration_seconds", "Duration of the job's last run.", "name")
        self._decision = gauge("opsd_promotion_decision", "1 for the decision of the promotion gates.", "decision")
        self._gate = gauge("opsd_promotion_gate", "1 for the outcome of each promotion gate.", "gate", "outcome")
        self._reasons = gauge("opsd_promotion_reason", "1 for each reason that the promotion gates give.", "reason")
        self._passed = gauge("opsd_promotion_drill_passed", "1 when the drill's evidence says pass.", "drill")
        self._completed = gauge(
            "opsd_promotion_drill_completed_timestamp_seconds", "Time the drill was last completed.", "drill"
        )
        self._age = gauge("opsd_promotion_drill_age_days", "Days since the drill was last completed.", "drill")
        self._max_age = gauge("opsd_promotion_drill_max_age_days", "Age from which the gates refuse a drill.")
        self._passes = counter("opsd_promotion_controller_passes_total", "Controller passes, by status.", "status")
        self._held = gauge(
            "opsd_promotion_controller_reason", "1 for each reason of the last controller pass.", "reason"
        )
        self._pending = gauge("opsd_horizon_pending_intents", "Intents from Horizon that wait for an operator.")
        self._queued = counter("opsd_horizon_envelopes_queued_total", "Envelopes that the bridge has queued.")
        self._rejected = counter("opsd_horizon_files_rejected_total", "Outbox files that broke the envelope contract.")
        for job in JobName:
            for result in ("success", "failure"):
                self._runs.inc(job.value, result, by=0)
        for status in Status:
            self._passes.inc(status.value, by=0)

    def render(self) -> bytes:
        """The families as text."""
        now = self._clock()
        self._age.replace({drill.value: (now - at) / _DAY_S for drill, at in self._drilled.items()})
        return b"".join(item.render() for item in vars(self).values() if isinstance(item, Family))

    def ended(self, job: JobName, document: JsonObject | None, succeeded: bool, duration_s: float) -> None:
        """A run has ended; ``document`` is what it printed, also of a run that failed."""
        self._runs.inc(job.value, "success" if succeeded else "failure")
        self._duration.set(duration_s, job.value)
        if succeeded:
            self._last.set(self._clock(), job.value)
        if document is None:
            return
        if job is JobName.CONTROLLER:
            self._show_controller(document)
        elif succeeded and job is JobName.GATES:
            self._show_gates(document)
        elif succeeded:
            self._show_bridge(document)

    def forget(self, job: JobName) -> None:
        """The job is not wanted any more: what it said last is no longer shown."""
        shown: tuple[Family, ...] = ()
        if job is JobName.GATES:
            self._drilled = {}
            shown = (self._decision, self._gate, self._reasons, self._passed, self._completed, self._max_age)
        elif job is JobName.CONTROLLER:
            shown = (self._held,)
        else:
            shown = (self._pending,)
        for family in shown:
            family.replace_all({})

    def _show_gates(self, document: JsonObject) -> None:
        decision = get(document, "summary", "decision")
        self._decision.replace({one.value: int(decision == one) for one in (Decision.PROMOTE, Decision.HOLD)})
        outcomes = {gate.name: get(document, "gates", gate.key, "outcome") for gate in GATES}
        self._gate.replace_all(
            {(gate, one.value): int(outcome == one) for gate, outcome in outcomes.items() for one in Outcome}
        )
        self._reasons.replace(dict.fromkeys(_texts(get(document, "summary", "reasonCodes")), 1))
        first: dict[str, JsonObject] = {}
        drills = get(document, "gates", "drillRecency", "drills")
        for one in drills if isinstance(drills, list) else []:
            first.setdefault(str(get(one, "id")), as_object(one))
        self._passed.replace({drill.value: int(get(first.get(drill), "status") == "pass") for drill in Drill})
        times = {drill: parse_epoch(get(first.get(drill), "completedAt")) for drill in Drill}
        self._drilled = {drill: at for drill, at in times.items() if at is not None}
        self._completed.replace({drill.value: at for drill, at in self._drilled.items()})
        hours = get(document, "thresholds", "maxDrillAgeHours")
        if isinstance(hours, int | float):
            self._max_age.set(hours / 24)

    def _show_controller(self, document: JsonObject) -> None:
        status = get(document, "status")
        if status in tuple(Status):
            self._passes.inc(str(status))
        self._held.replace(dict.fromkeys(_texts(get(document, "decision", "reasonCodes")), 1))

    def _show_bridge(self, document: JsonObject) -> None:
        summary = get(document, "summary")
        self._pending.set(_count(get(summary, "pendingConfirmationCount")))
        self._queued.inc(by=_count(get(summary, "queuedEnvelopeCount")))
        self._rejected.inc(by=_count(get(summary, "rejectedFileCount")))


def _texts(value: JsonValue) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _count(value: JsonValue) -> float:
    return value if isinstance(value, int | float) and value >= 0 else 0
