"""When a loop's alerts are worked on."""

from __future__ import annotations

from opsd.supervisor.alerts.schedule import (
    LOOK_INTERVAL_S,
    QUIET_LOOK_INTERVAL_S,
    SHORTEST_PAUSE_S,
    LoopAlerts,
    Standing,
    due_after_failure,
    due_after_pass,
    due_after_run,
    is_unsettled,
    left_by_others,
)

SOME = (1, 2, 3)


def test_a_pass_that_escalated_asks_at_once() -> None:
    assert due_after_pass(LoopAlerts(), escalated=True, now=50.0) == 50.0


def test_a_quiet_pass_asks_only_where_an_incident_is_open_and_not_all_the_time() -> None:
    assert due_after_pass(LoopAlerts(), escalated=False, now=50.0) is None
    known = LoopAlerts(Standing(incidents=1), looked_at=49.9)
    known.note("critical", now=48.0)
    assert due_after_pass(known, escalated=False, now=50.0) == 49.9 + LOOK_INTERVAL_S
    assert due_after_pass(known, escalated=False, now=60.0) == 60.0
    assert due_after_pass(LoopAlerts(), escalated=False, now=50.0, under_way=True) == 50.0


def test_a_loop_that_stays_ill_is_looked_at_rarely_until_a_pass_says_something_else() -> None:
    known = LoopAlerts(Standing(incidents=1), looked_at=1000.0)
    known.note("critical", now=0.0)
    known.note("critical", now=1001.0)
    assert due_after_pass(known, escalated=False, now=1001.0) == 1000.0 + QUIET_LOOK_INTERVAL_S
    known.note("healthy", now=1002.0)
    assert due_after_pass(known, escalated=False, now=1002.0) == 1002.0


def test_a_loop_whose_runs_fail_is_left_alone_until_its_pause_is_over() -> None:
    known = LoopAlerts(Standing(incidents=1), failures=3, not_before=70.0)
    assert due_after_pass(known, escalated=True, now=50.0) == 70.0
    assert due_after_pass(known, escalated=False, now=50.0) == 70.0
    assert [due_after_failure(n, now=0.0, rand=0.0) for n in (1, 2, 3, 40)] == [1.0, 2.0, 4.0, 300.0]


def test_a_timer_of_a_run_is_kept_but_never_without_a_pause() -> None:
    assert due_after_run(Standing(), epoch=1000.0, now=5.0) is None
    assert due_after_run(Standing(wake_at=1030.0), epoch=1000.0, now=5.0) == 35.0
    assert due_after_run(Standing(wake_at=10.0), epoch=1000.0, now=5.0) == 5.0 + SHORTEST_PAUSE_S


def test_a_sweep_finds_what_others_left() -> None:
    nothing = (None, None)
    assert not left_by_others(Standing(), nothing)
    assert left_by_others(Standing(), (None, SOME))  # of an earlier life
    assert not left_by_others(Standing(files=(None, SOME)), (None, SOME))
    assert left_by_others(Standing(files=(None, SOME)), (SOME, SOME))


def test_a_changed_file_matters_to_loops_with_something_open_or_owed() -> None:
    settled = [LoopAlerts(), LoopAlerts(Standing(dead_letters=3))]
    unsettled = [LoopAlerts(Standing(incidents=1)), LoopAlerts(Standing(pending=1)), LoopAlerts(failures=1)]
    assert [is_unsettled(known) for known in settled + unsettled] == [False, False, True, True, True]


def test_the_live_view_names_everything_an_operator_asks() -> None:
    known = LoopAlerts(Standing(2, 1_790_000_000.0, 1, 3, 1_790_000_060.0), problem="broken")
    assert known.view() == {
        "pendingCount": 2,
        "oldestPendingAt": "2026-09-21T14:13:20Z",
        "openIncidentCount": 1,
        "deadLetterCount": 3,
        "nextRunAt": "2026-09-21T14:14:20Z",
        "lastProblem": "broken",
    }
