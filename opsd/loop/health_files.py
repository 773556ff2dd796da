"""A loop's health as of now, judged from the files of its passes: for a person who asks between two passes.

What is not asked for otherwise is as the loop's last pass had it: transport, limits, how its ingest ended, what it saw
of the run's process. So the answer differs from the last judgement by what time and other files have changed since.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from opsd.contract.errors import ManagerFileError
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.reasons import TransportKind
from opsd.contract.values import as_object, get, optional_text
from opsd.loop.health import HealthInputs, judge
from opsd.loop.thresholds import Thresholds
from opsd.storage.files import read_bytes, signature
from opsd.storage.layout import Part
from opsd.storage.model import Document, RowLog
from opsd.storage.store import parse_document, parse_row
from opsd.storage.tail import last_complete_line

#: The limits by their name in a health document, and in :class:`Thresholds`.
LIMITS = {
    "degradedIngestLagSeconds": "degraded_ingest_lag_s",
    "criticalIngestLagSeconds": "critical_ingest_lag_s",
    "degradedHeartbeatLagSeconds": "degraded_heartbeat_lag_s",
    "criticalHeartbeatLagSeconds": "critical_heartbeat_lag_s",
    "degradedTransportFailureStreak": "degraded_transport_failure_streak",
    "criticalTransportFailureStreak": "critical_transport_failure_streak",
}


@dataclass(frozen=True, slots=True)
class HealthQuestion:
    """What is asked for; None is as the last pass had it.

    ``now`` is the moment of judgement, ``limits`` have the names of :class:`Thresholds`, ``profile`` is their label.
    """

    now: str
    trace_id: str | None = None
    transport: TransportKind | None = None
    ingest_failed: bool | None = None
    failure_code: str | None = None
    profile: str | None = None
    limits: Mapping[str, int] = field(default_factory=dict)


def judge_files(
    loop_id: str, paths: Mapping[Part, str], question: HealthQuestion, *, thresholds: Thresholds | None = None
) -> JsonObject:
    """The health document. Blocking.

    Args:
        thresholds: the limits where the question names none; None: those of the last pass, the contract's without one.

    Raises:
        ManagerFileError: no pass has left anything, or a file is no JSON object.
        UsageError: a critical limit below its degraded one.
    """
    if signature(paths[Document.STATE]) is None and signature(paths[Document.HEALTH]) is None:
        raise ManagerFileError(f"no status artifacts found for loop: {loop_id}")
    last = read_document(paths[Document.HEALTH], "health")
    usual = thresholds or thresholds_of(last)
    limits = replace(usual, profile=question.profile or usual.profile, **question.limits)
    limits.check()
    failed = question.ingest_failed
    if failed is None:
        failed = get(last, "transport", "ingestStatus") == "failed"
    code = question.failure_code
    if code is None and failed:
        code = optional_text(get(last, "transport", "failureCode"))
    return judge(
        HealthInputs(
            now=question.now,
            thresholds=limits,
            transport=question.transport or _transport_of(last),
            trace_id=question.trace_id,
            ingest_failed=failed,
            failure_code=code,
            state=read_document(paths[Document.STATE], "state"),
            heartbeat=read_document(paths[Document.HEARTBEAT], "heartbeat state"),
            sequence=read_document(paths[Document.SEQUENCE], "sequence state"),
            transport_health=read_document(paths[Document.TRANSPORT_HEALTH], "transport health"),
            last_intent=parse_row(last_complete_line(paths[RowLog.INTENTS])),
            liveness=as_object(get(last, "evidence", "liveness")),
            spare_finished=get(last, "evidence", "finishedSpared") is True,
        )
    )


def thresholds_of(health: JsonObject) -> Thresholds:
    """The limits that a health document was judged by; the contract's for what it does not tell."""
    told = as_object(health.get("thresholds"))
    limits = {field: told[name] for name, field in LIMITS.items() if type(told.get(name)) is int and told[name] >= 0}
    return replace(Thresholds(profile=optional_text(told.get("profile"))), **limits)


def _transport_of(health: JsonObject) -> TransportKind:
    mode = get(health, "transport", "mode")
    return TransportKind.SPRITE_SERVICE if mode == TransportKind.SPRITE_SERVICE else TransportKind.LOCAL


def read_document(path: str | None, what: str) -> JsonObject:
    """The object in a file; empty for a file that is not there.

    Raises:
        ManagerFileError: ``invalid <what> JSON: <path>`` (contract 20, 5.1).
    """
    data = read_bytes(path) if path else None
    if data is None:
        return {}
    document = parse_document(data)
    if document is None:
        raise ManagerFileError(f"invalid {what} JSON: {path}")
    return document
