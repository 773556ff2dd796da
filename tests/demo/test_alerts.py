"""The demo's desk of alerts."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opsd.compose import alert_catalog
from opsd.demo.alerts import AlertDesk


@pytest.fixture
def desk() -> Iterator[AlertDesk]:
    found = AlertDesk()
    yield found
    found.close()


def tell(desk: AlertDesk, body: Any) -> None:
    request = urllib.request.Request(desk.url, data=json.dumps(body).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 200


def alert(loop: str = "demo", **event: Any) -> dict[str, Any]:
    return {
        "source": {"loopId": loop},
        "event": {"category": "health_critical", "severity": "critical", **event},
        "escalation": {"reasonCodes": ["ingest_stale", "transport_unreachable"]},
    }


def test_each_alert_is_a_line_and_an_end_says_so(desk: AlertDesk) -> None:
    tell(desk, alert())
    tell(desk, alert(action="resolve"))
    assert [line.plain[10:] for line in desk.lines(5)] == [
        "critical  demo: health_critical ingest_stale, transport_unreachable",
        "resolved  demo: health_critical",
    ]
    assert [line.plain[10:18] for line in desk.lines(1)] == ["resolved"]
    assert desk.total == 2


@pytest.mark.parametrize("body", [5, [], {"event": []}, {"event": {"severity": "\x1b[31m"}}])
def test_whatever_arrives_is_shown_as_text(desk: AlertDesk, body: Any) -> None:
    tell(desk, body)
    assert "\x1b" not in desk.lines(1)[0].plain


def test_the_catalog_is_one_that_the_daemon_takes(desk: AlertDesk, tmp_path: Path) -> None:
    desk.write_catalog(tmp_path / "sinks.json")
    assert list(alert_catalog(str(tmp_path / "sinks.json")).sinks) == ["demo-desk"]
