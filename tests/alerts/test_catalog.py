"""The catalog of sinks: what is accepted, with which message it is refused, and which secrets it needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd import compose
from opsd.alerts.model import DedupKeyMode, RateRules, RetryRules
from opsd.alerts.routing.catalog import EMBEDDED_CATALOG, check_environment, parse_catalog
from opsd.contract.alert_schemas import generate
from opsd.contract.errors import UsageError
from tests.alerts.catalogs import MINIMAL, catalog, document, entry
from tests.contract.test_values import json_values

ROOT = Path(__file__).resolve().parents[2]
SHAPE = "alert sink config has invalid top-level shape"
SINKS = "alert sink config sink definitions are invalid"
ROUTING = "alert sink config routing is invalid"
SCHEMA = jsonschema_rs.validator_for(generate()["ops-manager-alert-sinks.config.schema.json"])


def refusal(found: Any) -> str | None:
    """The message with which a document is refused, None when it is accepted."""
    try:
        parse_catalog(found, source_file="c.json")
    except UsageError as error:
        return error.message
    return None


def test_the_installed_catalog_is_the_one_in_the_package_to_the_order_of_its_keys() -> None:
    text = (ROOT / "config" / "ops-manager-alert-sinks.v1.json").read_text()
    assert text == json.dumps(EMBEDDED_CATALOG, indent=2) + "\n"


def test_out_of_the_box_nothing_is_sent() -> None:
    shipped = compose.alert_catalog(None)
    assert [sink.enabled for sink in shipped.sinks.values()] == [False] * 3
    assert shipped.enabled_secret_names() == []
    SCHEMA.validate(EMBEDDED_CATALOG)


@pytest.mark.parametrize("type_name", MINIMAL)
def test_every_type_is_accepted_with_the_least_it_needs_and_refused_without_it(type_name: str) -> None:
    found = document({"s": entry(type_name)})
    assert refusal(found) is None
    SCHEMA.validate(found)
    for key in MINIMAL[type_name]:
        less = {name: value for name, value in entry(type_name).items() if name != key}
        assert refusal(document({"s": less})) == SINKS
        assert not SCHEMA.is_valid(document({"s": less}))


@pytest.mark.parametrize(
    ("type_name", "settings"),
    [
        ("webhook", {"headers": {"X-Team": "ä b"}, "authTokenEnv": False, "signingSecretEnv": "S"}),
        ("webhook", {"signingSecretEnv": "S", "signingSecretPreviousEnv": "S_OLD"}),
        ("webhook", {"timeoutSeconds": 2.5, "maxBodyBytes": 2048, "sendResolved": False}),
        ("webhook", {"retry": {"baseSeconds": 0, "maxAttempts": 1}, "rateLimit": {"perSecond": 0.5}}),
        ("slack", {"channel": 7, "retry": None, "allowInsecureHttp": True}),
        ("pagerduty_events", {"dedupKeyMode": "incident", "apiUrl": "http://127.0.0.1:9/v2"}),
        ("alertmanager", {"labels": {"team": "x"}, "generatorUrl": "https://ops.example/", "resendSeconds": 15}),
    ],
)
def test_settings_that_can_be_meant_are_accepted(type_name: str, settings: dict[str, Any]) -> None:
    assert refusal(document({"s": entry(type_name, **settings)})) is None


@pytest.mark.parametrize(
    ("type_name", "settings"),
    [
        ("webhook", {"urlEnv": "URL\n"}),
        ("webhook", {"authTokenEnv": "lower"}),
        ("webhook", {"signingSecretEnv": "9S"}),
        ("webhook", {"signingSecretPreviousEnv": "S_OLD"}),
        ("webhook", {"headers": {"X-Team": "a\r\nX-Other: b"}}),
        ("webhook", {"headers": {"X-Team": "a\0"}}),
        ("webhook", {"headers": {"X-Team\n": "a"}}),
        ("webhook", {"headers": {"X Team": "a"}}),
        ("webhook", {"headers": {"": "a"}}),
        ("webhook", {"headers": {"content-length": "7"}}),
        ("webhook", {"timeoutSeconds": True}),
        ("webhook", {"timeoutSeconds": 0}),
        ("webhook", {"retry": {"maxAttempts": 0}}),
        ("webhook", {"retry": {"maxAttempts": 1.5}}),
        ("webhook", {"retry": {"baseSecond": 1}}),
        ("webhook", {"retry": []}),
        ("webhook", {"rateLimit": {"perSecond": 0}}),
        ("webhook", {"rateLimit": {"burst": 0.5}}),
        ("webhook", {"sendResolved": "no"}),
        ("webhook", {"dedupKeyMode": "loop"}),
        ("webhook", {"dedupKeyMode": []}),
        ("webhook", {"maxBodyBytes": 0}),
        ("webhook", {"allowInsecureHttp": 1}),
        ("webhook", {"resendSeconds": 0}),
        ("pagerduty_events", {"apiUrl": "http://events.example/v2/enqueue"}),
        ("pagerduty_events", {"apiUrl": "ftp://127.0.0.1/"}),
        ("pagerduty_events", {"apiUrl": ""}),
        ("alertmanager", {"labels": {"severity": "page"}}),
        ("alertmanager", {"labels": {"team": 1}}),
        ("alertmanager", {"labels": {"team-name": "x"}}),
        ("alertmanager", {"generatorUrl": 1}),
        ("alertmanager", {"generatorUrl": "ops.example"}),
        ("webhook", {"headers": {"X-Team": "a\x1bb"}}),
        ("webhook", {"headers": {"X-Team": "\ud800"}}),
        ("alertmanager", {"authTokenEnv": "a"}),
    ],
)
def test_settings_that_cannot_be_meant_are_refused_also_of_a_sink_that_is_off(
    type_name: str, settings: dict[str, Any]
) -> None:
    assert refusal(document({"s": entry(type_name, enabled=False, **settings)})) == SINKS


def test_the_first_failing_pass_names_the_trouble() -> None:
    bad_sink, bad_route = {"s": entry(urlEnv="x")}, [{"category": ""}]
    assert refusal({**document(bad_sink, routes=bad_route), "schemaVersion": "v2"}) == SHAPE
    assert refusal(document(bad_sink, routes=bad_route)) == SINKS
    assert refusal(document(routes=bad_route)) == ROUTING


@pytest.mark.parametrize("sinks", ["w", {"a": "w"}, [["w"]], [{}], 5, True], ids=str)
def test_a_route_whose_sinks_are_no_list_of_names_is_refused(sinks: Any) -> None:
    assert refusal(document(routes=[{"category": "c", "sinks": sinks}])) == ROUTING
    if not isinstance(sinks, list):
        assert refusal(document(defaultSinks=sinks)) == SHAPE


@given(json_values)
def test_whatever_a_document_is_it_is_accepted_or_refused_with_a_message_of_the_contract(found: Any) -> None:
    assert refusal(found) in (None, SHAPE, SINKS, ROUTING)


_KEYS = st.sampled_from(
    [
        *("enabled", "type", "urlEnv", "webhookUrlEnv", "routingKeyEnv", "authTokenEnv", "timeoutSeconds", "headers"),
        *("retry", "rateLimit", "sendResolved", "dedupKeyMode", "maxBodyBytes", "labels", "apiUrl", "resendSeconds"),
        *("signingSecretEnv", "generatorUrl", "channel", "source"),
    ]
)
_VALUES = json_values | st.sampled_from(["webhook", "slack", "pagerduty_events", "alertmanager", "URL", "row", {}, 5])


@given(
    st.dictionaries(st.sampled_from("ab"), st.dictionaries(_KEYS, _VALUES) | json_values, min_size=1),
    st.dictionaries(st.sampled_from(["defaultSinks", "categorySeverity", "routes"]), json_values),
)
def test_neither_does_anything_inside_it_raise_something_else(sinks: dict[str, Any], routing: dict[str, Any]) -> None:
    assert refusal(document(sinks, **routing)) in (None, SHAPE, SINKS, ROUTING)


@given(st.sampled_from(sorted(MINIMAL)), st.dictionaries(_KEYS, _VALUES, max_size=3))
def test_what_the_schema_accepts_in_a_sink_the_manager_accepts(type_name: str, settings: dict[str, Any]) -> None:
    found = document({"s": {**entry(type_name), **settings}})
    # Beyond the schema: a URL's host, what may be in a header, and that an old secret needs a new one.
    if SCHEMA.is_valid(found) and not settings.keys() & {"apiUrl", "headers", "labels"}:
        assert refusal(found) is None


def test_a_sinks_settings_have_the_contracts_defaults() -> None:
    rules = catalog({"p": entry("pagerduty_events")}).sinks["p"].rules
    assert rules.rate == RateRules(per_second=2, burst=20)
    assert rules.retry == RetryRules(base_s=1, cap_s=300, max_attempts=20, max_age_s=86400)
    assert (rules.send_resolved, rules.dedup_key_mode) == (True, DedupKeyMode.ROW)
    assert (rules.max_body_bytes, rules.allow_insecure_http, rules.resend_s) == (1024 * 1024, False, 60)


def test_a_sinks_settings_are_those_of_its_entry() -> None:
    rules = (
        catalog(
            {
                "w": entry(
                    retry={"baseSeconds": 0.5, "capSeconds": 9, "maxAttempts": 3, "maxAgeSeconds": 60},
                    rateLimit={"perSecond": 5, "burst": 7},
                    sendResolved=False,
                    dedupKeyMode="incident",
                    maxBodyBytes=2048,
                    allowInsecureHttp=True,
                    resendSeconds=15,
                )
            }
        )
        .sinks["w"]
        .rules
    )
    assert rules.retry == RetryRules(base_s=0.5, cap_s=9, max_attempts=3, max_age_s=60)
    assert rules.rate == RateRules(per_second=5, burst=7)
    assert (rules.send_resolved, rules.dedup_key_mode) == (False, DedupKeyMode.INCIDENT)
    assert (rules.max_body_bytes, rules.allow_insecure_http, rules.resend_s) == (2048, True, 15)


def test_an_enabled_sink_needs_its_secrets_but_not_the_one_that_is_being_replaced() -> None:
    found = catalog(
        {
            "w": entry(urlEnv="W", authTokenEnv="T", signingSecretEnv="S", signingSecretPreviousEnv="S_OLD"),
            "off": entry(urlEnv="OFF", enabled=False),
        }
    )
    assert found.secret_names() == ["OFF", "S", "S_OLD", "T", "W"]
    assert found.enabled_secret_names() == ["S", "T", "W"]
    with pytest.raises(UsageError, match=r"^enabled sink secret env var\(s\) are unset: S T$"):
        check_environment(found, {"W": "https://x", "S": ""})
    check_environment(found, {"W": "https://x", "S": "s", "T": "t"})


@pytest.mark.parametrize("text", ["", " ", "{", "{} {}"])
def test_a_file_that_is_no_json_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=f"^invalid alert sink config JSON: {path}$"):
        compose.alert_catalog(str(path))
