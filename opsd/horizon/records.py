"""What a run writes: intents, the queue, the state, telemetry rows (contract 97, sections 3, 5, 6 and 7).

Pure. Beside the contract's fields stand a few of ours: where a rejected file is wrong, which keys are ambiguous, what
lay in the outbox and was left there, and how many files of a dead run were taken up.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from opsd.contract.jsoncodec import JsonObject
from opsd.contract.reasons import SCHEMA_VERSION
from opsd.horizon.dedupe import KnownKeys
from opsd.horizon.envelope import CONTRACT, Envelope
from opsd.horizon.judge import FileVerdict

PENDING: Final = "pending_operator_confirmation"
PROCESSED: Final = "processed"
REJECTED: Final = "rejected"

_LOWER: Final = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
_NO_SLUG: Final = re.compile(r"[^a-z0-9._]+")


class Places(NamedTuple):
    """How the documents name where things are."""

    outbox: str
    claims: str
    queue_file: str
    state_file: str
    telemetry_file: str


@dataclass(frozen=True)
class Run:
    """One run and what it found.

    ``targets`` are the places below the claims folder that the files of ``verdicts`` go to, ``ignored`` counts what
    was left alone, by kind.
    """

    started_at: str
    trace_id: str
    places: Places
    verdicts: Sequence[FileVerdict]
    targets: Sequence[str]
    recovered: int = 0
    ignored: Mapping[str, int] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """``ok``, or ``failed_contract_validation`` when a file was rejected."""
        return "failed_contract_validation" if any(verdict.rejected for verdict in self.verdicts) else "ok"


def slug(intent: str) -> str:
    """An intent as the last part of an intent id."""
    found = _NO_SLUG.sub("-", intent.translate(_LOWER))
    return found.removeprefix("-").removesuffix("-") or "intent"


def folder_of(verdict: FileVerdict) -> str:
    """The claims' sub-folder that a file goes to."""
    return REJECTED if verdict.rejected else PROCESSED


def new_intent(envelope: Envelope, claim_name: str, started_at: str) -> JsonObject:
    """An intent that waits for an operator. Its id is not unique; (packetId, traceId) is."""
    return {
        "intentId": f"horizon-bridge:{envelope.packet_id}:{slug(envelope.intent)}",
        "packetId": envelope.packet_id,
        "traceId": envelope.trace_id,
        "recipient": {"type": envelope.recipient_type, "id": envelope.recipient_id},
        "intent": envelope.intent,
        "status": PENDING,
        "requiresOperatorConfirmation": True,
        "autonomous": {
            "eligible": False,
            "manualOnly": True,
            "reasons": ["horizon_bridge_manual_confirmation_required"],
        },
        "source": "horizon_outbox_contract_v1",
        "sourceFile": claim_name,
        "evidenceRefs": envelope.evidence_refs,
        "createdAt": started_at,
        "updatedAt": started_at,
    }


def queue_document(run: Run, intents: list[JsonObject]) -> JsonObject:
    """The queue file (section 5)."""
    pending = pending_count(intents)
    return {
        **_head(run),
        "source": {"outboxDir": run.places.outbox, "claimsDir": run.places.claims, "contract": CONTRACT},
        "intents": intents,
        "summary": {"intentCount": len(intents), "pendingConfirmationCount": pending},
        "reasonCodes": ["horizon_bridge_confirmation_pending" if pending else "horizon_bridge_queue_empty"],
    }


def state_document(
    run: Run, prior: JsonObject | None, known: KnownKeys, pending: int, known_since: JsonObject | None = None
) -> JsonObject:
    """The state file, which is also what the command prints (section 6).

    Args:
        prior: the former state file.
        known: all keys after the run.
        pending: intents of the whole queue that wait for confirmation.
        known_since: since when each key is known, kept only where keys are forgotten after a time.
    """
    names = {folder: [v.claim_name for v in run.verdicts if folder_of(v) == folder] for folder in (PROCESSED, REJECTED)}
    keys, pairs = known.wire_keys(), known.ambiguous_pairs()
    return {
        **_head(run),
        "status": run.status,
        "contract": CONTRACT,
        "source": {"outboxDir": run.places.outbox, "claimsDir": run.places.claims},
        "files": {
            "queueFile": run.places.queue_file,
            "stateFile": run.places.state_file,
            "telemetryFile": run.places.telemetry_file,
            "claimed": [verdict.claim_name for verdict in run.verdicts],
            **names,
        },
        "summary": _summary(run, pending),
        "dedupe": {
            "keyCount": len(keys),
            "keys": keys,
            **({"ambiguousPairs": [list(pair) for pair in pairs]} if pairs else {}),
            **({"knownSince": known_since} if known_since is not None else {}),
        },
        "reasonCodes": _reason_codes(run),
        "observed": {
            "hadPreviousState": prior is not None,
            "previousStatus": prior.get("status") if prior else None,
            "previousUpdatedAt": prior.get("updatedAt") if prior else None,
        },
        "ignored": dict(run.ignored),
    }


def telemetry_rows(run: Run, state: JsonObject) -> list[JsonObject]:
    """One row per claimed file in claim order, then the run's (section 7)."""
    rows = [_file_row(run, *pair) for pair in zip(run.verdicts, run.targets, strict=True)]
    files = state["files"]
    rows.append(
        {
            "timestamp": run.started_at,
            "category": "horizon_bridge_run",
            "traceId": run.trace_id,
            "status": run.status,
            "contract": CONTRACT,
            "files": {name: files[name] for name in ("stateFile", "queueFile", "telemetryFile")},
            "summary": state["summary"],
            "reasonCodes": state["reasonCodes"],
            "ignored": state["ignored"],
        }
    )
    return rows


def pending_count(intents: Sequence[JsonObject]) -> int:
    """How many intents wait for an operator's confirmation."""
    return sum(intent.get("status") == PENDING for intent in intents)


def _head(run: Run) -> JsonObject:
    return {
        "schemaVersion": SCHEMA_VERSION,
        "generatedAt": run.started_at,
        "updatedAt": run.started_at,
        "traceId": run.trace_id,
    }


def _summary(run: Run, pending: int) -> JsonObject:
    taken = [verdict for verdict in run.verdicts if not verdict.rejected]
    return {
        "claimedFileCount": len(run.verdicts),
        "processedFileCount": len(taken),
        "rejectedFileCount": len(run.verdicts) - len(taken),
        "queuedEnvelopeCount": sum(verdict.queued for verdict in taken),
        "duplicateEnvelopeCount": sum(verdict.duplicates for verdict in taken),
        "invalidEnvelopeCount": sum(verdict.invalid for verdict in run.verdicts),
        "pendingConfirmationCount": pending,
        "recoveredFileCount": run.recovered,
    }


def _reason_codes(run: Run) -> list[str]:
    taken = [verdict for verdict in run.verdicts if not verdict.rejected]
    codes = {
        "horizon_bridge_claimed_files": bool(run.verdicts),
        "horizon_bridge_contract_validation_failed": run.status != "ok",
        "horizon_bridge_duplicates_skipped": any(verdict.duplicates for verdict in taken),
        "horizon_bridge_no_outbox_files": not run.verdicts,
        "horizon_bridge_queue_updated": any(verdict.queued for verdict in taken),
    }
    return [code for code, holds in codes.items() if holds]


def _file_row(run: Run, verdict: FileVerdict, target: str) -> JsonObject:
    row: JsonObject = {
        "timestamp": run.started_at,
        "category": "horizon_bridge_file",
        "traceId": run.trace_id,
        "status": "rejected_contract" if verdict.rejected else "processed",
        "sourceFile": verdict.claim_name,
        "claimTarget": target,
        "summary": {
            "lineCount": verdict.lines,
            "queuedCount": verdict.queued,
            "duplicateCount": verdict.duplicates,
            "invalidCount": verdict.invalid,
        },
        "reasonCodes": [verdict.last_reason] if verdict.last_reason else [],
    }
    if verdict.rejected:
        row["reasonCounts"] = {str(reason): count for reason, count in sorted(verdict.reasons.items())}
        row["invalidLines"] = [{"line": number, "reason": reason} for number, reason in verdict.invalid_lines]
    if verdict.ambiguous_keys:
        row["ambiguousKeys"] = list(verdict.ambiguous_keys)
    return row
