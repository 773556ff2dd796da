"""The optional delivery file: what it may say, and how it is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given

from opsd import compose
from opsd.alerts.muting.matchers import LABEL_NAMES, Matcher
from opsd.alerts.routing.delivery_settings import (
    CategoryRules,
    DeliverySettings,
    GroupRules,
    InhibitRule,
    parse_delivery_settings,
)
from opsd.contract.alert_schemas import generate
from opsd.contract.errors import UsageError
from tests.contract.test_values import json_values

SCHEMA_DOCUMENT = generate()["ops-manager-alert-delivery.config.schema.json"]
SCHEMA = jsonschema_rs.validator_for(SCHEMA_DOCUMENT)

EVERYTHING: dict[str, Any] = {
    "schemaVersion": "v1",
    "inhibitRules": [
        {
            "source": [{"name": "category", "value": "health_critical"}],
            "target": [{"name": "category", "value": "health_degraded", "isRegex": False, "isEqual": True}],
            "equal": ["loopId"],
        }
    ],
    "repeatIntervalSeconds": 3600,
    "coalesceSeconds": 5,
    "resolveAfterSeconds": 7200,
    "routes": {
        "divergence_detected": {"coalesceSeconds": 60, "repeatIntervalSeconds": 0},
        "health_critical": {"group": {"by": ["transport"], "waitSeconds": 1.5, "intervalSeconds": 10}},
        "stall": {"group": {}},
    },
}


def settings(document: Any) -> DeliverySettings:
    return parse_delivery_settings(document, source_file="d.json")


def refusal(document: Any) -> str | None:
    """The message with which a document is refused, None when it is accepted."""
    try:
        settings(document)
    except UsageError as error:
        return error.message
    return None


def test_an_empty_file_says_what_no_file_says() -> None:
    assert settings({}) == DeliverySettings()
    assert DeliverySettings().of("any") == CategoryRules(group=None, repeat_interval_s=0, coalesce_s=0)


def test_everything_that_can_be_said() -> None:
    found = settings(EVERYTHING)
    SCHEMA.validate(EVERYTHING)
    assert found.inhibit_rules == (
        InhibitRule((Matcher("category", "health_critical"),), (Matcher("category", "health_degraded"),), ("loopId",)),
    )
    assert found.of("elsewhere") == CategoryRules(None, 3600, 5, 7200)
    assert found.of("divergence_detected") == CategoryRules(None, 0, 60, 7200)
    assert found.of("health_critical").group == GroupRules(("transport",), 1.5, 10)
    assert found.of("stall").group == GroupRules(("loopId", "category"), 30, 300)


@pytest.mark.parametrize(
    ("document", "trouble"),
    [
        ([], "the document must be an object"),
        ({"schemaVersion": "v2"}, 'schemaVersion must be "v1"'),
        ({"inhibitRule": []}, "the document has an unknown key: inhibitRule"),
        ({"inhibitRules": {}}, "inhibitRules must be a list of at most 1000 rules"),
        ({"inhibitRules": [{}]}, "inhibitRules[0].source must be a list of at least one matcher"),
        ({"routes": []}, "routes must be an object"),
        ({"routes": {"c": 1}}, "routes.c must be an object"),
        ({"routes": {"c": {"repeat": 1}}}, "routes.c has an unknown key: repeat"),
        ({"routes": {"c": {"group": []}}}, "routes.c.group must be an object"),
        ({"routes": {"c": {"group": {"by": "loopId"}}}}, "routes.c.group.by must be a list of names among"),
        ({"routes": {"c": {"group": {"by": ["loop"]}}}}, "routes.c.group.by must be a list of names among"),
        ({"routes": {"c": {"group": {"waitSeconds": -1}}}}, "routes.c.group.waitSeconds must be a number of seconds"),
        ({"routes": {"c": {"coalesceSeconds": True}}}, "routes.c.coalesceSeconds must be a number of seconds"),
        ({"repeatIntervalSeconds": "60"}, "repeatIntervalSeconds must be a number of seconds"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_file_and_field(document: Any, trouble: str) -> None:
    assert (refusal(document) or "").startswith(f"invalid alert delivery config: d.json: {trouble}")
    assert not SCHEMA.is_valid(document)


@given(json_values)
def test_whatever_a_file_holds_it_is_accepted_or_named(document: Any) -> None:
    for found in (document, {"routes": document}, {"inhibitRules": [document]}, {"routes": {"c": {"group": document}}}):
        message = refusal(found)
        assert message is None or message.startswith("invalid alert delivery config: d.json: ")


def test_the_schema_knows_the_labels() -> None:
    assert SCHEMA_DOCUMENT["$defs"]["labelName"]["enum"] == list(LABEL_NAMES)


def test_the_default_file_may_be_missing_and_a_named_one_may_not(tmp_path: Path) -> None:
    env = {"OPSD_INSTALL_ROOT": str(tmp_path)}
    assert compose.alert_delivery_settings(None, env) == compose.alert_delivery_settings(None, {}) == DeliverySettings()
    with pytest.raises(UsageError, match=r"^alert delivery config file not found: gone\.json$"):
        compose.alert_delivery_settings("gone.json", env)

    path = tmp_path / "config" / "ops-manager-alert-delivery.v1.json"
    path.parent.mkdir()
    path.write_text(json.dumps(EVERYTHING))
    assert compose.alert_delivery_settings(None, env) == settings(EVERYTHING)
    path.write_text("{")
    with pytest.raises(UsageError, match=f"^invalid alert delivery config JSON: {path}$"):
        compose.alert_delivery_settings(None, env)
