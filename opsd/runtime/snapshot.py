"""The lifecycle status table and the snapshot's derived values, as pure functions (contract 10, 3.1 and part 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.reasons import RunStatus
from opsd.contract.values import emptynull, first_present, get, int0, text

if TYPE_CHECKING:
    from opsd.contract.envelopes import SnapshotHealth, SnapshotRun

STOP_EVENTS = frozenset({"loop_stop", "rate_limit_stop", "no_progress_stop"})
FAILURE_STATUSES = frozenset({"error", "timeout", "blocked", "rate_limited"})


class RunFacts(NamedTuple):
    """What the runtime's files say about one loop; None where a file, entry or event is absent."""

    loop_id: str
    event: JsonObject | None
    state: JsonObject | None
    approval: JsonObject | None
    summary: JsonObject | None
    latest: JsonObject | None


def event_name(event: JsonValue) -> str:
    """``event ?? type`` of a journal line as text, empty without one."""
    return text(first_present(get(event, "event"), get(event, "type"), ""))


def is_pending(approval: JsonValue) -> bool:
    """An approval request that waits for its decision."""
    return bool(get(approval, "status") == "pending")


def run_status(facts: RunFacts) -> RunStatus:
    """The seven rows of the status table; the first match wins."""
    state = facts.state
    if is_pending(facts.approval):
        return RunStatus.AWAITING_APPROVAL
    if get(facts.latest, "completion_ok") is True:
        return RunStatus.COMPLETE
    if state is not None and state.get("active") is True and state.get("current_loop_id") == facts.loop_id:
        return RunStatus.RUNNING
    if event_name(facts.event) in STOP_EVENTS:
        return RunStatus.STOPPED
    status = get(facts.event, "status")
    if isinstance(status, str) and status in FAILURE_STATUSES:
        return RunStatus.FAILED
    if state is not None and state.get("active") in (None, False) and facts.latest is not None:
        return RunStatus.IDLE
    return RunStatus.UNKNOWN


def run_section(facts: RunFacts, run_id: str | None) -> SnapshotRun:
    """``run`` of the snapshot; ``run_id`` overrides what the files say."""
    iteration = first_present(
        get(facts.latest, "iteration"), get(facts.event, "iteration"), get(facts.state, "iteration"), 0
    )
    return {
        "runId": run_id or _run_id(facts.latest) or _run_id(facts.event) or "unknown",
        "iteration": int0(iteration),
        "status": run_status(facts),
        "summary": facts.latest,
    }


def _run_id(source: JsonObject | None) -> str:
    """A usable ``run_id`` as text: zero, false, null and empty text do not count."""
    value = get(source, "run_id")
    if value is None or value is False or (value == 0 and not isinstance(value, str)):
        return ""
    return text(value)


def health_section(facts: RunFacts, event_count: int) -> SnapshotHealth:
    """``health`` of the snapshot."""
    summary_at = first_present(get(facts.summary, "updated_at"), get(facts.latest, "ended_at"), "")
    return {
        "eventCount": event_count,
        "lastEventAt": emptynull(text(first_present(get(facts.event, "timestamp"), ""))),
        "lastEventName": emptynull(event_name(facts.event)),
        "lastSummaryAt": emptynull(text(summary_at)),
        "hasPendingApproval": is_pending(facts.approval),
        "gates": present_or_none(get(facts.latest, "gates")),
        "stuck": present_or_none(get(facts.latest, "stuck")),
    }


def present_or_none(value: JsonValue) -> JsonValue:
    """``value ?? null``."""
    return None if value is False else value
