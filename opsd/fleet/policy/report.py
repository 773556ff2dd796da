"""The fleet state that policy judges, typed at the border (contract 70, 2 steps 4 and 5, and 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from opsd.contract import jsoncodec
from opsd.contract.errors import ManagerFileError
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import first_present, get, optional_text


class LoopResult(NamedTuple):
    """What fleet reconcile says of one loop, as far as policy looks; ``loop_id`` is only checked where it is used."""

    loop_id: JsonValue
    status: JsonValue
    health_status: JsonValue
    trace_id: JsonValue


@dataclass(frozen=True, slots=True)
class FleetReport:
    """One fleet reconcile. ``results`` may be only those that matter; ``result_count`` counts all."""

    fleet_id: JsonValue
    status: JsonValue
    trace_id: str | None
    updated_at: JsonValue
    results: tuple[LoopResult, ...]
    result_count: int


def parse_report(data: bytes, path: str) -> FleetReport:
    """The report in a fleet state file; a root of ``null`` or ``{}`` is one without results.

    Raises:
        ManagerFileError: ``invalid fleet state JSON: <path>``.
    """
    try:
        document = jsoncodec.loads(data)
    except ValueError:
        raise _invalid(path) from None
    if b"\\u" in data:  # half of a surrogate pair is decided on in the form in which it is written again
        document = jsoncodec.loads(jsoncodec.dumps(document))
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise _invalid(path)
    results = first_present(document.get("results"), [])
    if isinstance(results, dict):
        results = list(results.values())
    if not isinstance(results, list) or not all(isinstance(item, dict) for item in results):
        raise _invalid(path)
    return FleetReport(
        fleet_id=first_present(document.get("fleetId"), "default"),
        status=first_present(document.get("status"), "unknown"),
        trace_id=optional_text(document.get("traceId")),
        updated_at=get(document, "updatedAt"),
        results=tuple(_result(item, path) for item in results),
        result_count=len(results),
    )


def _result(item: JsonObject, path: str) -> LoopResult:
    result = LoopResult(
        item.get("loopId"), item.get("status"), item.get("healthStatus"), first_present(item.get("traceId"), None)
    )
    if is_trouble(result) and not isinstance(result.loop_id, str):
        raise _invalid(path)
    return result


def is_trouble(result: LoopResult) -> bool:
    """True when a candidate comes of it."""
    return result.status == "failed" or result.health_status in ("critical", "degraded")


def _invalid(path: str) -> ManagerFileError:
    return ManagerFileError(f"invalid fleet state JSON: {path}")
