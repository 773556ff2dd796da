"""An apply changes seven fields of the operator's registry and nothing else."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.contract.timestamps import format_utc
from opsd.fleet.normalize import normalized
from opsd.promotion.rollout.context import Governance
from opsd.promotion.rollout.layout import in_layout_of
from opsd.promotion.rollout.registry_edit import Rollout, edited, paused, rollout_after, rollout_of
from opsd.promotion.rollout.words import Intent
from tests.promotion.rollout_factories import GOVERNANCE, NOW, registry

_AT = format_utc(NOW)
_DERIVED = {"sourceFile", "loopCount", "enabled", "reviewWindowDays"}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


def _edit(document: Any, intent: Intent, step: int = 25, governance: Governance = GOVERNANCE) -> Any:
    complete = normalized(document, source="R")
    after = rollout_after(rollout_of(complete), intent, step)
    return edited(document, complete, after, governance, _AT)


def test_unknown_keys_explicit_false_values_and_the_order_of_keys_survive() -> None:
    original = registry()
    after = _edit(original, Intent.EXPAND)
    assert [key for key in after if key in original] == list(original)
    assert after["owner"] == "dock team"
    assert list(after["loops"][0])[:3] == ["runbook", "loopId", "enabled"]
    assert after["loops"][0]["enabled"] is False
    autonomous = after["policy"]["autonomous"]
    assert autonomous["rollout"]["autoPause"]["enabled"] is False
    assert autonomous["governance"]["ticket"] == "T-1"
    assert autonomous["governance"]["actor"] == "ines"
    assert (after["sourceFile"], after["loopCount"], autonomous["enabled"]) == ("R", 2, True)


def test_an_edit_leaves_its_input_as_it_is() -> None:
    original = registry()
    before = copy.deepcopy(original)
    _edit(original, Intent.ROLLBACK)
    assert original == before


@pytest.mark.parametrize(
    ("intent", "before", "after"),
    [
        (Intent.EXPAND, Rollout(90, True), Rollout(100, False)),
        (Intent.EXPAND, Rollout(0, False), Rollout(25, False)),
        (Intent.RESUME, Rollout(70, True), Rollout(70, False)),
        (Intent.ROLLBACK, Rollout(70, False), Rollout(70, True)),
    ],
)
def test_what_each_intent_makes_of_a_rollout(intent: Intent, before: Rollout, after: Rollout) -> None:
    assert rollout_after(before, intent, 25) == after


def test_a_canary_of_zero_is_a_value_and_a_missing_one_is_the_whole_fleet() -> None:
    assert rollout_of(registry(0)).canary_percent == 0
    assert rollout_of({}) == Rollout(100, False)


def _seven_set_back(document: Any, like: Any) -> Any:
    """``document`` with the seven fields, and the window derived from two of them, as ``like`` has them."""
    document = copy.deepcopy(document)
    autonomous, other = document["policy"]["autonomous"], like["policy"]["autonomous"]
    autonomous["rollout"]["canaryPercent"] = other["rollout"]["canaryPercent"]
    autonomous["rollout"]["pause"]["manual"] = other["rollout"]["pause"]["manual"]
    for key in ("actor", "approvalRef", "rationale", "changedAt", "reviewBy", "reviewWindowDays"):
        autonomous["governance"][key] = other["governance"][key]
    return document


@given(
    extras=st.dictionaries(st.text(min_size=1, max_size=6).map("x-".__add__), json_values, max_size=3),
    percent=st.integers(0, 100),
    is_paused=st.booleans(),
    step=st.integers(1, 100),
    indent=st.sampled_from([None, 2, 3, "\t"]),
)
def test_an_apply_and_its_rollback_restore_the_bytes_but_for_the_seven_fields(
    extras: dict[str, Any], percent: int, is_paused: bool, step: int, indent: int | str | None
) -> None:
    document = {**registry(percent, paused=is_paused), **extras}
    document["loops"][1].update(extras)
    document["policy"]["autonomous"]["rollout"].update(extras)
    # What an earlier apply has left is the form that every later one keeps to the byte.
    written = _edit(document, Intent.RESUME)
    text = in_layout_of(json.dumps(document, indent=indent).encode(), written)
    other = Governance("a", "b", "c", "2099-01-01T00:00:00Z")
    expanded = in_layout_of(text, _edit(json.loads(text), Intent.EXPAND, step, other))
    rolled_back = in_layout_of(expanded, _edit(json.loads(expanded), Intent.ROLLBACK))
    assert json.loads(rolled_back)["policy"]["autonomous"]["rollout"]["pause"]["manual"] is True
    assert in_layout_of(text, _seven_set_back(json.loads(rolled_back), json.loads(text))) == text


@given(extras=st.dictionaries(st.text(min_size=1, max_size=6).map("x-".__add__), json_values, max_size=3))
def test_the_first_apply_keeps_every_value_that_the_operator_wrote(extras: dict[str, Any]) -> None:
    document = {**registry(), **extras}
    document["policy"].update(extras)
    after = _edit(document, Intent.ROLLBACK)
    changed = {"canaryPercent", "manual", "actor", "approvalRef", "rationale", "changedAt", "reviewBy"}
    _assert_kept(document, after, changed)


def _assert_kept(before: Any, after: Any, changed: set[str]) -> None:
    if isinstance(before, dict):
        assert [key for key in after if key in before] == list(before)
        for key, value in before.items():
            if key not in changed:
                _assert_kept(value, after[key], changed)
    elif isinstance(before, list):
        for one, other in zip(before, after, strict=True):
            _assert_kept(one, other, changed)
    else:
        assert before == after


@pytest.mark.parametrize("indent", [None, 2, 4, "\t"])
def test_a_registry_keeps_its_layout(indent: int | str | None) -> None:
    text = json.dumps(registry(), indent=indent, separators=None if indent else (",", ":")).encode() + b"\n"
    assert in_layout_of(text, registry()) == text


def test_the_bare_pause_touches_nothing_else() -> None:
    document = registry(paused=False)
    expected = copy.deepcopy(document)
    expected["policy"]["autonomous"]["rollout"]["pause"]["manual"] = True
    assert paused(document) == expected
    assert paused({"loops": 3}) == {"loops": 3, "policy": {"autonomous": {"rollout": {"pause": {"manual": True}}}}}
    assert paused({"policy": []}) is None
