"""Threshold profiles as readable pages: what a loop's passes looked like, which profile suits, what its limits are."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType

from opsd.cli.page import SHOWN, aligned, cells, counted, kept_whole, line, more, span, table
from opsd.cli.reasons import loop as reasons
from opsd.cli.reasons.told import command_line, meaning
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.reasons import ReasonCode
from opsd.contract.values import as_object, compact_text, get, list_of, number

_DRIFTS = {
    "aligned": ("the profile in force suits what is observed", "green"),
    "no_recommendation": ("nothing is recommended", "dim"),
    "insufficient_confidence": ("another profile would suit, and there is too little to be sure", "dim"),
    "mismatch_pending": ("another profile would suit, and has not for long enough", "yellow"),
    "drift_active": ("another profile has suited better for a while", "bold yellow"),
}
_LIMITS = {
    "IngestLagSeconds": "no event for",
    "HeartbeatLagSeconds": "no heartbeat for",
    "TransportFailureStreak": "failures in a row",
}


def summary_page(summary: JsonObject, place: Sequence[str], width: int | None) -> list[RenderableType]:
    """Figures over a loop's newest passes; ``place`` names it in the commands that are shown."""
    seen, health = as_object(summary.get("observed")), as_object(get(summary, "observed", "health"))
    failed, ambiguous = seen.get("reconcileFailedCount"), get(seen, "control", "ambiguousCount")
    took = as_object(seen.get("durationSeconds"))
    facts = [
        line("since", seen.get("firstTimestamp"), f"until {compact_text(seen.get('lastTimestamp'))}"),
        line("health", *(_share(health, word) for word in ("critical", "degraded"))),
        line("passes took", *(_took(name, took.get(name)) for name in ("p50", "p95", "max"))),
        line("control", f"{compact_text(ambiguous)} ended ambiguous" if ambiguous else None, style="yellow"),
        line(
            "suits best",
            summary.get("recommendedProfile"),
            f"confidence {compact_text(summary.get('confidence'))}",
            summary.get("rationale"),
        ),
    ]
    counts = health.get("reasonCodeFrequency")
    frequent = [as_object(one) for one in list_of(counts)]
    head = line(
        f"passes of {compact_text(get(summary, 'source', 'loopId'))}",
        counted(seen.get("reconcileAttempts"), "pass", "passes"),
        f"{compact_text(seen.get('reconcileSuccessCount'))} succeeded",
        f"{compact_text(failed)} failed",
        style="yellow" if failed else "green",
    )
    page: list[RenderableType] = [head, *aligned(facts)]
    if frequent:
        made = table("why", "passes", "means")
        for one in frequent[:SHOWN]:
            code = one.get("code")
            made.add_row(*cells(code, one.get("count"), meaning(code, reasons.HEALTH, reasons.FAILED_PASS)))
        page += ["", kept_whole(made, "why", "passes", width=width), *more(len(frequent))]
    return [*page, "", command_line("how it is now", "health", place=place)]


def drift_page(drift: JsonObject, place: Sequence[str]) -> list[RenderableType]:
    """Whether the profile in force still suits."""
    status = compact_text(drift.get("status"))
    words, style = _DRIFTS.get(status, ("", ""))
    applied, recommended = drift.get("appliedProfile"), drift.get("recommendedProfile")
    streak, required = drift.get("mismatchStreak"), drift.get("requiredStreak")
    facts = [
        line("in force", applied),
        line(
            "suits better" if drift.get("mismatch") is True else "suits",
            recommended,
            None if recommended is None else f"confidence {compact_text(drift.get('recommendationConfidence'))}",
            None if drift.get("confidenceOk") is True else f"{compact_text(drift.get('minimumConfidence'))} is needed",
        ),
        line("in a row", f"{streak} of {required}" if streak else None),
        line("why", drift.get("rationale"), drift.get("summaryError")),
    ]
    page: list[RenderableType] = [
        line(f"profile of {compact_text(drift.get('loopId'))}", status, words, drift.get("updatedAt"), style=style),
        *aligned(facts),
        "",
    ]
    figures = command_line("the figures", "telemetry-summary", place=place)
    if drift.get("reasonCode") != ReasonCode.PROFILE_DRIFT_DETECTED:
        return [*page, figures]
    what = "thresholds.profile in the daemon's settings, then SIGHUP"
    return [*page, *aligned([line("to change it", what, style="cyan"), figures])]


def profile_page(profile: JsonObject) -> list[RenderableType]:
    """One profile of the catalog: its limits."""
    values = as_object(profile.get("values"))
    made = table("limit", "degraded from", "critical from")
    for member, words in _LIMITS.items():
        limits = [values.get(f"{severity}{member}") for severity in ("degraded", "critical")]
        if any(limit is not None for limit in limits):
            made.add_row(*cells(words, *(_limit(member, limit) for limit in limits)))
    head = line(f"profile {compact_text(profile.get('profile'))}", profile.get("description"))
    return [head, line("from", profile.get("sourceFile")), "", made]


def _share(health: JsonObject, severity: str) -> str | None:
    count, rate = health.get(f"{severity}Count"), number(health.get(f"{severity}Rate"))
    if count is None:
        return None
    return f"{compact_text(count)} {severity}" + (f" ({rate:.0%})" if rate else "")


def _took(name: str, seconds: JsonValue) -> str | None:
    length = span(seconds)
    return None if length is None else f"{length} ({name})"


def _limit(member: str, limit: JsonValue) -> str | None:
    if limit is None:
        return "-"
    return span(limit) if member.endswith("Seconds") else compact_text(limit)
