"""An explanation of policy's decisions as a readable page for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from opsd.cli.page import aligned, autonomy_reasons, cells, line, table
from opsd.cli.reasons import fleet as reasons
from opsd.cli.reasons.told import legend
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import compact_text, list_of

_DECISIONS = {
    "eligible": ("the manager may act", "bold green"),
    "manual": ("a person has to decide", "bold yellow"),
    "suppressed": ("suppressed, nobody is bothered", "dim"),
}


def explain_page(document: JsonObject) -> list[RenderableType]:
    """The page. What comes from a sprite is shown as text, never as markup."""
    parts: list[RenderableType] = [
        line(f"fleet {document['fleetId']}", f"decided at {document['decidedAt']}", f"mode {document['mode']}"),
        *aligned([_derivation(document["derivation"]), line("trace", document["traceId"])]),
    ]
    codes: list[JsonValue] = []
    for candidate in document["candidates"]:
        parts += _candidate(candidate)
        judged = [*candidate.get("gates", ()), *candidate.get("rails", ())]
        codes += [code for one in judged if not one["passed"] for code in one["reasons"]]
    return [*parts, *legend(codes, reasons.AUTONOMY, reasons.SUPPRESSED, prefix="autonomous_")]


def _derivation(found: JsonObject) -> Text:
    """Whether the decision follows from what was recorded."""
    if not found["possible"]:
        return line("decision", f"not derived again: {compact_text(found['reason'])}", style="yellow")
    if found["matches"]:
        return line("decision", "derived again from the recorded inputs: the same decision", style="green")
    differing = ", ".join(map(compact_text, found["differing"]))
    return line("decision", f"derived again from the recorded inputs: DIFFERENT in {differing}", style="bold red")


def _candidate(candidate: JsonObject) -> Iterator[RenderableType]:
    words, style = _DECISIONS[candidate["decision"]]
    yield ""
    yield line(compact_text(candidate["candidateId"]), candidate["severity"], candidate["rationale"])
    yield line("proposed", candidate["recommendedIntent"] or "nothing", words, style=style)
    if "gates" not in candidate:
        yield line("recorded reasons", *list_of(candidate["reasons"]))
        return
    made = table("gate", "verdict", "inputs")
    for gate in candidate["gates"]:
        made.add_row(*_row(gate["gate"], gate))
    for rail in candidate["rails"]:
        made.add_row(*_row("rail", rail))
    yield made
    if not candidate["rails"]:
        yield Text("no rail was asked: a gate holds the candidate back already", style="dim")


def _row(name: str, judged: JsonObject) -> list[Text]:
    verdict = cells("passes", style="green") if judged["passed"] else _against(judged["reasons"])
    inputs = " · ".join(f"{key} {_plain(value)}" for key, value in judged["inputs"].items() if value is not None)
    return [*cells(name), *verdict, *cells(inputs)]


def _against(reasons: list[JsonValue]) -> list[Text]:
    return cells(autonomy_reasons(reasons), style="bold red")


def _plain(value: JsonValue) -> str:
    """A list by its members: JSON would be one word, broken anywhere."""
    return ", ".join(map(compact_text, value)) if isinstance(value, list) else compact_text(value)
