"""What an Alertmanager is sent."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from opsd.alerts.model import Action, AlertSeverity, Environment, Member, Notification
from opsd.alerts.sinks import SINK_TYPES
from opsd.alerts.sinks.base import MissingSecretError
from tests.alerts.catalogs import NOW, NOW_EPOCH, ROW, notification, request, sink

LABELS = {
    "alertname": "health_critical", "loop_id": "demo", "severity": "critical", "source": "superloop-ops-manager",
}  # fmt: skip


def alerts(told: Notification, **settings: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(request(told, sink("alertmanager", **settings)).body)
    return found


def test_an_alert_is_posted_below_the_base_address() -> None:
    sent = request(
        notification(), sink("alertmanager", authTokenEnv="TOKEN"), URL="https://am.example/base/", TOKEN="t"
    )
    assert sent.url == "https://am.example/base/api/v2/alerts"
    assert sent.headers == (("Content-Type", "application/json"), ("Authorization", "Bearer t"))


def test_an_open_alert_says_what_it_is_and_not_when_it_ends() -> None:
    assert alerts(notification(), labels={"team": "x"}, generatorUrl="https://ops.example/") == [
        {
            "labels": {**LABELS, "team": "x"},
            "annotations": {
                "summary": "ops-manager health_critical (critical) loop=demo",
                "trace_id": "tr-1",
                "reason_codes": "transport_unreachable",
                "escalation": json.dumps(ROW, separators=(",", ":")),
            },
            "startsAt": NOW,
            "generatorURL": "https://ops.example/",
        }
    ]


def test_an_alert_without_a_daemon_behind_it_ends_by_itself() -> None:
    assert alerts(notification(ends_at="2026-11-24T12:15:00Z"))[0]["endsAt"] == "2026-11-24T12:15:00Z"


def test_a_resolve_has_the_labels_of_its_trigger_and_an_end() -> None:
    found = alerts(notification(action=Action.RESOLVE, trace_id="another"))[0]
    assert (found["labels"], found["endsAt"]) == (LABELS, NOW)


def test_an_alert_never_ends_before_it_starts() -> None:
    found = alerts(notification(action=Action.RESOLVE, starts_at="2026-11-24T12:00:01Z"))[0]
    assert (found["startsAt"], found["endsAt"]) == (NOW, NOW)


def test_an_alert_that_ends_has_a_start_also_when_its_row_has_none() -> None:
    found = alerts(notification(starts_at=None, ends_at="2026-11-24T12:15:00Z"))[0]
    assert (found["startsAt"], found["endsAt"]) == (NOW, "2026-11-24T12:15:00Z")
    assert not {"startsAt", "endsAt"} & alerts(notification(starts_at=None))[0].keys()


def test_a_group_is_one_alert_for_each_incident() -> None:
    other = Member("other", "tr-2", "health_degraded", AlertSeverity.WARNING, b"{}", ("ingest_stale",))
    found = alerts(notification(members=(other, other)))
    assert [alert["labels"]["loop_id"] for alert in found] == ["demo", "other"]
    assert [alert["annotations"]["reason_codes"] for alert in found] == ["transport_unreachable", "ingest_stale"]


def test_a_long_row_is_replaced_by_its_size_and_digest() -> None:
    row = json.dumps({"pad": "p" * 9000}).encode()
    assert json.loads(alerts(notification(row))[0]["annotations"]["escalation"]) == {
        "truncated": True, "bytes": len(row), "sha256": hashlib.sha256(row).hexdigest(),
    }  # fmt: skip


def test_nothing_is_sent_without_an_address() -> None:
    with pytest.raises(MissingSecretError, match=r"^alertmanager url env is unset$"):
        SINK_TYPES["alertmanager"].request(notification(), sink("alertmanager"), Environment({}), now=NOW_EPOCH)
