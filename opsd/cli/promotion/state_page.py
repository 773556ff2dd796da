"""What ``opsd promotion state`` answers, as a readable page for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from opsd.cli.page import aligned, apart, line
from opsd.cli.reasons import promotion as reasons
from opsd.cli.reasons.remedies import CONTROLLER, PROMOTION
from opsd.cli.reasons.told import legend, what_to_do
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import get, list_of

_BAD = "bold red"
STYLES = {
    "promote": "bold green",
    "applied": "green",
    "proposed": "green",
    "hold": "yellow",
    "rolled_back": _BAD,
    "failed": _BAD,
}


def promotion_state_page(document: JsonObject, place: Sequence[str]) -> list[RenderableType]:
    """The newest word of each step; what comes from a file is shown as text.

    Args:
        place: the flags that name the daemon in the commands that are shown.
    """
    told = [
        *_decision(document.get("decision")),
        *_apply(document.get("apply")),
        *_controller(document.get("controller")),
    ]
    codes = [code for group in _codes(document) for code in group]
    steps = what_to_do(codes, {**PROMOTION, **CONTROLLER}, place)
    meanings = legend(codes, reasons.GATES, reasons.DRILLS, reasons.CONTROLLER, reasons.CONTROLLER_STEPS)
    return [*aligned(told), *meanings, *apart(steps)]


def _codes(document: JsonObject) -> list[list[JsonValue]]:
    decision, apply, controller = (document.get(name) for name in ("decision", "apply", "controller"))
    return [
        list_of(get(decision, "summary", "reasonCodes")),
        list_of(get(apply, "reasonCodes")),
        list_of(get(controller, "decision", "reasonCodes")),
        list_of(get(controller, "verification", "reasonCodes")),
    ]


def _decision(found: JsonValue) -> list[Text]:
    if found is None:
        return [line("gates", "not evaluated yet", style="dim")]
    decision = get(found, "summary", "decision")
    passed, failed = get(found, "summary", "gatePassCount"), get(found, "summary", "gateFailCount")
    head = line(
        "gates", decision, f"{passed} pass", f"{failed} fail", get(found, "generatedAt"), style=_style(decision)
    )
    return [head, *_because(get(found, "summary", "failedGates"), get(found, "summary", "reasonCodes"))]


def _apply(found: JsonValue) -> list[Text]:
    if found is None:
        return [line("rollout", "never changed by a promotion", style="dim")]
    before, after = (get(found, "rollout", when, "canaryPercent") for when in ("before", "after"))
    status, actor = get(found, "status"), get(found, "governance", "actor")
    paused = get(found, "rollout", "after", "manualPause") is True
    head = line(
        "rollout",
        get(found, "intent"),
        status,
        None if after is None else f"canary {before} % → {after} %",
        "paused" if paused else None,
        get(found, "timestamp"),
        None if actor is None else f"by {actor}",
        style=_BAD if paused else _style(status),
    )
    return [head, *_because(get(found, "reasonCodes"))]


def _controller(found: JsonValue) -> list[Text]:
    if found is None:
        return [line("controller", "has not run", style="dim")]
    status, action = get(found, "status"), get(found, "execution", "action")
    head = line("controller", get(found, "mode"), status, action, get(found, "timestamp"), style=_style(status))
    return [head, *_because(get(found, "decision", "reasonCodes"), get(found, "verification", "reasonCodes"))]


def _because(*groups: JsonValue) -> list[Text]:
    codes = [code for group in groups for code in list_of(group)]
    return [line("  because of", *dict.fromkeys(map(str, codes)))] if codes else []


def _style(word: JsonValue) -> str:
    return STYLES.get(str(word), "")
