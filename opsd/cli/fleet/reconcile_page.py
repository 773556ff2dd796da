"""A fleet's pass as a readable page for a terminal: who is in trouble, and why; what is well comes behind."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from opsd.cli.page import SHOWN, cells, more, table
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.values import printable

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
    counts = ", ".join(f"{state[f'{name}Count']} {name}" for name in ("success", "failed", "skipped"))
    head = Text.assemble(
        ("fleet ", "bold"),
        printable(str(state["fleetId"])),
        "  ",
        (state["status"], _STYLES.get(state["status"], "")),
        f"  {state['loopCount']} loops: {counts}  {state['durationSeconds']} s\n",
        ("trace ", "bold"),
        printable(state["traceId"]),
    )
    made = table("loop", "pass", "health", "lifecycle", "why")
    results = sorted(state["results"], key=_rank)
    for result in results[:SHOWN]:
        made.add_row(*_cells(result))
    return [head, "", made, *more(len(results), "state.json holds them all")]


def _rank(result: JsonObject) -> int:
    if result["status"] == "skipped":
        return _SKIPPED
    rank = _TROUBLE_FIRST.get(str(result["healthStatus"]), _TROUBLE_FIRST["unknown"])
    return min(rank, _FAILED) if result["status"] == "failed" else rank


def _cells(result: JsonObject) -> list[Text]:
    health = str(result["healthStatus"])
    reasons = dict.fromkeys([result.get("reasonCode"), *result["healthReasonCodes"]])
    status = str(result["status"])
    return [
        *cells(result["loopId"]),
        *cells(status, style=_STYLES.get(status, "")),
        *cells(health, style=_STYLES.get(health, "")),
        *cells(result.get("transitionState", "-"), [reason for reason in reasons if reason]),
    ]
