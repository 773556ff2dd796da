"""What a person sees of alerts on a terminal; a pipe gets the contract's JSON."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from opsd.cli.alerts.pages import dead_letters_page, dispatch_page, route_page, sink_answer_page
from tests.alerts.catalogs import document, entry
from tests.cli.support import Repo, Shell, printed

FLAGS = ("--repo", "/srv/my repo", "--loop", "a")
EVIL = "\x1b[2Jred [bold]alert[/bold]"


def _state(**changes: Any) -> dict[str, Any]:
    counts = {"processedCount": 3, "dispatchedCount": 1, "skippedCount": 0, "failedCount": 2}
    return {"loopId": "a", "status": "partial", **counts, "failureReasonCodes": ["http_error"], **changes}


def _letter(**changes: Any) -> dict[str, Any]:
    return {
        "timestamp": "2026-11-26T08:00:00Z",
        "deliveryId": "omd_0123456789abcdef0123456789abcdef",
        "sinkId": "desk",
        "category": "health_critical",
        "severity": "critical",
        "attempts": 20,
        "reasonCode": "http_error",
        "lastHttpStatus": 503,
        **changes,
    }


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stdout is a terminal of 100 columns."""
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda _self: True, raising=False)
    monkeypatch.setenv("COLUMNS", "100")


def test_a_run_tells_what_became_of_the_rows_and_what_is_still_owed() -> None:
    delivery = {"pendingCount": 2, "oldestPendingAt": "2026-11-26T08:00:00Z", "deadLetteredCount": 1}
    shown = printed(dispatch_page(_state(delivery=delivery, warnings=["a warning"]), FLAGS))
    for words in ("partial · 3 new rows · 1 told · 2 failed", "http_error", "2 deliveries", "a warning"):
        assert words in shown
    assert "opsd alerts dispatch --repo '/srv/my repo' --loop a --list-dead-letters" in shown


def test_a_run_that_found_another_at_work_says_that_it_did_nothing() -> None:
    assert "another run is at work" in printed(dispatch_page(_state(lockBusy=True), FLAGS))


def test_dead_letters_are_shown_with_the_command_that_tells_them_again() -> None:
    shown = printed(dead_letters_page({"count": 1, "deadLetters": [_letter()]}, FLAGS), width=110)
    assert "omd_0123456789abcdef0123456789abcdef" in shown
    command = next(line for line in shown.splitlines() if line.startswith("tell them again"))
    assert shlex.split(command)[-1] == "--replay-dead-letters"
    assert "no dead letters" in printed(dead_letters_page({"count": 0, "deadLetters": []}, FLAGS))


def test_what_a_sink_or_a_loop_says_is_not_obeyed() -> None:
    letters = [_letter(sinkId=EVIL, category=EVIL, reasonCode=EVIL, deliveryId=EVIL)]
    answer = {"sinkId": EVIL, "type": "webhook", "status": "failed", "reasonCode": EVIL, "message": EVIL}
    pages = [
        dead_letters_page({"count": 1, "deadLetters": letters}, FLAGS),
        sink_answer_page(answer),
        dispatch_page(_state(loopId=EVIL, status=EVIL, failureReasonCodes=[EVIL], warnings=[EVIL]), FLAGS),
    ]
    for shown in (printed(page, width=200) for page in pages):
        assert "\x1b" not in shown
        assert "[bold]" in shown


@pytest.mark.usefixtures("person")
def test_the_catalog_is_a_page_for_a_person(opsd: Shell) -> None:
    shown = opsd("alerts", "resolve").out.decode()
    for words in ("no sink is enabled", "slack-default", "any other", "OPS_MANAGER_ALERT_SLACK_WEBHOOK_URL"):
        assert words in shown
    assert "nobody is told" in opsd("alerts", "resolve", "--category", "health_critical").out.decode()
    assert opsd("alerts", "resolve", "--pretty").json["schemaVersion"] == "v1"


def test_only_secrets_that_a_sink_names_are_listed() -> None:
    sink = {"id": "desk", "type": "webhook", "enabled": True, "secretRefs": {"urlEnv": "URL", "authTokenEnv": None}}
    document = {"category": "c", "eventSeverity": "info", "minSeverity": "info", "envStatus": {}}
    shown = printed(route_page({**document, "selectedSinks": [sink], "dispatchableSinks": [sink]}))
    assert shown.rstrip().splitlines()[-1].split() == ["URL", "desk", "no"]


@pytest.mark.usefixtures("person")
def test_a_dispatch_is_a_page_for_a_person_and_a_dry_run_shows_whole_bodies(opsd: Shell, tmp_path: Path) -> None:
    repo = Repo(tmp_path)
    repo.ops.mkdir(parents=True)
    (repo.ops / "escalations.jsonl").write_text('{"category":"health_critical","severity":"critical"}\n')
    assert opsd("alerts", "dispatch", *repo.flags, "--dry-run").json["dryRun"] is True
    assert "alerts of demo" in opsd("alerts", "dispatch", *repo.flags).out.decode()
    assert "no dead letters" in opsd("alerts", "dispatch", *repo.flags, "--list-dead-letters").out.decode()


def test_secrets_that_come_as_files_count_for_the_resolver_too(
    opsd: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("URL", raising=False)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "secrets"))
    (tmp_path / "secrets").mkdir(mode=0o700)
    secret = tmp_path / "secrets" / "URL"
    secret.write_text("https://hooks.example/s3cret")
    secret.chmod(0o600)
    catalog = tmp_path / "c.json"
    catalog.write_text(json.dumps(document({"w": entry()})))
    found = opsd("alerts", "resolve", "--config-file", catalog)
    assert (found.exit, found.err) == (0, "")
    assert found.json["envStatus"] == {"URL": {"present": True}}
