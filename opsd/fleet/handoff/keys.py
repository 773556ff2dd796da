"""Idempotency keys of intents (contract 80, 4.4 and weakness 12)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import compact_text, first_present

_UPPER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_OTHER = re.compile(r"[^a-z0-9._-]")
_RUN = re.compile(r"-{2,}")


def slug(text: str) -> str:
    """ASCII letters in lower case; runs of everything outside ``a-z 0-9 . _`` as one dash, none at the ends."""
    return _RUN.sub("-", _OTHER.sub("-", text.translate(_UPPER))).removeprefix("-").removesuffix("-")


def idempotency_key(prefix: str, trace_id: str, loop_id: str, category: JsonValue, intent: str) -> str:
    """The key of one intent; empty when nothing of it can be slugged."""
    parts = (prefix, trace_id, loop_id, compact_text(first_present(category, "unknown")), intent)
    return "-".join(part for part in map(slug, parts) if part)


def without_collisions(intents: Sequence[JsonObject]) -> list[JsonObject]:
    """The intents of one plan, in order; a key that another loop's intent had before gets a hash of its loop id.

    The hash is stable, so that the same intent has the same key in every plan of a trace.
    """
    owner: dict[str, str] = {}
    found = []
    for intent in intents:
        key, loop_id = intent["idempotencyKey"], intent["loopId"]
        if key and owner.setdefault(key, loop_id) != loop_id:
            intent = {**intent, "idempotencyKey": f"{key}-{_short_hash(loop_id)}"}
        found.append(intent)
    return found


def _short_hash(text: str) -> str:
    import hashlib  # only a collision pays for it

    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
