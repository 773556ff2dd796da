"""Telemetry summary and profile drift as functions, at their edges and for any rows (contract 40, sections 4 and 5)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.loop.profile_drift import Confidence, DriftSettings, evaluate_drift
from opsd.loop.telemetry_summary import summarize
from opsd.loop.tuning import TuningInputs, TuningSettings, tune
from opsd.storage.model import TelemetryTail, tail_row
from tests.loop.factories import NOW


def summary(rows: list[Any], control: list[Any] | None = None) -> dict[str, Any]:
    return summarize(
        list(map(tail_row, rows)),
        list(map(tail_row, control or [])),
        repo="/r",
        loop_id="demo",
        reconcile_file="f",
        control_file="c",
        window=200,
        now=NOW,
    )


def rows(count: int, **special: int) -> list[dict[str, Any]]:
    """``count`` rows, of which so many are critical, degraded, failed."""
    found: list[dict[str, Any]] = [{"status": "success", "healthStatus": "healthy"} for _ in range(count)]
    at = 0
    for key, number in special.items():
        for _ in range(number):
            found[at]["status" if key == "failed" else "healthStatus"] = key
            at += 1
    return found


@pytest.mark.parametrize(
    ("given_rows", "profile"),
    [
        ([], "balanced"),
        (rows(1), "strict"),
        (rows(20, critical=4), "relaxed"),
        (rows(20, critical=3), "balanced"),
        (rows(20, failed=5), "relaxed"),
        (rows(20, failed=4), "balanced"),
        (rows(20, degraded=1), "strict"),
        (rows(20, degraded=2), "balanced"),
        (rows(50, failed=1), "strict"),
        (rows(50, failed=2), "balanced"),
        (rows(20, critical=1), "balanced"),
    ],
)
def test_the_recommendation_changes_exactly_at_its_boundaries(given_rows: list[Any], profile: str) -> None:
    assert summary(given_rows)["recommendedProfile"] == profile


@pytest.mark.parametrize(
    ("count", "confidence"), [(0, "low"), (29, "low"), (30, "medium"), (99, "medium"), (100, "high")]
)
def test_confidence_grows_with_the_rows(count: int, confidence: str) -> None:
    assert summary(rows(count))["confidence"] == confidence


def test_an_ambiguous_control_forbids_strict() -> None:
    found = summary(rows(50), [{"status": "ambiguous"}, {"reasonCode": "control_ambiguous"}, {"status": "confirmed"}])
    assert (found["recommendedProfile"], found["observed"]["control"]["ambiguousCount"]) == ("balanced", 2)


def test_quantiles_take_the_lower_element_and_numbers_in_text() -> None:
    durations = summary([{"durationSeconds": value} for value in (7, "1", 2.5, None, "x", 3)])["observed"]
    assert durations["durationSeconds"] == {"p50": 2.5, "p95": 3, "max": 7}
    assert summary([])["observed"]["durationSeconds"] == {"p50": None, "p95": None, "max": None}


def test_codes_are_counted_and_ordered_downwards() -> None:
    found = summary([{"healthReasonCodes": ["b", "a", "b"]}, {"healthReasonCodes": ["a"]}, {"healthReasonCodes": "a"}])
    frequency = found["observed"]["health"]["reasonCodeFrequency"]
    assert frequency == [{"code": "b", "count": 2}, {"code": "a", "count": 2}]


_CELL = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["success", "failed", "critical", "1.5", "x"])
_ROWS = st.lists(
    st.dictionaries(
        st.sampled_from(["status", "healthStatus", "durationSeconds", "healthReasonCodes", "timestamp", "reasonCode"]),
        _CELL | st.lists(_CELL, max_size=3),
    ),
    max_size=40,
)


@given(_ROWS, _ROWS)
def test_any_rows_give_rates_between_none_and_all(reconcile: list[Any], control: list[Any]) -> None:
    observed = summary(reconcile, control)["observed"]
    assert 0 <= observed["health"]["criticalRate"] <= 1
    assert 0 <= observed["health"]["degradedRate"] <= 1
    assert observed["reconcileAttempts"] == len(reconcile)


def drift(previous: dict[str, Any], recommended: str = "relaxed", **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "loop_id": "demo",
        "applied": "balanced",
        "recommended": recommended,
        "confidence": Confidence.HIGH,
        "rationale": "",
        "now": NOW,
    }
    return evaluate_drift(previous, DriftSettings(required_streak=2), **{**values, **changes})


def test_a_mismatch_becomes_a_drift_and_ends() -> None:
    first = drift({})
    assert (first["status"], first["mismatchStreak"], first["driftActive"]) == ("mismatch_pending", 1, False)
    second = drift(first, recommended="strict")
    assert (second["status"], second["action"]) == ("drift_active", "review_threshold_profile")
    assert second["transitioned"] == {"toActive": True, "toResolved": False}
    third = drift(second)
    assert third["transitioned"] == {"toActive": False, "toResolved": False}
    assert drift(third, recommended="balanced")["transitioned"] == {"toActive": False, "toResolved": True}
    unsure = drift(third, confidence=Confidence.LOW)
    assert (unsure["status"], unsure["mismatchStreak"]) == ("insufficient_confidence", 0)


def test_a_lack_of_data_proves_nothing() -> None:
    active = drift(drift({}))
    held = drift(active, recommended="", confidence=Confidence.LOW, no_data="damaged")
    assert (held["status"], held["mismatchStreak"], held["driftActive"]) == ("no_recommendation", 2, True)
    assert (held["transitioned"], held["summaryError"]) == ({"toActive": False, "toResolved": False}, "damaged")


@given(
    st.dictionaries(st.sampled_from(["mismatchStreak", "driftActive"]), _CELL),
    st.sampled_from(["", "strict", "balanced"]),
)
def test_any_state_before_is_good_enough(previous: dict[str, Any], recommended: str) -> None:
    found = drift(previous, recommended=recommended)
    assert found["driftActive"] is (found["mismatchStreak"] >= 2)


def test_a_recommendation_that_the_catalog_does_not_know_counts_as_none() -> None:
    inputs = TuningInputs("/r", "demo", NOW, "calm", TelemetryTail((tail_row({"status": "success"}),)), {}, "f", "c")
    tuned = tune(inputs, TuningSettings(DriftSettings(), frozenset({"calm"})))
    assert tuned.summary is not None
    assert tuned.summary["recommendedProfile"] == "strict"
    assert (tuned.drift["status"], "recommendedProfile" in tuned.drift) == ("no_recommendation", False)
