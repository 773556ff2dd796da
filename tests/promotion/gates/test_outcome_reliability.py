"""The gate of reliable outcomes."""

from __future__ import annotations

from typing import Any

from opsd.promotion.gates.outcome_reliability import GATE
from opsd.promotion.inputs import Invalid, Missing, Thresholds
from opsd.promotion.words import Outcome
from tests.promotion.factories import history, inputs, row


def judged(*rows: dict[str, Any], **limits: Any) -> Any:
    return GATE.judge(inputs(handoff=history(*rows), thresholds=Thresholds(min_sample_size=1, **limits)))


def test_sums_are_over_the_window_and_rates_over_its_intents() -> None:
    verdict = judged(row(3, 2, 1, 0, timestamp="a"), row(0, 0), row(1, 0, 0, 1, timestamp="z"), max_failure_rate=0.25)
    assert verdict.evidence == {
        "sampleRuns": 3,
        "attempted": 4,
        "executed": 2,
        "ambiguous": 1,
        "failed": 1,
        "ambiguityRate": 0.25,
        "failureRate": 0.25,
        "oldestRunAt": "a",
        "newestRunAt": "z",
    }
    assert verdict.reasons == ["promotion_autonomous_ambiguity_rate_exceeded"]


def test_a_rate_at_its_limit_passes() -> None:
    assert judged(row(20, 16, 4)).passed
    assert judged(row(3, 2, 1), max_ambiguity_rate=0.34).passed
    assert not judged(row(3, 2, 1), max_ambiguity_rate=0.33).passed


def test_integral_rates_are_integers() -> None:
    evidence = judged(row(2.0, 0, 0, 2.0)).evidence
    assert [type(evidence[key]) for key in ("attempted", "failed", "failureRate", "ambiguityRate")] == [int] * 4


def test_too_few_runs_are_no_evidence_until_they_speak_against_the_fleet() -> None:
    few = Thresholds(min_sample_size=2)
    verdict = GATE.judge(inputs(handoff=history(row()), thresholds=few))
    assert (verdict.outcome, verdict.reasons) == (Outcome.NO_EVIDENCE, ["promotion_autonomous_sample_insufficient"])
    verdict = GATE.judge(inputs(handoff=history(row(2, 0, 0, 2)), thresholds=few))
    assert verdict.outcome is Outcome.FAIL


def test_runs_that_attempted_nothing_are_no_evidence() -> None:
    verdict = judged(row(0, 0))
    assert (verdict.outcome, verdict.reasons) == (Outcome.NO_EVIDENCE, ["promotion_autonomous_attempts_zero"])


def test_a_history_that_is_missing_or_invalid_has_no_runs() -> None:
    for evidence, word in ((Missing(), "missing"), (Invalid(), "invalid")):
        verdict = GATE.judge(inputs(handoff=evidence))
        assert verdict.outcome is Outcome.NO_EVIDENCE
        assert verdict.reasons == [f"promotion_handoff_telemetry_{word}", "promotion_autonomous_sample_insufficient"]
        assert verdict.evidence["sampleRuns"] == 0
