"""A promotion decision as a readable page for a terminal: every gate, what it says, and on what grounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import RenderableType
from rich.text import Text

from opsd.cli.page import apart, line, span
from opsd.cli.promotion.state_page import STYLES
from opsd.cli.reasons import promotion as reasons
from opsd.cli.reasons.remedies import PROMOTION
from opsd.cli.reasons.told import explained, what_to_do
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import as_object, compact_text, get, list_of, number, printable
from opsd.promotion.gates import GATES
from opsd.promotion.words import Outcome

_STYLES = {Outcome.PASS: "green", Outcome.FAIL: "bold red", Outcome.NO_EVIDENCE: "bold yellow"}
_SHOWN = {Outcome.PASS: "pass", Outcome.FAIL: "fail", Outcome.NO_EVIDENCE: "no evidence"}


def gates_page(document: JsonObject, place: Sequence[str]) -> list[RenderableType]:
    """The page, line by line, so that every reason stays whole. What comes from a file is shown as text.

    Args:
        place: the flags that say in the commands that are shown where the fleet is.
    """
    summary = as_object(document.get("summary"))
    steps = what_to_do(list_of(summary.get("reasonCodes")), PROMOTION, place)
    decision = compact_text(summary.get("decision"))
    passed = summary.get("gatePassCount")
    head = line(
        "promotion",
        decision,
        None if passed is None else f"{compact_text(passed)} of {len(GATES)} gates pass",
        document.get("generatedAt"),
        _named("trace", document.get("traceId")),
        style=STYLES.get(decision, ""),
    )
    missing = list_of(summary.get("missingEvidencePaths"))
    there = [line("no evidence", path, style="yellow") for path in missing]
    return [head, *there, *_sections(document), *apart(steps)]


def _sections(document: JsonObject) -> list[RenderableType]:
    """Every gate of ours; a run that skipped has none, and a program in our place may have others."""
    found = as_object(document.get("gates"))
    limits = as_object(document.get("thresholds"))
    told: list[RenderableType] = []
    for gate in GATES:
        section = found.get(gate.key)
        word = next((one for one in Outcome if one == get(section, "outcome")), None)
        if word is None:
            continue
        told += [
            "",
            line(gate.name.replace("_", " "), _SHOWN[word], style=_STYLES[word]),
            *explained(list_of(get(section, "reasons")), reasons.GATES, reasons.DRILLS, style=_STYLES[word]),
            *(Text(f"  {said}", "dim") for said in _EVIDENCE[gate.name](as_object(section), limits)),
        ]
    return told


def _named(name: str, value: JsonValue) -> str | None:
    return None if value is None else f"{name} {compact_text(value)}"


def _governance(section: JsonObject, _limits: JsonObject) -> list[str]:
    return [f"posture {_text(section.get('posture'))}"]


def _reliability(section: JsonObject, limits: JsonObject) -> list[str]:
    oldest = section.get("oldestRunAt")
    since = f", the oldest of {_text(oldest)}" if oldest else ""
    lines = [
        f"{_text(section.get('sampleRuns'))} runs{since}; at least {_text(limits.get('minSampleSize'))} are needed"
    ]
    if section.get("attempted"):
        ambiguous, failed = (
            f"{_percent(section.get(rate))} {word}, at most {_percent(limits.get(limit))}"
            for word, rate, limit in (
                ("ambiguous", "ambiguityRate", "maxAmbiguityRate"),
                ("failed", "failureRate", "maxFailureRate"),
            )
        )
        lines.append(f"{_text(section['attempted'])} intents: {ambiguous}; {failed}")
    return lines


def _backlog(section: JsonObject, limits: JsonObject) -> list[str]:
    return [f"{_text(section.get('manualBacklog'))} wait for a person, at most {_text(limits.get('maxManualBacklog'))}"]


def _safety(section: JsonObject, _limits: JsonObject) -> list[str]:
    missing = list_of(section.get("missingPaths"))
    return [
        f"auto-pause {'on' if section.get('autopauseActive') else 'off'}",
        *([f"not accounted for: {', '.join(map(_text, missing))}"] if missing else []),
    ]


def _drills(section: JsonObject, limits: JsonObject) -> list[str]:
    judged = [as_object(one) for one in list_of(section.get("judged"))]
    return [*map(_drill, judged), f"each at most {_text(limits.get('maxDrillAgeHours'))} h ago"]


def _drill(judged: JsonObject) -> str:
    name, age_s = f"{_text(judged.get('id'))} {_text(judged.get('status'))}", number(judged.get("ageSeconds"))
    if age_s is None:
        return f"{name}, at an unknown time"
    return f"{name}, {f'{span(age_s)} ago' if age_s >= 0 else 'dated ahead of now'}"


def _percent(value: JsonValue) -> str:
    rate = number(value)
    return "unknown" if rate is None else f"{rate:.1%}"


_EVIDENCE: dict[str, Callable[[JsonObject, JsonObject], list[str]]] = {
    "governance": _governance,
    "outcome_reliability": _reliability,
    "manual_backlog": _backlog,
    "safety_suppression": _safety,
    "drill_recency": _drills,
}


def _text(value: JsonValue) -> str:
    return "unknown" if value is None else printable(compact_text(value))
