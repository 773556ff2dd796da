"""One run of the handoff: plan, and on request dispatch, under the fleet's lock (contract 80, sections 3 to 6).

Order of writing: plan row; for each target an attempt row (synced), the last look at the brakes, control, an outcome
row (synced); execute row; the state, atomically. A run that fails its validation writes nothing. A crash anywhere
leaves a record from which the next run guards what may have been dispatched.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from opsd.contract.errors import UsageError
from opsd.contract.ids import new_trace_id
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import format_utc
from opsd.contract.values import first_present, optional_text
from opsd.fleet import documents
from opsd.fleet.documents import Document
from opsd.fleet.handoff import attempts, guard
from opsd.fleet.handoff.dispatch import Dispatch, Order, outcome_of, refusal, request_of, result_of
from opsd.fleet.handoff.execution import Withheld, execute_row, executed_state, execution_of
from opsd.fleet.handoff.plan import PlanInputs, plan, plan_row, settled
from opsd.fleet.handoff.safety import brakes_now
from opsd.fleet.handoff.targets import targets
from opsd.fleet.handoff.words import Brake, ExecutionMode
from opsd.fleet.policy.words import Mode
from opsd.storage.fleet_parts import FleetDocument, FleetLog
from opsd.storage.fleet_port import FleetStore

#: Another run of this fleet is waited for so many seconds.
LOCK_WAIT_S = 30.0
#: First part of an idempotency key.
DEFAULT_PREFIX = "fleet-handoff"


@dataclass(frozen=True, slots=True)
class HandoffRequest:
    """What a run is to do; without an order it only plans.

    Args:
        trace_id: what was asked for, empty where nothing was; it outranks the policy's.
        fallback_trace_id: used where the policy has none either.
        loops, intent_ids: filters of an execution.
    """

    prefix: str = DEFAULT_PREFIX
    trace_id: str = ""
    fallback_trace_id: str = ""
    order: Order | None = None
    loops: Sequence[str] = ()
    intent_ids: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Handoff:
    """Runs the handoff of one fleet.

    Args:
        read_registry: the normalized registry as it is now; also called before every autonomous dispatch.
        dispatch: control.
        is_busy: whether somebody else is carrying out an intent of a loop right now.
        halted: why the caller wants no further autonomous dispatch; asked last before each.
    """

    store: FleetStore
    read_registry: Callable[[], JsonObject]
    dispatch: Dispatch
    is_busy: Callable[[str], bool] = lambda _loop_id: False
    halted: Callable[[], Sequence[str]] = lambda: ()
    clock: Callable[[], float] = time.time
    lock_wait_s: float = LOCK_WAIT_S

    def run(self, request: HandoffRequest) -> JsonObject:
        """Plan, dispatch if there is an order, record; the new handoff state.

        Raises:
            UsageError: no policy state, a mode that does not fit, a filter that matches nothing.
            ManagerFileError: a document of a wrong shape, or something could not be written.
            LockTimeoutError: another run holds the fleet.
            OpsError: the registry cannot be used.
        """
        self._prepare()
        with self.store.lock(wait_s=self.lock_wait_s):
            return self._run(request)

    def run_locked(self, request: HandoffRequest) -> JsonObject:
        """:meth:`run` for a caller that holds the fleet's lock already, as one that has just run the policy."""
        self._prepare()
        return self._run(request)

    def _prepare(self) -> None:
        if not self.store.exists(FleetDocument.POLICY):
            raise UsageError(f"policy state file not found: {self.store.location(FleetDocument.POLICY)}")
        self.store.prepare(FleetDocument.HANDOFF, FleetLog.HANDOFF)

    def _run(self, request: HandoffRequest) -> JsonObject:
        order, policy_file = request.order, self.store.location(FleetDocument.POLICY)
        registry = self.read_registry()
        policy = self._document(FleetDocument.POLICY, f"invalid policy state JSON: {policy_file}")
        prior_file = self.store.location(FleetDocument.HANDOFF)
        prior = self._document(FleetDocument.HANDOFF, f"invalid existing handoff state JSON: {prior_file}")
        mode = _policy_mode(policy, order)
        stamp = attempts.stamp_of(policy)
        record = self._record(prior)
        autonomous = order is not None and order.mode is ExecutionMode.AUTONOMOUS
        state = plan(
            PlanInputs(
                policy=policy,
                registry=registry,
                guards=attempts.guards_now(guard.remembered(prior), record.known, record.unsettled, stamp),
                trace_id=_trace_id(request, policy),
                prefix=request.prefix,
                mode=mode,
                brake=autonomous,
                registry_file=self.store.location(FleetDocument.REGISTRY),
                policy_file=policy_file,
                settled_bytes=record.end,
                now=self._now(),
            )
        )
        chosen = [] if order is None else targets(state["intents"], order.mode, request.loops, request.intent_ids)
        # Policy reads this log too, and refuses a torn line inside it.
        self.store.drop_torn_row(FleetLog.HANDOFF)
        self.store.append(FleetLog.HANDOFF, [plan_row(state)])
        if order is not None:
            registered = frozenset(loop["loopId"] for loop in registry["loops"])
            requested_at = self._now()
            results, withheld = self._dispatch_all(chosen, order, request.prefix, stamp, registered)
            execution = execution_of(results, withheld, order, requested_at=requested_at, completed_at=self._now())
            state = executed_state(settled(state, self._end_of_record(record.end)), execution)
            self.store.append(FleetLog.HANDOFF, [execute_row(state)], durable=True)
        self.store.replace(FleetDocument.HANDOFF, state)
        return state

    def _dispatch_all(
        self,
        chosen: Sequence[JsonObject],
        order: Order,
        prefix: str,
        stamp: attempts.PolicyStamp,
        registered: frozenset[str],
    ) -> tuple[list[JsonObject], list[Withheld]]:
        """One result for every target, but none for those that something stopped at the last moment."""
        results: list[JsonObject] = []
        withheld: list[Withheld] = []
        unclear: dict[str, str] = {}
        for position, intent in enumerate(chosen):
            outcome = refusal(intent, order.mode, registered)
            if outcome is not None:
                results.append(result_of(intent, outcome, order, prefix, self._now()))
                continue
            if order.mode is ExecutionMode.AUTONOMOUS and intent["intentId"] in unclear:
                withheld.append(Withheld(intent, [unclear[intent["intentId"]]]))  # a twin of what just went wrong
                continue
            attempt_id = new_trace_id()
            self._note(
                attempts.attempt_row(
                    intent, attempt_id=attempt_id, mode=order.mode, by=order.by, stamp=stamp, now=self._now()
                )
            )
            # The last look comes behind the write, so that nothing that takes time lies between it and control.
            stops = self._stops(intent, order)
            if stops:
                self._note(attempts.withheld_row(attempt_id, intent, stops, self._now()))
                withheld.append(Withheld(intent, stops))
                if Brake.LOOP_BUSY in stops:
                    continue
                withheld += [Withheld(later, stops) for later in chosen[position + 1 :]]
                break
            outcome = outcome_of(self.dispatch(request_of(intent, order, prefix)))
            result = result_of(intent, outcome, order, prefix, self._now())
            self._note(attempts.outcome_row(attempt_id, result))
            results.append(result)
            if outcome.status in guard.BY_RESULT:
                unclear[intent["intentId"]] = guard.BY_RESULT[outcome.status].value
        return results, withheld

    def _stops(self, intent: JsonObject, order: Order) -> list[str]:
        if order.mode is ExecutionMode.MANUAL:
            return []
        if self.is_busy(intent["loopId"]):
            return [Brake.LOOP_BUSY.value]
        return list(self.halted()) or brakes_now(self.read_registry)

    def _note(self, row: JsonObject) -> None:
        self.store.append_audited(FleetLog.HANDOFF_ATTEMPTS, [row])

    def _now(self) -> str:
        return format_utc(self.clock())

    def _document(self, part: FleetDocument, message: str) -> Document:
        return documents.parse(self.store.read(part), message) or Document({}, message)

    def _record(self, prior: Document) -> _Record:
        known = attempts.settled_bytes(prior)
        if known:
            # The byte before must end a line, or this is another file than the one that the state knew.
            data = self.store.read(FleetLog.HANDOFF_ATTEMPTS, known - 1)
            if data and data[:1] == b"\n":
                return _Record(known, data[1:], known + _whole_lines(data[1:]))
        data = self.store.read(FleetLog.HANDOFF_ATTEMPTS)
        if data is None:
            return _Record(None, b"", None)
        return _Record(0 if known == 0 else None, data, _whole_lines(data))

    def _end_of_record(self, start: int | None) -> int | None:
        data = self.store.read(FleetLog.HANDOFF_ATTEMPTS, start or 0)
        return None if data is None else (start or 0) + _whole_lines(data)


@dataclass(frozen=True, slots=True)
class _Record:
    """The record of attempts: how much of it the state knows, what stands behind that, where its last line ends."""

    known: int | None
    unsettled: bytes
    end: int | None


def _whole_lines(data: bytes) -> int:
    return data.rfind(b"\n") + 1


def _policy_mode(policy: Document, order: Order | None) -> str:
    mode = first_present(policy["mode"], Mode.ADVISORY.value)
    if mode not in tuple(Mode):
        raise UsageError(f"unsupported policy mode: {optional_text(mode) or ''}")
    if order is not None and order.mode is ExecutionMode.AUTONOMOUS and mode != Mode.GUARDED_AUTO:
        raise UsageError("--autonomous-execute requires policy mode guarded_auto")
    return str(mode)


def _trace_id(request: HandoffRequest, policy: Document) -> str:
    return request.trace_id or optional_text(policy["traceId"]) or request.fallback_trace_id or new_trace_id()
