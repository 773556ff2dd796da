"""The gate of recent drills."""

from __future__ import annotations

from typing import Any

import pytest

from opsd.promotion.gates.drill_recency import GATE
from opsd.promotion.inputs import DrillRecords, Invalid, Missing
from opsd.promotion.words import Outcome
from tests.promotion.factories import DRILLS, HOUR, drill, drills, inputs

LIMIT_S = 168 * HOUR


def judged(*entries: Any) -> Any:
    return GATE.judge(inputs(drills=DrillRecords([*entries])))


def with_kill_switch(**changes: Any) -> Any:
    return judged(drill("kill_switch", **changes), *drills())


def test_three_recent_passes_pass_and_are_shown_as_they_stand() -> None:
    verdict = judged(*drills(), 7, {"id": "coffee"})
    assert verdict.outcome is Outcome.PASS
    assert verdict.evidence["requiredDrills"] == [*DRILLS]
    assert verdict.evidence["drills"] == [*drills(), 7, {"id": "coffee"}]
    assert verdict.evidence["judged"][0] == {"id": "kill_switch", "status": "pass", "ageSeconds": 3 * HOUR}


@pytest.mark.parametrize(("evidence", "word"), [(Missing(), "missing"), (Invalid(), "invalid")])
def test_without_records_nothing_else_is_told(evidence: Any, word: str) -> None:
    verdict = GATE.judge(inputs(drills=evidence))
    assert (verdict.outcome, verdict.reasons) == (Outcome.NO_EVIDENCE, [f"promotion_drill_state_{word}"])
    assert verdict.evidence["drills"] == []


def test_reasons_accumulate_and_none_hides_another() -> None:
    verdict = judged(
        {"id": "kill_switch", "status": "fail"},
        drill("ambiguous_retry_guard", status="PASS", completedAt="yesterday"),
    )
    assert verdict.reasons == [
        "promotion_drill_not_passed_kill_switch",
        "promotion_drill_timestamp_invalid_kill_switch",
        "promotion_drill_missing_sprite_service_outage",
        "promotion_drill_not_passed_ambiguous_retry_guard",
        "promotion_drill_timestamp_invalid_ambiguous_retry_guard",
    ]
    assert verdict.outcome is Outcome.FAIL


@pytest.mark.parametrize("age_s", [0, LIMIT_S, -300])
def test_up_to_the_limit_and_five_minutes_ahead_count(age_s: int) -> None:
    assert with_kill_switch(age_s=age_s).passed


@pytest.mark.parametrize(("age_s", "trouble"), [(LIMIT_S + 1, "stale"), (-301, "timestamp_invalid")])
def test_older_and_later_do_not(age_s: int, trouble: str) -> None:
    assert with_kill_switch(age_s=age_s).reasons == [f"promotion_drill_{trouble}_kill_switch"]


def test_only_the_first_entry_of_an_id_counts() -> None:
    assert with_kill_switch(status="fail").reasons == ["promotion_drill_not_passed_kill_switch"]


@pytest.mark.parametrize("stamp", [None, False, 0, "", "2026-11-26T08:00:00+00:00", "2026-11-26T07:00:00.5Z", ["x"]])
def test_a_time_that_cannot_be_read_is_no_evidence(stamp: Any) -> None:
    verdict = with_kill_switch(completedAt=stamp)
    assert verdict.outcome is Outcome.NO_EVIDENCE
    assert verdict.reasons == ["promotion_drill_timestamp_invalid_kill_switch"]
