"""A promotion decision as a readable page for a terminal: every gate, what it says, and on what grounds."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import RenderableType
from rich.text import Text

from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import compact_text, printable
from opsd.promotion.gates import GATES
from opsd.promotion.words import Outcome

_STYLES = {Outcome.PASS: "green", Outcome.FAIL: "bold red", Outcome.NO_EVIDENCE: "bold yellow"}
_SHOWN = {Outcome.PASS: "pass", Outcome.FAIL: "fail", Outcome.NO_EVIDENCE: "no evidence"}


def gates_page(document: JsonObject) -> list[RenderableType]:
    """The page, line by line, so that every reason stays whole. What comes from a file is shown as text."""
    promote = document["summary"]["promote"] is True
    lines: list[RenderableType] = [
        Text.assemble(
            ("promotion  ", "bold"),
            ("promote" if promote else "hold", "bold green" if promote else "bold red"),
            f" · {document['summary']['gatePassCount']} of {len(GATES)} gates pass",
            f" · trace {_text(document['traceId'])}",
        )
    ]
    for gate in GATES:
        section = document["gates"][gate.key]
        outcome = Outcome(section["outcome"])
        lines += [
            "",
            Text.assemble((f"{gate.name.replace('_', ' ')}  ", "bold"), (_SHOWN[outcome], _STYLES[outcome])),
            *(Text(f"  {_text(reason)}", _STYLES[outcome]) for reason in section["reasons"]),
            *(Text(f"  {line}", "dim") for line in _EVIDENCE[gate.name](section, document["thresholds"])),
        ]
    return lines


def _governance(section: JsonObject, _limits: JsonObject) -> list[str]:
    return [f"posture {_text(section['posture'])}"]


def _reliability(section: JsonObject, limits: JsonObject) -> list[str]:
    since = f", the oldest of {_text(section['oldestRunAt'])}" if section["oldestRunAt"] else ""
    lines = [f"{section['sampleRuns']} runs{since}; at least {limits['minSampleSize']} are needed"]
    if section["attempted"]:
        ambiguous = f"{section['ambiguityRate']:.1%} ambiguous, at most {limits['maxAmbiguityRate']:.1%}"
        failed = f"{section['failureRate']:.1%} failed, at most {limits['maxFailureRate']:.1%}"
        lines.append(f"{section['attempted']} intents: {ambiguous}; {failed}")
    return lines


def _backlog(section: JsonObject, limits: JsonObject) -> list[str]:
    return [f"{_text(section['manualBacklog'])} wait for a person, at most {limits['maxManualBacklog']}"]


def _safety(section: JsonObject, _limits: JsonObject) -> list[str]:
    missing = section["missingPaths"]
    return [
        f"auto-pause {'on' if section['autopauseActive'] else 'off'}",
        *([f"not accounted for: {', '.join(missing)}"] if missing else []),
    ]


def _drills(section: JsonObject, limits: JsonObject) -> list[str]:
    return [*map(_drill, section["judged"]), f"at most {limits['maxDrillAgeHours']} h ago"]


def _drill(judged: JsonObject) -> str:
    status, age_s = judged["status"], judged["ageSeconds"]
    if age_s is None:
        return f"{judged['id']} {_text(status)}, at an unknown time"
    return f"{judged['id']} {_text(status)}, {f'{age_s // 3600} h ago' if age_s >= 0 else 'dated ahead of now'}"


_EVIDENCE: dict[str, Callable[[JsonObject, JsonObject], list[str]]] = {
    "governance": _governance,
    "outcome_reliability": _reliability,
    "manual_backlog": _backlog,
    "safety_suppression": _safety,
    "drill_recency": _drills,
}


def _text(value: JsonValue) -> str:
    return "unknown" if value is None else printable(compact_text(value))
