"""Flags that several promotion commands share, and what they mean (contract 95, 1.7, 2.1, 3.1, 4.1)."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import TypeVar

from opsd.cli.arguments import Arguments, Flag, require_non_negative_int
from opsd.contract.errors import UsageError
from opsd.promotion.rollout.context import Governance, Seam
from opsd.promotion.rollout.stages import OVERRIDES
from opsd.promotion.rollout.words import Intent

FLEET = ".superloop/ops-manager/fleet"
SKIP = "--skip-on-missing-evidence"
DEFAULT_STEP = 25

GOVERNANCE_FLAGS = (
    Flag("--by", "who answers for it", "<actor>"),
    Flag("--approval-ref", "what approves it", "<id>"),
    Flag("--rationale", "why", "<text>"),
    Flag("--review-by", "until when the permission holds", "<timestamp>"),
)
STEP_FLAG = Flag("--expand-step", f"by how many percent expand goes on, 1 to 100, default {DEFAULT_STEP}", "<n>")
APPLY_INTENT_FLAG = Flag("--apply-intent", "expand (default) or resume", "<intent>")
OVERRIDE_FLAGS = tuple(
    Flag(
        name,
        f"handed on to promotion ci{', default there' if 'file' in name else ''}",
        "<path>" if "file" in name else "<n>",
    )
    for name in OVERRIDES
)
SKIP_FLAG = Flag(SKIP, "handed on to promotion ci: no decision instead of a hold where evidence is missing")
SEAM_FLAGS = (
    Flag("--loop-id", "the loop it belongs to, as a note", "<id>"),
    Flag("--horizon-ref", "the Horizon item it belongs to, as a note", "<ref>"),
    Flag("--evidence-ref", "what supports it; may be given more than once", "<ref>"),
)
#: What the gates judge, and by which limits.
EVIDENCE_FLAGS = (
    Flag(
        "--handoff-telemetry-file",
        "default <fleet>/telemetry/handoff.jsonl (<fleet> is .superloop/ops-manager/fleet)",
        "<path>",
    ),
    Flag("--drill-state-file", "default <fleet>/drills/promotion.v1.json", "<path>"),
    Flag("--promotion-state-file", "written, default <fleet>/promotion-state.json", "<path>"),
    Flag("--promotion-telemetry-file", "appended to, default <fleet>/telemetry/promotion.jsonl", "<path>"),
    Flag("--window-executions", "so many of the last autonomous executions count, default 20", "<n>"),
    Flag("--min-sample-size", "at least so many of them, default 20", "<n>"),
    Flag("--max-ambiguity-rate", "ambiguous to attempted intents, default 0.2", "<0..1>"),
    Flag("--max-failure-rate", "failed to attempted intents, default 0.2", "<0..1>"),
    Flag("--max-manual-backlog", "intents that wait for a person, default 5", "<n>"),
    Flag("--max-drill-age-hours", "since each drill was passed, default 168", "<n>"),
)
KEY_FLAG = Flag("--idempotency-key", "the same key never applies the same intent twice", "<key>")
TRACE_FLAG = Flag("--trace-id", "default $OPS_MANAGER_TRACE_ID, else generated", "<id>")
PRETTY_FLAG = Flag("--pretty", "the document, indented by two spaces")

Word = TypeVar("Word", bound=StrEnum)


def chosen(arguments: Arguments, flag: str, kind: type[Word], default: Word | None = None) -> Word:
    """The word that a flag gives.

    Raises:
        UsageError: it is none of ``kind``'s, or absent without a default.
    """
    message = f"{flag} must be one of {', '.join(kind)}"
    value = arguments.choice(flag, default or "", tuple(kind), message)
    if not value:
        raise UsageError(message)
    return kind(value)


def apply_intent(arguments: Arguments) -> Intent:
    """Expand or resume.

    Raises:
        UsageError: it is anything else.
    """
    message = "--apply-intent must be one of expand, resume"
    return Intent(arguments.choice("--apply-intent", Intent.EXPAND, (Intent.EXPAND, Intent.RESUME), message))


def expand_step(arguments: Arguments) -> int:
    """Percent by which an expand goes on.

    Raises:
        UsageError: no integer from 1 to 100.
    """
    message = "--expand-step must be an integer between 1 and 100"
    value = arguments.given("--expand-step")
    step = DEFAULT_STEP if value is None else require_non_negative_int(value, message)
    if not 1 <= step <= 100:
        raise UsageError(message)
    return step


def governance(arguments: Arguments, *, required: bool, for_mode: str = "") -> Governance:
    """The four governance flags.

    Raises:
        UsageError: they are required (for a mode that the message then names), and one is missing or empty.
    """
    values = [arguments.given(flag.name) or "" for flag in GOVERNANCE_FLAGS]
    for flag, value in zip(GOVERNANCE_FLAGS, values, strict=True):
        if required and not value:
            raise UsageError(f"{flag.name} is required{for_mode and f' for mode {for_mode}'}")
    return Governance(*values)


def seam(arguments: Arguments) -> Seam:
    """What the run belongs to, refs as given."""
    loop_id, horizon_ref = arguments.optional("--loop-id"), arguments.optional("--horizon-ref")
    return Seam(loop_id, horizon_ref, arguments.all("--evidence-ref"))


def overrides(arguments: Arguments, *switches: str) -> list[str]:
    """What goes to promotion ci as it is: settings that are not empty, then the switches that were given."""
    values = [part for flag in OVERRIDES if (value := arguments.given(flag)) for part in (flag, value)]
    return values + [switch for switch in switches if arguments.switch(switch)]


def trace_id(arguments: Arguments) -> str:
    """Never empty (1.5)."""
    from opsd.contract.ids import new_trace_id

    return arguments.given("--trace-id") or os.environ.get("OPS_MANAGER_TRACE_ID") or new_trace_id()
