"""One execution per ``Idempotency-Key``: also when two requests come at once, and also across a crash.

A key is taken on disk before anything is done (:mod:`opsd.storage.key_records`), and given back when the request is
refused before anything is done: whoever is told to come again may come with the same key. A key belongs to a principal,
so nobody meets the keys of another.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import structlog

from opsd.api.failure import ApiError, ErrorCode, NotBegunError
from opsd.api.ports import Host
from opsd.contract import jsoncodec
from opsd.contract.errors import OpsError
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.values import get
from opsd.storage.key_records import KeysFullError

log = structlog.get_logger("opsd.api")


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
        self._running: dict[tuple[str, str], asyncio.Event] = {}

    async def run(
        self, principal: str, key: str, request: RequestPrint, execute: Callable[[], Awaitable[Outcome]]
    ) -> tuple[Outcome, bool]:
        """The outcome of the first request with the key, and whether this was another one.

        Raises:
            ApiError: the key belongs to another request, or nobody knows what became of the first.
            OpsError: the key could not be taken, or ``execute`` raised it; nothing was executed.
        """
        slot = (principal, key)
        while (before := self._running.get(slot)) is not None:
            await before.wait()
        done = self._running[slot] = asyncio.Event()
        try:
            return await self._first(principal, key, request, execute)
        finally:
            del self._running[slot]
            done.set()

    async def _first(
        self, principal: str, key: str, request: RequestPrint, execute: Callable[[], Awaitable[Outcome]]
    ) -> tuple[Outcome, bool]:
        records = self._host.fleet_store().key_records()
        taken: JsonObject = {"owner": principal, "key": key, "request": request.document()}
        try:
            known = await self._host.in_thread(records.take, principal, key, taken)
        except KeysFullError as error:
            raise NotBegunError(error.message, retry_after_s=error.retry_after_s) from None
        if known is not None:
            return _known(known, taken), True
        try:
            outcome = await execute()
        except OpsError:
            await self._record(records.free, principal, key)
            raise
        if outcome.begun:
            answer = {"status": outcome.status, "body": outcome.body}
            await self._record(records.settle, principal, key, {**taken, "answer": answer})
        else:
            await self._record(records.free, principal, key)
        return outcome, False

    async def _record(self, write: Callable[..., None], *record: object) -> None:
        """What became of a key, on disk; where that fails the answer is true all the same, and the key stays taken."""
        try:
            await self._host.in_thread(write, *record)
        except OpsError as error:
            log.error("api.key_record_incomplete", message=error.message)


def _known(record: JsonObject, wanted: JsonObject) -> Outcome:
    """What was answered to the first request with the key, where it was this one."""
    if any(record.get(name) != value for name, value in wanted.items()):
        raise ApiError(ErrorCode.IDEMPOTENCY_CONFLICT, "the idempotency key was used for another request")
    status, body = get(record, "answer", "status"), get(record, "answer", "body")
    if not isinstance(status, int) or not isinstance(body, dict):
        raise ApiError(
            ErrorCode.OUTCOME_UNKNOWN, "the outcome of this request is not known: look at the loop before you repeat it"
        )
    return Outcome(status, body)
