"""``opsd promotion controller``: one pass of the guarded promotion controller (contract 95, 4). Proposes by default.

On a terminal it is a readable page, elsewhere (and with ``--pretty``) the record.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from opsd.cli.arguments import Arguments, CommandSpec, Flag
from opsd.cli.page import Page, as_typed, tell
from opsd.cli.promotion import flags
from opsd.contract.errors import UsageError
from opsd.contract.jsoncodec import JsonObject
from opsd.promotion.controller.budget import Budget
from opsd.promotion.controller.request import STEP_FILES, ControllerRequest
from opsd.promotion.controller.words import Mode
from opsd.runtime.layout import absolute_repo

#: The flag of each file of :data:`STEP_FILES`, in its order.
_STEP_FILE_FLAGS = (
    "--promotion-ci-result-file",
    "--promotion-ci-summary-file",
    "--verify-result-file",
    "--verify-summary-file",
    "--preview-result-file",
    "--preview-summary-file",
    "--apply-result-file",
    "--apply-summary-file",
    "--rollback-result-file",
    "--rollback-summary-file",
)

SPEC = CommandSpec(
    "opsd promotion controller",
    "One pass: evaluates, decides within budgets, and proposes, holds, or applies, verifies and rolls back.",
    (
        Flag("--repo", "the managed repo (required)", "<path>"),
        Flag("--mode", "propose_only (default) or guarded_auto_apply", "<mode>"),
        flags.APPLY_INTENT_FLAG,
        flags.STEP_FLAG,
        Flag("--decision-ttl-minutes", "an older decision is held, default 60", "<n>"),
        Flag("--budget-window-hours", "the window of the budget, default 24", "<n>"),
        Flag("--max-applies-per-window", "default 1", "<n>"),
        Flag("--max-expand-step-per-window", "percent, default 25", "<n>"),
        Flag("--cooldown-minutes", "since the last apply or rollback, default 60", "<n>"),
        *(flag._replace(help=f"{flag.help} (guarded_auto_apply)") for flag in flags.GOVERNANCE_FLAGS),
        Flag("--freeze-windows-file", "times in which nothing is applied", "<path>"),
        *flags.OVERRIDE_FLAGS,
        flags.SKIP_FLAG,
        *(
            Flag(flag, f"default {flags.FLEET}/{name}", "<path>")
            for flag, name in zip(_STEP_FILE_FLAGS, STEP_FILES.values(), strict=True)
        ),
        Flag("--state-file", f"default {flags.FLEET}/promotion-controller-state.json", "<path>"),
        Flag("--telemetry-file", f"default {flags.FLEET}/telemetry/promotion-controller.jsonl", "<path>"),
        flags.KEY_FLAG,
        flags.TRACE_FLAG,
        *flags.SEAM_FLAGS,
        Flag("--hold-while-paused", "hold while the rollout is paused by hand or by a rollback"),
        flags.PRETTY_FLAG,
    ),
)


def main(argv: Sequence[str]) -> int:
    """Run one pass and print its record; 0, or the exit code of the command that failed.

    Raises:
        OpsError: an argument, or something that could not be read or written.
    """
    arguments = SPEC.parse(argv)
    request = _request(arguments)

    from opsd.cli.promotion.orchestrate import tell_failure
    from opsd.cli.promotion.steps import ci_step, orchestrate_step
    from opsd.promotion.controller.run import Controller, ControllerFailedError
    from opsd.storage.fleet_parts import FleetDocument, FleetLog, FleetPart
    from opsd.storage.fleet_store import FileFleetStore

    orchestrate = orchestrate_step()
    if request.guarded and not orchestrate.is_program:
        # Our own apply would refuse it, after the run has used its part of the budget.
        from opsd.promotion.rollout.apply import check_review_by

        check_review_by(request.governance.review_by, int(time.time()))
    paths: dict[FleetPart, str] = {
        FleetDocument.PROMOTION_CONTROLLER: request.files["stateFile"],
        FleetLog.PROMOTION_CONTROLLER: request.files["telemetryFile"],
    }
    try:
        record = Controller(FileFleetStore(request.repo, paths), orchestrate, ci_step()).run(request)
    except ControllerFailedError as error:
        tell_failure(error)
        present(arguments, error.record)
        return error.exit_code
    present(arguments, record)
    return 0


def present(arguments: Arguments, record: JsonObject, place: Sequence[str] = ()) -> None:
    """Print the record of a pass."""

    def page() -> Page:
        from opsd.cli.promotion.rollout_page import controller_page

        return controller_page(record, place or as_typed(arguments, "--repo"))

    tell(arguments, record, page)


def _request(arguments: Arguments) -> ControllerRequest:
    given_repo = arguments.required("--repo")
    mode = flags.chosen(arguments, "--mode", Mode, Mode.PROPOSE_ONLY)
    intent = flags.apply_intent(arguments)
    step = flags.expand_step(arguments)
    ttl_minutes = arguments.positive("--decision-ttl-minutes", 60)
    window_hours = arguments.positive("--budget-window-hours", 24)
    budget = Budget(
        window_hours,
        _limit(arguments, "--max-applies-per-window", 1),
        _limit(arguments, "--max-expand-step-per-window", 25),
        _limit(arguments, "--cooldown-minutes", 60),
    )
    governance = flags.governance(arguments, required=mode is Mode.GUARDED_AUTO_APPLY, for_mode=mode)
    freeze_file = arguments.optional("--freeze-windows-file")
    if freeze_file is not None and not os.path.isfile(freeze_file):
        raise UsageError(f"freeze windows file not found: {freeze_file}")
    repo = absolute_repo(given_repo)
    fleet = f"{repo.rstrip('/')}/{flags.FLEET}"
    paths = {
        "stateFile": arguments.optional("--state-file") or f"{fleet}/promotion-controller-state.json",
        "telemetryFile": arguments.optional("--telemetry-file") or f"{fleet}/telemetry/promotion-controller.jsonl",
    }
    for (key, name), flag in zip(STEP_FILES.items(), _STEP_FILE_FLAGS, strict=True):
        paths[key] = arguments.optional(flag) or f"{fleet}/{name}"
    return ControllerRequest(
        repo=repo,
        mode=mode,
        apply_intent=intent,
        expand_step=step,
        decision_ttl_minutes=ttl_minutes,
        budget=budget,
        governance=governance,
        seam=flags.seam(arguments),
        trace_id=flags.trace_id(arguments),
        files=paths,
        overrides=flags.overrides(arguments, flags.SKIP),
        freeze_windows_file=freeze_file,
        idempotency_key=arguments.optional("--idempotency-key") or "",
        hold_while_paused=arguments.switch("--hold-while-paused"),
    )


def _limit(arguments: Arguments, flag: str, default: int) -> int:
    return arguments.non_negative(flag, default, f"{flag} must be an integer >= 0")
