"""The telemetry summary: what the newest passes looked like, and which profile suits them (contract 40, section 4)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TypeAlias

from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import get
from opsd.storage.model import TailRow

_STEADY = "Observed stable healthy runs; tighten thresholds for faster detection"
_NOISY = "Observed high critical/failure rates; reduce alert noise while stabilizing"
_MIXED = "Observed mixed signals; keep balanced thresholds"
_EMPTY = "No telemetry window yet; keep balanced defaults"


def summarize(
    reconcile: Sequence[TailRow],
    control: Sequence[TailRow],
    *,
    repo: str,
    loop_id: str,
    reconcile_file: str,
    control_file: str,
    window: int,
    now: str,
) -> JsonObject:
    """The summary document of the rows in the window, oldest first.

    Beside the contract's fields: ``observed.firstTimestamp`` and ``lastTimestamp``, the span that the rows cover.
    """
    attempts = len(reconcile)
    statuses, health, codes, seconds = _columns(reconcile)
    succeeded, failed = statuses.count("success"), statuses.count("failed")
    degraded, critical = health.count("degraded"), health.count("critical")
    ambiguous = sum(row.status == "ambiguous" or row.reason_code == "control_ambiguous" for row in control)
    durations = sorted([value for value in seconds if value is not None])
    profile, rationale = _recommend(attempts, degraded, critical, failed, ambiguous)
    return {
        "schemaVersion": "v1",
        "generatedAt": now,
        "source": {
            "repoPath": repo,
            "loopId": loop_id,
            "reconcileTelemetryFile": reconcile_file,
            "controlTelemetryFile": control_file,
            "window": window,
        },
        "observed": {
            "reconcileAttempts": attempts,
            "reconcileSuccessCount": succeeded,
            "reconcileFailedCount": failed,
            "health": {
                "degradedCount": degraded,
                "criticalCount": critical,
                "degradedRate": _rate(degraded, attempts),
                "criticalRate": _rate(critical, attempts),
                "reasonCodeFrequency": _frequency(codes),
            },
            "control": {"ambiguousCount": ambiguous},
            "durationSeconds": {
                "p50": _quantile(durations, 0.50),
                "p95": _quantile(durations, 0.95),
                "max": durations[-1] if durations else None,
            },
            "firstTimestamp": reconcile[0].timestamp if reconcile else None,
            "lastTimestamp": reconcile[-1].timestamp if reconcile else None,
        },
        "recommendedProfile": profile,
        "confidence": "high" if attempts >= 100 else "medium" if attempts >= 30 else "low",
        "rationale": rationale,
    }


def _recommend(attempts: int, degraded: int, critical: int, failed: int, ambiguous: int) -> tuple[str, str]:
    """Profile and rationale (40, 4.5). Counts are compared as integers: a rate of exactly one twentieth is one."""
    if not attempts:
        return "balanced", _EMPTY
    if critical * 5 >= attempts or failed * 4 >= attempts:
        return "relaxed", _NOISY
    if not critical and degraded * 20 <= attempts and failed * 50 <= attempts and not ambiguous:
        return "strict", _STEADY
    return "balanced", _MIXED


_Columns: TypeAlias = tuple[
    Sequence[str | None], Sequence[str | None], Sequence[tuple[str, ...]], Sequence[int | float | None]
]


def _columns(rows: Sequence[TailRow]) -> _Columns:
    """Statuses, health states, health codes and durations: a window of rows is taken apart once for all counts."""
    if not rows:
        return (), (), (), ()
    _timestamps, statuses, _reasons, health, codes, durations = zip(*rows, strict=True)
    return statuses, health, codes, durations


def _frequency(health_codes: Iterable[tuple[str, ...]]) -> list[JsonObject]:
    counts = Counter(chain.from_iterable(health_codes))
    ordered = sorted(counts.items(), key=lambda item: (item[1], item[0]), reverse=True)
    return [{"code": code, "count": count} for code, count in ordered]


def _quantile(ascending: Sequence[int | float], share: float) -> int | float | None:
    return ascending[math.floor((len(ascending) - 1) * share)] if ascending else None


def _rate(count: int, attempts: int) -> int | float:
    if not attempts or count % attempts == 0:
        return count // attempts if attempts else 0
    return count / attempts


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None


def recommendation(summary: JsonObject | None) -> tuple[str, str, str]:
    """(profile, confidence, rationale) of a summary; without one: none, ``low``, none."""
    return (
        _text(get(summary, "recommendedProfile")) or "",
        _text(get(summary, "confidence")) or "low",
        _text(get(summary, "rationale")) or "",
    )
