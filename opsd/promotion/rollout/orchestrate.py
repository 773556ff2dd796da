"""One governed entry point: evaluate promotion CI, then preview, apply or roll back (contract 95, section 3).

What a step is expected to write is removed before the step is started, so that nothing an earlier run left is ever
taken for its answer; a run that fails leaves no result that looks current (weaknesses 16 and 17).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from opsd.contract import jsoncodec
from opsd.contract.errors import ManagerFileError, OpsError, StepFailedError
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.timestamps import format_utc
from opsd.promotion.rollout.orchestration import evaluated, result_of, summary_of
from opsd.promotion.rollout.stages import Evaluated, OrchestrateRequest, apply_arguments, ci_arguments
from opsd.promotion.rollout.words import UNKNOWN, Mode
from opsd.promotion.steps import Step, Unreadable, document_in, said
from opsd.storage import files, row_files


@dataclass(frozen=True, slots=True)
class Orchestrate:
    """Orchestrates with these steps."""

    ci: Step
    apply: Step
    clock: Callable[[], float] = time.time

    def run(self, request: OrchestrateRequest) -> JsonObject:
        """Evaluate, act by the mode, record; the result.

        Raises:
            StepFailedError: a step ended with another code than 0, which is the error's.
            ManagerFileError: a step did not leave what it had to, or a file cannot be written.
        """
        try:
            for path in (request.result_file, request.summary_file):
                files.make_parent(path)
                files.remove_file(path)
        except (OpsError, OSError):
            if not request.emergency:  # which pauses first, and fails where it writes its result
                raise
        found = self._evaluate(request)
        record = None if request.mode is Mode.DRY_RUN else self._apply(request)
        result = result_of(request, found, record, format_utc(self.clock()))
        summary = summary_of(result).encode("utf-8", "backslashreplace")
        files.replace_file(request.result_file, jsoncodec.dumps(result) + b"\n", durable=True)
        files.replace_file(request.summary_file, summary, durable=True)
        if request.step_summary_file:
            row_files.append_lines(request.step_summary_file, summary)
        return result

    def _evaluate(self, request: OrchestrateRequest) -> Evaluated:
        path = request.ci_result_file
        code = 0
        try:
            for old in (path, request.ci_summary_file):
                files.remove_file(old)
            answer = self.ci(ci_arguments(request))
            code = answer.exit
            if code != 0 and not request.emergency:
                raise StepFailedError("promotion CI failed", said(answer), exit_code=code)
            return evaluated(self._ci_result(path), code)
        except OpsError:
            if not request.emergency:
                raise
            return Evaluated(UNKNOWN, exit=code or 1)

    @staticmethod
    def _ci_result(path: str) -> JsonValue:
        try:
            return document_in(files.read_bytes(path))
        except FileNotFoundError:
            raise ManagerFileError(f"promotion CI result file not found: {path}") from None
        except Unreadable:
            raise ManagerFileError(f"invalid promotion CI result JSON: {path}") from None

    def _apply(self, request: OrchestrateRequest) -> JsonValue:
        argv = apply_arguments(request)
        # A program is given what the contract says it understands, as long as that is enough.
        if request.emergency and not self.apply.is_program:
            argv.append("--emergency")
        answer = self.apply(argv)
        if answer.exit != 0 and request.emergency and self.apply.is_program:
            answer = self.apply([*argv, "--emergency"])
        if answer.exit != 0:
            raise StepFailedError("promotion apply failed", said(answer), exit_code=answer.exit)
        try:
            return jsoncodec.loads(answer.stdout)
        except ValueError:
            raise ManagerFileError("promotion apply output was not valid JSON") from None
