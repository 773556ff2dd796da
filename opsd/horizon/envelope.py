"""Is a line of an outbox file an envelope of contract v1, and if not, why (contract 97, section 2).

Pure. Whoever may write to the outbox is not trusted: no content makes this raise, values are bounded in length and
never read as paths or commands.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from opsd.contract import jsoncodec
from opsd.contract.jsoncodec import JsonValue
from opsd.contract.values import as_object, get

CONTRACT: Final = "horizon-envelope-contract-v1"

#: A longer line is no envelope, in bytes without its newline.
MAX_LINE_BYTES = 1024 * 1024
#: A longer identifier or intent counts as missing, in characters.
MAX_FIELD_CHARS = 4096

_FIELDS = (
    ("traceId",),
    ("packet", "packetId"),
    ("packet", "recipient", "type"),
    ("packet", "recipient", "id"),
    ("packet", "intent"),
)


class Rejection(StrEnum):
    """Why a line is no envelope; the contract's own codes."""

    INVALID_JSON = "contract_invalid_json"
    FIELD_MISSING = "contract_required_field_missing"
    VERSION_UNSUPPORTED = "contract_schema_version_unsupported"
    EVIDENCE_NOT_ARRAY = "contract_evidence_refs_not_array"


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the bridge takes from an envelope. ``trace_id`` is that of the producer's run, not the packet's own."""

    packet_id: str
    trace_id: str
    recipient_type: str
    recipient_id: str
    intent: str
    evidence_refs: list[JsonValue]


def read_envelope(line: bytes) -> Envelope | Rejection:
    """The envelope in a line that is not empty, or the first rule that it breaks."""
    if len(line) > MAX_LINE_BYTES:
        return Rejection.INVALID_JSON
    try:
        value = jsoncodec.loads(line)
    except ValueError:
        return Rejection.INVALID_JSON
    fields = [_identifier(get(value, *path)) for path in _FIELDS]
    found = as_object(value)
    version, evidence = found.get("schemaVersion"), found.get("evidenceRefs")
    if None in fields or version is None or version is False or version == "" or evidence is None or evidence is False:
        return Rejection.FIELD_MISSING
    if version != "v1":
        return Rejection.VERSION_UNSUPPORTED
    if not isinstance(evidence, list):
        return Rejection.EVIDENCE_NOT_ARRAY
    trace_id, packet_id, recipient_type, recipient_id, intent = (field or "" for field in fields)
    return Envelope(packet_id, trace_id, recipient_type, recipient_id, intent, evidence)


def is_whole(line: bytes) -> bool:
    """Whether a line without a newline is one JSON value, and so not about to be finished by its writer."""
    if len(line) > MAX_LINE_BYTES:
        return True  # nothing that may follow could make it one
    return jsoncodec.is_json(line)


def _identifier(value: JsonValue) -> str | None:
    """A string of a usable length, as it will be read back from the queue; None counts as missing."""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_FIELD_CHARS:
        return None
    return jsoncodec.well_formed(value)
