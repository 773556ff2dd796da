"""The metrics of supervision: each declared in one place, with its help text and its unit in its name.

No histogram carries a loop label. Every label but a loop's is a closed set, or cut at a hundred values. Moments are
exported as ``_timestamp_seconds``, except the age of the queue's oldest item, which has no wall-clock moment.

Only for the event loop's thread.
"""

from __future__ import annotations

import platform
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Protocol

import structlog

from opsd.supervisor.metrics.exposition import Family, Histogram
from opsd.supervisor.metrics.loop_series import (
    ESCALATIONS,
    EVENTS,
    LOOP_COUNTERS,
    LOOP_GAUGES,
    SPRITE_REQUESTS,
    STREAM_CONNECTS,
    WAKEUPS,
)
from opsd.supervisor.metrics.loops import LoopMetrics
from opsd.supervisor.metrics.process import ProcessMetrics

log = structlog.get_logger("opsd.supervisor.metrics")

_DURATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0)
_LAG_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Part(Protocol):
    """Metrics of one of the daemon's rooms."""

    def render(self) -> bytes:
        """Its families as text."""


class SupervisionMetrics:
    """Of loops, passes, queue, tasks, registry and settings. A loop is shown in ``loops`` once it was added there."""

    def __init__(self, version: str, python: str | None = None) -> None:
        self.loops = LoopMetrics(LOOP_GAUGES, LOOP_COUNTERS)
        self._hooks: list[Callable[[], None]] = []
        self.parts: list[Part] = [ProcessMetrics()]
        self._build = Family("gauge", "opsd_build_info", "1, with the version as labels.", ("version", "python"))
        self._build.set(1, version, python or platform.python_version())
        self._ready = Family("gauge", "opsd_ready", "1 when /readyz answers 200, else 0.")
        self._loops = Family("gauge", "opsd_loops", "Loops that are supervised.")
        self._unusable = Family("gauge", "opsd_loops_unusable", "Registry entries that cannot be supervised.")
        self._reconciles = Family("counter", "opsd_reconciles_total", "Passes over loops, by result.", ("result",))
        self._failures = Family(
            "counter", "opsd_reconcile_failures_total", "Failed passes, by failure code.", ("code",)
        )
        self._duration = Histogram("opsd_reconcile_duration_seconds", "Duration of a pass.", _DURATION_BUCKETS)
        self._latency = Histogram(
            "opsd_event_to_manager_latency_seconds",
            "From an event's own time to its place in the manager's state.",
            _LATENCY_BUCKETS,
        )
        self._queue_depth = Family("gauge", "opsd_queue_depth", "Loops waiting for a pass, by priority.", ("priority",))
        self._queue_age = Family(
            "gauge", "opsd_queue_oldest_age_seconds", "Age of the queue's oldest item, 0 if empty."
        )
        self._last_lag = Family("gauge", "opsd_event_loop_last_lag_seconds", "Lag of the event loop, last measured.")
        self._lag = Histogram("opsd_event_loop_lag_seconds", "Lag of the event loop, all measurements.", _LAG_BUCKETS)
        self._tasks = Family("gauge", "opsd_tasks", "Supervised long-lived tasks, by state.", ("state",))
        self._task_failures = Family(
            "counter", "opsd_task_failures_total", "Long-lived tasks that failed, by kind of failure.", ("kind",)
        )
        self._registry_reloads = Family(
            "counter", "opsd_registry_reloads_total", "Times the fleet registry was read, by result.", ("result",)
        )
        self._registry_at = Family(
            "gauge", "opsd_registry_last_reload_success_timestamp_seconds", "Time the registry was last read well."
        )
        self._registry_ok = Family(
            "gauge", "opsd_registry_last_reload_successful", "1 when the registry's last reading was good, else 0."
        )
        self._review_expired = Family(
            "gauge", "opsd_fleet_review_expired", "1 when the policy's review deadline has passed: autonomy is off."
        )
        self._config_reloads = Family(
            "counter", "opsd_config_reloads_total", "Times the settings were loaded, by result.", ("result",)
        )
        self._config_at = Family(
            "gauge", "opsd_config_last_reload_success_timestamp_seconds", "Time the settings were last loaded well."
        )
        self._config_ok = Family(
            "gauge", "opsd_config_last_reload_successful", "1 when the settings' last load was good, else 0."
        )
        self._scrape_errors = Family("counter", "opsd_scrape_errors_total", "Sources that failed during a scrape.")
        for family in (self._reconciles, self._registry_reloads, self._config_reloads):
            for result in ("success", "failure"):
                family.inc(result, by=0)
        for kind in ("raised", "hung", "returned", "blocked"):
            self._task_failures.inc(kind, by=0)

    # Per loop: dropped when the loop is not supervised (any more).

    def count_events(self, loop: str, events: int) -> None:
        """``events`` of ``loop`` were taken in."""
        self.loops.count(EVENTS, loop, by=events)

    def count_escalation(self, loop: str, category: str) -> None:
        """One escalation row was written for ``loop``."""
        self.loops.count(ESCALATIONS, loop, category)

    def count_sprite_request(self, loop: str, kind: str, requests: int = 1) -> None:
        """Requests of ``kind`` (``snapshot``, ``events``, ``stream``) went to the loop's sprite service."""
        self.loops.count(SPRITE_REQUESTS, loop, kind, requests)

    def count_stream_connect(self, loop: str) -> None:
        """A stream of ``loop`` was opened."""
        self.loops.count(STREAM_CONNECTS, loop)

    def count_wakeup(self, loop: str) -> None:
        """A request was sent while the run of ``loop`` was not active."""
        self.loops.count(WAKEUPS, loop)

    # The daemon as a whole.

    def observe_reconcile(self, duration_s: float, ok: bool, failure_code: str | None = None) -> None:
        """One pass has ended after ``duration_s`` seconds."""
        self._duration.observe(duration_s)
        self._reconciles.inc("success" if ok else "failure")
        if not ok:
            self._failures.inc(failure_code or "unknown")

    def observe_event_latency(self, seconds: float) -> None:
        """An event reached the manager's state ``seconds`` after its own time."""
        self._latency.observe(seconds)

    def set_queue(self, depth_by_priority: Mapping[str, int], oldest_age_s: float | None) -> None:
        """The queue as it is; priorities that are not named vanish."""
        self._queue_depth.replace(dict(depth_by_priority))
        self._queue_age.set(oldest_age_s or 0)

    def observe_event_loop_lag(self, seconds: float) -> None:
        """The event loop came back ``seconds`` late."""
        self._last_lag.set(max(0.0, seconds))
        self._lag.observe(seconds)

    def set_tasks(self, by_state: Mapping[str, int]) -> None:
        """The supervised tasks as they are; states that are not named vanish."""
        self._tasks.replace(dict(by_state))

    def count_task_failure(self, kind: str) -> None:
        """A long-lived task failed: ``raised``, ``hung``, ``returned``, ``blocked``."""
        self._task_failures.inc(kind)

    def registry_reloaded(self, ok: bool, at: float) -> None:
        """The registry was read at ``at`` (seconds since the epoch)."""
        _reloaded(self._registry_reloads, self._registry_ok, self._registry_at, ok, at)

    def config_loaded(self, at: float) -> None:
        """The daemon started with its settings at ``at`` (seconds since the epoch): no reload, and yet in force."""
        self._config_ok.set(1)
        self._config_at.set(at)

    def config_reloaded(self, ok: bool, at: float) -> None:
        """The settings were loaded at ``at`` (seconds since the epoch)."""
        _reloaded(self._config_reloads, self._config_ok, self._config_at, ok, at)

    def set_unusable(self, loops: int) -> None:
        """So many enabled registry entries cannot be supervised."""
        self._unusable.set(loops)

    def set_review_expired(self, expired: bool) -> None:
        """The review deadline of the registry in force has passed."""
        self._review_expired.set(int(expired))

    def set_ready(self, ready: bool) -> None:
        """What /readyz answers."""
        self._ready.set(int(ready))

    def before_scrape(self, hook: Callable[[], None]) -> None:
        """Call ``hook`` at the start of every scrape, to set what is cheap to read and changes all the time."""
        self._hooks.append(hook)

    async def render(self) -> AsyncIterator[bytes]:
        """The whole exposition, in pieces, giving way to the event loop in between."""
        for hook in self._hooks:
            try:
                hook()
            except Exception:
                self._scrape_errors.inc()
                log.exception("metrics.hook_failed")
        self._loops.set(len(self.loops))
        families = [item for item in vars(self).values() if isinstance(item, Family | Histogram)]
        yield b"".join(part.render() for part in (*families, *self.parts))
        async for piece in self.loops.render():
            yield piece


def _reloaded(total: Family, good: Family, moment: Family, ok: bool, at: float) -> None:
    total.inc("success" if ok else "failure")
    good.set(int(ok))
    if ok:
        moment.set(at)
