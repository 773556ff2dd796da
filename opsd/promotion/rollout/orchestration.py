"""What an orchestration leaves: its result, and the same as markdown for people (contract 95, 3.3 to 3.5)."""

from __future__ import annotations

from collections.abc import Sequence

from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import compact_text, first_present, get
from opsd.promotion.rollout.context import merged_refs, split_refs
from opsd.promotion.rollout.stages import Evaluated, OrchestrateRequest
from opsd.promotion.rollout.words import STATUS_OF, UNKNOWN, Mode


def evaluated(ci_result: JsonValue, exit_code: int = 0) -> Evaluated:
    """What a promotion CI result says; anything that it does not say is unknown or empty."""
    summary = get(ci_result, "summary")
    failed_gates, reason_codes = get(summary, "failedGates"), get(summary, "reasonCodes")
    return Evaluated(
        compact_text(first_present(get(summary, "decision"), UNKNOWN)),
        failed_gates if isinstance(failed_gates, list) else [],
        reason_codes if isinstance(reason_codes, list) else [],
        exit_code,
    )


def result_of(request: OrchestrateRequest, found: Evaluated, record: JsonValue, timestamp: str) -> JsonObject:
    """The result; ``record`` is what apply printed, None when it was not started."""
    seam = request.seam
    executed = request.mode is not Mode.DRY_RUN
    automatic = (request.ci_result_file, request.ci_summary_file)
    files = (get(record, "files", "promotionStateFile"), get(record, "files", "applyStateFile"))
    their_refs = get(record, "evidenceRefs")
    refs = merged_refs(
        split_refs(seam.evidence_refs), automatic, files, their_refs if isinstance(their_refs, list) else []
    )
    result: JsonObject = {
        "schemaVersion": "v1",
        "timestamp": timestamp,
        "mode": request.mode.value,
        "status": STATUS_OF[request.mode],
        "decision": found.decision,
        "traceId": request.trace_id or first_present(get(record, "traceId"), None),
        "loopId": seam.loop_id or first_present(get(record, "loopId"), None),
        "horizonRef": seam.horizon_ref or first_present(get(record, "horizonRef"), None),
        "evidenceRefs": refs,
        "summary": {"failedGates": found.failed_gates, "reasonCodes": found.reason_codes},
        "apply": {
            "executed": executed,
            "intent": first_present(get(record, "intent"), None),
            "idempotencyKey": request.idempotency_key or None,
            "record": record,
        },
        "files": dict(request.files()),
    }
    if request.emergency:
        result["emergency"] = {"evaluationExitCode": found.exit}
    return result


def summary_of(result: JsonObject) -> str:
    """The result as markdown."""
    lines = [
        "## Ops Manager Promotion Orchestration",
        f"Mode: {_code(result['mode'])}",
        f"Status: {_code(result['status'])}",
        f"Promotion decision: {_code(result['decision'])}",
        f"Failed gates: {_listed(result['summary']['failedGates'])}",
        f"Reason codes: {_listed(result['summary']['reasonCodes'])}",
    ]
    if result["apply"]["executed"]:
        lines.append(f"Apply intent: {_code(result['apply']['intent'])}")
    lines.append(f"Result JSON: {_code(result['files']['resultFile'])}")
    lines.append(f"Promotion CI result: {_code(result['files']['promotionCiResultFile'])}")
    return "\n\n".join(lines) + "\n"


def _code(value: JsonValue) -> str:
    return f"`{compact_text(value)}`"


def _listed(values: Sequence[JsonValue]) -> str:
    return ", ".join(map(compact_text, values)) or "none"
