"""What an operator does to one loop: passes, intents, a fresh projection, an evaluation of its profile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from opsd.access.model import Scope
from opsd.api.command_route import command_route
from opsd.api.failure import ApiError, ErrorCode, NotBegunError
from opsd.api.models import loops as models
from opsd.api.models.base import Nothing
from opsd.api.route import Answer, Call, Route
from opsd.api.schemas import OBJECT, OBJECT_OR_NULL, TEXT
from opsd.contract.errors import LockTimeoutError, UsageError
from opsd.contract.ids import LoopId
from opsd.contract.timestamps import format_utc
from opsd.control.verdict import ControlRequest, Intent
from opsd.loop.outcome import PassOrder
from opsd.loop.project_state import project_and_store
from opsd.runtime.threads import in_own_thread

#: How long a pass that somebody waits for may take, beside the queue.
_WAIT_S = 180.0


async def reconcile(call: Call) -> Answer:
    """A pass now, by the daemon's own queue: never a second one beside it."""
    body: models.Reconcile = call.body
    loop = call.entry().loop_id
    order = PassOrder(body.fromStart, body.maxEvents, body.skipLine)
    if order != PassOrder() and not call.identity.proven:
        raise ApiError(ErrorCode.FORBIDDEN, "fromStart, maxEvents and skipLine need a token")
    ended_pass = call.host.loops.order_pass(loop, order)
    if not body.wait:
        return Answer({"loopId": loop, "queued": True, "pass": None})
    try:
        async with asyncio.timeout(_WAIT_S):
            ended = await ended_pass
    except TimeoutError:
        raise ApiError(ErrorCode.BUSY, "the pass did not end in time; it goes on") from None
    document = ended.answer.document if isinstance(ended.answer.document, dict) else None
    told = {"succeeded": ended.answer.succeeded, "traceId": ended.trace_id, "document": document}
    return Answer({"loopId": loop, "queued": True, "pass": told | {"output": ended.answer.output}})


async def control(call: Call) -> Answer:
    """Cancel, approve or reject, by the code and the ledger of ``opsd control``."""
    body: models.ControlOrder = call.body
    entry = call.entry()
    try:
        attempts, backoff_s = entry.retries()
    except UsageError as error:
        raise ApiError(ErrorCode.REGISTRY_UNUSABLE, error.message) from None
    attempts = attempts if body.retryAttempts is None else body.retryAttempts
    backoff_s = backoff_s if body.retryBackoffSeconds is None else body.retryBackoffSeconds
    request = ControlRequest(
        repo=call.host.repo,
        loop_id=LoopId(entry.loop_id),
        intent=Intent(body.intent),
        by=call.by,
        note=body.note,
        trace_id=call.trace_id,
        idempotency_key=call.key_below or f"api-{call.trace_id}",
        confirm=body.confirm,
        timeout_s=body.timeoutSeconds,
        interval_s=body.intervalSeconds,
        retry_attempts=attempts,
        retry_backoff_s=backoff_s,
        transport=entry.transport,
        only_if_active=body.onlyIfActive,
        principal=call.by,
    )
    try:
        row, exit_code, said = await in_own_thread(
            lambda: call.host.loops.control(entry, request, body.commandTimeoutSeconds)
        )
    except LockTimeoutError as error:  # the intent could not even be written down
        raise NotBegunError(error.message) from None
    finally:
        call.host.loops.look_again(entry.loop_id)
    if exit_code == 0:
        return Answer({"exitCode": exit_code, "result": row})
    code = ErrorCode.CONTROL_AMBIGUOUS if exit_code == 2 else ErrorCode.CONTROL_FAILED
    message = said or f"{body.intent}: {row.get('status')}"
    raise ApiError(code, message, more={"exitCode": exit_code, "result": row})


async def project_state(call: Call) -> Answer:
    """What ``opsd project-state`` does with a fresh snapshot."""
    repo, loop = call.host.repo, call.entry().loop_id
    snapshot = await call.host.loops.snapshot(loop, None, None)
    now = format_utc(time.time())
    stored = await in_own_thread(lambda: project_and_store(repo, loop, snapshot, now=now))
    return Answer({"state": stored.state})


def _catalog(call: Call) -> Sequence[str]:
    """The catalog of the daemon's settings holds for everybody."""
    file = call.host.configured().threshold_catalog_file
    return () if file is None else ("--thresholds-file", file)


ROUTES = (
    Route(
        "POST",
        "/loops/{loop}/reconcile",
        "reconcileLoop",
        "A pass over the loop now",
        "loops",
        reconcile,
        scope=Scope.CONTROL,
        body=models.Reconcile,
        open_on_loopback=True,
        members={"loopId": TEXT, "queued": {"type": "boolean"}, "pass": OBJECT_OR_NULL},
    ),
    Route(
        "POST",
        "/loops/{loop}/control",
        "controlLoop",
        "Cancel, approve or reject, with proof that it took effect",
        "loops",
        control,
        scope=Scope.CONTROL,
        body=models.ControlOrder,
        keyed=True,
        members={"exitCode": {"type": "integer"}, "result": OBJECT},
        errors=(ErrorCode.CONTROL_AMBIGUOUS, ErrorCode.CONTROL_FAILED, ErrorCode.CONFLICT, ErrorCode.REGISTRY_UNUSABLE),
    ),
    Route(
        "POST",
        "/loops/{loop}/project-state",
        "projectState",
        "Project the lifecycle from a fresh snapshot, and store it",
        "loops",
        project_state,
        scope=Scope.CONTROL,
        body=Nothing,
        members={"state": OBJECT},
        errors=(ErrorCode.CONFLICT,),
    ),
    command_route(
        "/loops/{loop}/profile-drift",
        "evaluateDrift",
        "profile-drift",
        "Does the applied threshold profile still suit; recorded",
        "loops",
        models.ProfileDrift,
        scope=Scope.CONTROL,
        traced=False,
        more=_catalog,
    ),
)
