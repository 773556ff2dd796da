"""``opsd status`` for a person: a page with what matters, of whatever the files hold."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opsd.cli.loop.status_page import status_page
from opsd.loop.status import StatusInputs, status
from tests.cli.spoiled import check, spoiled
from tests.cli.support import Repo, Shell, printed

NOW = "2026-11-24T12:00:00Z"


PLACE = ("--repo", "/srv/my repo", "--loop", "demo")


def page(document: dict[str, Any]) -> str:
    return printed(status_page(document, PLACE), width=200)


def test_a_page_tells_what_an_operator_asks_first(opsd: Shell, repo: Repo) -> None:
    repo.append("loop_start", "role_end")
    assert opsd("reconcile", *repo.flags, "--trace-id", "t-77").exit == 0
    document = opsd("status", *repo.flags).json
    text = page(document)
    for wanted in ("lifecycle", "2 of 2 taken in", "ingest_stale", "success · local", "balanced", "t-77"):
        assert wanted in text
    assert "None" not in text
    assert document["age"]["lastReconcileAgeSeconds"] >= 0


def test_a_file_that_a_daemon_could_not_use_is_named() -> None:
    inputs = StatusInputs("/r", "demo", NOW, 200, {}, state={}, problems=("invalid health JSON: /r/health.json",))
    assert re.search(r"^  damaged  invalid health JSON: /r/health.json$", page(status(inputs)), re.MULTILINE)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_a_status_holds_makes_a_page_that_commands_no_terminal(
    document: dict[str, Any], data: st.DataObject
) -> None:
    check(lambda spoilt: status_page(spoilt, PLACE), data.draw(spoiled(document)))


@pytest.fixture
def document(opsd: Shell, repo: Repo) -> dict[str, Any]:
    repo.append("loop_start", "role_end")
    assert opsd("reconcile", *repo.flags).exit == 0
    found: dict[str, Any] = opsd("status", *repo.flags).json
    return found


@pytest.mark.parametrize(
    "state", [{}, {"health": {"status": "[red]x", "reasons": [5, {"code": "\x1b[31m"}]}}, {"run": []}]
)
def test_any_files_make_a_page_and_what_they_say_is_text(state: dict[str, Any]) -> None:
    inputs = StatusInputs("/r", "demo", NOW, 200, {}, state=state, health={"status": "critical"})
    text = page(json.loads(json.dumps(status(inputs))))
    assert "demo" in text
    assert "\x1b" not in text


def test_what_alerts_owe_and_gave_up_is_warned_of(opsd: Shell, repo: Repo) -> None:
    repo.append("loop_start")
    assert opsd("reconcile", *repo.flags, "--alerts-enabled", "false").exit == 0
    assert "alerts" not in opsd("status", *repo.flags).json
    (repo.ops / "alert-dispatch-state.json").write_text('{"status": "failed", "delivery": {"pendingCount": 2}}')
    letters = [{"deliveryId": "omd_1"}, {"deliveryId": "omd_2"}, {"deliveryId": "omd_1", "replayed": True}]
    (repo.ops / "alert-dead-letter.jsonl").write_text("".join(json.dumps(letter) + "\n" for letter in letters))
    fleet = repo.ops.parent / "fleet"
    fleet.mkdir()
    since = time.time()
    ailing = {
        "sinkType": "webhook",
        "sinks": {"desk": "d"},
        "usedAt": since,
        "breaker": {"failures": 5, "open": {"since": since, "until": since + 600}},
        "lastError": {"at": since, "reasonCode": "http_error", "httpStatus": 503, "message": "overloaded"},
    }
    (fleet / "alert-sink-health.json").write_text(json.dumps({"targets": {"k": ailing}}))
    document = opsd("status", *repo.flags).json
    alerts = document["alerts"]
    assert (alerts["pendingCount"], alerts["deadLetterCount"]) == (2, 1)
    assert [(sink["id"], sink["state"], sink["lastError"]["httpStatus"]) for sink in alerts["sinks"]] == [
        ("desk", "open", 503)
    ]
    text = page(document)
    assert "2 deliveries pending" in text
    assert re.search(r"^given up +1 dead letter$", text, re.MULTILINE)
    assert "opsd alerts dispatch --repo '/srv/my repo' --loop demo --list-dead-letters" in text
    assert re.search(r"^sink desk +open · overloaded$", text, re.MULTILINE)
