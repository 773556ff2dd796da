"""One execution per ``Idempotency-Key``: also when two requests come at once, and also across a crash.

The records are those of the sprite service's control (:mod:`opsd.control.idempotency`): reserved on disk before
anything is done, and given back when the request is refused before anything is done: whoever is told to come again may
come with the same key. A key belongs to a principal, so nobody meets the keys of another.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from opsd.api.failure import ApiError, ErrorCode
from opsd.api.ports import Host
from opsd.contract import jsoncodec
from opsd.contract.errors import OpsError
from opsd.contract.jsoncodec import JsonObject
from opsd.control.idempotency import IdempotencyRecords, KeyConflictError
from opsd.storage.fleet_parts import FleetDocument


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a request that changes something ended; ``begun`` False: it was refused before anything was done."""

    status: int
    body: Mapping[str, object]
    headers: Mapping[str, str] = field(default_factory=dict)
    begun: bool = True


@dataclass(frozen=True, slots=True)
class RequestPrint:
    """What a key is bound to: the operation, what it is about, and the whole body."""

    action: str
    path: Mapping[str, str]
    body: object

    def document(self) -> JsonObject:
        """As it is recorded."""
        digest = hashlib.sha256(jsoncodec.dumps(self.body)).hexdigest()
        return {"action": self.action, "path": dict(self.path), "bodySha256": digest}


class Once:
    """Answers by key. For the event loop's thread."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._running: dict[str, asyncio.Event] = {}

    async def run(
        self, principal: str, key: str, bound: RequestPrint, execute: Callable[[], Awaitable[Outcome]]
    ) -> tuple[Outcome, bool]:
        """The outcome of the first request with the key, and whether this was another one.

        Raises:
            ApiError: the key belongs to another request, or nobody knows what became of the first.
            OpsError: the records cannot be used, or ``execute`` raised it; nothing was executed.
        """
        slot = f"{principal}/{key}"
        while (before := self._running.get(slot)) is not None:
            await before.wait()
        done = self._running[slot] = asyncio.Event()
        try:
            return await self._first(slot, bound, execute)
        finally:
            del self._running[slot]
            done.set()

    async def _first(
        self, slot: str, bound: RequestPrint, execute: Callable[[], Awaitable[Outcome]]
    ) -> tuple[Outcome, bool]:
        records = IdempotencyRecords.at(self._host.fleet_store().location(FleetDocument.API_KEYS))
        try:
            known = await self._host.in_thread(records.reserve, slot, bound)
        except KeyConflictError as error:
            raise ApiError(ErrorCode.IDEMPOTENCY_CONFLICT, error.message) from None
        if known is not None:
            if "body" not in known:
                raise ApiError(ErrorCode.OUTCOME_UNKNOWN, str(known.get("stderr", "")))
            return Outcome(known["status"], known["body"]), True
        try:
            outcome = await execute()
        except OpsError:
            await self._host.in_thread(records.forget, slot)
            raise
        if outcome.begun:
            answer = {"status": outcome.status, "body": outcome.body}
            await self._host.in_thread(records.settle, slot, bound, answer)
        else:
            await self._host.in_thread(records.forget, slot)
        return outcome, False
