"""What earlier runs left: the queue and the state, checked before anything is claimed (contract 97, 4; weakness 16).

Pure. JSON ``null`` is no prior file. What has another shape than a bridge writes stops the run, so that neither an
operator's edits nor keys are lost to a misreading.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from opsd.contract import jsoncodec
from opsd.contract.errors import ManagerFileError
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import as_object, compact_text, get, optional_text
from opsd.horizon.dedupe import KnownKeys, Pair


@dataclass(frozen=True)
class PriorState:
    """What the bridge takes from a state file; ``document`` is None when there was none."""

    document: JsonObject | None = None
    keys: tuple[str, ...] = ()
    ambiguous_pairs: tuple[Pair, ...] = ()
    known_since: JsonObject = field(default_factory=dict)


def parse_queue(data: bytes | None, location: str) -> list[JsonObject]:
    """The intents of a queue file, each as it stands there.

    Raises:
        ManagerFileError: ``invalid bridge queue JSON: <path>``.
    """
    document = _parse(data, f"invalid bridge queue JSON: {location}")
    intents = document.get("intents") if document else None
    if intents is None:
        return []
    if not isinstance(intents, list) or not all(isinstance(intent, dict) for intent in intents):
        raise ManagerFileError(f"invalid bridge queue JSON: {location}")
    return intents


def parse_state(data: bytes | None, location: str) -> PriorState:
    """The keys of a state file, and the document itself.

    Raises:
        ManagerFileError: ``invalid bridge state JSON: <path>``.
    """
    complaint = f"invalid bridge state JSON: {location}"
    document = _parse(data, complaint)
    dedupe = get(document, "dedupe")
    keys, pairs = get(dedupe, "keys"), get(dedupe, "ambiguousPairs")
    if not (_is_none_or(dedupe, dict) and _is_none_or(keys, list) and _is_none_or(pairs, list)):
        raise ManagerFileError(complaint)
    if not all(isinstance(key, str) for key in keys or ()) or not all(map(_is_pair, pairs or ())):
        raise ManagerFileError(complaint)
    return PriorState(
        document,
        tuple(keys or ()),
        tuple((packet_id, trace_id) for packet_id, trace_id in pairs or ()),
        as_object(get(dedupe, "knownSince")),
    )


def pair_of(intent: JsonObject) -> Pair | None:
    """What identifies an intent of the queue; None when it has no packet id or no trace id, and has to leave."""
    packet_id, trace_id = optional_text(intent.get("packetId")), optional_text(intent.get("traceId"))
    return (packet_id, trace_id) if packet_id and trace_id else None


def known_keys(state: PriorState, intents: Iterable[JsonObject]) -> KnownKeys:
    """Everything that was queued before: by the state, and by the queue itself."""
    queued = (pair for intent in intents if (pair := pair_of(intent)) is not None)
    return KnownKeys(state.keys, (*state.ambiguous_pairs, *queued))


def merge(prior: Iterable[JsonObject], new: Iterable[JsonObject]) -> list[JsonObject]:
    """The new queue: one entry per envelope, the first wins and stays as it is; in the contract's order."""
    entries: dict[Pair, JsonObject] = {}
    for intents in (prior, new):
        for intent in intents:
            pair = pair_of(intent)
            if pair is not None:
                entries.setdefault(pair, intent)
    order = sorted(entries, key=lambda pair: (_text(entries[pair].get("createdAt")), *pair))
    return [entries[pair] for pair in order]


def _parse(data: bytes | None, complaint: str) -> JsonObject | None:
    if data is None:
        return None
    try:
        document = jsoncodec.loads(data)
    except ValueError:
        raise ManagerFileError(complaint) from None
    if not _is_none_or(document, dict):
        raise ManagerFileError(complaint)
    found: JsonObject | None = document
    return found


def _is_none_or(value: JsonValue, kind: type) -> bool:
    return value is None or isinstance(value, kind)


def _is_pair(value: JsonValue) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(part, str) and part for part in value)


def _text(value: JsonValue) -> str:
    return "" if value is None else compact_text(value)
