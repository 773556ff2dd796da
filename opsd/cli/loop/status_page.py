"""The status document as a readable page for a terminal: how the loop is, why, what was done last, what to do."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from opsd.cli.loop.health_page import health_codes, reads_loop, reason_rows
from opsd.cli.loop.loops_page import STYLES
from opsd.cli.loop.run_page import STATES
from opsd.cli.page import ago, aligned, apart, counted, line
from opsd.cli.reasons.remedies import LOOP
from opsd.cli.reasons.told import command_line, what_to_do
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.reasons import RunStatus
from opsd.contract.values import as_object, compact_text, get, list_of

_BAD, _ILL = "bold red", "bold yellow"
_CONTROL = {"failed_command": _BAD, "ambiguous": _BAD, "confirmed": "green"}


def status_page(document: JsonObject, place: Sequence[str]) -> list[RenderableType]:
    """The page; ``place`` names the loop in the commands that are shown. What comes from a sprite is shown as text."""
    health, lifecycle = as_object(document.get("health")), as_object(document.get("lifecycle"))
    status, state = compact_text(health.get("status") or "not judged yet"), compact_text(lifecycle.get("state"))
    name = compact_text(get(document, "source", "loopId"))
    page: list[RenderableType] = [
        line(f"loop {name}", status, _age(document, "health"), style=STYLES.get(status, "")),
        *reason_rows(health),
        # Of a daemon, which takes a damaged file for an absent one: what it would say is not on this page.
        *(line("  damaged", one, style=_BAD) for one in list_of(document.get("problems"))),
        *aligned([line("lifecycle", state, _confidence(lifecycle), style=STATES.get(state, "")), *_facts(document)]),
    ]
    return [*page, *apart(_next(document, health, state, place))]


def _facts(document: JsonObject) -> list[Text]:
    iteration = get(document, "lifecycle", "iteration")
    offset, count = (get(document, "cursor", name) for name in ("eventLineOffset", "eventLineCount"))
    last = as_object(get(document, "reconcile"))
    control = as_object(document.get("control"))
    by = control.get("lastRequestedBy")
    return [
        line(
            "run",
            get(document, "lifecycle", "runId"),
            None if iteration is None else f"iteration {compact_text(iteration)}",
        ),
        line("events", f"{compact_text(offset)} of {compact_text(count)} taken in"),
        line("heartbeat", *_fields(document, "visibility", "heartbeat", "freshnessStatus", "lastHeartbeatAt")),
        line("sequence", *_fields(document, "visibility", "sequence", "status")),
        line(
            "last pass",
            last.get("lastStatus"),
            last.get("lastFailureCode"),
            last.get("lastTransport"),
            _age(document, "lastReconcile"),
            style=_BAD if last.get("lastFailureCode") is not None else "",
        ),
        line(
            "last control",
            control.get("lastIntent"),
            control.get("lastStatus"),
            None if by is None else f"by {compact_text(by)}",
            style=_CONTROL.get(compact_text(control.get("lastStatus")), ""),
        ),
        line("profile", *_fields(document, "tuning", "appliedProfile"), _recommended(document)),
        line("drift", *_fields(document, "drift", "status", "action")),
        *_alerts(document),
        line("trace", get(document, "traceLinkage", "reconcileTraceId")),
    ]


def _alerts(document: JsonObject) -> list[Text]:
    """What was told, what is owed, what was given up, and sinks that do not take anything (50, R10 and R11)."""
    dead, pending = get(document, "alerts", "deadLetterCount"), get(document, "alerts", "pendingCount")
    failed = get(document, "alerts", "dispatch", "failedCount")
    sinks = [as_object(one) for one in list_of(get(document, "alerts", "sinks"))]
    return [
        line(
            "alerts",
            get(document, "alerts", "dispatch", "status"),
            f"{compact_text(failed)} failed" if failed else None,
            f"{counted(pending, 'delivery', 'deliveries')} pending" if pending else None,
            style="yellow" if failed or pending else "",
        ),
        line("given up", counted(dead, "dead letter") if dead else None, style=_BAD),
        *(
            line(
                f"sink {compact_text(sink.get('id'))}", sink.get("state"), get(sink, "lastError", "message"), style=_ILL
            )
            for sink in sinks
            if sink.get("state") != "closed"
        ),
    ]


def _next(document: JsonObject, health: JsonObject, state: str, place: Sequence[str]) -> list[Text]:
    # The health that a status quotes does not say how the loop was reached; its last pass does.
    reached = {"transport": {"mode": get(document, "reconcile", "lastTransport")}}
    reads = reads_loop(reached, place)
    steps = [command_line("how it is now", "health", place=place)]
    if get(document, "alerts", "deadLetterCount"):
        steps.append(command_line("what was given up", "alerts", "dispatch", "--list-dead-letters", place=place))
    if state == RunStatus.AWAITING_APPROVAL and reads:
        steps += [command_line(word, "control", "--intent", word, place=place) for word in ("approve", "reject")]
    return steps + what_to_do(health_codes(health), LOOP, place, reads_loop=reads)


def _confidence(lifecycle: JsonObject) -> str | None:
    value = lifecycle.get("confidence")
    return None if value is None else f"confidence {compact_text(value)}"


def _age(document: JsonObject, of: str) -> str | None:
    return ago(get(document, "age", f"{of}AgeSeconds"))


def _fields(document: JsonObject, *path: str) -> list[JsonValue]:
    """The values of the last names of ``path`` inside the section that the first ones lead to."""
    section: JsonValue = document
    names = list(path)
    while names and isinstance(get(section, names[0]), dict):
        section = get(section, names.pop(0))
    return [get(section, name) for name in names] if section is not document else []


def _recommended(document: JsonObject) -> str | None:
    profile, confidence = (get(document, "tuning", name) for name in ("recommendedProfile", "confidence"))
    if not profile:
        return None
    return f"recommended {compact_text(profile)}, confidence {compact_text(confidence)}"
