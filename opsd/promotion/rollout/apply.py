"""One apply: a promotion decision becomes one change of the registry, at most once (contract 95, section 2).

Order of writing: a journal row that names the change (synced), the registry (synced), the telemetry row (synced), the
state, a last journal row; all of it under the registry's own lock. A crash anywhere leaves a journal from which the
next apply tells whether the change was made, and completes its record before it does anything else.

An emergency rollback pauses whatever its evidence, the registry's rules or the other files say. Only a registry that
cannot be read as an object, or cannot be written, stops it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from opsd.contract import jsoncodec
from opsd.contract.errors import ManagerFileError, OpsError, UsageError
from opsd.contract.fleet_words import PolicyMode
from opsd.contract.ids import new_trace_id
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import format_utc, parse_epoch
from opsd.contract.values import get
from opsd.promotion.rollout.apply_record import ApplyRequest, answers, apply_record, newest_with_key, replayed
from opsd.promotion.rollout.decision_file import (
    FoundDecision,
    age_of,
    check_permits,
    decision_in,
)
from opsd.promotion.rollout.layout import in_layout_of
from opsd.promotion.rollout.recovery import recover
from opsd.promotion.rollout.registry_edit import Rollout, edited, paused, rollout_after, rollout_of
from opsd.promotion.rollout.settle import digest
from opsd.promotion.rollout.words import UNKNOWN, Intent
from opsd.storage.fleet_parts import FleetDocument, FleetLog
from opsd.storage.fleet_port import FleetStore
from opsd.storage.run_journal import ABANDONED, RECORDED

#: An expand or resume waits so long for a pass over the fleet to end, everyone for another apply, in seconds.
LOCK_WAIT_S = 30.0
#: A rollback does not wait until a pass has ended: it gives it a chance, and goes on.
_ROLLBACK_WAIT_S = 2.0
#: The registry may change under an apply so many times before it gives up.
_ATTEMPTS = 5


class Registry(Protocol):
    """The fleet-registry command, as apply uses it (2.3 steps 10 and 14)."""

    def normalized(self, data: bytes | None) -> JsonObject:
        """The registry file, whose bytes are ``data``, checked and normalized.

        Raises:
            OpsError: it cannot be used.
        """
        ...

    def revalidated(self, document: JsonObject) -> JsonObject:
        """A changed registry that is not written yet, checked and normalized.

        Raises:
            OpsError: it would not be valid.
        """
        ...


class _Because(OpsError):
    """What the registry command said, and then what it means for the apply."""

    def __init__(self, cause: OpsError, message: str) -> None:
        super().__init__(message)
        self._said = tuple(cause.lines)

    @property
    def lines(self) -> tuple[str, ...]:
        return (*self._said, f"error: {self.message}") if self._said else (self.message,)


class _ChangedMeanwhile(OpsError):
    """Somebody else has changed the registry since it was read."""


class _Change(NamedTuple):
    """A change that may be written."""

    document: JsonObject
    before: Rollout
    after: Rollout
    extra: JsonObject


@dataclass(frozen=True, slots=True)
class Apply:
    """Applies to one fleet."""

    store: FleetStore
    registry: Registry
    clock: Callable[[], float] = time.time
    lock_wait_s: float = LOCK_WAIT_S
    _troubles: list[str] = field(default_factory=list)

    def run(self, request: ApplyRequest) -> JsonObject:
        """Check, change, record; the record, or the stored one of a repeated idempotency key.

        Raises:
            UsageError: the decision, the deadline, the key or the registry does not permit it; nothing was changed.
            LockTimeoutError: a pass over the fleet or another apply did not end; nothing was changed.
            ManagerFileError: something could not be read or written. If the registry was changed already, the next
                apply completes the record.
        """
        with self._aside(request):
            self.store.prepare(FleetDocument.PROMOTION_APPLY, FleetLog.PROMOTION_APPLY)
        now = int(self.clock())
        decision = self._decision(request)
        check_permits(request.intent, decision, max_age_s=request.max_decision_age_s, now=now)
        if not request.emergency:
            check_review_by(request.governance.review_by, now)
        with self._locked(request):
            record = self._earlier(request) or self._change(request, decision)
        if self._troubles:
            raise ManagerFileError(f"the rollout is paused, but: {self._troubles[0]}")
        return record

    def _decision(self, request: ApplyRequest) -> FoundDecision:
        path = self.store.location(FleetDocument.PROMOTION)
        try:
            return decision_in(self.store.read(FleetDocument.PROMOTION), path)
        except (OpsError, OSError):
            if not request.emergency:
                raise
            return FoundDecision(UNKNOWN)

    @contextmanager
    def _locked(self, request: ApplyRequest) -> Iterator[None]:
        is_rollback = request.intent is Intent.ROLLBACK
        with ExitStack() as held:
            try:
                held.enter_context(self.store.lock(wait_s=_ROLLBACK_WAIT_S if is_rollback else self.lock_wait_s))
            except (OpsError, OSError):
                if not is_rollback:
                    raise
            with self._aside(request):
                held.enter_context(self.store.editing(FleetDocument.REGISTRY, wait_s=self.lock_wait_s))
            yield

    @contextmanager
    def _aside(self, request: ApplyRequest) -> Iterator[None]:
        """What goes wrong in the block stops anything but an emergency, which tells of it at its end."""
        try:
            yield
        except (OpsError, OSError) as error:
            if not request.emergency:
                raise
            self._troubles.append(str(error))

    def _earlier(self, request: ApplyRequest) -> JsonObject | None:
        """Complete what a crash left; then the answer to a repeated key, None where there is nothing to repeat."""
        with self._aside(request):
            self.store.drop_torn_row(FleetLog.PROMOTION_APPLY)
            recover(self.store)
            if not request.idempotency_key:
                return None
            log = FleetLog.PROMOTION_APPLY
            lines = self.store.lines_backwards(log)
            stored = newest_with_key(lines, request.idempotency_key, self.store.location(log))
            if stored is not None and answers(stored, request.intent, is_paused=self._is_paused()):
                answer = replayed(stored, request.seam)
                self.store.replace(FleetDocument.PROMOTION_APPLY, answer)
                return answer
        return None

    def _is_paused(self) -> bool:
        """The manual pause stands, as far as the registry can be read."""
        try:
            return rollout_of(self._original(self.store.read(FleetDocument.REGISTRY))).manual_pause
        except UsageError:
            return True

    def _original(self, data: bytes | None) -> JsonObject:
        path = self.store.location(FleetDocument.REGISTRY)
        if data is None:
            raise UsageError(f"fleet registry file not found: {path}")
        document = jsoncodec.object_in(data)
        if document is None:
            raise UsageError(f"invalid fleet registry JSON: {path}")
        return document

    def _change(self, request: ApplyRequest, decision: FoundDecision) -> JsonObject:
        for left in reversed(range(_ATTEMPTS)):
            try:
                return self._change_once(request, decision)
            except _ChangedMeanwhile:
                if not left:
                    raise
        raise AssertionError("unreachable")

    def _change_once(self, request: ApplyRequest, decision: FoundDecision) -> JsonObject:
        now = int(self.clock())
        changed_at = format_utc(now)
        data = self.store.read(FleetDocument.REGISTRY)
        change = self._emergency(request, data, changed_at) if request.emergency else None
        if change is None:
            change = self._ordinary(request, data, changed_at)
        text = in_layout_of(data or b"", change.document)
        run_id = new_trace_id()
        extra = {"applyId": run_id, **age_of(decision, now), **change.extra}
        record = apply_record(request, decision, change.document, change.before, change.after, changed_at, extra)
        journal = self.store.journal(FleetLog.PROMOTION_APPLY)
        location = os.path.abspath(self.store.location(FleetDocument.REGISTRY))
        intended = {"registryFile": location, "before": digest(data), "after": digest(text), "record": record}
        with self._aside(request):
            journal.begin(run_id, "applying", intended)
        try:
            if self.store.read(FleetDocument.REGISTRY) != data:
                raise _ChangedMeanwhile("the fleet registry was changed by somebody else; nothing was applied")
            self.store.replace_text(FleetDocument.REGISTRY, text)
        except (OpsError, OSError):
            # Said now: once somebody edits the registry, nobody could tell any more that this changed nothing.
            with self._aside(request):
                journal.append(run_id, ABANDONED)
            raise
        with self._aside(request):
            self.store.append(FleetLog.PROMOTION_APPLY, [record], durable=True)
            self.store.replace(FleetDocument.PROMOTION_APPLY, record)
            journal.append(run_id, RECORDED)
        return record

    def _ordinary(self, request: ApplyRequest, data: bytes | None, changed_at: str) -> _Change:
        try:
            normalized = self.registry.normalized(data)
            original = self._original(data)
        except OpsError as error:
            raise _Because(error, "failed to read/validate fleet registry") from error
        if get(normalized, "policy", "mode") != PolicyMode.GUARDED_AUTO:
            raise UsageError("promotion apply requires policy.mode guarded_auto")
        return self._governed(request, original, normalized, changed_at)

    def _governed(
        self, request: ApplyRequest, original: JsonObject, normalized: JsonObject, changed_at: str
    ) -> _Change:
        before = rollout_of(normalized or original)
        after = rollout_after(before, request.intent, request.expand_step)
        document = edited(original, normalized, after, request.governance, changed_at)
        try:
            checked = self.registry.revalidated(document)
        except OpsError as error:
            raise _Because(error, "mutated registry failed validation") from error
        if not normalized:
            document = edited(original, checked, after, request.governance, changed_at)
        return _Change(document, before, rollout_of(checked), {})

    def _emergency(self, request: ApplyRequest, data: bytes | None, changed_at: str) -> _Change | None:
        """The pause, with as much of an ordinary change as the registry and the request allow.

        First the ordinary change; then one for which only the changed registry has to be valid; at last the pause
        alone. None where the registry is no object that could be paused: the ordinary change tells why.
        """
        try:
            original = self._original(data)
        except UsageError:
            return None
        bare = paused(original)
        if bare is None:
            return None
        try:
            return self._ordinary(request, data, changed_at)
        except OpsError as error:
            because = [line.removeprefix("error: ") for line in error.lines]
        extra: JsonObject = {"emergency": {"because": because}}
        try:
            return self._governed(request, original, {}, changed_at)._replace(extra=extra)
        except OpsError:
            before = rollout_of(original)
            return _Change(bare, before, rollout_of(bare), extra)


def check_review_by(review_by: str, now: int) -> None:
    """A review deadline must be a timestamp (2.3 step 8) later than ``now``.

    Raises:
        UsageError: it is not.
    """
    deadline = parse_epoch(review_by)
    if deadline is None:
        raise UsageError("--review-by must be an ISO-8601 timestamp")
    if deadline <= now:
        raise UsageError("--review-by must be in the future")
