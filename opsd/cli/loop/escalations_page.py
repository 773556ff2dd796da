"""What ``opsd escalations`` answers, as a readable page for a terminal."""

from __future__ import annotations

from rich.console import RenderableType

from opsd.cli.page import cells, line, table
from opsd.cli.reasons import loop as reasons
from opsd.cli.reasons.told import legend
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import as_object, list_of

_STYLES = {"health_critical": "bold red", "reconcile_failed": "bold red"}


def escalations_page(document: JsonObject) -> list[RenderableType]:
    """A row for each, in the order in which they came."""
    rows, loop = document["escalations"], document["loopId"]
    if not rows:
        return [line(f"escalations of {loop}", "none", style="green")]
    made = table("at", "about", "why")
    for row in rows:
        shown = cells(row.get("timestamp"), row.get("category"), _why(row))
        shown[1].stylize(_STYLES.get(str(row.get("category")), ""))
        made.add_row(*shown)
    codes = [code for row in rows for code in _why(row)]
    head = line(f"escalations of {loop}", f"the newest {len(rows)}, oldest first")
    return [head, "", made, *legend(codes, reasons.HEALTH, reasons.FAILED_PASS, reasons.ORDER)]


def _why(row: JsonObject) -> list[JsonValue]:
    """Its reasons, whatever the category calls them."""
    codes = row.get("reasonCodes")
    flags = as_object(row.get("divergenceFlags"))
    one = [row.get(name) for name in ("reasonCode", "failureCode")]
    raised = [name for name, up in flags.items() if up is True]
    return list(dict.fromkeys([*list_of(codes), *filter(None, one), *raised]))
