"""The Prometheus text format (0.0.4): families, label values, numbers.

Guarantees: label values and help texts are escaped; a family holds at most :data:`MAX_CHILDREN` label combinations,
what would come after them is counted under ``other``; rendering costs nothing that grows with the number of loops.
Per-loop series are not kept here but in :mod:`opsd.supervisor.metrics.loops`.

Everything is to be called from the event loop's thread.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MAX_CHILDREN = 100
MAX_LABEL_LENGTH = 200

Labels = tuple[str, ...]

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_HELP_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n"})


def label_value(text: str) -> str:
    """``text`` between quotes: escaped, cut at :data:`MAX_LABEL_LENGTH` characters, encodable as UTF-8."""
    if len(text) > MAX_LABEL_LENGTH:
        text = text[: MAX_LABEL_LENGTH - 1] + "…"
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
    return text.translate(_ESCAPES)


def label_text(names: Sequence[str], values: Sequence[str]) -> str:
    """``{a="1",b="2"}``, or nothing without names."""
    if not names:
        return ""
    return "{" + ",".join(f'{name}="{label_value(value)}"' for name, value in zip(names, values, strict=True)) + "}"


def number(value: float) -> str:
    """A sample's value: integers without a fraction, the rest exact, ``+Inf``, ``-Inf`` and ``NaN`` by their names."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 2**63 else repr(float(value))


def header(name: str, kind: str, text: str) -> bytes:
    """The HELP and TYPE lines of a family."""
    return f"# HELP {name} {text.translate(_HELP_ESCAPES)}\n# TYPE {name} {kind}\n".encode()


class Family:
    """A counter or gauge with a bounded set of label combinations. What it was declared with can be read."""

    def __init__(self, kind: Literal["counter", "gauge"], name: str, text: str, labels: Labels = ()) -> None:
        self.kind = kind
        self.name = name
        self.text = text
        self.labels = labels
        self._header = header(name, kind, text)
        self._values: dict[Labels, float] = {}
        if not labels and kind == "counter":
            self._values[()] = 0

    def inc(self, *values: str, by: float = 1) -> None:
        """Add ``by`` to the series with these label values."""
        key = self._key(values)
        self._values[key] = self._values.get(key, 0) + by

    def set(self, value: float, *values: str) -> None:
        """Set the series with these label values."""
        self._values[self._key(values)] = value

    def replace(self, values: dict[str, float]) -> None:
        """Exactly these series of a family with one label; all others vanish."""
        self._values = {(key,): value for key, value in list(values.items())[:MAX_CHILDREN]}

    def replace_all(self, values: Mapping[Labels, float]) -> None:
        """Exactly these series, however many labels the family has; beyond the bound they are added up as ``other``."""
        kept = dict(list(values.items())[:MAX_CHILDREN])
        rest = sum(list(values.values())[MAX_CHILDREN:])
        if rest:
            kept[("other",) * len(self.labels)] = rest
        self._values = kept

    def keep(self, wanted: Callable[[Labels], bool]) -> None:
        """All series whose labels are not ``wanted`` vanish."""
        self._values = {labels: value for labels, value in self._values.items() if wanted(labels)}

    def value(self, *values: str) -> float | None:
        """What a scrape would show, None when there is no such series."""
        return self._values.get(values)

    def _key(self, values: Labels) -> Labels:
        if values not in self._values and len(self._values) >= MAX_CHILDREN:
            return ("other",) * len(self.labels)
        return values

    def render(self) -> bytes:
        """The family as text; empty without a series."""
        if not self._values:
            return b""
        lines = [f"{self.name}{label_text(self.labels, key)} {number(value)}\n" for key, value in self._values.items()]
        return self._header + "".join(lines).encode()


class Histogram:
    """A histogram without labels. ``buckets`` are the upper bounds, ascending, without infinity."""

    def __init__(self, name: str, text: str, buckets: tuple[float, ...]) -> None:
        self.name = name
        self.text = text
        self._header = header(name, "histogram", text)
        self._bounds = buckets
        self._counts = [0] * (len(buckets) + 1)
        self._sum = 0.0

    @property
    def count(self) -> int:
        """How many values were observed."""
        return sum(self._counts)

    def observe(self, value: float) -> None:
        """Take one value; one below zero (a clock set back) counts as zero."""
        value = max(0.0, value)
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def render(self) -> bytes:
        """The family as text."""
        lines, total = [], 0
        for bound, count in zip((*self._bounds, float("inf")), self._counts, strict=True):
            total += count
            lines.append(f'{self.name}_bucket{{le="{number(bound)}"}} {total}\n')
        lines.append(f"{self.name}_sum {number(self._sum)}\n{self.name}_count {total}\n")
        return self._header + "".join(lines).encode()
