"""What became of an intent, and what the runtime shows of its effect, as readable pages.

An operator has to know one thing first: did it take effect. Never repeat before you have looked: what is shown next
looks, and only then names the runbook.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from opsd.cli.page import aligned, apart, clipped, counted, line, span
from opsd.cli.reasons.remedies import LOOP
from opsd.cli.reasons.told import command_line
from opsd.contract import jsoncodec
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.reasons import TransportKind
from opsd.contract.values import as_object, compact_text, get
from opsd.control.verdict import ControlStatus

_OUTCOMES = {
    ControlStatus.CONFIRMED.value: ("its effect was seen", "bold green"),
    ControlStatus.EXECUTED_UNCONFIRMED.value: ("nobody looked for its effect", "yellow"),
    ControlStatus.AMBIGUOUS.value: ("executed, and no effect was seen in time", "bold red"),
    ControlStatus.FAILED_COMMAND.value: ("the command failed", "bold red"),
}
#: So many lines of what a command said; the row has all of it.
_SAID = 12
#: The exit code of a program that is missing.
_NO_PROGRAM = 127


def control_page(row: JsonObject, place: Sequence[str]) -> list[RenderableType]:
    """The intents row; ``place`` names the loop in the commands that are shown."""
    status = compact_text(row.get("status"))
    words, style = _OUTCOMES.get(status, ("", "bold red"))
    exit_code, key = row.get("exitCode"), row.get("idempotencyKey")
    facts = [
        *_seen(as_object(row.get("confirm"))),
        line("asked by", row.get("requestedBy"), row.get("note")),
        line("command", row.get("command"), f"exit {compact_text(exit_code)}" if exit_code else None),
        line("reached by", row.get("transport")),
        line("key", key),
        line("trace", row.get("traceId")),
    ]
    name = f"{compact_text(row.get('intent'))} {compact_text(row.get('loopId'))}"
    return [
        line(name, status, words, row.get("timestamp"), style=style),
        *_said(row.get("commandOutput"), style="red" if style == "bold red" else ""),
        *aligned(facts),
        *_next(row, status, place),
    ]


def confirmation_page(payload: JsonObject, loop_id: str, place: Sequence[str]) -> list[RenderableType]:
    """What was looked for, and what is there instead."""
    confirmed = payload.get("confirmed") is True
    intent = compact_text(payload.get("intent"))
    page: list[RenderableType] = [
        line(
            f"{intent} {loop_id}",
            "its effect is there" if confirmed else "no effect is seen",
            payload.get("observedAt"),
            style="bold green" if confirmed else "bold yellow",
        ),
        *aligned(_seen(payload)),
    ]
    if confirmed:
        return page
    longer = command_line(
        "look for longer", "confirm-intent", "--intent", intent, "--timeout-seconds", "60", place=place
    )
    return [*page, *apart([longer, _safe_retry()])]


def _seen(payload: JsonObject) -> list[Text]:
    """What the last look has shown."""
    active, approval = payload.get("observedActive"), payload.get("observedApprovalStatus")
    attempts, event = payload.get("attempts"), payload.get("observedLastEvent")
    within = span(payload.get("timeoutSeconds"))
    return [
        line("evidence", payload.get("reason") if payload.get("confirmed") is True else None),
        line(
            "seen",
            payload.get("observedStatus"),
            None if active is None else "active" if active is True else "not active",
            None if event is None else f"last event {compact_text(event)}",
            None if approval is None else f"approval {compact_text(approval)}",
        ),
        line(
            "looked",
            None if attempts is None else counted(attempts, "time"),
            None if within is None else f"for at most {within}",
        ),
    ]


def _said(output: JsonValue, style: str) -> list[Text]:
    """What the command said, the end of it, line by line."""
    lines = [one for one in _spoken(compact_text(output or "")).splitlines() if one.strip()]
    return [line("  it said", clipped(one), style=style) for one in lines[-_SAID:]]


def _spoken(output: str) -> str:
    """What is worth to be read of an output: a service wraps what its command said in its own row."""
    try:
        answer = jsoncodec.loads(output.encode("utf-8", "replace"))
    except ValueError:
        return output
    if not isinstance(answer, dict):
        return output
    said = (get(answer, "error", "message"), get(answer, "result", "commandOutput"))
    return "\n".join(compact_text(one) for one in said if one)


def _next(row: JsonObject, status: str, place: Sequence[str]) -> list[RenderableType]:
    if status == ControlStatus.CONFIRMED:
        return []
    if row.get("transport") != TransportKind.LOCAL and "--server" not in place[:1]:
        return apart([command_line("all that is known", "status", place=place), _safe_retry()])
    intent = compact_text(row.get("intent"))
    look = command_line("is its effect there", "confirm-intent", "--intent", intent, place=place)
    hints = []
    if row.get("exitCode") == _NO_PROGRAM and "--server" not in place[:1]:
        # Most likely the loop lives elsewhere, and the command was typed without saying so.
        hints.append(line("no runtime here", "SUPERLOOP_BIN names its program", style="cyan"))
        hints.append(line("loop behind a service", "with --server, or --transport sprite_service", style="cyan"))
    return apart([*hints, look, *([] if status == ControlStatus.EXECUTED_UNCONFIRMED else [_safe_retry()])])


def _safe_retry() -> Text:
    return line("before you repeat it", "in the runbook", LOOP["control_ambiguous"].runbook, style="cyan")
