"""The lifecycle projection: snapshot and last event against the projection before (contract 10, part 4)."""

from __future__ import annotations

from opsd.contract.errors import ProjectionError
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.reasons import SCHEMA_VERSION
from opsd.contract.values import digits, first_present, get, int0
from opsd.runtime.snapshot import is_pending, present_or_none

#: Events that only an active run writes.
ACTIVITY_EVENTS = frozenset(
    {
        "iteration_start",
        "role_start",
        "role_end",
        "iteration_end",
        "tests_start",
        "tests_end",
        "validation_start",
        "validation_end",
    }
)


def project(
    snapshot: JsonObject,
    last_event: JsonObject | None,
    previous: JsonObject,
    *,
    repo: str,
    loop_id: str,
    now: str,
    snapshot_file: str,
    events_file: str | None,
) -> JsonObject:
    """The projection of a checked snapshot.

    Args:
        last_event: the last envelope of the poll, None without new events.
        previous: the projection before, empty when there is none or it cannot be read.
        now: wire timestamp, ``generatedAt``.
        snapshot_file, events_file: what ``evidence`` names as the sources.

    Raises:
        ProjectionError: a value of the snapshot has a type that the contract refuses.
    """
    current = first_present(get(snapshot, "run", "status"), "unknown")
    approval_pending = is_pending(get(snapshot, "runtime", "approval"))
    completion_ok = _completion_ok(snapshot)
    offset = _cursor_number(snapshot, "eventLineOffset")
    last_name = first_present(get(last_event, "event", "name"), "")
    active = get(snapshot, "runtime", "superloopState", "active")
    previous_offset = digits(first_present(get(previous, "cursor", "eventLineOffset"), 0))
    flags = {
        "activeMismatch": active is not True and isinstance(last_name, str) and last_name in ACTIVITY_EVENTS,
        "approvalCompletionConflict": approval_pending and completion_ok,
        "cursorRegression": previous_offset is not None and isinstance(offset, int) and previous_offset > offset,
    }
    diverged = any(flags.values())
    health = get(snapshot, "health")
    return {
        "schemaVersion": SCHEMA_VERSION,
        "generatedAt": now,
        "source": {"repoPath": repo, "loopId": loop_id},
        "run": {
            "runId": first_present(get(snapshot, "run", "runId"), "unknown"),
            "iteration": int0(first_present(get(snapshot, "run", "iteration"), 0)),
        },
        "transition": {
            "previousState": first_present(get(previous, "transition", "currentState"), "none"),
            "triggeringSignal": f"event:{last_name}" if last_name else f"snapshot_status:{current}",
            "currentState": current,
            "confidence": "low" if diverged else "high" if last_name else "medium",
        },
        "projection": {
            "status": current,
            "hasPendingApproval": approval_pending,
            "completionOk": completion_ok,
            "gates": present_or_none(get(health, "gates")),
            "stuck": present_or_none(get(health, "stuck")),
            # Never false: null is "not active" (contract 10, 4.6).
            "active": present_or_none(active),
            "lastEventName": present_or_none(get(health, "lastEventName")),
            "lastEventAt": present_or_none(get(health, "lastEventAt")),
        },
        "cursor": {"eventLineOffset": offset, "eventLineCount": _cursor_number(snapshot, "eventLineCount")},
        "divergence": {"any": diverged, "flags": flags},
        "evidence": {
            "snapshotFile": snapshot_file,
            "eventsFile": events_file,
            "snapshotEnvelope": {
                "runStatus": current,
                "lastEventName": present_or_none(get(health, "lastEventName")),
                "hasPendingApproval": approval_pending,
            },
            "lastEventEnvelope": last_event,
        },
    }


def _completion_ok(snapshot: JsonObject) -> bool:
    value = first_present(get(snapshot, "run", "summary", "completion_ok"), False)
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise ProjectionError("snapshot completion_ok is not a boolean")


def _cursor_number(snapshot: JsonObject, key: str) -> int | float:
    value = first_present(get(snapshot, "cursor", key), 0)
    number = int0(value)
    if isinstance(value, bool) or (number == 0 and value not in (0, "0") and not _is_zero(value)):
        raise ProjectionError(f"snapshot cursor {key} is not a number")
    return number


def _is_zero(value: JsonValue) -> bool:
    if isinstance(value, str):
        try:
            return float(value) == 0
        except ValueError:
            return False
    return isinstance(value, (int, float))
