"""Which dedupe keys a bridge may forget, where it is told to (contract 97, weakness 11).

Pure. The key of an envelope that is in the queue is never forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.timestamps import parse_epoch
from opsd.horizon.dedupe import KnownKeys
from opsd.horizon.prior import pair_of

_DAY_S = 86_400


def forget_old_keys(
    known: KnownKeys, intents: Iterable[JsonObject], known_since: Mapping[str, JsonValue], now: str, days: int
) -> JsonObject:
    """Take keys out of ``known`` that are older than ``days`` and in no intent; since when the others are known.

    A key whose age nobody recorded, or recorded in the future, is as old as this run.
    """
    now_s = parse_epoch(now) or 0
    since: JsonObject = {}
    old: list[str] = []
    for key in known.wire_keys():
        then = parse_epoch(known_since.get(key))
        if then is None or then > now_s:
            since[key] = now
        else:
            since[key] = known_since[key]
            if now_s - then > days * _DAY_S:
                old.append(key)
    known.forget(old, [pair for intent in intents if (pair := pair_of(intent)) is not None])
    return {key: since[key] for key in known.wire_keys()}
