"""Series that carry a loop label, kept as ready text per loop.

Guarantees: the label is bounded by the fleet (only a loop that was added is shown, and what a late pass reports
about a loop that has gone is dropped); all of a loop's series vanish with it; a loop is rendered again only when
something about it changed, in the scrape and not in the pass; a scrape gives the event loop its turn every
:data:`SLICE_SECONDS`, so its longest step does not grow with the number of loops.

The families are declared in :mod:`opsd.supervisor.metrics.supervision`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from opsd.supervisor.metrics.exposition import header, label_value, number

#: Longest time that a scrape works without giving way, in seconds.
SLICE_SECONDS = 0.001
#: Loops whose text is joined in one step.
SLICE_LOOPS = 100
#: Reasons of one loop that are shown; the pipeline knows about a dozen.
MAX_REASONS = 32


@dataclass(frozen=True, slots=True)
class LoopSample:
    """What is known of one loop. Times are seconds since the epoch; None means not known, and gives no series."""

    state: str | None = None
    health: str | None = None
    reasons: tuple[tuple[str, str], ...] = ()
    """``(code, severity)`` of each health reason."""
    observation: str | None = None
    """How the loop is watched just now: ``stream``, ``poll`` or ``idle``."""
    last_event_at: float | None = None
    last_heartbeat_at: float | None = None
    last_success_at: float | None = None
    transport_failure_streak: int = 0
    cursor_offset: int | None = None
    control_status: str | None = None
    """Status of the loop's last control intent."""
    drift_status: str | None = None
    """Result of the last profile drift evaluation."""
    alerts_pending: int | None = None
    """Deliveries of alerts that are not over."""
    alerts_oldest_pending_at: float | None = None
    """When the oldest of them was taken in."""
    alerts_dead_letters: int | None = None
    """Deliveries that were given up and not replayed since."""
    recommended_profile: str | None = None


@dataclass(frozen=True, slots=True)
class GaugeSpec:
    """A gauge that is read off a sample: ``read`` gives the text after the loop label and the value, per series."""

    name: str
    help: str
    read: Callable[[LoopSample], Iterable[tuple[str, float]]]


@dataclass(frozen=True, slots=True)
class CounterSpec:
    """A counter per loop; ``values`` are all that its one further ``label`` may hold (none: no further label)."""

    name: str
    help: str
    label: str = ""
    values: Sequence[str] = ()


@dataclass(slots=True)
class _Entry:
    label: str
    sample: LoopSample | None = None
    counts: dict[tuple[str, str], float] = field(default_factory=dict)
    blocks: tuple[bytes, ...] | None = None


class LoopMetrics:
    """The loops of the fleet and their series. Only for the event loop's thread."""

    def __init__(self, gauges: Sequence[GaugeSpec], counters: Sequence[CounterSpec]) -> None:
        self._gauges = tuple(gauges)
        self._counters = tuple(counters)
        self._by_name: Mapping[str, CounterSpec] = {spec.name: spec for spec in counters}
        self._headers = [header(spec.name, "gauge", spec.help) for spec in self._gauges]
        self._headers += [header(spec.name, "counter", spec.help) for spec in self._counters]
        self._entries: dict[str, _Entry] = {}

    @property
    def specs(self) -> tuple[GaugeSpec | CounterSpec, ...]:
        """What may be shown of a loop."""
        return (*self._gauges, *self._counters)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, loop: object) -> bool:
        return loop in self._entries

    def add_loop(self, loop: str) -> None:
        """Show ``loop`` from now on; its counters start at zero. No effect when it is shown already."""
        if loop not in self._entries:
            entry = _Entry(label_value(loop))
            for spec in self._counters:
                for value in spec.values or ("",):
                    entry.counts[spec.name, value] = 0
            self._entries[loop] = entry

    def forget_loop(self, loop: str) -> None:
        """All series of ``loop`` vanish. No effect when it is not shown."""
        self._entries.pop(loop, None)

    def update(self, loop: str, sample: LoopSample) -> None:
        """What is known of ``loop`` now. Dropped when the loop was not added."""
        entry = self._entries.get(loop)
        if entry is not None and entry.sample != sample:
            entry.sample, entry.blocks = sample, None

    def count(self, name: str, loop: str, value: str = "", by: float = 1) -> None:
        """Add to a counter of ``loop``. Dropped when the loop was not added.

        A label value that the counter does not know is counted as ``other``.
        """
        entry = self._entries.get(loop)
        if entry is None or by == 0:
            return
        values = self._by_name[name].values
        key = (name, value if not values or value in values else "other")
        entry.counts[key] = entry.counts.get(key, 0) + by
        entry.blocks = None

    async def render(self) -> AsyncIterator[bytes]:
        """All families, in pieces, as one moment of each loop; gives way to the event loop in between."""
        give_way = time.monotonic() + SLICE_SECONDS
        rendered: list[tuple[bytes, ...]] = []
        for entry in list(self._entries.values()):
            if entry.blocks is None:
                entry.blocks = self._render_entry(entry)
            rendered.append(entry.blocks)
            if time.monotonic() >= give_way:
                await asyncio.sleep(0)
                give_way = time.monotonic() + SLICE_SECONDS
        for index, family_header in enumerate(self._headers):
            started = False
            for first in range(0, len(rendered), SLICE_LOOPS):
                piece = b"".join([blocks[index] for blocks in rendered[first : first + SLICE_LOOPS]])
                if piece:
                    yield piece if started else family_header + piece
                    started = True
                if time.monotonic() >= give_way:
                    await asyncio.sleep(0)
                    give_way = time.monotonic() + SLICE_SECONDS

    def _render_entry(self, entry: _Entry) -> tuple[bytes, ...]:
        blocks: list[bytes] = []
        for gauge in self._gauges:
            start = f'{gauge.name}{{loop="{entry.label}"'
            # Through a dict: a series that stands twice makes Prometheus refuse the whole scrape.
            series = dict(gauge.read(entry.sample)) if entry.sample is not None else {}
            blocks.append("".join([f"{start}{more}}} {number(v)}\n" for more, v in series.items()]).encode())
        texts = {spec.name: "" for spec in self._counters}
        for (name, value), total in entry.counts.items():
            label = self._by_name[name].label
            more = f',{label}="{value}"' if label else ""
            texts[name] += f'{name}{{loop="{entry.label}"{more}}} {number(total)}\n'
        blocks.extend(text.encode() for text in texts.values())
        return tuple(blocks)
