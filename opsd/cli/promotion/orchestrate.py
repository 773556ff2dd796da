"""``opsd promotion orchestrate``: evaluate promotion CI, then preview, apply or roll back (contract 95, 3).

On a terminal it is a readable page, elsewhere (and with ``--pretty``) the result.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from opsd.cli.arguments import Arguments, CommandSpec, Flag
from opsd.cli.output import write_error
from opsd.cli.page import Page, as_typed, tell
from opsd.cli.promotion import flags
from opsd.contract.errors import StepFailedError, UsageError
from opsd.contract.jsoncodec import JsonObject
from opsd.promotion.rollout.words import Mode
from opsd.runtime.layout import absolute_repo

_FAIL_ON_HOLD = "--fail-on-hold"

SPEC = CommandSpec(
    "opsd promotion orchestrate",
    "Evaluates whether the fleet may be promoted, and previews, applies or rolls back.",
    (
        Flag("--repo", "the managed repo (required)", "<path>"),
        Flag("--mode", "dry_run, apply or rollback (required)", "<mode>"),
        flags.APPLY_INTENT_FLAG,
        flags.STEP_FLAG,
        *(flag._replace(help=f"{flag.help} (apply, rollback)") for flag in flags.GOVERNANCE_FLAGS),
        *flags.OVERRIDE_FLAGS,
        flags.SKIP_FLAG,
        Flag(_FAIL_ON_HOLD, "handed on to promotion ci: a hold ends with 2, and nothing is applied or rolled back"),
        Flag("--promotion-ci-result-file", f"default {flags.FLEET}/promotion-ci-result.json", "<path>"),
        Flag("--promotion-ci-summary-file", f"default {flags.FLEET}/promotion-ci-summary.md", "<path>"),
        Flag("--result-file", f"default {flags.FLEET}/promotion-orchestrate-result.json", "<path>"),
        Flag("--summary-file", f"default {flags.FLEET}/promotion-orchestrate-summary.md", "<path>"),
        flags.KEY_FLAG,
        flags.TRACE_FLAG._replace(help="handed on; none is made up"),
        *flags.SEAM_FLAGS,
        Flag("--emergency", "a rollback that goes on whatever the evaluation and the registry's rules say"),
        flags.PRETTY_FLAG,
    ),
    exits={2: "with --fail-on-hold: hold"},
)


def main(argv: Sequence[str]) -> int:
    """Orchestrate and print the result; 0, or the exit code of the step that failed.

    Raises:
        OpsError: an argument, or something that could not be read or written.
    """
    arguments = SPEC.parse(argv)
    given_repo = arguments.required("--repo")
    mode = flags.chosen(arguments, "--mode", Mode)
    intent = flags.apply_intent(arguments)
    step = flags.expand_step(arguments)
    governance = flags.governance(arguments, required=mode is not Mode.DRY_RUN, for_mode=mode)
    emergency = arguments.switch("--emergency")
    if emergency and mode is not Mode.ROLLBACK:
        raise UsageError("--emergency requires mode rollback")
    repo = absolute_repo(given_repo)

    from opsd.cli.promotion.steps import apply_step, ci_step
    from opsd.promotion.rollout.orchestrate import Orchestrate
    from opsd.promotion.rollout.stages import OrchestrateRequest

    fleet = f"{repo.rstrip('/')}/{flags.FLEET}"

    def path(flag: str, name: str) -> str:
        return arguments.optional(flag) or f"{fleet}/{name}"

    request = OrchestrateRequest(
        repo=repo,
        mode=mode,
        apply_intent=intent,
        expand_step=step,
        governance=governance,
        seam=flags.seam(arguments),
        result_file=path("--result-file", "promotion-orchestrate-result.json"),
        summary_file=path("--summary-file", "promotion-orchestrate-summary.md"),
        ci_result_file=path("--promotion-ci-result-file", "promotion-ci-result.json"),
        ci_summary_file=path("--promotion-ci-summary-file", "promotion-ci-summary.md"),
        overrides=flags.overrides(arguments, flags.SKIP, _FAIL_ON_HOLD),
        idempotency_key=arguments.optional("--idempotency-key") or "",
        trace_id=arguments.optional("--trace-id") or "",
        emergency=emergency,
        step_summary_file=os.environ.get("GITHUB_STEP_SUMMARY") or "",
    )
    try:
        result = Orchestrate(ci_step(), apply_step()).run(request)
    except StepFailedError as error:
        tell_failure(error)
        return error.exit_code
    present(arguments, result)
    return 0


def present(arguments: Arguments, result: JsonObject, place: Sequence[str] = ()) -> None:
    """Print the result."""

    def page() -> Page:
        from opsd.cli.promotion.rollout_page import orchestrate_page

        return orchestrate_page(result, place or as_typed(arguments, "--repo"))

    tell(arguments, result, page)


def tell_failure(error: StepFailedError) -> None:
    """What the failed step printed, on stderr."""
    if error.output:
        write_error(error.output)
