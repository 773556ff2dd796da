"""The governance gate."""

from __future__ import annotations

from typing import Any

import pytest

from opsd.promotion.gates.governance import GATE
from opsd.promotion.words import Outcome
from tests.promotion.factories import autonomous, inputs


def judged(**governance: Any) -> Any:
    good = {"posture": "active", "blocksAutonomous": False, "reasonCodes": []}
    return GATE.judge(inputs(section=autonomous(governance=good | governance)))


def test_an_active_posture_passes_and_shows_what_it_was_judged_by() -> None:
    verdict = judged(reasonCodes=["z", "autonomous_governance_review_due_soon", "z"])
    assert verdict.outcome is Outcome.PASS
    assert verdict.evidence == {
        "posture": "active",
        "blocksAutonomous": False,
        "reasonCodes": ["autonomous_governance_review_due_soon", "z"],
    }


def test_a_review_that_is_due_soon_holds() -> None:
    verdict = judged(posture="review_due_soon")
    assert (verdict.outcome, verdict.reasons) == (Outcome.FAIL, ["promotion_governance_posture_not_active"])


def test_every_reason_is_told_in_the_contracts_order() -> None:
    codes = [f"autonomous_governance_{word}" for word in ("review_expired", "review_deadline_missing")]
    section = autonomous(
        enabled=False,
        governance={
            "posture": "authority_missing",
            "blocksAutonomous": True,
            "reasonCodes": [*codes, "autonomous_governance_authority_missing"],
        },
    )
    assert GATE.judge(inputs(section=section)).reasons == [
        "promotion_policy_mode_not_guarded_auto",
        "promotion_governance_posture_not_active",
        "promotion_governance_blocks_autonomous",
        "promotion_governance_authority_missing",
        "promotion_governance_review_deadline_missing",
        "promotion_governance_review_expired",
    ]


@pytest.mark.parametrize("section", [None, {}, [], "x", 7, {"enabled": None, "governance": [1]}])
def test_what_says_nothing_is_no_evidence(section: Any) -> None:
    verdict = GATE.judge(inputs(status={"autonomous": section}))
    assert verdict.outcome is Outcome.NO_EVIDENCE
    assert verdict.evidence == {"posture": None, "blocksAutonomous": False, "reasonCodes": []}


@pytest.mark.parametrize("enabled", ["true", 1, [], {}])
def test_only_true_is_switched_on(enabled: Any) -> None:
    verdict = GATE.judge(inputs(section=autonomous(enabled=enabled)))
    assert verdict.reasons == ["promotion_policy_mode_not_guarded_auto"]


@pytest.mark.parametrize(
    "beside", [{"blocksAutonomous": "true"}, {"blocksAutonomous": 0}, {"reasonCodes": "expired"}, {"reasonCodes": {}}]
)
def test_a_posture_beside_something_unreadable_is_not_believed(beside: dict[str, Any]) -> None:
    verdict = judged(**beside)
    assert (verdict.outcome, verdict.reasons) == (Outcome.NO_EVIDENCE, ["promotion_governance_posture_not_active"])
