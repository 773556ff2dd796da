"""``opsd promotion apply``: one governed change of the fleet's registry by a promotion decision (contract 95, 2).

On a terminal it is a readable page, elsewhere (and with ``--pretty``) the record.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opsd.cli.arguments import Arguments, CommandSpec, Flag
from opsd.cli.page import Page, as_typed, tell
from opsd.cli.promotion import flags
from opsd.contract.errors import UsageError
from opsd.contract.jsoncodec import JsonObject
from opsd.promotion.rollout.words import Intent
from opsd.runtime.layout import absolute_repo

if TYPE_CHECKING:
    from opsd.storage.fleet_parts import FleetPart

SPEC = CommandSpec(
    "opsd promotion apply",
    "Expands, resumes or rolls back the rollout in the fleet's registry, as a promotion decision permits.",
    (
        Flag("--repo", "the managed repo (required)", "<path>"),
        Flag("--intent", "expand, resume or rollback (required)", "<intent>"),
        flags.STEP_FLAG,
        *(flag._replace(help=f"{flag.help} (required)") for flag in flags.GOVERNANCE_FLAGS),
        Flag("--registry-file", f"default <fleet>/registry.v1.json (<fleet> is {flags.FLEET})", "<path>"),
        Flag("--promotion-state-file", "the decision, default <fleet>/promotion-state.json", "<path>"),
        Flag("--apply-state-file", "default <fleet>/promotion-apply-state.json", "<path>"),
        Flag("--apply-telemetry-file", "default <fleet>/telemetry/promotion-apply.jsonl", "<path>"),
        flags.KEY_FLAG,
        flags.TRACE_FLAG,
        *flags.SEAM_FLAGS,
        Flag("--max-decision-age-minutes", "expand and resume refuse an older decision; default any age", "<n>"),
        Flag("--emergency", "a rollback that pauses whatever the evidence and the registry's rules say"),
        flags.PRETTY_FLAG,
    ),
)


def main(argv: Sequence[str]) -> int:
    """Apply and print the record; 0.

    Raises:
        OpsError: nothing was applied, or the registry was changed and something else could not be written.
    """
    arguments = SPEC.parse(argv)
    given_repo = arguments.required("--repo")
    intent = flags.chosen(arguments, "--intent", Intent)
    step = flags.expand_step(arguments)
    governance = flags.governance(arguments, required=True)
    emergency = arguments.switch("--emergency")
    if emergency and intent is not Intent.ROLLBACK:
        raise UsageError("--emergency requires intent rollback")
    max_age = "--max-decision-age-minutes"
    max_age_s = None if arguments.given(max_age) is None else arguments.positive(max_age, 0) * 60
    repo = absolute_repo(given_repo)

    from opsd.promotion.rollout.apply import Apply
    from opsd.promotion.rollout.apply_record import ApplyRequest
    from opsd.promotion.rollout.context import Seam, merged_refs, split_refs
    from opsd.storage.fleet_parts import FleetDocument, FleetLog
    from opsd.storage.fleet_store import FileFleetStore

    store = FileFleetStore(repo, _overrides(arguments))
    decision_file = store.location(FleetDocument.PROMOTION)
    given = flags.seam(arguments)
    request = ApplyRequest(
        intent=intent,
        expand_step=step,
        governance=governance,
        seam=Seam(given.loop_id, given.horizon_ref, merged_refs(split_refs(given.evidence_refs), [decision_file])),
        trace_id=flags.trace_id(arguments),
        files={
            "registryFile": store.location(FleetDocument.REGISTRY),
            "promotionStateFile": decision_file,
            "applyStateFile": store.location(FleetDocument.PROMOTION_APPLY),
            "applyTelemetryFile": store.location(FleetLog.PROMOTION_APPLY),
        },
        idempotency_key=arguments.optional("--idempotency-key") or "",
        emergency=emergency,
        max_decision_age_s=max_age_s,
    )
    record = Apply(store, RegistryStep(repo, store.location(FleetDocument.REGISTRY))).run(request)
    present(arguments, record)
    return 0


def present(arguments: Arguments, record: JsonObject, place: Sequence[str] = ()) -> None:
    """Print the record."""

    def page() -> Page:
        from opsd.cli.promotion.rollout_page import apply_page

        return apply_page(record, place or as_typed(arguments, "--repo"))

    tell(arguments, record, page)


def _overrides(arguments: Arguments) -> dict[FleetPart, str]:
    from opsd.storage.fleet_parts import FleetDocument, FleetLog

    by_flag: dict[str, FleetPart] = {
        "--registry-file": FleetDocument.REGISTRY,
        "--promotion-state-file": FleetDocument.PROMOTION,
        "--apply-state-file": FleetDocument.PROMOTION_APPLY,
        "--apply-telemetry-file": FleetLog.PROMOTION_APPLY,
    }
    return {part: path for flag, part in by_flag.items() if (path := arguments.optional(flag))}


@dataclass(frozen=True, slots=True)
class RegistryStep:
    """The fleet-registry command, as apply uses it: built in, or the operator's program."""

    repo: str
    registry_file: str

    def normalized(self, data: bytes | None) -> JsonObject:
        """The registry file as it is."""
        from opsd.cli.fleet.registry_step import SCRIPT_VARIABLE, normalized_registry
        from opsd.fleet.registry import load_registry

        if os.environ.get(SCRIPT_VARIABLE):
            return normalized_registry(self.repo, self.registry_file)
        return load_registry(data, source=self.registry_file, now=time.time()).document

    def revalidated(self, document: JsonObject) -> JsonObject:
        """A changed registry; a program is given it as a file that lives in memory."""
        from opsd.cli.fleet.registry_step import SCRIPT_VARIABLE, normalized_registry
        from opsd.cli.loop.replaced_steps import memory_files
        from opsd.fleet.registry import parse_registry

        if not os.environ.get(SCRIPT_VARIABLE):
            return parse_registry(document, source=self.registry_file, now=time.time()).document
        with memory_files([document]) as (path,):
            return {**normalized_registry(self.repo, path), "sourceFile": self.registry_file}
