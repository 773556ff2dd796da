"""An explanation of policy's decisions as a readable page for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from opsd.cli.page import autonomy_reasons, cells
from opsd.contract import jsoncodec
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import printable

_DECISIONS = {
    "eligible": ("the manager may act", "bold green"),
    "manual": ("a person has to decide", "bold yellow"),
    "suppressed": ("suppressed, nobody is bothered", "dim"),
}


def explain_page(document: JsonObject) -> Group:
    """The page. What comes from a sprite is shown as text, never as markup."""
    head = Text.assemble(
        ("fleet ", "bold"),
        _shown(document["fleetId"]),
        f"  decided at {_shown(document['decidedAt'])}  mode {_shown(document['mode'])}\n",
        ("trace ", "bold"),
        _shown(document["traceId"]),
        "\n",
        _derivation(document["derivation"]),
    )
    parts: list[RenderableType] = [head]
    for candidate in document["candidates"]:
        parts += _candidate(candidate)
    return Group(*parts)


def _derivation(found: JsonObject) -> tuple[str, str]:
    if not found["possible"]:
        return f"not derived again: {_shown(found['reason'])}", "yellow"
    if found["matches"]:
        return "derived again from the recorded inputs: the same decision", "green"
    return f"derived again from the recorded inputs: DIFFERENT in {', '.join(found['differing'])}", "bold red"


def _candidate(candidate: JsonObject) -> Iterator[RenderableType]:
    words, style = _DECISIONS[candidate["decision"]]
    yield Text.assemble(
        "\n",
        (_shown(candidate["candidateId"]), "bold"),
        f"  {_shown(candidate['severity'])}, {_shown(candidate['rationale'])}\n",
        f"proposed: {_shown(candidate['recommendedIntent'])}  decision: ",
        (words, style),
    )
    if "gates" not in candidate:
        yield Text(f"recorded reasons: {_shown(jsoncodec.dumps(candidate['reasons']).decode())}")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("gate", no_wrap=True)
    table.add_column("verdict", overflow="fold")
    table.add_column("inputs", overflow="fold")
    for gate in candidate["gates"]:
        table.add_row(*_row(gate["gate"], gate))
    for rail in candidate["rails"]:
        table.add_row(*_row("rail", rail))
    yield table
    if not candidate["rails"]:
        yield Text("no rail was asked: a gate holds the candidate back already", style="dim")


def _row(name: str, judged: JsonObject) -> list[Text]:
    verdict = cells("passes", style="green") if judged["passed"] else _against(judged["reasons"])
    inputs = ", ".join(f"{key} {_plain(value)}" for key, value in judged["inputs"].items() if value is not None)
    return [
        Text(name),
        *verdict,
        Text(printable(inputs)),
    ]


def _against(reasons: list[JsonValue]) -> list[Text]:
    return cells(autonomy_reasons(reasons), style="bold red")


def _plain(value: JsonValue) -> str:
    return value if isinstance(value, str) else jsoncodec.dumps(value).decode()


def _shown(value: JsonValue) -> str:
    return printable(str(value))
