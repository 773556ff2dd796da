"""The fleet as its last reconcile left it: counts, health, exceptions, loops, trace ids (75, 5.1 to 5.3, 5.7, 5.8)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from opsd.contract.errors import ManagerFileError
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import drop_null, first_present, present, uniq
from opsd.fleet.documents import Document

_HEALTH_WORDS = ("healthy", "degraded", "critical", "unknown")
_ARTIFACTS = ("stateFile", "healthFile", "cursorFile", "reconcileTelemetryFile")


def health_rollup(results: Sequence[Document]) -> dict[str, int]:
    """How many results have each of the four health words."""
    words = [first_present(result["healthStatus"], "unknown") for result in results]
    return {word: words.count(word) for word in _HEALTH_WORDS}


def fleet_section(fleet: Document, results: Sequence[Document], health: dict[str, int]) -> JsonObject:
    """The ``fleet`` object: what the rollup says, counted from its results where it says nothing.

    Raises:
        ManagerFileError: a count is no number.
    """
    statuses = [result["status"] for result in results]
    counts = {
        "loopCount": first_present(fleet.number("loopCount"), len(results)),
        **{
            f"{word}Count": first_present(fleet.number(f"{word}Count"), statuses.count(word))
            for word in ("success", "failed", "skipped")
        },
    }
    codes = fleet.texts("reasonCodes")
    if counts["failedCount"] > 0 and counts["successCount"] > 0:
        codes = [*codes, "fleet_partial_failure"]
    if health["critical"] > 0:
        codes = [*codes, "fleet_health_critical"]
    elif health["degraded"] > 0:
        codes = [*codes, "fleet_health_degraded"]
    return {
        "status": first_present(fleet["status"], "unknown"),
        "reasonCodes": uniq(codes),
        **counts,
        **{key: fleet[key] for key in ("startedAt", "updatedAt", "durationSeconds", "traceId")},
        "partialFailure": (fleet.number("failedCount") or 0) > 0 and (fleet.number("successCount") or 0) > 0,
    }


def exceptions(results: Sequence[Document]) -> JsonObject:
    """The loops that ask for attention, by why.

    Raises:
        ManagerFileError: a loop id is no text.
    """

    def where(holds: Callable[[Document], bool]) -> list[str]:
        return uniq(_texts([result for result in results if holds(result)], "loopId"))

    return {
        "reconcileFailures": where(lambda result: result["status"] == "failed"),
        "criticalLoops": where(lambda result: result["healthStatus"] == "critical"),
        "degradedLoops": where(lambda result: result["healthStatus"] == "degraded"),
        "skippedLoops": where(lambda result: result["status"] == "skipped"),
    }


def loop_entry(result: Document) -> JsonObject:
    """One element of ``loops``.

    Raises:
        ManagerFileError: its ``files`` are no object.
    """
    return drop_null(
        {
            "loopId": result["loopId"],
            "status": first_present(result["status"], "unknown"),
            "reasonCode": result["reasonCode"],
            "reconcileStatus": result["reconcileStatus"],
            "healthStatus": first_present(result["healthStatus"], "unknown"),
            "healthReasonCodes": first_present(result["healthReasonCodes"], []),
            "transitionState": result["transitionState"],
            "durationSeconds": result["durationSeconds"],
            "traceId": result["traceId"],
            "transport": first_present(result["transport"], "local"),
            "sprite": first_present(result["sprite"], {}),
            "artifacts": {key: present(result.container("files").get(key)) for key in _ARTIFACTS},
        }
    )


def trace_linkage(fleet: Document, results: Sequence[Document], policy: Document | None) -> JsonObject:
    """Which pass each document comes from; one shared id when all loops and the fleet agree.

    Raises:
        ManagerFileError: a loop's trace id is no text.
    """
    fleet_trace: JsonValue = fleet["traceId"]
    loop_traces = uniq(_texts(results, "traceId"))
    shared = loop_traces[0] if len(loop_traces) == 1 and loop_traces[0] else None
    return {
        "fleetTraceId": fleet_trace,
        "policyTraceId": None if policy is None else policy["traceId"],
        "loopTraceIds": loop_traces,
        "sharedTraceId": shared if fleet_trace in (None, "", shared) else None,
    }


def _texts(results: Sequence[Document], key: str) -> list[str]:
    found = []
    for result in results:
        value = result[key]
        if value is None:
            continue
        if not isinstance(value, str):
            raise ManagerFileError(result.message)
        found.append(value)
    return found
