"""Does the runtime show the effect of an intent? Snapshots are polled until it does (contract 30, section 4)."""

from __future__ import annotations

import time as clocks
from collections.abc import Callable
from dataclasses import dataclass

from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.timestamps import format_utc
from opsd.contract.values import first_present, get
from opsd.control.verdict import Intent

#: Takes a snapshot; None when there was none to be had.
TakeSnapshot = Callable[[], JsonObject | None]


class StopLooking(Exception):
    """Raised by a ``sleep`` that ends the look before its time; what was seen last is told."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What one snapshot shows of an intent's effect."""

    status: str = "unknown"
    last_event: JsonValue = None
    approval_status: JsonValue = None
    active: bool = False
    completion_ok: bool = False
    run_id: JsonValue = None
    summary: JsonValue = None
    events: JsonValue = None


def observe(snapshot: JsonObject) -> Observed:
    """Read a snapshot; an empty one is an observation too."""
    return Observed(
        status=str(first_present(get(snapshot, "run", "status"), "unknown")),
        last_event=first_present(get(snapshot, "health", "lastEventName"), None) or None,
        approval_status=first_present(get(snapshot, "runtime", "approval", "status"), None) or None,
        active=get(snapshot, "runtime", "superloopState", "active") in (True, "true"),
        completion_ok=get(snapshot, "run", "summary", "completion_ok") in (True, "true"),
        run_id=get(snapshot, "run", "runId"),
        summary=get(snapshot, "run", "summary"),
        events=get(snapshot, "cursor", "eventLineCount"),
    )


def evidence(intent: Intent, seen: Observed, before: Observed | None = None) -> str | None:
    """The reason for which the intent counts as confirmed; None when it does not.

    ``before`` is what was seen before the command ran: a completion that stood there already proves nothing (section
    "weaknesses", row 12). Nor does a decision prove a rejection while the approval says ``approved``.
    """
    if intent is Intent.CANCEL:
        return "inactive_not_running" if not seen.active and seen.status != "running" else None
    if intent is Intent.APPROVE:
        if not _completed(seen) or (before is not None and _completed(before) and not _is_news(seen, before)):
            return None
        return "completion_observed"
    decided = seen.last_event in ("approval_rejected", "approval_decision") and seen.approval_status != "approved"
    return "rejection_observed" if seen.approval_status == "rejected" or decided else None


def _completed(seen: Observed) -> bool:
    return seen.completion_ok or seen.status == "complete" or seen.last_event == "loop_complete"


def _is_news(seen: Observed, before: Observed) -> bool:
    """The completion is another one than the one before: the decision's own event makes no difference."""
    if (seen.run_id, seen.summary) != (before.run_id, before.summary):
        return True
    return bool(seen.last_event == "loop_complete" and seen.events != before.events)


def confirm(
    intent: Intent,
    take: TakeSnapshot,
    *,
    timeout_s: int,
    interval_s: int,
    before: Observed | None = None,
    monotonic: Callable[[], float] = clocks.monotonic,
    sleep: Callable[[float], None] = clocks.sleep,
    clock: Callable[[], float] = clocks.time,
) -> JsonObject:
    """Poll until confirmed or out of time; at least once. The payload of the confirm command."""
    began = monotonic()
    attempts = 0
    seen = Observed()
    stopped = False
    while True:
        attempts += 1
        snapshot = take()
        reason = None
        if snapshot is not None:
            seen = observe(snapshot)
            reason = evidence(intent, seen, before)
        if reason is not None or stopped or monotonic() - began >= timeout_s:
            return {
                "intent": intent.value,
                "confirmed": reason is not None,
                "reason": reason or "timeout",
                "attempts": attempts,
                "timeoutSeconds": timeout_s,
                "observedStatus": seen.status,
                "observedLastEvent": seen.last_event,
                "observedApprovalStatus": seen.approval_status,
                "observedActive": seen.active,
                "observedAt": format_utc(clock()),
            }
        try:
            sleep(interval_s or 1)
        except StopLooking:
            stopped = True  # one last look
