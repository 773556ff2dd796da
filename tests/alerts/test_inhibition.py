"""An open incident mutes what its rule describes, and nothing mutes itself."""

from __future__ import annotations

import pytest

from opsd.alerts.muting.inhibition import InhibitRule, inhibiting, parse_inhibit_rules
from opsd.alerts.muting.matchers import Matcher
from opsd.contract.errors import UsageError

CRITICAL_MUTES_DEGRADED = {
    "source": [{"name": "category", "value": "health_critical"}],
    "target": [{"name": "category", "value": "health_degraded"}],
    "equal": ["loopId"],
}
RULES = parse_inhibit_rules([CRITICAL_MUTES_DEGRADED])
DEGRADED = {"loopId": ("demo",), "category": ("health_degraded",)}
CRITICAL = {"loopId": ("demo",), "category": ("health_critical",)}


def test_an_open_critical_incident_mutes_degraded_of_the_same_loop() -> None:
    assert inhibiting(RULES, DEGRADED, {"demo:health_critical": CRITICAL}) == "demo:health_critical"


@pytest.mark.parametrize(
    "incident",
    [CRITICAL | {"loopId": ("other",)}, CRITICAL | {"loopId": ()}, DEGRADED],
    ids=["another loop", "no loop", "its own"],
)
def test_other_incidents_mute_nothing(incident: dict[str, tuple[str, ...]]) -> None:
    assert inhibiting(RULES, DEGRADED, {"some": incident}) is None


def test_the_source_itself_is_told() -> None:
    assert inhibiting(RULES, CRITICAL, {"demo:health_critical": CRITICAL}) is None


def test_a_missing_label_equals_an_empty_one() -> None:
    rules = parse_inhibit_rules([CRITICAL_MUTES_DEGRADED | {"equal": ["transport"]}])
    assert inhibiting(rules, DEGRADED, {"k": CRITICAL | {"transport": ("",)}}) == "k"
    assert inhibiting(rules, DEGRADED, {"k": CRITICAL | {"transport": ("local",)}}) is None


def test_the_order_of_several_reason_codes_does_not_matter() -> None:
    rules = parse_inhibit_rules([CRITICAL_MUTES_DEGRADED | {"equal": ["reasonCode"]}])
    incident = CRITICAL | {"reasonCode": ("a", "b")}
    assert inhibiting(rules, DEGRADED | {"reasonCode": ("b", "a")}, {"k": incident}) == "k"
    assert inhibiting(rules, DEGRADED | {"reasonCode": ("a",)}, {"k": incident}) is None


def test_two_rows_that_both_sides_describe_do_not_mute_each_other() -> None:
    anything = (Matcher("category", "health_.*", is_regex=True),)
    rules = [InhibitRule(source=anything, target=anything)]
    assert inhibiting(rules, DEGRADED, {"a": CRITICAL, "b": DEGRADED}) is None
    one_sided = [InhibitRule(source=anything, target=(Matcher("category", "other"),))]
    assert inhibiting(one_sided, {"category": ("other",)}, {"a": CRITICAL}) == "a"


def test_no_rules_mute_nothing() -> None:
    assert parse_inhibit_rules(None) == ()
    assert inhibiting((), DEGRADED, {"k": CRITICAL}) is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({}, "inhibitRules must be a list"),
        ([1], "inhibitRules[0] must be an object"),
        ([{"source": []}], "inhibitRules[0].source must be a list of at least one matcher"),
        ([CRITICAL_MUTES_DEGRADED | {"target": None}], "inhibitRules[0].target must be a list of at least one"),
        ([CRITICAL_MUTES_DEGRADED | {"equal": ["host"]}], "inhibitRules[0].equal must be a list of: loopId"),
        ([CRITICAL_MUTES_DEGRADED | {"equals": []}], "inhibitRules[0] has an unknown key: equals"),
    ],
)
def test_what_is_no_rule_is_refused_at_its_place(value: object, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_inhibit_rules(value)
    assert refused.value.message.startswith(message)
