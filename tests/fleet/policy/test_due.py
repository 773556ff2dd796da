"""The policy is evaluated when there is something new, else once per dedupe window."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.contract import jsoncodec
from opsd.contract.timestamps import format_utc
from opsd.fleet.policy.due import Due, policy_due
from opsd.fleet.policy.evaluate import evaluate_policy
from tests.fleet.policy.factories import NOW, controls, inputs, registry, report, result

POLICY = registry()["policy"]


def _prior(*results: dict[str, Any]) -> Any:
    return jsoncodec.loads(jsoncodec.dumps(evaluate_policy(inputs(*results, policy=controls())).state))


@pytest.mark.parametrize(
    ("later_s", "results", "policy", "due"),
    [
        (0, [result("a")], POLICY, None),
        (299, [result("a")], POLICY, None),
        (299, [], POLICY, None),
        (300, [result("a")], POLICY, Due.WINDOW_PASSED),
        (-1, [result("a")], POLICY, Due.WINDOW_PASSED),
        (1, [result("a"), result("b")], POLICY, Due.NEW_TROUBLE),
        (1, [result("a", health="critical")], POLICY, Due.NEW_TROUBLE),
        (1, [result("a")], registry(safety={"killSwitch": True})["policy"], Due.POLICY_CHANGED),
        (0, [result("a")], {**POLICY, "noiseControls": {"dedupeWindowSeconds": 0}}, Due.POLICY_CHANGED),
    ],
)
def test_what_makes_the_policy_due(later_s: int, results: list[Any], policy: Any, due: Due | None) -> None:
    assert policy_due(_prior(result("a")), policy, report(*results), now=NOW + later_s) is due


@pytest.mark.parametrize("prior", [None, {}, {"updatedAt": "yesterday"}, {"updatedAt": 7}])
def test_without_a_usable_state_it_is_due(prior: Any) -> None:
    assert policy_due(prior, POLICY, report(), now=NOW) is Due.NEVER_EVALUATED


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=3), lambda x: st.lists(x, max_size=2)))
def test_a_state_of_any_shape_is_no_trouble(value: Any) -> None:
    prior = {"updatedAt": format_utc(NOW), "candidates": value, "evaluation": value}
    assert policy_due(prior, POLICY, report(result("a")), now=NOW) in tuple(Due)
