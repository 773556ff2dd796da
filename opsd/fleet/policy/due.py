"""When a supervisor evaluates the policy again: a pure decision. Evaluating too often hides work that waits.

Inside the dedupe window a candidate that was shown is suppressed, and the handoff's plan loses its intent (contract
70, weakness 14). So the policy is evaluated when there is something new to judge, and else once per window, when all
that is still in trouble is shown again. It depends on documents only: a restart changes nothing.
"""

from __future__ import annotations

from enum import StrEnum

from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.timestamps import parse_epoch
from opsd.contract.values import as_object, digits, first_present, get
from opsd.fleet.policy.candidates import candidates_of
from opsd.fleet.policy.report import FleetReport


class Due(StrEnum):
    """Why the policy is evaluated."""

    NEVER_EVALUATED = "never_evaluated"
    POLICY_CHANGED = "policy_changed"
    NEW_TROUBLE = "new_trouble"
    WINDOW_PASSED = "window_passed"


def policy_due(prior: JsonObject | None, policy: JsonValue, report: FleetReport, *, now: float) -> Due | None:
    """Why the policy is due; None when what it last concluded still stands.

    Args:
        prior: the policy state of the last evaluation, whoever made it.
        policy: the registry's normalized policy block.
        report: the fleet as it is now.
        now: seconds since 1970. A clock that went back is a reason to look again.
    """
    evaluated_at = parse_epoch(get(prior, "updatedAt"))
    if prior is None or evaluated_at is None:
        return Due.NEVER_EVALUATED
    if get(prior, "evaluation", "inputs", "registry", "policy") != policy:
        return Due.POLICY_CHANGED
    candidates = prior.get("candidates")
    known = {as_object(one).get("candidateId") for one in (candidates if isinstance(candidates, list) else [])}
    if any(one.id not in known for one in candidates_of(report.results)):
        return Due.NEW_TROUBLE
    window_s = digits(first_present(get(policy, "noiseControls", "dedupeWindowSeconds"), 300))
    if not evaluated_at <= now < evaluated_at + (window_s or 0):
        return Due.WINDOW_PASSED
    return None
