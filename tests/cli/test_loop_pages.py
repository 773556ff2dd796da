"""The commands about one loop on a terminal: pages that lead on, of recorded runs and of whatever stands in files."""

from __future__ import annotations

import contextlib
import io
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opsd.cli.loop.control_page import confirmation_page, control_page
from opsd.cli.loop.events_page import event_lines
from opsd.cli.loop.health_page import health_page
from opsd.cli.loop.run_page import pass_page, snapshot_page, state_page
from opsd.cli.loop.tuning_page import drift_page, profile_page, summary_page
from opsd.cli.main import main
from opsd.cli.page import Page, span
from tests.cli.process import on_a_terminal, opsd
from tests.cli.spoiled import check, spoiled
from tests.cli.support import Repo, Shell, printed
from tests.recordings import FINALS, install

PLACE = ("--repo", "/srv/my repo", "--loop", "demo")
ASKS = next(recorded for recorded in FINALS if recorded.case == "approval_pending")

PAGES: dict[str, Callable[[Any], Page]] = {
    "snapshot": lambda document: snapshot_page(document, PLACE),
    "project-state": lambda document: state_page(document, PLACE),
    "reconcile": lambda document: pass_page(document, PLACE),
    "health": lambda document: health_page(document, "demo", PLACE),
    "telemetry-summary": lambda document: summary_page(document, PLACE, 100),
    "profile-drift": lambda document: drift_page(document, PLACE),
    "threshold-profile": profile_page,
    "control": lambda document: control_page(document, PLACE),
    "confirm-intent": lambda document: confirmation_page(document, "demo", PLACE),
}


@pytest.fixture
def asks(tmp_path: Path) -> tuple[str, ...]:
    """A recorded run that waits for an approval, in a repo whose name has a space."""
    repo = tmp_path / "my repo"
    install(ASKS, repo)
    return ("--repo", str(repo), "--loop", ASKS.loop_id)


def commands(page: str) -> list[list[str]]:
    """The commands that a page shows, as a shell would run them."""
    return [shlex.split(line[line.index(" opsd ") :])[1:] for line in page.splitlines() if " opsd " in line]


async def test_a_recorded_run_that_asks_is_shown_with_what_answers_it(asks: tuple[str, ...]) -> None:
    for command in ("snapshot", "project-state", "reconcile"):
        code, page = await on_a_terminal(command, *asks)
        assert (code, page.splitlines()[0].split(" · ")[0]) == (0, f"loop {ASKS.loop_id}  awaiting_approval"), page
        assert "{" not in page
        assert "waits for you" in page
        for intent in ("approve", "reject"):
            assert ["control", *asks, "--intent", intent] in commands(page), page


async def test_health_says_what_a_reason_means_how_bad_it_is_and_what_to_do(asks: tuple[str, ...]) -> None:
    assert (await opsd("reconcile", *asks)).returncode == 0
    code, page = await on_a_terminal("health", *asks)
    assert code == 0
    assert page.startswith(f"health of {ASKS.loop_id}  critical")
    for words in ("no new event for longer than the threshold", "limit 15 min", "OpsdLoopStale"):
        assert words in page
    assert ["status", *asks] in commands(page)
    for argv in commands(page):
        done = await opsd(*argv)
        assert done.returncode == 0, (argv, done.stderr)


async def test_a_pass_that_failed_is_shown_as_the_health_that_it_leaves(asks: tuple[str, ...]) -> None:
    (Path(asks[1]) / ".superloop" / "loops" / ASKS.loop_id / "events.jsonl").write_text("no event\n")
    code, page = await on_a_terminal("reconcile", *asks)
    assert (code, page.splitlines()[0].split(" · ")[0]) == (1, f"health of {ASKS.loop_id}  degraded"), page
    assert "OpsdLoopDamagedInput" in page or "Cursor reset and replay" in page


async def test_an_intent_that_failed_says_so_first_and_how_to_look(asks: tuple[str, ...]) -> None:
    code, page = await on_a_terminal("control", *asks, "--intent", "approve", "--note", "looked at", "--no-confirm")
    assert (code, page.splitlines()[0].split(" · ")[0]) == (1, f"approve {ASKS.loop_id}  failed_command"), page
    assert "it said  cannot run ./superloop.sh" in page
    assert "Safe retry" in page
    assert ["confirm-intent", *asks, "--intent", "approve"] in commands(page)
    code, page = await on_a_terminal("confirm-intent", *asks, "--intent", "approve", "--timeout-seconds", "0")
    assert (code, page.splitlines()[0].split(" · ")[0]) == (1, f"approve {ASKS.loop_id}  no effect is seen"), page
    assert "approval pending" in page
    assert "Safe retry" in page


async def test_profiles_and_figures_are_pages_too(asks: tuple[str, ...]) -> None:
    assert (await opsd("reconcile", *asks)).returncode == 0
    _, summary = await on_a_terminal("telemetry-summary", *asks)
    assert summary.startswith(f"passes of {ASKS.loop_id}  1 pass ·")
    assert "no new event for longer than the threshold" in " ".join(summary.split())
    suits = ("--applied-profile", "balanced", "--recommended-profile", "relaxed", "--recommendation-confidence", "high")
    _, drift = await on_a_terminal("profile-drift", *asks, *suits, "--required-streak", "1")
    assert drift.startswith(f"profile of {ASKS.loop_id}  drift_active")
    assert "thresholds.profile" in drift
    _, profile = await on_a_terminal("threshold-profile")
    assert profile.splitlines()[0].startswith("profile balanced")
    assert "no event for       5 min          15 min" in profile
    for page in (summary, drift, profile):
        assert "{" not in page


async def test_a_program_and_pretty_get_the_document(asks: tuple[str, ...]) -> None:
    assert (await opsd("reconcile", *asks)).returncode == 0
    for argv in (("snapshot", *asks), ("health", *asks), ("telemetry-summary", *asks), ("threshold-profile",)):
        assert json.loads((await opsd(*argv)).stdout)["schemaVersion"] == "v1"
        code, shown = await on_a_terminal(*argv, "--pretty")
        assert (code, shown[:2]) == (0, "{\n")
    confirmed = await opsd("confirm-intent", *asks, "--intent", "approve", "--timeout-seconds", "0")
    assert json.loads(confirmed.stdout)["confirmed"] is False


async def test_a_projection_that_is_shown_as_a_document_commands_no_terminal(asks: tuple[str, ...]) -> None:
    loop = Path(asks[1]) / ".superloop" / "loops" / ASKS.loop_id
    event = {"timestamp": "2026-11-24T08:00:00Z", "event": "evil\x9b31m\x1b[2J", "run_id": "r"}
    with (loop / "events.jsonl").open("a") as file:
        file.write(json.dumps(event, ensure_ascii=False) + "\n")
    for more in ((), ("--pretty",)):
        code, shown = await on_a_terminal("project-state", *asks, *more)
        assert code == 0
        assert not {"\x1b", "\x9b"} & set(shown)


async def test_events_are_a_line_each_and_the_cursor_moves(asks: tuple[str, ...]) -> None:
    loop = Path(asks[1]) / ".superloop" / "loops" / ASKS.loop_id
    said = {"timestamp": "2026-11-24T08:00:00Z\x9b1m", "event": "ask\x1b[2J", "run_id": "r", "message": "one\ntwo"}
    with (loop / "events.jsonl").open("a") as file:
        file.write(json.dumps(said, ensure_ascii=False) + "\n")
    code, page = await on_a_terminal("events", *asks)
    assert code == 0
    lines = page.splitlines()
    assert len(lines) == ASKS.lines + 1
    assert lines[0].split()[0] == "1"
    assert "loop_start  iteration 1" in lines[0]
    assert lines[-1].split()[:2] == [str(ASKS.lines + 1), "2026-11-24T08:00:00Z\\x9b1m"]
    assert lines[-1].endswith("ask\\x1b[2J  iteration 0 · one")
    assert (await opsd("events", *asks)).stdout == ""  # the cursor has moved behind them
    assert await on_a_terminal("events", *asks) == (0, "no events behind the cursor\n")
    with (loop / "events.jsonl").open("a") as file:
        file.write(json.dumps(said) + "\n")
    assert json.loads((await opsd("events", *asks)).stdout)["event"]["message"] == "one\ntwo"


async def test_an_error_that_quotes_a_loop_commands_no_terminal(asks: tuple[str, ...]) -> None:
    code, page = await on_a_terminal("snapshot", *asks[:2], "--loop", "a\x1b[2J\x9b")
    assert (code, page) == (1, "error: invalid loop id: a\\x1b[2J\\x9b\n")


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What each command answers a program about a run in trouble."""
    repo = Repo(tmp_path_factory.mktemp("spoiled"))
    repo.append("loop_start", "approval_requested")
    approval = {"status": "pending", "loop_id": "demo", "run_id": "r", "requested_at": "2026-11-24T08:00:00Z"}
    (repo.loop_dir / "approval.json").write_text(json.dumps(approval))

    def answer(command: str, *argv: str) -> dict[str, Any]:
        printed_there = io.TextIOWrapper(io.BytesIO())
        with contextlib.redirect_stdout(printed_there):
            main([command, *argv])
        found: dict[str, Any] = json.loads(printed_there.buffer.getvalue())  # type: ignore[attr-defined]
        return found

    asked = (*repo.flags, "--intent", "approve")
    return {
        "reconcile": answer("reconcile", *repo.flags),
        "snapshot": answer("snapshot", *repo.flags),
        "project-state": answer("project-state", *repo.flags),
        "control": {**answer("control", *asked, "--no-confirm"), "confirm": {"observedStatus": "running"}},
        "confirm-intent": answer("confirm-intent", *asked, "--timeout-seconds", "0"),
        "health": answer("health", *repo.flags),
        "telemetry-summary": answer("telemetry-summary", *repo.flags),
        "profile-drift": answer("profile-drift", *repo.flags, "--applied-profile", "balanced"),
        "threshold-profile": answer("threshold-profile"),
    }


@pytest.mark.parametrize("command", PAGES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_a_document_holds_makes_a_page_that_commands_no_terminal(
    command: str, documents: dict[str, dict[str, Any]], data: st.DataObject
) -> None:
    check(PAGES[command], data.draw(spoiled(documents[command])))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_an_event_holds_is_one_line(data: st.DataObject) -> None:
    event = {"timestamp": "2026-11-24T08:00:00Z", "name": "role_end", "role": "r", "status": "error", "message": "m"}
    envelope = {"sequence": {"value": 7}, "run": {"runId": "r", "iteration": 2}, "event": event}
    check(lambda document: event_lines([document]), data.draw(spoiled(envelope)))


def test_what_needs_the_loops_own_files_is_not_shown_for_a_loop_behind_a_service(opsd: Shell, repo: Repo) -> None:
    repo.append("loop_start")
    assert opsd("reconcile", *repo.flags).exit == 0
    health = opsd("health", *repo.flags, "--transport", "sprite_service").json
    assert health["transport"]["mode"] == "sprite_service"
    health = {**health, "reasonCodes": ["run_process_missing"]}
    assert "opsd control" not in printed(health_page(health, "demo", PLACE), width=200)
    there = ("--server", "https://ops.example", "--loop", "demo")
    assert "opsd control --server https://ops.example" in printed(health_page(health, "demo", there), width=200)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"ok": True, "result": {"commandOutput": "Cancelled loop: a\nStopped."}}, ["Cancelled loop: a", "Stopped."]),
        ({"ok": False, "error": {"message": "no such loop"}}, ["no such loop"]),
        ({}, []),
        ("no JSON {", ["no JSON {"]),
        ([1], ["[1]"]),
    ],
)
def test_of_a_services_answer_what_its_command_said_is_shown(answer: Any, said: list[str]) -> None:
    output = answer if isinstance(answer, str) else json.dumps(answer)
    row = {"intent": "cancel", "loopId": "a", "status": "confirmed", "transport": "local", "commandOutput": output}
    shown = printed(control_page(row, PLACE), width=200)
    assert [line.partition("it said  ")[2] for line in shown.splitlines() if "it said" in line] == said


async def test_a_control_on_a_host_without_the_runtime_says_where_the_loop_may_be(tmp_path: Path) -> None:
    control = ("control", "--repo", str(tmp_path), "--loop", "demo", "--intent", "cancel")
    code, page = await on_a_terminal(*control, env={"SUPERLOOP_BIN": str(tmp_path / "none")})
    assert code == 1
    assert "loop behind a service  with --server, or --transport sprite_service" in page
    code, page = await on_a_terminal(*control, env={"SUPERLOOP_BIN": "false"})
    assert code == 1
    assert "loop behind a service" not in page


def test_the_worst_reason_comes_first() -> None:
    reasons = [
        {"code": "ingest_stale", "severity": "degraded", "metric": "m", "observed": "1", "threshold": "0"},
        {"code": "transport_unreachable", "severity": "degraded"},
        {"code": "transport_unreachable", "severity": "critical"},
        {"code": "other", "severity": ["odd"]},
    ]
    shown = printed(health_page({"status": "critical", "reasons": reasons}, "demo", PLACE), width=200)
    assert [line.split()[:2] for line in shown.splitlines() if line.startswith("  ") and line[2] != " "] == [
        ["critical", "transport_unreachable"],
        ["degraded", "ingest_stale"],
        ['["odd"]', "other"],
    ]


async def test_a_failed_pass_is_shown_in_the_words_with_which_it_failed(tmp_path: Path) -> None:
    journal = tmp_path / ".superloop" / "loops" / "demo" / "events.jsonl"
    journal.parent.mkdir(parents=True)
    journal.write_text("{bad\n")
    code, page = await on_a_terminal("reconcile", "--repo", str(tmp_path), "--loop", "demo")
    assert code == 1
    assert "  it said  invalid JSON in final events line: " in page


def test_health_of_files_that_flags_name_shows_no_command(opsd: Shell) -> None:
    shown = printed(health_page(opsd("health", "--ingest-status", "failed").json, None, ()), width=200)
    assert shown.startswith("health  degraded")
    assert "opsd " not in shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (119, "119 s"),
        (120, "2 min"),
        (301, "5 min 1 s"),
        (7199, "119 min 59 s"),
        (7200, "2 h"),
        (8127, "2 h 15 min"),
        (172800, "2 d"),
        (200 * 3600, "8 d 8 h"),
        (-5, "-5 s"),
        ("soon", "soon"),
        (None, None),
    ],
)
def test_a_length_of_time_is_told_in_the_units_that_matter(seconds: object, shown: str | None) -> None:
    assert span(seconds) == shown
