"""The gate of what waits for a person."""

from __future__ import annotations

from typing import Any

import pytest

from opsd.promotion.gates.manual_backlog import GATE
from opsd.promotion.words import Outcome
from tests.promotion.factories import autonomous, inputs


def judged(backlog: Any) -> Any:
    return GATE.judge(inputs(section=autonomous(outcomeRollup={"manual_backlog": backlog})))


@pytest.mark.parametrize("backlog", [0, 5, 4.5])
def test_up_to_the_limit_passes(backlog: Any) -> None:
    assert (judged(backlog).outcome, judged(backlog).evidence) == (Outcome.PASS, {"manualBacklog": backlog})


def test_more_fails() -> None:
    verdict = judged(6)
    assert (verdict.outcome, verdict.reasons) == (Outcome.FAIL, ["promotion_manual_backlog_exceeded"])


@pytest.mark.parametrize("backlog", [None, True, False, "3", [], {}, -1, float("nan")])
def test_what_is_no_count_is_no_evidence(backlog: Any) -> None:
    verdict = judged(backlog)
    assert (verdict.outcome, verdict.reasons) == (Outcome.NO_EVIDENCE, ["promotion_manual_backlog_unavailable"])
    assert verdict.evidence == {"manualBacklog": None}
