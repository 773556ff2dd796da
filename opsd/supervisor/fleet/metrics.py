"""The metrics of the fleet's steps: what is wrong, what is proposed, what autonomy did and what holds it back.

Reasons, categories and states are closed sets of the contract; what a registry or an artifact could add to them is
cut at a hundred values, the rest counted as ``other``. No series carries a loop. Only for the event loop's thread.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.timestamps import parse_epoch
from opsd.contract.values import as_object, get
from opsd.fleet.handoff.words import ResultStatus
from opsd.supervisor.fleet.cycle import CycleRun, Step
from opsd.supervisor.metrics.exposition import Family, Labels

_DAY_S = 86_400


class FleetMetrics:
    """All of them. ``clock`` gives seconds since 1970."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._review_by: float | None = None
        self._codes: dict[str, list[str]] = {}

        def counter(name: str, text: str, *labels: str) -> Family:
            return Family("counter", name, text, labels)

        def gauge(name: str, text: str, *labels: str) -> Family:
            return Family("gauge", name, text, labels)

        self._runs = counter("opsd_fleet_runs_total", "Runs of the fleet's steps, by result.", "result")
        self._failures = counter(
            "opsd_fleet_step_failures_total", "Failed or late steps of the fleet's runs, by step.", "step"
        )
        self._last = gauge("opsd_fleet_step_last_success_timestamp_seconds", "Time the step last succeeded.", "step")
        self._duration = gauge("opsd_fleet_step_last_duration_seconds", "Duration of the step's last run.", "step")
        self._results = gauge(
            "opsd_fleet_results",
            "Loops in the rollup, by status and by the pass that it comes from.",
            "status",
            "source",
        )
        self._reasons = gauge(
            "opsd_fleet_reason", "1 for each reason code, by the document that holds it.", "document", "reason"
        )
        self._candidates = gauge(
            "opsd_fleet_candidates",
            "Candidates by category; suppression is empty for those that are shown.",
            "category",
            "suppression",
        )
        self._held_back = gauge(
            "opsd_fleet_autonomy_reasons", "Shown candidates that autonomy leaves alone, by reason.", "reason"
        )
        self._eligible = gauge("opsd_fleet_autonomous_eligible", "Candidates that autonomy may act on.")
        self._intents = gauge("opsd_fleet_intents", "Intents of the handoff, by state.", "state")
        self._dispatches = counter(
            "opsd_fleet_autonomous_dispatches_total", "Autonomous dispatches, by outcome.", "outcome"
        )
        self._mode = gauge("opsd_fleet_policy_mode", "1 for the registry's policy mode.", "mode")
        self._kill_switch = gauge("opsd_fleet_kill_switch", "1 while the registry's kill switch is on.")
        self._paused = gauge("opsd_fleet_rollout_paused", "1 while the rollout is paused, by cause.", "cause")
        self._canary = gauge("opsd_fleet_rollout_canary_percent", "Share of loops that autonomy reaches.")
        self._cohort = gauge("opsd_fleet_rollout_candidates", "Shown candidates in and out of the cohort.", "cohort")
        self._review_at = gauge(
            "opsd_fleet_review_deadline_timestamp_seconds", "When the permission for autonomy ends."
        )
        self._days_left = gauge(
            "opsd_fleet_governance_days_left", "Days until the review deadline, negative once it has passed."
        )
        self._warnings = gauge("opsd_fleet_policy_warnings", "Warnings of the policy state, by code.", "code")
        for result in ("success", "failure"):
            self._runs.inc(result, by=0)
        for step in Step:
            self._failures.inc(step.value, by=0)
        for status in ResultStatus:
            self._dispatches.inc(status.value, by=0)

    def render(self) -> bytes:
        """The families as text."""
        if self._review_by is not None:
            self._days_left.set((self._review_by - self._clock()) / _DAY_S)
        return b"".join(item.render() for item in vars(self).values() if isinstance(item, Family))

    def step_failed(self, step: Step) -> None:
        """A step failed, or is late."""
        self._failures.inc(step.value)

    def ended(self, run: CycleRun) -> None:
        """A run has ended."""
        if run.failure is not None:
            self.step_failed(run.failure[0])
        self._runs.inc("success" if run.failure is None else "failure")
        now = self._clock()
        for step, duration_s in run.durations.items():
            self._duration.set(duration_s, step.value)
            if run.failure is None or run.failure[0] is not step:
                self._last.set(now, step.value)
        if run.reading is not None:
            self._posture(run.reading.document)
        if run.fleet is not None:
            self._show_fleet(run.fleet)
        if run.policy is not None:
            self._show_policy(run.policy)
        if run.handoff is not None:
            self._show_handoff(run.handoff)
        if run.execution is not None:
            self._show_execution(run.execution)

    def _posture(self, registry: JsonObject) -> None:
        """What the registry permits just now; of the pause only what a person set, the rest is the policy's."""
        autonomous = get(registry, "policy", "autonomous")
        rollout = get(autonomous, "rollout")
        self._mode.replace({str(get(registry, "policy", "mode")): 1})
        self._kill_switch.set(int(get(autonomous, "safety", "killSwitch") is True))
        self._paused.set(int(get(rollout, "pause", "manual") is True), "manual")
        self._canary.set(_number(get(rollout, "canaryPercent")))
        self._review_by = parse_epoch(get(autonomous, "governance", "reviewBy"))
        self._review_at.replace_all({} if self._review_by is None else {(): self._review_by})
        if self._review_by is None:
            self._days_left.replace_all({})

    def _show_fleet(self, state: JsonObject) -> None:
        results = [(result["status"], str(result.get("passSource"))) for result in state["results"]]
        self._results.replace_all(_counted(results))
        self._document("fleet", state)

    def _show_policy(self, state: JsonObject) -> None:
        candidates = state["candidates"]
        found = [(str(one.get("category")), _suppression(one)) for one in candidates]
        self._candidates.replace_all(_counted(found))
        self._held_back.replace_all(_numbers(get(state, "summary", "byAutonomyReason")))
        self._eligible.set(_number(state.get("autoEligibleCount")))
        rollout = get(state, "autonomous", "rollout")
        self._paused.set(int(get(rollout, "pauseObserved", "auto", "active") is True), "auto")
        shown = [one for one in candidates if not _suppression(one)]
        inside = sum(get(one, "autonomous", "rollout", "selector", "inCohort") is True for one in shown)
        self._cohort.set(inside, "in")
        self._cohort.set(len(shown) - inside, "out")
        self._warnings.replace_all(_counted((str(one["code"]),) for one in state["warnings"]))
        self._document("policy", state)

    def _show_handoff(self, state: JsonObject) -> None:
        self._intents.replace_all(_counted((str(one["status"]),) for one in state["intents"]))
        self._document("handoff", state)

    def _show_execution(self, execution: JsonObject) -> None:
        for result in execution["results"]:
            self._dispatches.inc(result["status"])
        self._dispatches.inc(ResultStatus.WITHHELD.value, by=len(execution.get("withheld", ())))

    def _document(self, document: str, state: JsonObject) -> None:
        self._codes[document] = [str(code) for code in state["reasonCodes"]]
        self._reasons.replace_all({(name, code): 1 for name, codes in self._codes.items() for code in codes})


def _suppression(candidate: JsonObject) -> str:
    """Why a candidate is not shown, "" when it is."""
    if candidate.get("suppressed") is not True:
        return ""
    return str(candidate.get("suppressionReason") or "unknown")


def _counted(items: Iterable[Labels]) -> Mapping[Labels, float]:
    return Counter(items)


def _number(value: JsonValue) -> float:
    return value if isinstance(value, int | float) else 0


def _numbers(value: JsonValue) -> dict[Labels, float]:
    return {(str(key),): _number(count) for key, count in as_object(value).items()}
