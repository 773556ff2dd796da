"""One controller pass: observe, evaluate, decide, apply, verify, roll back (contract 95, 4.2).

The whole pass holds the controllers' lock. Before an apply is started its unfinished record is in the journal, synced;
before a rollback is started the failed verification is there too. The final record goes to the telemetry (synced), then
to the state, then the journal is closed. A pass that may apply and finds a journal open completes that run first: it
rolls back what was to be rolled back, and verifies what may have been applied. A pass that only proposes counts such a
run in its budget and leaves it open.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from opsd.contract.errors import ManagerFileError, OpsError, StepFailedError
from opsd.contract.ids import new_trace_id
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.promotion.controller import record as records
from opsd.promotion.controller.budget import history, judged, usage
from opsd.promotion.controller.decide import (
    Observed,
    Verification,
    not_verified,
    pause_reasons,
    planned_action,
    verified,
)
from opsd.promotion.controller.freeze import FreezeWindow, active_windows, freeze_windows
from opsd.promotion.controller.freshness import freshness
from opsd.promotion.controller.recovery import Unfinished, unfinished
from opsd.promotion.controller.request import ControllerRequest, orchestrate_arguments, verify_arguments
from opsd.promotion.controller.words import Action, Reason, Stage
from opsd.promotion.rollout.recovery import recover_now
from opsd.promotion.rollout.registry_edit import rollout_of
from opsd.promotion.rollout.settle import digest
from opsd.promotion.rollout.words import Mode
from opsd.promotion.steps import Step, Unreadable, document_in, said
from opsd.runtime.process import Answer
from opsd.storage import files
from opsd.storage.fleet_parts import FleetDocument, FleetLog
from opsd.storage.fleet_port import FleetStore
from opsd.storage.run_journal import RECORDED, RunJournal

#: Another controller of this fleet is waited for so many seconds.
LOCK_WAIT_S = 30.0


class ControllerFailedError(StepFailedError):
    """A pass that a command has ended; ``record`` is what it left, and is printed too."""

    def __init__(self, record: JsonObject, output: str) -> None:
        super().__init__("promotion controller failed", output, exit_code=record["error"]["exitCode"])
        self.record = record


@dataclass(frozen=True, slots=True)
class Controller:
    """The controller of one fleet."""

    store: FleetStore
    orchestrate: Step
    ci: Step
    clock: Callable[[], float] = time.time
    lock_wait_s: float = LOCK_WAIT_S

    def run(self, request: ControllerRequest) -> JsonObject:
        """One pass; its record.

        Raises:
            ControllerFailedError: a command failed; the pass is recorded.
            OpsError: something could not be read or written, or a command left no usable result. Nothing was recorded;
                if an apply was started, the next pass that may apply completes this one.
        """
        for path in request.files.values():
            files.make_parent(path)
        with self.store.controller_lock(wait_s=self.lock_wait_s):
            return self._run(request)

    def _run(self, request: ControllerRequest) -> JsonObject:
        self.store.drop_torn_row(FleetLog.PROMOTION_CONTROLLER)
        left = unfinished(self.store)
        if request.guarded:
            self._complete(request, left)
            left = []
        previous = self._previous()
        windows = self._windows(request)
        now = int(self.clock())
        record = records.begun(request, new_trace_id(), previous, now)
        preview = self._evaluate(request, record)
        observed = self._observe(request, preview, windows, left, now)
        planned = planned_action(request, observed)
        record = records.decided(record, request, observed, planned)
        if left:
            record["observed"] = {**record["observed"], "unfinishedRunIds": [run.run_id for run in left]}
        if planned is not Action.APPLY:
            return self._keep(record)
        return self._apply(request, record)

    def _previous(self) -> JsonObject | None:
        path = self.store.location(FleetDocument.PROMOTION_CONTROLLER)
        try:
            state = document_in(self.store.read(FleetDocument.PROMOTION_CONTROLLER))
        except FileNotFoundError:
            return None
        except Unreadable:
            state = ()
        if state is not None and not isinstance(state, dict):
            raise ManagerFileError(f"invalid prior controller state JSON: {path}")
        return state

    @staticmethod
    def _windows(request: ControllerRequest) -> tuple[FreezeWindow, ...]:
        path = request.freeze_windows_file
        return () if path is None else freeze_windows(files.read_bytes(path), path)

    def _evaluate(self, request: ControllerRequest, record: JsonObject) -> JsonValue:
        for path in (request.files["promotionCiResultFile"], request.files["promotionCiSummaryFile"]):
            files.remove_file(path)
        answer = self._orchestrate(request, Mode.DRY_RUN)
        if answer.exit != 0:
            raise self._failed(records.failed(record, Stage.EVALUATE, answer.exit, said(answer)), said(answer))
        path = request.outputs(Mode.DRY_RUN)[0]
        return _result(path, f"preview result file not found: {path}", f"invalid preview JSON: {path}")

    def _observe(
        self,
        request: ControllerRequest,
        preview: JsonValue,
        windows: tuple[FreezeWindow, ...],
        left: list[Unfinished],
        now: int,
    ) -> Observed:
        path = request.files["promotionCiResultFile"]
        ci_result = _result(
            path,
            f"evaluate promotion CI result file not found: {path}",
            f"invalid evaluate promotion CI JSON: {path}",
        )
        log = FleetLog.PROMOTION_CONTROLLER
        rows = history(self.store.lines_backwards(log), since=request.budget.since(now), path=self.store.location(log))
        used = usage([*(run.record for run in left), *rows], request.budget, now)
        frozen = active_windows(windows, now)
        return Observed(
            preview,
            freshness(ci_result, ttl_minutes=request.decision_ttl_minutes, now=now),
            judged(request.budget, used, frozen, expand_step=request.planned_step, now=now),
            pause_reasons(request, self._is_paused()) if request.hold_while_paused else (),
        )

    def _is_paused(self) -> bool | None:
        try:
            registry = document_in(self.store.read(FleetDocument.REGISTRY))
        except (FileNotFoundError, Unreadable):
            return None
        return rollout_of(registry).manual_pause if isinstance(registry, dict) else None

    def _apply(self, request: ControllerRequest, record: JsonObject) -> JsonObject:
        unfinished_record = records.applying(record, request)
        run_id = record["runId"]
        registry_before = self.store.read(FleetDocument.REGISTRY)
        fields = {
            "record": unfinished_record,
            "registryBefore": None if registry_before is None else digest(registry_before),
        }
        self._journal().begin(run_id, "applying", fields)
        answer = self._orchestrate(request, Mode.APPLY)
        changed = self.store.read(FleetDocument.REGISTRY) != registry_before
        if answer.exit != 0:
            final = {**records.failed(record, Stage.APPLY, answer.exit, said(answer)), "registryChanged": changed}
            raise self._failed(final, said(answer))
        path = request.outputs(Mode.APPLY)[0]
        _result(
            path,
            f"apply orchestration result file not found: {path}",
            f"invalid apply orchestration JSON: {path}",
        )
        return self._verify(request, {**unfinished_record, "registryChanged": changed})

    def _verify(self, request: ControllerRequest, record: JsonObject) -> JsonObject:
        verification = self._verification(request)
        if not verification.failed:
            return self._keep(records.concluded(record, verification))
        fields = {"verification": {"decision": verification.decision, "reason": verification.reason}}
        try:
            self._journal().append(record["runId"], "rolling_back", fields)
        except ManagerFileError:
            pass  # the next pass would verify again before it rolls back; this one does not wait for that
        return self._roll_back(request, record, verification)

    def _verification(self, request: ControllerRequest) -> Verification:
        path = request.files["verifyResultFile"]
        try:
            for old in (path, request.files["verifySummaryFile"]):
                files.remove_file(old)
            if self.ci(verify_arguments(request)).exit != 0:
                return not_verified(Reason.VERIFY_COMMAND)
            return verified(document_in(files.read_bytes(path)))
        except FileNotFoundError:
            return not_verified(Reason.VERIFY_MISSING)
        except Unreadable:
            return not_verified(Reason.VERIFY_INVALID)
        except (OpsError, OSError):  # whatever keeps a verification from being made, it was not passed
            return not_verified(Reason.VERIFY_COMMAND)

    def _roll_back(self, request: ControllerRequest, record: JsonObject, verification: Verification) -> JsonObject:
        answer = self._orchestrate(request, Mode.ROLLBACK)
        if answer.exit != 0:
            final = records.failed(record, Stage.ROLLBACK, answer.exit, said(answer), verification)
            raise self._failed(final, said(answer))
        path = request.outputs(Mode.ROLLBACK)[0]
        _result(
            path,
            f"rollback orchestration result file not found: {path}",
            f"invalid rollback orchestration JSON: {path}",
        )
        return self._keep(records.concluded(record, verification))

    def _complete(self, request: ControllerRequest, left: list[Unfinished]) -> None:
        """Bring runs to their end whose process died; this pass's settings serve for them.

        What was to be rolled back goes before every check that could stop this pass.
        """
        for run in left:
            if run.verification is not None:
                self._roll_back(request, {**run.record, "recovered": True}, run.verification)
        self._previous()
        for run in left:
            if run.verification is None:
                self._complete_apply(request, run)

    def _complete_apply(self, request: ControllerRequest, run: Unfinished) -> None:
        """Verify what may have been applied.

        Where the registry is as it was before, nothing was; that is recorded as a failed apply, which uses its part of
        the budget, because a program that was started may still be at work.
        """
        recover_now(self.store, wait_s=self.lock_wait_s)
        record = {**run.record, "recovered": True}
        if run.registry_before == digest(self.store.read(FleetDocument.REGISTRY)):
            self._keep(records.interrupted(record))
        else:
            self._verify(request, record)

    def _orchestrate(self, request: ControllerRequest, mode: Mode) -> Answer:
        """Start it; what it is expected to write is gone before (weakness 16)."""
        argv = orchestrate_arguments(request, mode)
        # A rollback of ours goes on whatever the evaluation says; a program knows the contract's arguments only.
        if mode is Mode.ROLLBACK and not self.orchestrate.is_program:
            argv.append("--emergency")
        for path in request.outputs(mode):
            try:
                files.remove_file(path)
            except ManagerFileError:
                if mode is not Mode.ROLLBACK:
                    raise
        return self.orchestrate(argv)

    def _failed(self, record: JsonObject, output: str) -> ControllerFailedError:
        return ControllerFailedError(self._keep(record), output)

    def _keep(self, record: JsonObject) -> JsonObject:
        self.store.append(FleetLog.PROMOTION_CONTROLLER, [record], durable=True)
        self.store.replace(FleetDocument.PROMOTION_CONTROLLER, record)
        if record["runId"] in self._journal().open_runs():
            self._journal().append(record["runId"], RECORDED)
        return record

    def _journal(self) -> RunJournal:
        return self.store.journal(FleetLog.PROMOTION_CONTROLLER)


def _result(path: str, missing: str, invalid: str) -> JsonValue:
    try:
        return document_in(files.read_bytes(path))
    except FileNotFoundError:
        raise ManagerFileError(missing) from None
    except Unreadable:
        raise ManagerFileError(invalid) from None
