"""A fleet's pass as a readable page for a terminal: who is in trouble, and why; what is well comes behind."""

from __future__ import annotations

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

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


def fleet_page(state: JsonObject) -> Group:
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
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("loop", "pass", "health", "lifecycle", "why"):
        table.add_column(name, overflow="fold")
    for result in sorted(state["results"], key=_rank):
        table.add_row(*_cells(result))
    return Group(head, table)


def _rank(result: JsonObject) -> int:
    if result["status"] == "skipped":
        return _SKIPPED
    rank = _TROUBLE_FIRST.get(str(result["healthStatus"]), _TROUBLE_FIRST["unknown"])
    return min(rank, _FAILED) if result["status"] == "failed" else rank


def _cells(result: JsonObject) -> list[Text]:
    health = str(result["healthStatus"])
    reasons = dict.fromkeys([result.get("reasonCode"), *result["healthReasonCodes"]])
    why = " ".join(str(reason) for reason in reasons if reason)
    return [
        Text(printable(result["loopId"])),
        Text(result["status"], style=_STYLES.get(result["status"], "")),
        Text(printable(health), style=_STYLES.get(health, "")),
        Text(printable(str(result.get("transitionState", "-")))),
        Text(printable(why)),
    ]
