"""The gate of auto-pause and suppression paths."""

from __future__ import annotations

from typing import Any

import pytest

from opsd.promotion.gates.safety_suppression import GATE
from opsd.promotion.words import Outcome
from tests.promotion.factories import autonomous, inputs

PATHS = ["policyGated", "rolloutGated", "governanceGated", "transportGated"]


def judged(**section: Any) -> Any:
    return GATE.judge(inputs(section=autonomous(**section)))


@pytest.mark.parametrize(
    "rollout",
    [
        {"autopause": {"active": True}},
        {"autopause": {"active": False}, "state": {"autoPauseActive": True}},
        {"autopause": {"active": True}, "state": {"autoPauseActive": False}},
    ],
)
def test_either_field_tells_of_an_auto_pause(rollout: Any) -> None:
    verdict = judged(rollout=rollout)
    assert (verdict.outcome, verdict.reasons) == (Outcome.FAIL, ["promotion_autopause_active"])
    assert verdict.evidence["autopauseActive"] is True


@pytest.mark.parametrize("rollout", [None, False, {}, {"autopause": None}, {"state": {"autoPauseActive": None}}])
def test_an_absent_auto_pause_is_none(rollout: Any) -> None:
    assert judged(rollout=rollout).passed


@pytest.mark.parametrize(
    "rollout", [7, [], {"autopause": "on"}, {"autopause": {"active": "true"}}, {"state": {"autoPauseActive": 0}}]
)
def test_an_auto_pause_that_cannot_be_read_cannot_be_ruled_out(rollout: Any) -> None:
    verdict = judged(rollout=rollout)
    assert (verdict.outcome, verdict.reasons) == (Outcome.NO_EVIDENCE, ["promotion_autopause_active"])


def test_a_path_counts_by_its_key() -> None:
    verdict = judged(safetyGateDecisions={"byPath": {"transportGated": None, "policyGated": 7}})
    assert verdict.reasons == ["promotion_suppression_paths_missing"]
    assert verdict.evidence == {
        "autopauseActive": False,
        "missingPaths": ["rolloutGated", "governanceGated"],
        "byPath": {"transportGated": None, "policyGated": 7},
    }


@pytest.mark.parametrize("decisions", [None, [], {"byPath": PATHS}, {"byPath": "policyGated"}, {}])
def test_without_an_object_all_paths_are_missing(decisions: Any) -> None:
    verdict = judged(safetyGateDecisions=decisions)
    assert verdict.outcome is Outcome.NO_EVIDENCE
    assert (verdict.evidence["missingPaths"], verdict.evidence["byPath"]) == (PATHS, None)
