"""What a person sees on a terminal of what a daemon knows."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any

import pytest

from opsd.cli.alerts.pages import all_dead_letters_page
from opsd.cli.client.api_client import Server
from opsd.cli.client.change_stream import DISCONNECTED, KINDS, Heard
from opsd.cli.client.views import Asked
from opsd.cli.daemon import whoami
from opsd.cli.daemon.watch_page import change_line
from opsd.cli.fleet.policy_page import candidates_page
from opsd.cli.loop.escalations_page import escalations_page
from opsd.cli.loop.loops_page import loop_page, loops_page, style_of
from opsd.cli.page import cells, kept_whole, line, table
from opsd.cli.promotion.state_page import promotion_state_page
from tests.cli.support import printed
from tests.fleet.handoff_support import candidate

FLAGS = ("--server", "prod")
EVIL = "\x1b[2Jred [bold]alert[/bold]"
AT = 1_700_000_000.0


def view(**changes: Any) -> dict[str, Any]:
    """What the API tells of a loop."""
    return {
        "loopId": "alpha",
        "transport": "local",
        "observe": "auto",
        "following": "stream",
        "state": "running",
        "run": {"runId": "run-7", "iteration": 3},
        "healthStatus": "critical",
        "reasonCodes": ["ingest_stale"],
        "metrics": {"ingestLagSeconds": 700, "heartbeatLagSeconds": None},
        "lastEventName": "role_end",
        "lastEventAt": "2026-11-26T08:00:00Z",
        "cursor": {"eventLineOffset": 12, "eventLineCount": 14},
        "profileDrift": "aligned",
        "lastFailure": {"code": "snapshot_unavailable", "message": "no snapshot"},
        "failuresInARow": 2,
        "lastPassAt": "2026-11-26T08:00:02Z",
        "lastSuccessAt": "2026-11-26T08:00:01Z",
        "alerts": {"pendingCount": 1, "sinks": []},
        "traceId": "t-1",
        "stuck": False,
        **changes,
    }


def everywhere(value: Any, text: str) -> Any:
    """The same document with ``text`` in place of every text."""
    if isinstance(value, dict):
        return {name: everywhere(inner, text) for name, inner in value.items()}
    if isinstance(value, list):
        return [everywhere(inner, text) for inner in value]
    return text if isinstance(value, str) else value


def promotion() -> dict[str, Any]:
    summary = {"decision": "hold", "gatePassCount": 3, "gateFailCount": 2, "failedGates": ["drills"]}
    return {
        "decision": {"summary": {**summary, "reasonCodes": ["promotion_drill_stale"]}, "generatedAt": "then"},
        "apply": {
            "intent": "rollback",
            "status": "applied",
            "timestamp": "then",
            "governance": {"actor": "ann"},
            "rollout": {"before": {"canaryPercent": 25}, "after": {"canaryPercent": 25, "manualPause": True}},
        },
        "controller": {
            "mode": "guarded_auto_apply",
            "status": "hold",
            "execution": {"action": "hold"},
            "decision": {"reasonCodes": ["controller_cooldown_active"]},
        },
    }


def letters() -> dict[str, Any]:
    letter = {"timestamp": "then", "sinkId": "desk", "category": "health_critical", "reasonCode": "http_error"}
    found = {"count": 1, "deadLetters": [{**letter, "deliveryId": "omd_1"}]}
    return {"loops": [{"loopId": "alpha", **found}, {"loopId": "my loop", **found}]}


def proposal() -> dict[str, Any]:
    return candidate("a", recommendedIntent="cancel", suppressionReason=None, rationale="it does not answer")


def escalation(**changes: Any) -> dict[str, Any]:
    return {"timestamp": "2026-11-26T08:00:00Z", "category": "health_critical", "reasonCodes": ["stuck"], **changes}


def test_loops_are_rows_and_counted_by_health() -> None:
    loops = [view(), view(loopId="beta", healthStatus="healthy", reasonCodes=[], lastFailure=None), view(loopId="c")]
    shown = printed(loops_page({"loops": loops, "nextCursor": "c"}, FLAGS, 80), width=80)
    assert "3 loops  2 critical · 1 healthy · 3 with failing passes" in shown
    for words in ("alpha", "running", "ingest_stale", "snapshot_unavailable", "12 of 14", "and more"):
        assert words in shown


def test_where_there_are_no_loops_at_all_it_is_told_where_to_look() -> None:
    nothing = {"loops": [], "nextCursor": None}
    assert printed(loops_page(nothing, FLAGS, 80)) == "no such loops\n"
    shown = printed(loops_page(nothing, FLAGS, 80, chosen=False))
    assert shown.startswith("no loops: the daemon supervises none, or none that you may see\n")
    for command in (("fleet", "registry"), ("whoami",)):
        assert shlex.join(["opsd", *command, *FLAGS]) in shown


def test_a_loop_that_was_well_when_its_passes_began_to_fail_is_not_shown_as_well() -> None:
    well = view(healthStatus="healthy", failuresInARow=0)
    assert (style_of(well), style_of({**well, "failuresInARow": 1})) == ("green", "yellow")
    assert "failing" not in printed(loops_page({"loops": [well], "nextCursor": None}, FLAGS, 80), width=80)


def test_loops_on_80_columns_keep_their_words_whole() -> None:
    reasons = ["service_request_failed", "transport_unreachable"]
    loops = [
        view(loopId="catalog-import", state="awaiting_approval", reasonCodes=reasons),
        view(healthStatus="healthy"),
    ]
    shown = printed(loops_page({"loops": loops, "nextCursor": None}, FLAGS, 80), width=80)
    assert max(map(len, shown.splitlines())) <= 80
    for word in ("catalog-import", "awaiting_approval", *reasons, "12 of 14"):
        assert word in shown
    assert "role_end" not in shown
    assert "role_end" in printed(loops_page({"loops": loops, "nextCursor": None}, FLAGS, 120), width=120)


def test_the_page_of_loops_names_the_command_that_tells_more_of_the_worst() -> None:
    loops = [view(healthStatus=None), view(loopId="b", healthStatus="degraded"), view(loopId="my loop")]
    assert "opsd loops --server prod --loop 'my loop'" in printed(
        loops_page({"loops": loops, "nextCursor": None}, FLAGS, 80), width=80
    )


def test_names_that_are_longer_than_the_terminal_are_folded_and_not_cut() -> None:
    long = "x" * 130
    shown = printed(loops_page({"loops": [view(loopId=long)], "nextCursor": None}, FLAGS, 80)[:3], width=80)
    assert shown.count("x") == len(long)


def test_a_long_line_is_broken_between_its_values_only() -> None:
    told = line("gates", "hold", "a value with words in it", "/a/path/of/some/length", "the last")
    assert printed([told], width=43).splitlines() == [
        "gates  hold · a value with words in it ·",
        "       /a/path/of/some/length · the last",
    ]
    assert printed([told], width=10).splitlines()[2] == "       /a/path/of/some/length ·"
    assert printed([told], width=100).count("\n") == 1


@pytest.mark.parametrize(
    ("width", "whole"), [(43, [True, False]), (44, [True, True]), (29, [False, False]), (None, [False, False])]
)
def test_columns_are_kept_whole_where_the_others_are_left_something(width: int | None, whole: list[bool]) -> None:
    made = table("name", "a heading", "why")
    made.add_row(*cells("fourteen-chars", ["one", "two", "fourteen chars"], "reasons"))
    kept_whole(made, "name", "a heading", width=width)
    assert [column.no_wrap for column in made.columns] == [*whole, False]


def test_one_loop_is_shown_with_all_that_is_known_of_it() -> None:
    shown = printed(loop_page(view(stuck=True), (*FLAGS, "--loop", "alpha")), width=200)
    for words in (
        *("loop alpha  running · critical", "no new event for longer", "runId run-7 · iteration 3", "pendingCount 1"),
        *(
            "snapshot_unavailable · no snapshot · 2 in a row",
            "ingestLagSeconds 11 min 40 s",
            "trace t-1",
            "does not come back",
        ),
    ):
        assert words in shown
    assert "None" not in shown
    never_seen = dict.fromkeys(view(), None) | {"loopId": "new"}
    assert "opsd status --server prod --loop alpha" in shown
    assert "OpsdLoopStale" in shown
    assert "in the runbook" not in printed(loop_page(never_seen, FLAGS))


def test_escalations_tell_why_whatever_their_category_calls_it() -> None:
    diverged = {"category": "divergence_detected", "reasonCodes": None, "divergenceFlags": {"a": True, "b": False}}
    rows = [escalation(), escalation(**diverged), escalation(reasonCodes=None, reasonCode="ordering_drift_detected")]
    shown = printed(escalations_page({"loopId": "alpha", "escalations": rows}), width=80)
    for words in (
        "the newest 3, oldest first",
        "health_critical",
        "stuck",
        "divergence_detected",
        "a",
        "ordering_drift_detected",
    ):
        assert words in shown
    assert "escalations of alpha  none" in printed(escalations_page({"loopId": "alpha", "escalations": []}))


def test_dead_letters_of_all_loops_come_with_the_commands_that_tell_them_again() -> None:
    shown = printed(all_dead_letters_page(letters(), FLAGS), width=110)
    assert "opsd alerts dispatch --server prod --loop alpha --replay-dead-letters" in shown
    assert "opsd alerts dispatch --server prod --loop 'my loop' --replay-dead-letters" in shown
    assert "omd_1" in shown
    assert "no dead letters" in printed(all_dead_letters_page({"loops": []}, FLAGS))


def test_candidates_come_with_the_command_that_explains_the_first() -> None:
    document = {"candidates": [proposal()], "decidedAt": "then", "mode": "advisory"}
    shown = printed(candidates_page(document, FLAGS), width=100)
    assert "1 candidate  decided at then · mode advisory" in shown
    assert "opsd fleet explain --server prod a:health_critical" in shown
    assert "no such candidates" in printed(candidates_page({**document, "candidates": []}, FLAGS))


def test_the_state_of_promotion_is_what_each_step_said_last() -> None:
    shown = printed(promotion_state_page(promotion(), FLAGS), width=120)
    assert "gates         hold · 3 pass · 2 fail" in shown
    assert "rollout       rollback · applied · canary 25 % → 25 % · paused · then · by ann" in shown
    assert "controller    guarded_auto_apply · hold" in shown
    assert "controller_cooldown_active" in shown
    assert "not evaluated yet" in printed(promotion_state_page({"decision": None}, FLAGS))


@pytest.mark.parametrize(
    ("kind", "data", "words"),
    [
        ("loop", view(), "loop alpha  running · critical · 12 of 14 · role_end · snapshot_unavailable · ingest_stale"),
        ("loop_gone", {"loopId": "beta"}, "loop beta  not supervised any more"),
        ("fleet", {"steps": ["rollup", "policy"], "failedStep": "policy"}, "fleet  rollup, policy · failed at policy"),
        (
            "operation",
            {"action": "controlLoop", "principal": "ann", "status": 200, "loop": "alpha"},
            "ann  controlLoop · loop alpha · 200",
        ),
        ("hello", {"schemaVersion": "v1"}, "connected"),
        ("gap", {"reason": "changes_lost"}, "gap  changes were missed"),
        (DISCONNECTED, {"reason": "Connection refused"}, "disconnected  Connection refused · trying again"),
        ("weather", {"sky": "blue"}, 'weather  {"sky":"blue"}'),
        ("loop", None, "loop"),
        ("loop", [1], "loop"),
    ],
)
def test_a_change_is_one_line(kind: str, data: Any, words: str) -> None:
    shown = printed([change_line(Heard(kind, "", data), AT)], width=60)
    assert shown.startswith("22:13:20Z  ")
    assert words in shown
    assert shown.count("\n") == 1


def test_nothing_that_comes_from_outside_is_obeyed_by_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    evil: dict[str, Callable[[], Any]] = {
        "loops": lambda: loops_page({"loops": [everywhere(view(), EVIL)], "nextCursor": EVIL}, FLAGS, 80),
        "loop": lambda: loop_page(everywhere(view(), EVIL), FLAGS),
        "escalations": lambda: escalations_page({"loopId": EVIL, "escalations": [everywhere(escalation(), EVIL)]}),
        "letters": lambda: all_dead_letters_page(everywhere(letters(), EVIL), FLAGS),
        "candidates": lambda: candidates_page(
            {"candidates": [everywhere(proposal(), EVIL)], "decidedAt": EVIL, "mode": EVIL}, FLAGS
        ),
        "promotion": lambda: promotion_state_page(everywhere(promotion(), EVIL), FLAGS),
        **{kind: lambda kind=kind: [change_line(Heard(kind, EVIL, everywhere(view(), EVIL)), AT)] for kind in KINDS},
        "unheard of": lambda: [change_line(Heard(EVIL, EVIL, {EVIL: EVIL}), AT)],
    }
    for name, page in evil.items():
        shown = printed(page(), width=300)
        assert "\x1b" not in shown, name
        assert "[bold]" in shown or name == "fleet", name
    monkeypatch.setattr(whoami, "answer_of", lambda *_: {"identity": {"name": EVIL, "scopes": [EVIL], "loops": EVIL}})
    monkeypatch.setattr("opsd.cli.page.for_a_person", lambda _: True)
    assert whoami.view(whoami.SPEC.parse([]), Asked(Server("http://127.0.0.1:1"), FLAGS)) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "[bold]" in out


def test_who_has_no_token_is_told_what_is_open_without_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("opsd.cli.page.for_a_person", lambda _: True)
    for name, told in (("local", True), ("api_token", False)):
        identity = {"name": name, "scopes": ["read", "control"], "loops": ["*"], "credential": None}
        monkeypatch.setattr(whoami, "answer_of", lambda *_, identity=identity: {"identity": identity})
        assert whoami.view(whoami.SPEC.parse([]), Asked(Server("http://127.0.0.1:1"), FLAGS)) == 0
        assert ("ask for a pass" in capsys.readouterr().out) == told


def test_a_line_of_a_hostile_change_is_not_longer_than_many() -> None:
    reasons = [f"reason_{number}" for number in range(100_000)]
    changes = view(state="x" * 1_000_000, reasonCodes=reasons), {"steps": ["x" * 1_000_000]}, {"x" * 1_000_000: 1}
    for kind, data in zip(("loop", "fleet", "operation"), changes, strict=True):
        assert len(printed([change_line(Heard(kind, "", data), AT)], width=60)) < 1000
