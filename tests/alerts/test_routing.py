"""From a category to its sinks, and what the resolver shows of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.alerts.model import AlertSeverity, RateRules
from opsd.alerts.routing.resolve import list_sinks, parse_severity, resolve_route, resolved_sink, summary
from opsd.contract.errors import UsageError
from tests.alerts.catalogs import catalog, entry
from tests.contract.test_values import json_values

TWO = {"a": entry(urlEnv="A"), "b": entry("slack", webhookUrlEnv="B", enabled=False)}


def ids(answer: dict[str, Any], which: str = "selectedSinks") -> list[str]:
    return [sink["id"] for sink in answer[which]]


def test_an_answer_has_the_contracts_keys_in_its_order() -> None:
    route = {"category": "c", "sinks": ["b", "a"], "note": None}
    answer = resolve_route(catalog(TWO, routes=[route], categorySeverity={"c": "critical"}), "c", None, {"A": "x"})
    assert list(answer) == [
        *("schemaVersion", "sourceFile", "category", "eventSeverity", "categoryMappedSeverity", "minSeverity"),
        *("shouldDispatch", "route", "selectedSinks", "dispatchableSinks", "envStatus", "validation"),
    ]
    assert answer["route"] == route
    assert ids(answer) == ["b", "a"]
    assert ids(answer, "dispatchableSinks") == ["a"]
    assert list(answer["selectedSinks"][0]) == ["id", "type", "enabled", "timeoutSeconds", "secretRefs", "config"]
    assert answer["envStatus"] == {"A": {"present": True}, "B": {"present": False}}


def test_the_summary_has_the_contracts_keys_in_its_order() -> None:
    found = summary(catalog(TWO, note="kept"), {}, env_checked=False)
    assert list(found) == [
        *("schemaVersion", "sourceFile", "defaultMinSeverity", "sinks", "enabledSinkCount", "routing"),
        *("envStatus", "validation"),
    ]
    assert list(found["sinks"][0]) == ["id", "enabled", "type", "timeoutSeconds", "secretRefs"]
    assert found["routing"]["note"] == "kept"
    assert found["validation"] == {"envCheckEnabled": False}


def test_a_route_that_is_off_leaves_the_word_to_the_next_one_of_its_category() -> None:
    routes = [
        {"category": "c", "sinks": ["a"], "minSeverity": "critical", "enabled": False},
        {"category": "c", "sinks": ["b"], "enabled": None},
        {"category": "d", "sinks": ["b"], "enabled": False},
    ]
    found = catalog(TWO, routes=routes)
    assert ids(resolve_route(found, "c", None, {})) == ["b"]
    assert ids(resolve_route(found, "d", None, {})) == ["a"]
    assert "route" not in resolve_route(found, "d", None, {})


def test_configured_addresses_are_shown_and_only_when_configured() -> None:
    sinks = {"p": entry("pagerduty_events", apiUrl="https://eu.example/v2"), "q": entry("pagerduty_events")}
    answer = resolve_route(catalog(sinks, defaultSinks=["p", "q"]), "c", None, {})
    assert answer["selectedSinks"][0]["config"]["apiUrl"] == "https://eu.example/v2"
    assert answer["selectedSinks"][1]["config"] == {
        "source": "superloop-ops-manager", "component": None, "group": None, "class": None,
    }  # fmt: skip


def test_an_alertmanager_and_a_signed_webhook_show_what_they_name() -> None:
    sinks = {"m": entry("alertmanager"), "w": entry(signingSecretEnv="S")}
    answer = resolve_route(catalog(sinks, defaultSinks=["m", "w"]), "c", None, {})
    assert answer["selectedSinks"][0]["secretRefs"] == {"urlEnv": "URL", "authTokenEnv": None}
    assert answer["selectedSinks"][0]["config"] == {"labels": {}, "generatorUrl": None}
    assert answer["selectedSinks"][1]["secretRefs"] == {"urlEnv": "URL", "authTokenEnv": None, "signingSecretEnv": "S"}
    assert answer["envStatus"]["S"] == {"present": False}


def test_the_list_is_one_line_per_sink() -> None:
    assert list_sinks(summary(catalog(TWO), {})) == "a\twebhook\ttrue\nb\tslack\tfalse\n"


@pytest.mark.parametrize("text", ["", "Critical", "high", "critical "])
def test_a_severity_is_one_of_three_words(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--severity must be one of: info, warning, critical$"):
        parse_severity(text)


_SEVERITIES = st.sampled_from(["info", "warning", "critical"])
_ROUTES = st.lists(
    st.fixed_dictionaries(
        {"category": st.sampled_from("cd")},
        optional={
            "sinks": st.none() | st.lists(st.sampled_from("ab"), max_size=3),
            "minSeverity": st.none() | st.just(False) | _SEVERITIES,
            "enabled": st.none() | st.booleans(),
        },
    ),
    max_size=4,
)


@given(
    routes=_ROUTES | st.none() | st.just(False),
    defaults=st.lists(st.sampled_from("ab"), max_size=2),
    mapping=st.dictionaries(st.sampled_from("cd"), _SEVERITIES),
    category=st.sampled_from("cd") | st.text(),
    severity=st.none() | st.sampled_from(AlertSeverity),
)
def test_every_category_gets_an_answer_and_only_enabled_sinks_are_told(
    routes: Any, defaults: list[str], mapping: dict[str, str], category: str, severity: AlertSeverity | None
) -> None:
    found = catalog(TWO, routes=routes, defaultSinks=defaults, categorySeverity=mapping)
    answer = resolve_route(found, category, severity, {})
    gate = AlertSeverity(answer["eventSeverity"]).rank >= AlertSeverity(answer["minSeverity"]).rank
    assert answer["shouldDispatch"] is gate
    assert ids(answer, "dispatchableSinks") == [name for name in ids(answer) if gate and name == "a"]
    assert answer.get("route", {}).get("enabled") is not False
    if severity is None and category not in mapping:
        assert answer["shouldDispatch"] is True


def test_a_resolved_sink_has_the_settings_of_its_catalog_entry() -> None:
    found = catalog({"a": entry(timeoutSeconds=2.5, sendResolved=False)})
    view = resolve_route(found, "c", None, {})["dispatchableSinks"][0]
    to = resolved_sink(view, found)
    assert (to.id, to.type, to.timeout_s, to.rules.send_resolved) == ("a", "webhook", 2.5, False)
    assert to.view == view
    # Of a replaced resolver nothing but the view is known, nor of a sink that has become another kind.
    assert resolved_sink(view, None).rules.send_resolved is True
    assert resolved_sink({**view, "type": "slack"}, found).rules.rate == RateRules(per_second=1, burst=3)


@pytest.mark.parametrize("view", [None, 7, "x", [], {}, {"id": None, "type": False}, {"id": "", "type": ""}], ids=str)
def test_a_sink_without_a_name_is_unknown(view: Any) -> None:
    to = resolved_sink(view, catalog())
    assert (to.id, to.type, to.timeout_s) == ("unknown", "unknown", 5.0)


@given(json_values | st.fixed_dictionaries({}, optional=dict.fromkeys(
    ["id", "type", "timeoutSeconds", "secretRefs", "config"], json_values
)))  # fmt: skip
def test_whatever_a_replaced_resolver_says_becomes_a_sink(view: Any) -> None:
    to = resolved_sink(view, catalog())
    assert to.id
    assert to.type
    assert 0 < to.timeout_s <= 120
