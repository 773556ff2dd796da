"""The handoff state as a readable page: what was done, what waits for a person, and how to confirm it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from opsd.cli.page import SHOWN, autonomy_reasons, cells, line, more, table
from opsd.cli.reasons import fleet as reasons
from opsd.cli.reasons.told import legend
from opsd.contract.ids import new_trace_id
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import compact_text, get, list_of, printable
from opsd.fleet.handoff.words import GUARD_PREFIX, IntentStatus

_STYLES = {
    IntentStatus.PENDING.value: "yellow",
    IntentStatus.EXECUTED.value: "green",
    IntentStatus.AMBIGUOUS.value: "bold red",
    IntentStatus.FAILED.value: "bold red",
}
_STATES = {
    IntentStatus.PENDING.value: "waits",
    IntentStatus.EXECUTED.value: "executed",
    IntentStatus.AMBIGUOUS.value: "ambiguous",
    IntentStatus.FAILED.value: "failed",
}
_ALL = "handoff-state.json holds them all"
#: What did not end well is pending again in the next plan.
_WAITING = (IntentStatus.PENDING, IntentStatus.AMBIGUOUS, IntentStatus.FAILED)


def handoff_page(state: JsonObject, flags: Sequence[str]) -> list[RenderableType]:
    """The page; ``flags`` (the repo and path flags as typed) are repeated in the commands that it shows."""
    parts: list[RenderableType] = [
        line(f"fleet {state['fleetId']}", f"policy {state['mode']}", f"trace {state['traceId']}"),
        *brake_lines(state),
    ]
    execution = state.get("execution")
    if execution is not None:
        counts = [f"{execution[f'{word}Count']} {word}" for word in ("executed", "ambiguous", "failed")]
        parts.append(line(f"{execution['mode']} run", *counts, f"by {execution['requestedBy']}"))
        parts += _messages(execution)
    if state["intents"]:
        parts += ["", _intents_table(state["intents"][:SHOWN]), *more(len(state["intents"]), _ALL)]
        codes = [code for intent in state["intents"][:SHOWN] for code in _reasons(intent)]
        parts += legend(codes, reasons.AUTONOMY, reasons.RETRY_GUARDS, prefix="autonomous_")
    parts += ["", *waiting(state["intents"], flags)]
    return parts


def brake_lines(state: JsonValue) -> list[Text]:
    """What stops autonomous dispatch right now, by the registry that the state was made with."""
    found = []
    if get(state, "killSwitchActive") is True:
        found.append(line("kill switch", "on: nothing is dispatched autonomously", style="bold red"))
    if get(state, "pauseActive") is True:
        found.append(line("paused", "by hand: nothing is dispatched autonomously", style="bold red"))
    return found


def waiting(intents: Iterable[JsonObject], flags: Sequence[str]) -> list[Text]:
    """What waits for a person, each with the command that confirms it."""
    pending = [intent for intent in intents if intent.get("status") in _WAITING]
    if not pending:
        return [Text("nothing waits for you", style="green")]
    found = [Text("waits for you", style="bold")]
    for intent in pending[:SHOWN]:
        what, whom, why = (compact_text(intent.get(key)) for key in ("intent", "loopId", "category"))
        found.append(Text(printable(f"  {what} {whom}, for {why}")))
        found.append(Text(f"    {printable(confirm_command(intent, flags))}", style="cyan"))
    return found + more(len(pending), _ALL)


def confirm_command(intent: JsonObject, flags: Sequence[str]) -> str:
    """The command that carries out one intent; after an unclear outcome with a trace id, and so a key, of its own.

    Over a server it is the server that makes one.
    """
    argv = ["opsd", "fleet", "handoff", *flags, "--execute", "--confirm"]
    argv += ["--intent-id", compact_text(intent.get("intentId"))]
    unclear = intent.get("status") in (IntentStatus.AMBIGUOUS, IntentStatus.FAILED)
    if unclear or any(reason.startswith(GUARD_PREFIX) for reason in _reasons(intent)):
        argv += ["--anew"] if "--server" in flags[:1] else ["--trace-id", new_trace_id()]
    return shlex.join(argv)


def _reasons(intent: JsonObject) -> list[str]:
    return [reason for reason in list_of(get(intent, "autonomous", "reasons")) if isinstance(reason, str)]


def _intents_table(intents: Sequence[JsonObject]) -> Table:
    page = table("loop", "why", "intent", "state", "autonomy")
    for intent in intents:
        eligible = get(intent, "autonomous", "eligible") is True
        autonomy: JsonValue = "eligible" if eligible else autonomy_reasons(_reasons(intent))
        state = _STATES.get(intent["status"], intent["status"])
        style = _STYLES.get(intent["status"], "")
        shown = (intent["loopId"], intent.get("category"), intent["intent"], state, autonomy or "by hand")
        page.add_row(*cells(*shown, style=style))
    return page


def _messages(execution: JsonObject) -> list[Text]:
    """What control said about what did not go well, and what was stopped at the last moment."""
    found = [
        line(f"  {result['loopId']}", result["reasonCode"], *result.get("controlMessage", "").splitlines(), style="red")
        for result in execution["results"]
        if result["status"] != "executed"
    ]
    found += [
        line(f"  {one['loopId']}", "withheld", ", ".join(one["reasons"]), style="yellow")
        for one in execution.get("withheld", ())
    ]
    return found
