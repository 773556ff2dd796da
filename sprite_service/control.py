"""``POST /ops/control``: one execution per key, whatever clients, time and crashes do (contract 30, 6.6)."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from aiohttp import web

from opsd.access.model import Scope
from opsd.contract import jsoncodec
from opsd.contract.errors import LockTimeoutError, ManagerFileError, OpsError
from opsd.contract.ids import LoopId, new_trace_id, parse_loop_id
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.values import compact_text, drop_null
from opsd.control.confirm import StopLooking
from opsd.control.idempotency import Fingerprint, IdempotencyRecords, KeyConflictError
from opsd.control.ledger import UnrecordedError
from opsd.control.local import LocalExecutor
from opsd.control.runner import Control
from opsd.control.verdict import ControlRequest, Intent
from opsd.runtime.threads import in_own_thread
from sprite_service.access import Caller
from sprite_service.answers import Refusal, invalid, json_response
from sprite_service.background import Background
from sprite_service.config import Config

#: Controls that run at the same time; more are told 503.
_MAX_RUNNING = 16
_MAX_KEY = 512
_MAX_TIMEOUT_S = 600
_MAX_INTERVAL_S = 60
_NO_ARGUMENT = re.compile("[\x00\ud800-\udfff]")


class ControlEndpoint:
    """Runs intents in threads of their own. A client that goes away ends the waiting, never the intent."""

    def __init__(self, config: Config, background: Background) -> None:
        self._config = config
        self._background = background
        self._secrets = (config.token,)
        self._running: dict[tuple[str, str], asyncio.Future[tuple[int, JsonObject]]] = {}
        self._count = 0
        self._stopping = threading.Event()

    @property
    def running(self) -> int:
        """Controls that run just now."""
        return self._count

    def stop(self) -> None:
        """Look for no effect any longer: what runs is told as ambiguous."""
        self._stopping.set()

    async def handle(self, request: web.BaseRequest, caller: Caller) -> web.StreamResponse:
        """Answer one request.

        Raises:
            Refusal: it cannot be meant, or the caller may not do it.
            UsageError: not a loop id.
        """
        wanted, key = parse_control(
            await read_body(request, self._config.limits.max_body_bytes, self._config.limits.header_timeout_s),
            request.headers.get("X-Idempotency-Key", ""),
            request.headers.get("X-Trace-Id", ""),
            repo=self._config.repo,
        )
        caller.require(Scope.CONTROL, wanted.loop_id)
        wanted = replace(wanted, principal=caller.principal)
        if not key:
            status, body = await asyncio.shield(self._background.spawn("control", self._unkeyed(wanted)))
            return json_response(body, status)
        slot = (wanted.loop_id, key)
        while (before := self._running.get(slot)) is not None:
            # Then it is recorded, and this one is answered and compared like any other replay, or is the first.
            await asyncio.wait([before])
        first = self._running[slot] = self._background.spawn("control", self._once(wanted, key))
        first.add_done_callback(lambda _future: self._running.pop(slot, None))
        status, body = await asyncio.shield(first)
        return json_response(body, status)

    async def _once(self, wanted: ControlRequest, key: str) -> tuple[int, JsonObject]:
        """Reserve, execute, record. A key is only reserved by what will really be executed; a replay needs no place."""
        records = IdempotencyRecords(wanted.repo, wanted.loop_id)
        fingerprint = Fingerprint(wanted.loop_id, wanted.intent.value, not wanted.confirm)

        async def replayed(*, look_only: bool) -> JsonObject | None:
            try:
                replay = await in_own_thread(lambda: records.reserve(key, fingerprint, look_only=look_only))
            except KeyConflictError as error:
                raise Refusal(422, error.code, error.message) from None
            except OpsError as error:
                raise Refusal(500, "runtime_error", f"error: {error.message}") from None
            return None if replay is None else {"traceId": wanted.trace_id, **replay}

        replay = await replayed(look_only=True)
        if replay is not None:
            return 200, replay
        with self._place():
            replay = await replayed(look_only=False)
            if replay is not None:
                return 200, replay
            status, body = await in_own_thread(lambda: self._run(wanted))
            try:
                await in_own_thread(lambda: records.settle(key, fingerprint, body))
            except OpsError as error:  # it was executed: this answer is true, and the key is ambiguous from now on
                sys.stderr.write(f"error: {error.message}\n")
            return status, body

    async def _unkeyed(self, wanted: ControlRequest) -> tuple[int, JsonObject]:
        with self._place():
            return await in_own_thread(lambda: self._run(wanted))

    @contextmanager
    def _place(self) -> Iterator[None]:
        """One of the places for controls that run at the same time.

        Raises:
            Refusal: none is free.
        """
        if self._count >= _MAX_RUNNING:
            raise Refusal(503, "overloaded", "too many control requests")
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1

    def _run(self, wanted: ControlRequest) -> tuple[int, JsonObject]:
        """Status and body of one execution (step 3)."""
        timeout_s = self._config.limits.control_timeout_s
        execute = LocalExecutor(os.environ, command_timeout_s=timeout_s, sleep=self._sleep)
        problem = None
        try:
            row, verdict = Control(execute, secrets=self._secrets).run(wanted)
        except UnrecordedError as error:
            row, verdict, problem = error.row, error.verdict, f"error: {error.message}"
        except (ManagerFileError, LockTimeoutError) as error:  # nothing was executed
            body = {"ok": False, "exitCode": 1, "stderr": f"error: {error.message}", "replayed": False}
            return 500, {**body, "traceId": wanted.trace_id}
        status = {0: 200, 2: 409}.get(verdict.exit, 500)
        return status, drop_null(
            {
                "ok": verdict.exit == 0,
                "exitCode": verdict.exit,
                "result": row,
                "stderr": problem,
                "replayed": False,
                "traceId": wanted.trace_id,
            }
        )

    def _sleep(self, seconds: float) -> None:
        if self._stopping.wait(seconds):
            raise StopLooking


async def read_body(request: web.BaseRequest, limit: int, timeout_s: float) -> bytes:
    """The whole body, chunked or not.

    Raises:
        Refusal: longer than ``limit`` bytes, or not complete in time.
    """
    too_large = Refusal(413, "payload_too_large", "request body too large")
    if (request.content_length or 0) > limit:
        raise too_large
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.content.iter_any():
                size += len(chunk)
                if size > limit:
                    raise too_large
                chunks.append(chunk)
    except TimeoutError:
        raise Refusal(408, "timeout", "the request body did not arrive in time") from None
    return b"".join(chunks)


def parse_control(data: bytes, key_header: str, trace_header: str, *, repo: str) -> tuple[ControlRequest, str]:
    """The request in a body, and its idempotency key (empty without one).

    Raises:
        Refusal: the body cannot be meant.
        UsageError: not a loop id.
    """
    try:
        body = jsoncodec.loads(data.decode("utf-8").encode()) if data else {}
    except ValueError:  # not UTF-8 is one too
        raise Refusal(400, "invalid_json", "request body must be valid JSON") from None
    if not isinstance(body, dict):
        raise invalid("request body must be an object")
    loop_id = _text(body, "loopId")
    if not loop_id:
        raise invalid("loopId is required")
    intent = compact_text(body.get("intent")).strip()
    if intent not in set(Intent):
        raise invalid("intent must be cancel, approve, or reject")
    no_confirm, only_if_active = _switch(body, "noConfirm"), _switch(body, "onlyIfActive")
    for name, value in (("X-Idempotency-Key", key_header), ("X-Trace-Id", trace_header)):
        if len(value) > _MAX_KEY or not (value.isascii() and value.isprintable()):  # also where the body has its own
            raise invalid(f"{name} must be at most {_MAX_KEY} printable ASCII characters")
    key = _text(body, "idempotencyKey") or key_header.strip()
    trace_id = _text(body, "traceId") or trace_header.strip() or new_trace_id()
    for name, value in (("idempotencyKey", key), ("traceId", trace_id)):
        if len(value) > _MAX_KEY or not value.isprintable():
            raise invalid(f"{name} must be at most {_MAX_KEY} printable characters")
    parsed: LoopId = parse_loop_id(loop_id, reserved=True)
    return ControlRequest(
        repo=repo,
        loop_id=parsed,
        intent=Intent(intent),
        by=_text(body, "by") or os.environ.get("USER") or "ops-service",
        note=_text(body, "note"),
        trace_id=trace_id,
        # The caller's key is the service's; the intent gets one of its own (6.6 step 2).
        idempotency_key=f"{intent}-{int(time.time())}-{os.getpid()}",
        confirm=not no_confirm,
        only_if_active=only_if_active,
        timeout_s=_seconds(body, "timeoutSeconds", 30, _MAX_TIMEOUT_S),
        interval_s=_seconds(body, "intervalSeconds", 2, _MAX_INTERVAL_S),
    ), key


def _text(body: JsonObject, name: str) -> str:
    """A field as text; what is falsy counts as missing.

    Raises:
        Refusal: a list, an object, or a text that no program can be given.
    """
    value = body.get(name)
    if not value:
        return ""
    if isinstance(value, (dict, list)):
        raise invalid(f"{name} must be text")
    found = compact_text(value).strip()
    if _NO_ARGUMENT.search(found):
        raise invalid(f"{name} must not hold zero characters or unpaired surrogates")
    return found


def _switch(body: JsonObject, name: str) -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise invalid(f"{name} must be a boolean")
    return bool(value)


def _seconds(body: JsonObject, name: str, default: int, most: int) -> int:
    value = body.get(name)
    if value is None:
        return default
    if type(value) is not int or value < 0:
        raise invalid(f"{name} must be a non-negative integer")
    return min(value, most)
