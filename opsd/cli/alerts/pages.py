"""What the ``opsd alerts`` commands answer, as readable pages for a terminal."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from opsd.cli.page import SHOWN, cells, counted, line, more, table
from opsd.cli.reasons import alerts as reasons
from opsd.cli.reasons.told import explained, legend
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import get, list_of, printable

_STYLES = {"success": "green", "no_new_escalations": "green", "partial": "yellow", "failed": "bold red"}
_BAD = "bold red"
_MEANINGS = (reasons.GIVEN_UP, reasons.FAILED_REQUESTS, reasons.ALERT_TELEMETRY, reasons.UNUSABLE_ROWS)

Page = list[RenderableType]


def dispatch_page(state: JsonObject, flags: Sequence[str]) -> Page:
    """One run of the dispatcher; ``flags`` (repo and loop as typed) are repeated in the commands that it shows."""
    counts = (("told", "dispatchedCount"), ("skipped", "skippedCount"), ("failed", "failedCount"))
    status = str(state["status"])
    page: Page = [
        line(
            f"alerts of {state['loopId']}",
            status.replace("_", " "),
            counted(state["processedCount"], "new row") if state["processedCount"] else None,
            *(f"{state[key]} {word}" for word, key in counts if state[key]),
            style=_STYLES.get(status, ""),
        )
    ]
    if state.get("lockBusy") is True:
        page.append(line("nothing was done", "another run is at work; this is what the last one said", style="yellow"))
    if state["failureReasonCodes"]:
        page += explained(state["failureReasonCodes"], *_MEANINGS, style=_BAD)
    return [*page, *_backlog(state, flags), *_warnings(state)]


def _backlog(state: JsonObject, flags: Sequence[str]) -> Page:
    delivery = state.get("delivery")
    page: Page = []
    words = {
        "deliveredFromBacklogCount": "delivered of earlier rows",
        "resolvedCount": "incidents told as resolved",
        "silencedCount": "rows silenced",
    }
    page += [line(f"{get(delivery, key)}", words[key]) for key in words if get(delivery, key)]
    if get(delivery, "pendingCount"):
        since = f"the oldest since {get(delivery, 'oldestPendingAt')}"
        owed = counted(get(delivery, "pendingCount"), "delivery", "deliveries")
        page.append(line("still owed", owed, since, "the next run tries again", style="yellow"))
    if get(delivery, "deadLetteredCount"):
        given_up = counted(get(delivery, "deadLetteredCount"), "delivery", "deliveries")
        page.append(line("given up", given_up, _command(flags, "--list-dead-letters"), style=_BAD))
    return page


def dead_letters_page(document: JsonObject, flags: Sequence[str]) -> Page:
    """The deliveries that were given up, and how to tell them again."""
    letters = document["deadLetters"]
    if not letters:
        return [Text("no dead letters", style="green")]
    return [
        line(f"{document['count']} given up", style=_BAD),
        "",
        _letters(letters),
        *more(len(letters)),
        *legend([letter.get("reasonCode") for letter in letters[:SHOWN]], *_MEANINGS),
        "",
        line("tell them again", _command(flags, "--replay-dead-letters"), style="cyan"),
    ]


def all_dead_letters_page(document: JsonObject, flags: Sequence[str]) -> Page:
    """The same of many loops, one after the other; ``flags`` name the daemon that was asked."""
    if not document["loops"]:
        return [Text("no dead letters", style="green")]
    page: Page = []
    for found in document["loops"]:
        loop, letters = str(found["loopId"]), found["deadLetters"]
        again = _command((*flags, "--loop", loop), "--replay-dead-letters")
        page += [line(loop, f"{found['count']} given up", style=_BAD), _letters(letters), *more(len(letters))]
        page += [line("tell them again", again, style="cyan"), ""]
    return page[:-1]


def _letters(letters: Sequence[JsonObject]) -> Table:
    made = table("given up at", "sink", "about", "tries", "why", "delivery")
    for letter in letters[:SHOWN]:
        about = [letter.get("category"), letter.get("severity")]
        why = [letter.get("reasonCode"), letter.get("lastHttpStatus")]
        given_up = (letter.get("timestamp"), letter.get("sinkId"), about, letter.get("attempts"), why)
        made.add_row(*cells(*given_up, letter.get("deliveryId")))
    return made


def sink_answer_page(document: JsonObject) -> Page:
    """What a sink answered to a test message."""
    ok = document["status"] == "success"
    said = "took the test message" if ok else "did not take the test message"
    status = document.get("httpStatus")
    return [
        line(
            f"{document['sinkId']} ({document['type']})",
            said,
            document.get("reasonCode"),
            None if status is None else f"HTTP {status}",
            document.get("message"),
            style="green" if ok else _BAD,
        ),
        *_warnings(document),
    ]


def _warnings(document: JsonObject) -> Page:
    warnings = document.get("warnings")
    return [line("warning", one, style="yellow") for one in list_of(warnings)]


def catalog_page(document: JsonObject) -> Page:
    """The catalog: its sinks, whether their secrets are set, and where each category goes."""
    sinks = table("sink", "type", "enabled")
    for sink in document["sinks"]:
        sinks.add_row(*cells(sink["id"], sink["type"], _yes(sink["enabled"])))
    routing = document["routing"]
    routes = table("category", "at least", "goes to")
    for route in [*(routing.get("routes") or []), None]:
        if route is None:
            shown = ("any other", document["defaultMinSeverity"], ", ".join(routing["defaultSinks"]))
        elif route.get("enabled") is False:
            continue
        else:
            minimum = route.get("minSeverity") or document["defaultMinSeverity"]
            shown = (route["category"], minimum, ", ".join(route.get("sinks") or routing["defaultSinks"]))
        routes.add_row(*cells(*shown))
    page: Page = [line("catalog", document["sourceFile"])]
    if not document["enabledSinkCount"]:
        page.append(line("warning", "no sink is enabled: nobody is told of anything", style="yellow"))
    return [*page, "", sinks, "", routes, "", _secrets(document["sinks"], document)]


def route_page(document: JsonObject) -> Page:
    """Where escalations of one category go."""
    page: Page = [line(document["category"], document["eventSeverity"], f"told from {document['minSeverity']} on")]
    told = {sink["id"] for sink in document["dispatchableSinks"]}
    made = table("sink", "type", "is told")
    for sink in document["selectedSinks"]:
        why_not = "not severe enough" if sink["enabled"] else "disabled"
        is_told = "yes" if sink["id"] in told else f"no, {why_not}"
        made.add_row(*cells(sink["id"], sink["type"], is_told))
    if not told:
        page.append(line("warning", "nobody is told", style="yellow"))
    return [*page, "", made, "", _secrets(document["selectedSinks"], document)]


def _secrets(sinks: Iterable[JsonObject], document: JsonObject) -> Table:
    """The variables that hold the sinks' secrets, and whether they are set; never a value."""
    made = table("secret", "of", "set")
    for sink in sinks:
        for name in filter(None, sink["secretRefs"].values()):
            made.add_row(*cells(name, sink["id"], _yes(get(document, "envStatus", name, "present"))))
    return made


def _yes(value: JsonValue) -> str:
    return "yes" if value is True else "no"


def _command(flags: Iterable[str], *more_flags: str) -> str:
    return printable(shlex.join(["opsd", "alerts", "dispatch", *flags, *more_flags]))
