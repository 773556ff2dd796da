"""The decision over all gates, and that nothing but good evidence promotes."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from opsd.contract import jsoncodec
from opsd.contract.timestamps import format_utc
from opsd.promotion.decision import evaluate_gates
from opsd.promotion.evidence import parse_drills
from opsd.promotion.gates import GATES
from opsd.promotion.inputs import DrillRecords, Invalid, Missing
from tests.promotion.factories import DRILLS, HOUR, NOW, autonomous, drill, drills, history, inputs, row


def test_good_evidence_promotes() -> None:
    document = evaluate_gates(inputs())
    assert document["summary"] == {
        "decision": "promote",
        "promote": True,
        "gatePassCount": 5,
        "gateFailCount": 0,
        "failedGates": [],
        "reasonCodes": [],
    }
    assert [*document["gates"]] == [gate.key for gate in GATES]
    assert {section["status"] for section in document["gates"].values()} == {"pass"}
    assert (document["generatedAt"], document["source"]["fleetStatusSource"]) == (format_utc(NOW), "generated")


def test_an_empty_status_holds_with_the_contracts_reasons() -> None:
    assert evaluate_gates(inputs(status={}))["summary"] == {
        "decision": "hold",
        "promote": False,
        "gatePassCount": 2,
        "gateFailCount": 3,
        "failedGates": ["governance", "manual_backlog", "safety_suppression"],
        "reasonCodes": [
            "promotion_governance_posture_not_active",
            "promotion_manual_backlog_unavailable",
            "promotion_policy_mode_not_guarded_auto",
            "promotion_suppression_paths_missing",
        ],
    }


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def unlike(*good: Any) -> st.SearchStrategy[Any]:
    """Any JSON value but these; true is not 1."""
    return json_values.filter(lambda value: not any(type(value) is type(one) and value == one for one in good))


#: Spoiled values at places of the status where only good ones promote. Absence is spared where the contract reads
#: it as *not blocked*, *no codes* and *not paused*.
_SPOILED_SECTIONS = {
    ("enabled",): unlike(True),
    ("governance",): unlike().filter(lambda value: not isinstance(value, dict)),
    ("governance", "posture"): unlike("active"),
    ("governance", "blocksAutonomous"): unlike(None, False),
    ("governance", "reasonCodes"): unlike(None, False).filter(lambda value: not isinstance(value, list)),
    ("outcomeRollup",): unlike(),
    ("outcomeRollup", "manual_backlog"): json_values.filter(
        lambda value: isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 5
    ),
    ("rollout",): unlike(None, False).filter(lambda value: not isinstance(value, dict)),
    ("rollout", "autopause"): unlike(None, False).filter(lambda value: not isinstance(value, dict)),
    ("rollout", "autopause", "active"): unlike(None, False),
    ("rollout", "state", "autoPauseActive"): unlike(None, False),
    ("safetyGateDecisions",): unlike(),
    ("safetyGateDecisions", "byPath"): unlike(),
}


@st.composite
def spoiled_sections(draw: st.DrawFn) -> Any:
    section = autonomous()
    places = draw(st.lists(st.sampled_from([*_SPOILED_SECTIONS]), min_size=1, max_size=3, unique=True))
    for *way, last in sorted(places, key=len, reverse=True):
        inner = section
        for key in way:
            inner = inner[key]
        inner[last] = draw(_SPOILED_SECTIONS[*way, last])
    return section


def spoiled_drills() -> st.SearchStrategy[Any]:
    late = st.integers(168 * HOUR + 1, 10**9) | st.integers(-(10**9), -301)
    one = st.sampled_from(DRILLS).flatmap(
        lambda name: st.one_of(
            unlike("pass").map(lambda status: drill(name, status=status)),
            json_values.map(lambda stamp: drill(name, completedAt=stamp)),
            late.map(lambda age_s: drill(name, age_s=age_s)),
        )
    )
    instead = st.sampled_from(DRILLS).map(lambda name: [entry for entry in drills() if entry["id"] != name])
    records = (one.map(lambda entry: [entry, *drills()]) | instead | st.lists(json_values, max_size=3)).map(
        DrillRecords
    )
    return records | st.sampled_from([Missing(), Invalid()])


def spoiled_histories() -> st.SearchStrategy[Any]:
    bad = st.sampled_from([row(5, 0, 5), row(5, 0, 0, 5), row(10, 5, 5, 5)])
    few = st.lists(st.just(row()), max_size=2)
    idle = st.lists(st.just(row(0, 0)), min_size=3, max_size=4)
    return (bad.map(lambda one: [row(), row(), one]) | few | idle).map(lambda rows: history(*rows)) | st.sampled_from(
        [Missing(), Invalid()]
    )


@given(
    st.one_of(
        spoiled_sections().map(lambda section: {"section": section}),
        json_values.map(lambda section: {"status": {"autonomous": section}}),
        json_values.map(lambda status: {"status": status if isinstance(status, dict) else {}}),
        spoiled_drills().map(lambda evidence: {"drills": evidence}),
        spoiled_histories().map(lambda evidence: {"handoff": evidence}),
        st.fixed_dictionaries(
            {"section": spoiled_sections(), "drills": spoiled_drills(), "handoff": spoiled_histories()}
        ),
    )
)
def test_no_missing_malformed_stale_or_bad_evidence_promotes(spoiled: dict[str, Any]) -> None:
    document = evaluate_gates(inputs(**spoiled))
    assert document["summary"]["promote"] is False
    assert document["summary"]["decision"] == "hold"
    assert document["summary"]["reasonCodes"]
    jsoncodec.loads(jsoncodec.dumps(document))


@given(st.binary(max_size=40) | json_values.map(jsoncodec.dumps))
def test_no_other_drill_file_promotes(data: bytes) -> None:
    assert evaluate_gates(inputs(drills=parse_drills(data)))["summary"]["promote"] is False


@given(json_values, json_values)
def test_status_pass_is_exactly_outcome_pass(section: Any, entry: Any) -> None:
    judged = inputs(section=section, drills=DrillRecords([entry, *drills()]))
    for gate in evaluate_gates(judged)["gates"].values():
        assert (gate["status"] == "pass") == (gate["outcome"] == "pass") == (not gate["reasons"])
