"""One loop's run as readable pages: its snapshot, the projection of a pass, and the pass as a whole.

First whether it goes well and whether somebody is waited for, then what it did last, then what one would type next.
Hashes, sizes and whole envelopes stay in the document.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from opsd.cli.loop.health_page import reads_loop, reason_rows
from opsd.cli.loop.loops_page import STYLES
from opsd.cli.page import aligned, apart, counted, line
from opsd.cli.reasons.remedies import LOOP
from opsd.cli.reasons.told import command_line, what_to_do
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.reasons import ReasonCode, RunStatus
from opsd.contract.values import as_object, compact_text, get, list_of

#: How a lifecycle state is shown.
STATES = {
    RunStatus.RUNNING.value: "green",
    RunStatus.COMPLETE.value: "green",
    RunStatus.AWAITING_APPROVAL.value: "bold yellow",
    RunStatus.STOPPED.value: "yellow",
    RunStatus.FAILED.value: "bold red",
}
#: Words of gates that nobody has to look at; what else there is may be anything.
_FINE = frozenset({"ok", "skipped", "approved", "pending"})
_DIVERGENCES = {
    "activeMismatch": "the newest event is one of a run, and the runtime says that none is active",
    "approvalCompletionConflict": "an approval is pending beside a completion that is told as good",
    "cursorRegression": "the snapshot's cursor is below the one of the pass before",
}


def snapshot_page(envelope: JsonObject, place: Sequence[str]) -> list[RenderableType]:
    """What the loop says of itself; ``place`` names it in the commands that are shown."""
    run, runtime = as_object(envelope.get("run")), as_object(envelope.get("runtime"))
    health = as_object(envelope.get("health"))
    active = get(runtime, "superloopState", "active")
    facts = [
        _run_line(run),
        line("last event", health.get("lastEventName"), health.get("lastEventAt"), _events(envelope.get("cursor"))),
        line("active", None if active is None else _yes(active), *(_process(runtime) if active is not False else ())),
        _heartbeat(runtime.get("heartbeat")),
        *_progress(health, get(run, "summary")),
    ]
    return [
        _head(envelope, run.get("status"), envelope.get("emittedAt")),
        *_approval(runtime.get("approval")),
        *aligned(facts),
        *_to_decide(health.get("hasPendingApproval"), place, reads=True),
    ]


def state_page(state: JsonObject, place: Sequence[str]) -> list[RenderableType]:
    """The projection."""
    return [
        _state_head(state),
        *_divergence(state.get("divergence")),
        *aligned(_facts(state)),
        *_to_decide(get(state, "projection", "hasPendingApproval"), place, reads=True),
    ]


def pass_page(state: JsonObject, place: Sequence[str]) -> list[RenderableType]:
    """A pass that took everything in: the health that it found, the projection, and what it recorded beside."""
    health, drift = as_object(state.get("health")), as_object(state.get("drift"))
    status, reads = health.get("status"), reads_loop(health, place)
    diverges = [ReasonCode.DIVERGENCE_DETECTED] if get(state, "divergence", "any") is True else []
    steps = what_to_do([*list_of(health.get("reasonCodes")), *diverges], LOOP, place, reads_loop=reads)
    beside = [
        line("order", get(state, "sequence", "status"), *list_of(get(state, "sequence", "violations"))),
        line("profile", drift.get("appliedProfile"), drift.get("status")),
        line("trace", get(state, "trace", "reconcileTraceId")),
    ]
    return [
        _state_head(state),
        line("health", status, style=STYLES.get(compact_text(status), "")),
        *reason_rows(health),
        *_divergence(state.get("divergence")),
        *aligned([*_facts(state), *beside]),
        *_to_decide(get(state, "projection", "hasPendingApproval"), place, reads=reads),
        *apart(steps),
    ]


def _state_head(state: JsonObject) -> Text:
    return _head(state, get(state, "transition", "currentState"), state.get("generatedAt"))


def _facts(state: JsonObject) -> list[Text]:
    found, transition = as_object(state.get("projection")), as_object(state.get("transition"))
    before, confidence = transition.get("previousState"), transition.get("confidence")
    changed = before not in (None, "none", transition.get("currentState"))
    return [
        _run_line(as_object(state.get("run"))),
        line(
            "because of",
            transition.get("triggeringSignal"),
            None if confidence is None else f"confidence {compact_text(confidence)}",
            f"before: {compact_text(before)}" if changed else None,
        ),
        line("last event", found.get("lastEventName"), found.get("lastEventAt"), _events(state.get("cursor"))),
        *_progress(found, None),
    ]


def _head(document: JsonObject, status: JsonValue, at: JsonValue) -> Text:
    name = f"loop {compact_text(get(document, 'source', 'loopId'))}"
    return line(name, status, at, style=STATES.get(compact_text(status), ""))


def _run_line(run: JsonObject) -> Text:
    iteration = run.get("iteration")
    return line("run", run.get("runId"), None if iteration is None else f"iteration {compact_text(iteration)}")


def _events(cursor: JsonValue) -> str | None:
    offset, count = get(cursor, "eventLineOffset"), get(cursor, "eventLineCount")
    if count is None:
        return None
    return counted(count, "event") if offset == count else f"event {offset} of {count}"


def _process(runtime: JsonObject) -> list[JsonValue]:
    verdict, pid = get(runtime, "liveness", "verdict"), get(runtime, "liveness", "pid")
    if verdict is None:
        return []
    told = f"process {compact_text(verdict)}, {compact_text(get(runtime, 'liveness', 'reason'))}"
    return [told, None if pid is None else f"process id {pid}"]


def _heartbeat(heartbeat: JsonValue) -> Text:
    """The runtime's own, whatever else it holds."""
    return line("heartbeat", *(get(heartbeat, name) for name in ("status", "timestamp", "updatedAt")))


def _progress(found: JsonObject, summary: JsonValue) -> list[Text]:
    """Gates, the worst first, and how long the run has made no progress."""
    gates = as_object(found.get("gates"))
    told = {name: f"{name} {compact_text(word)}" for name, word in gates.items() if word is not None}
    bad = [name for name in told if compact_text(gates[name]) not in _FINE]
    promise, streak = get(summary, "promise", "matched"), get(found, "stuck", "streak")
    limit = get(found, "stuck", "threshold")
    return [
        line("gates", *(told[name] for name in dict.fromkeys([*bad, *told])), style="yellow" if bad else ""),
        line("promise", None if promise is None else "kept" if promise is True else "not kept"),
        line(
            "stuck for",
            f"{counted(streak, 'iteration')}, stops at {compact_text(limit)}" if streak and limit is not None else None,
        ),
    ]


def _approval(approval: JsonValue) -> list[Text]:
    status = get(approval, "status")
    if status is None:
        return []
    by = get(approval, "decided_by") or get(approval, "by")
    asked = get(approval, "requested_at")
    style = "bold yellow" if status == "pending" else ""
    told = (None if asked is None else f"asked at {compact_text(asked)}", None if by is None else f"by {by}")
    return [line("approval", status, *told, style=style)]


def _divergence(found: JsonValue) -> list[Text]:
    flags = as_object(get(found, "flags"))
    raised = [name for name, up in flags.items() if up is True]
    return [line("divergence", name, _DIVERGENCES.get(name), style="bold red") for name in raised]


def _to_decide(pending: JsonValue, place: Sequence[str], *, reads: bool) -> list[RenderableType]:
    """How to answer a run that waits for an approval."""
    if pending is not True:
        return []
    if not reads:
        return ["", line("waits for you", "approve or reject it where the run is, or through the daemon", style="cyan")]
    say = [command_line(word, "control", "--intent", word, place=place) for word in ("approve", "reject")]
    return ["", Text("waits for you", style="bold"), *aligned(say)]


def _yes(value: JsonValue) -> str:
    return "yes" if value is True else "no"
