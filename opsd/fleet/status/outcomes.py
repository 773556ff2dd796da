"""The handoff as status shows it: summary, outcomes, the last telemetry row (contract 75, 4.3, 5.5 and 5.10)."""

from __future__ import annotations

from typing import Final

from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import as_object, compact_text, count_map, drop_null, first_present, get, present
from opsd.fleet.documents import Document

_SUMMARY: Final = (
    "autoEligibleIntentCount",
    "manualOnlyIntentCount",
    "pendingConfirmationCount",
    "executedCount",
    "ambiguousCount",
    "failedCount",
)
_EXECUTION: Final = (
    "requestedIntentCount",
    "executedIntentCount",
    "executedCount",
    "ambiguousCount",
    "failedCount",
)
_ROW_EXECUTION: Final = ("mode", "requestedIntentCount", "executedCount", "ambiguousCount", "failedCount")
_ROW_SUMMARY: Final = (
    "intentCount",
    "autoEligibleIntentCount",
    "manualOnlyIntentCount",
    "pendingConfirmationCount",
    "pendingManualOnlyCount",
    "executedCount",
    "ambiguousCount",
    "failedCount",
)


def outcome_rollup(policy: Document | None, handoff: Document | None) -> JsonObject:
    """The last autonomous execution in numbers, and how many intents wait for a person.

    Raises:
        ManagerFileError: a container is of a wrong shape.
    """
    execution = {} if handoff is None else handoff.container("execution")
    if handoff is not None:
        backlog: JsonValue = pending_manual_only(handoff)
    else:
        backlog = 0 if policy is None else first_present(policy.number("manualOnlyCount"), 0)
    return {**_outcomes(execution), "manual_backlog": backlog}


def _outcomes(execution: JsonObject) -> JsonObject:
    autonomous = execution.get("mode") == "autonomous"

    def count(key: str) -> JsonValue:
        return first_present(execution.get(key), 0) if autonomous else 0

    return {
        "attempted": count("requestedIntentCount"),
        "executed": count("executedCount"),
        "ambiguous": count("ambiguousCount"),
        "failed": count("failedCount"),
    }


def pending_manual_only(handoff: Document) -> int:
    """How many intents are pending and for a person only.

    Raises:
        ManagerFileError: the intents are of a wrong shape.
    """
    return sum(
        intent["status"] == "pending_operator_confirmation" and intent.at("autonomous", "manualOnly") is True
        for intent in handoff.objects("intents")
    )


def reason_counts(handoff: Document) -> dict[str, int]:
    """How often each reason code stands in the results of the last execution.

    Raises:
        ManagerFileError: the results are of a wrong shape.
    """
    codes = (result["reasonCode"] for result in handoff.objects("execution", "results"))
    return count_map(compact_text(code) for code in codes if code is not None)


def handoff_section(handoff: Document, rollup: JsonObject) -> JsonObject:
    """The ``handoff`` object (5.5).

    Raises:
        ManagerFileError: a container is of a wrong shape.
    """
    intents = handoff.objects("intents")
    summary, execution = handoff.container("summary"), handoff.container("execution")
    return drop_null(
        {
            "mode": handoff["mode"],
            "reasonCodes": handoff.items("reasonCodes"),
            "summary": {
                "intentCount": first_present(summary.get("intentCount"), len(intents)),
                **{key: first_present(summary.get(key), 0) for key in _SUMMARY},
                "autonomousOutcomeRollup": rollup,
            },
            "execution": drop_null(
                {
                    **{
                        key: present(execution.get(key))
                        for key in ("mode", "requestedBy", "requestedAt", "completedAt")
                    },
                    **{key: first_present(execution.get(key), 0) for key in _EXECUTION},
                    "byReasonCode": reason_counts(handoff),
                }
            ),
            "byAutonomyReason": count_map(
                reason for intent in intents for reason in intent.texts("autonomous", "reasons")
            ),
            "pendingManualOnlyCount": pending_manual_only(handoff),
            "traceId": handoff["traceId"],
            "updatedAt": handoff["updatedAt"],
        }
    )


def latest_handoff_row(row: JsonObject, rollup: JsonObject) -> JsonObject:
    """The ``latestHandoffTelemetry`` object (5.10). What is of a wrong shape in a row is as if it were not there."""
    execution = as_object(row.get("execution"))
    summary = as_object(get(row, "summary", "summary"))
    backlog = first_present(present(summary.get("pendingManualOnlyCount")), rollup["manual_backlog"])
    return drop_null(
        {
            **{key: present(row.get(key)) for key in ("timestamp", "category", "traceId")},
            "execution": drop_null({key: present(execution.get(key)) for key in _ROW_EXECUTION}),
            "summary": drop_null({key: present(summary.get(key)) for key in _ROW_SUMMARY}),
            "autonomousOutcomeRollup": {**_outcomes(execution), "manual_backlog": backlog},
            "reasonCodes": first_present(get(row, "summary", "reasonCodes"), []),
        }
    )
