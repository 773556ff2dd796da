"""A snapshot envelope as JSON, encoded once: only what differs from answer to answer is put in each time."""

from __future__ import annotations

from opsd.contract import jsoncodec
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.reasons import SCHEMA_VERSION, SNAPSHOT_TYPE

#: Where the liveness goes; no file can hold this text as an object.
_LIVENESS_MARK = {"\0liveness": True}
_HEAD = f'{{"schemaVersion":"{SCHEMA_VERSION}","envelopeType":"{SNAPSHOT_TYPE}","emittedAt":"'.encode()


class EncodedSnapshot:
    """The bytes of ``body``, which is an envelope without ``emittedAt``, ``traceId`` and ``runtime.liveness``."""

    __slots__ = ("_after", "_before")

    def __init__(self, body: JsonObject) -> None:
        marked = {**body, "runtime": {**body["runtime"], "liveness": _LIVENESS_MARK}}
        self._before, _, self._after = jsoncodec.dumps(marked)[1:].partition(jsoncodec.dumps(_LIVENESS_MARK))

    def envelope(self, *, now: str, trace_id: str | None, liveness: JsonObject) -> bytes:
        """The whole envelope."""
        trace = b"null" if trace_id is None else jsoncodec.dumps(trace_id)
        return b"".join(
            (_HEAD, now.encode(), b'","traceId":', trace, b",", self._before, jsoncodec.dumps(liveness), self._after)
        )
