"""The registry's schema and the command's rules agree where they speak of the same."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.contract.fleet_words import CATEGORIES, CONFIDENCES, SEVERITIES
from opsd.contract.schema import SCHEMA_FOLDER
from opsd.fleet.registry import violations
from tests.fleet.factories import NOW, governance, guarded, registry

SCHEMA = json.loads((SCHEMA_FOLDER / "ops-manager-fleet.registry.schema.json").read_text())
VALIDATOR = jsonschema_rs.validator_for(SCHEMA)


def block(**values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An object with any of these keys."""
    return st.fixed_dictionaries({}, optional=values)


_COUNTS = st.integers(0, 10**6)
_TEXTS = st.text(min_size=1, max_size=8)
_RATES = st.floats(0, 1) | st.sampled_from([0, 1])
_CATEGORIES = st.lists(st.sampled_from(CATEGORIES), max_size=4)
_LOOPS = st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True)
_POLICIES = block(
    mode=st.just("advisory"),
    noiseControls=block(dedupeWindowSeconds=_COUNTS),
    suppressions=st.dictionaries(st.sampled_from(["a", "*"]), _CATEGORIES),
    autonomous=block(
        allow=block(categories=_CATEGORIES, intents=st.lists(st.just("cancel"))),
        thresholds=block(minSeverity=st.sampled_from(SEVERITIES), minConfidence=st.sampled_from(CONFIDENCES)),
        safety=block(
            maxActionsPerRun=_COUNTS, maxActionsPerLoop=_COUNTS, cooldownSeconds=_COUNTS, killSwitch=st.booleans()
        ),
        governance=block(actor=_TEXTS, approvalRef=_TEXTS, rationale=_TEXTS),
        rollout=block(
            canaryPercent=st.integers(0, 100),
            scope=block(loopIds=st.just(["a"])),
            selector=block(salt=_TEXTS),
            pause=block(manual=st.booleans()),
            autoPause=block(
                enabled=st.booleans(),
                lookbackExecutions=st.integers(1, 50),
                minSampleSize=st.integers(1, 50),
                ambiguityRateThreshold=_RATES,
                failureRateThreshold=_RATES,
            ),
        ),
    ),
)


@given(_POLICIES, _LOOPS)
def test_a_registry_that_the_schema_and_the_further_rules_allow_is_accepted(policy: Any, more: list[str]) -> None:
    loops = [{"loopId": "a", "owner": "free to add"}, *({"loopId": f"more-{name}"} for name in more)]
    document = registry(*loops, fleetId="f", policy=policy)
    VALIDATOR.validate(document)
    assert violations(document, now=NOW) == []


@pytest.mark.parametrize(
    "document",
    [
        registry(),
        registry({"loopId": ""}),
        registry({}),
        registry({"loopId": "a", "transport": "ssh"}),
        registry({"loopId": "a"}, fleetId=5),
        registry({"loopId": "a"}, policy={"mode": "auto"}),
        registry({"loopId": "a"}, policy={"suppressions": {"a": ["x"]}}),
        *(
            registry({"loopId": "a"}, policy={"autonomous": block})
            for block in (
                {"allow": {"intents": ["approve"]}},
                {"thresholds": {"minSeverity": "fatal"}},
                {"safety": {"killSwitch": "no"}},
                {"governance": governance(actor="")},
                {"rollout": {"canaryPercent": 101}},
                {"rollout": {"autoPause": {"minSampleSize": 0}}},
                {"rollout": {"autoPause": {"failureRateThreshold": 1.5}}},
            )
        ),
    ],
)
def test_what_the_schema_refuses_the_command_refuses_too(document: Any) -> None:
    assert not VALIDATOR.is_valid(document)
    assert violations(document, now=NOW)


@pytest.mark.parametrize(
    "document",
    [
        registry({"loopId": "a"}, owner="x"),
        registry({"loopId": "a"}, policy={"autonomous": {"enabled": True}}),
        registry({"loopId": "a", "metadata": None}),
        registry({"loopId": "a"}, fleetId=""),
    ],
)
def test_the_schema_is_closed_and_knows_no_null_where_the_command_is_lenient(document: Any) -> None:
    assert not VALIDATOR.is_valid(document)
    assert violations(document, now=NOW) == []


def test_a_guarded_registry_satisfies_it() -> None:
    VALIDATOR.validate(guarded())
