"""How figures are taken: two workloads in turn, A B A B ..., and the median of the ratios pair by pair."""

from __future__ import annotations

import gc
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the report: what was measured, the ratio (or value), what we aim at, and the numbers behind it."""

    name: str
    value: float
    aim: str
    detail: str

    def __str__(self) -> str:
        return f"{self.name:<58} {self.value:>8.3f}   aim {self.aim:<12} {self.detail}"


def cpu_s() -> float:
    """CPU time of this process, all threads, in seconds."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def spent(work: Callable[[], object], clock: Callable[[], float]) -> float:
    """What ``clock`` says ``work`` cost."""
    gc.collect()
    before = clock()
    work()
    return clock() - before


def paired(
    a: Callable[[], object], b: Callable[[], object], *, rounds: int = 7, clock: Callable[[], float] = time.perf_counter
) -> tuple[float, float, float]:
    """Medians of ``a``, of ``b``, and of ``a / b`` taken pair by pair, after one warm-up of each."""
    a()
    b()
    pairs = [(spent(a, clock), spent(b, clock)) for _ in range(rounds)]
    return (
        statistics.median(x for x, _ in pairs),
        statistics.median(y for _, y in pairs),
        statistics.median(x / y for x, y in pairs),
    )
