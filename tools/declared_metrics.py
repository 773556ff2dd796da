"""Every metric that the two services can export, with type, labels and help text, read off their declarations.

A scrape shows only families that have a series; what an alert waits for mostly has none. So the declarations
themselves are read: the objects that the daemon renders, the specifications of the series per loop (whose labels are
seen by rendering a loop of which everything is known), and the text of a sprite service to which everything happened.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from opsd.supervisor.daemon_metrics import DaemonMetrics
from opsd.supervisor.metrics.exposition import Family, Histogram
from opsd.supervisor.metrics.loops import GaugeSpec, LoopMetrics, LoopSample
from sprite_service.metrics import ServiceMetrics

_LABEL = re.compile(r'([a-z_]+)="')
_FULL_LOOP = LoopSample(
    state="running",
    health="critical",
    reasons=(("ingest_stale", "critical"),),
    observation="stream",
    last_event_at=1.0,
    last_heartbeat_at=1.0,
    last_success_at=1.0,
    transport_failure_streak=1,
    cursor_offset=1,
    control_status="confirmed",
    drift_status="aligned",
    alerts_pending=1,
    alerts_oldest_pending_at=1.0,
    alerts_dead_letters=1,
    recommended_profile="default",
)


@dataclass(frozen=True, slots=True)
class Metric:
    """One family: ``kind`` is counter, gauge or histogram, ``labels`` are those of the service itself."""

    name: str
    kind: str
    text: str
    labels: tuple[str, ...]

    @property
    def series(self) -> tuple[str, ...]:
        """The names that queries may use."""
        if self.kind != "histogram":
            return (self.name,)
        return tuple(f"{self.name}_{part}" for part in ("bucket", "sum", "count"))


def daemon_metrics() -> list[Metric]:
    """The daemon's, by name."""
    metrics = DaemonMetrics("0")
    return sorted(chain.from_iterable(map(_of, (metrics, *metrics.parts))), key=lambda metric: metric.name)


def sprite_metrics() -> list[Metric]:
    """The sprite service's, by name."""
    metrics = ServiceMetrics()
    metrics.requests["/healthz", 200] = 1
    text = metrics.render(cached_loops=1, connections=1, controls=1, inotify=True).decode()
    helps = dict(re.findall(r"^# HELP (\S+) (.*)$", text, re.MULTILINE))
    kinds = dict(re.findall(r"^# TYPE (\S+) (.*)$", text, re.MULTILINE))
    labels = dict(re.findall(r"^([a-z_]+)(?:\{(.*)\})? ", text, re.MULTILINE))
    return [Metric(name, kinds[name], helps[name], tuple(_LABEL.findall(labels[name]))) for name in sorted(helps)]


def _of(part: object) -> Iterator[Metric]:
    for item in vars(part).values():
        if isinstance(item, Family):
            yield Metric(item.name, item.kind, item.text, item.labels)
        elif isinstance(item, Histogram):
            yield Metric(item.name, "histogram", item.text, ())
        elif isinstance(item, LoopMetrics):
            yield from _per_loop(item)


def _per_loop(loops: LoopMetrics) -> Iterator[Metric]:
    for spec in loops.specs:
        if isinstance(spec, GaugeSpec):
            shown = "".join(more for more, _value in spec.read(_FULL_LOOP))
            yield Metric(spec.name, "gauge", spec.help, ("loop", *_LABEL.findall(shown)))
        else:
            yield Metric(spec.name, "counter", spec.help, ("loop", *([spec.label] if spec.label else [])))
