"""What an apply records, and how a repeated idempotency key is answered (contract 95, 2.4 and 2.5; weakness 11)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from opsd.contract import jsoncodec
from opsd.contract.errors import ManagerFileError, UsageError
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.values import first_present
from opsd.promotion.rollout.context import Governance, Seam
from opsd.promotion.rollout.decision_file import FoundDecision
from opsd.promotion.rollout.registry_edit import Rollout, governance_at
from opsd.promotion.rollout.words import Intent


@dataclass(frozen=True, slots=True)
class ApplyRequest:
    """What an apply was asked to do.

    Attributes:
        seam: its evidence refs are merged with the automatic ones already.
        files: the paths that the record names, by its own keys.
        idempotency_key: empty for none.
        emergency: a rollback that pauses although its evidence cannot be used (weakness 12).
        max_decision_age_s: an expand or resume on an older decision is refused; None for any age.
    """

    intent: Intent
    expand_step: int
    governance: Governance
    seam: Seam
    trace_id: str
    files: Mapping[str, str] = field(default_factory=dict)
    idempotency_key: str = ""
    emergency: bool = False
    max_decision_age_s: int | None = None


def apply_record(
    request: ApplyRequest,
    decision: FoundDecision,
    registry: JsonObject,
    before: Rollout,
    after: Rollout,
    changed_at: str,
    extra: JsonObject,
) -> JsonObject:
    """The record of a change that stands. ``extra`` are fields beside the contract's."""
    return {
        "schemaVersion": "v1",
        "timestamp": changed_at,
        "category": "promotion_apply",
        "fleetId": first_present(registry.get("fleetId"), "default"),
        "traceId": request.trace_id,
        "loopId": request.seam.loop_id,
        "horizonRef": request.seam.horizon_ref,
        "evidenceRefs": list(request.seam.evidence_refs),
        "idempotencyKey": request.idempotency_key or None,
        "status": "applied",
        "intent": request.intent.value,
        "decision": decision.text,
        "governance": governance_at(request.governance, changed_at),
        "rollout": {
            "before": before.document(),
            "after": after.document(),
            "changed": {
                "canaryPercent": before.canary_percent != after.canary_percent,
                "manualPause": before.manual_pause != after.manual_pause,
            },
        },
        "files": dict(request.files),
        "reasonCodes": [],
        **extra,
    }


def newest_with_key(lines: Iterable[bytes], key: str, path: str) -> JsonObject | None:
    """The newest record with an idempotency key, from the lines of the log at ``path``, newest first.

    Raises:
        ManagerFileError: a line on the way is no record: what it hides may be the key's (weakness 10).
    """
    for line in lines:
        try:
            record = jsoncodec.loads(line)
        except ValueError:
            record = ()
        if isinstance(record, dict):
            if record.get("idempotencyKey") == key:
                return record
        elif record is not None:
            raise ManagerFileError(f"invalid apply telemetry JSONL: {path}")
    return None


def answers(record: JsonObject, intent: Intent, *, is_paused: bool) -> bool:
    """Whether a key's stored record answers ``intent``; False has the intent carried out.

    A key belongs to the intent that used it first: no other one is answered with its record. A rollback is carried out
    when it was never done, and again when the pause that it made no longer stands.

    Raises:
        UsageError: an expand or resume under a key of another intent.
    """
    used_by = record.get("intent")
    if used_by == intent:
        return intent is not Intent.ROLLBACK or is_paused
    if intent is Intent.ROLLBACK:
        return False
    raise UsageError(f"idempotency key belongs to intent {used_by}, not {intent}")


def replayed(record: JsonObject, seam: Seam) -> JsonObject:
    """The stored record as the answer to a repeated request."""
    answer = {
        **record,
        "loopId": first_present(record.get("loopId"), seam.loop_id),
        "horizonRef": first_present(record.get("horizonRef"), seam.horizon_ref),
        "replayed": True,
    }
    refs: Sequence[str] = first_present(record.get("evidenceRefs"), list(seam.evidence_refs))
    return {**answer, "evidenceRefs": refs}
