"""A fleet's pass as a readable page for a terminal: who is in trouble, and why; what is well comes behind."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from opsd.cli.page import SHOWN, cells, counted, line, more, span, table
from opsd.cli.reasons import loop as reasons
from opsd.cli.reasons.told import legend
from opsd.contract.jsoncodec import JsonObject, JsonValue

_STYLES = {
    "success": "green",
    "healthy": "green",
    "degraded": "yellow",
    "partial_failure": "yellow",
    "skipped": "dim",
    "unknown": "dim",
    "critical": "bold red",
    "failed": "bold red",
}
_TROUBLE_FIRST = {"critical": 0, "degraded": 2, "unknown": 3, "healthy": 4}
_FAILED, _SKIPPED = 1, 5


def fleet_page(state: JsonObject) -> list[RenderableType]:
    """The page. What comes from a sprite is shown as text, never as markup."""
    counts = [f"{state[f'{name}Count']} {name}" for name in ("success", "failed", "skipped") if state[f"{name}Count"]]
    took, style = f"in {span(state['durationSeconds'])}", _STYLES.get(str(state["status"]), "")
    loops = counted(state["loopCount"], "loop")
    head = [
        line(f"fleet {state['fleetId']}", state["status"], loops, *counts, took, style=style),
        line("trace", state["traceId"]),
    ]
    made = table("loop", "pass", "health", "lifecycle", "why")
    results = sorted(state["results"], key=_rank)
    for result in results[:SHOWN]:
        made.add_row(*_cells(result))
    codes = [code for result in results[:SHOWN] for code in _why(result)]
    meanings = legend(codes, reasons.HEALTH, reasons.FAILED_PASS, reasons.NOT_LOOKED_AT)
    return [*head, "", made, *more(len(results), "state.json holds them all"), *meanings]


def _rank(result: JsonObject) -> int:
    if result["status"] == "skipped":
        return _SKIPPED
    rank = _TROUBLE_FIRST.get(str(result["healthStatus"]), _TROUBLE_FIRST["unknown"])
    return min(rank, _FAILED) if result["status"] == "failed" else rank


def _cells(result: JsonObject) -> list[Text]:
    health = str(result["healthStatus"])
    status = str(result["status"])
    return [
        *cells(result["loopId"]),
        *cells(status, style=_STYLES.get(status, "")),
        *cells(health, style=_STYLES.get(health, "")),
        *cells(result.get("transitionState", "-"), _why(result)),
    ]


def _why(result: JsonObject) -> list[JsonValue]:
    return [code for code in dict.fromkeys([result.get("reasonCode"), *result["healthReasonCodes"]]) if code]
