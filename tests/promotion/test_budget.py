"""Budgets, cooldowns and freeze windows over any history."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.contract.errors import ManagerFileError, UsageError
from opsd.contract.timestamps import format_utc, parse_epoch
from opsd.promotion.controller.budget import Budget, Usage, history, judged, usage
from opsd.promotion.controller.freeze import active_windows, freeze_windows
from opsd.promotion.controller.freshness import freshness
from opsd.promotion.controller.words import Action, Reason
from tests.promotion.rollout_factories import NOW

_HOUR = 3600


def _row(hours_ago: float, action: str = "apply", step: Any = 10) -> dict[str, Any]:
    return {"timestamp": format_utc(NOW - hours_ago * _HOUR), "execution": {"action": action, "expandStep": step}}


def _lines(*rows: Any) -> list[bytes]:
    """As a log has them from its end."""
    return [json.dumps(row).encode() for row in reversed(rows)]


def _verdict(rows: list[dict[str, Any]], budget: Budget, step: int | None = 25, now: int = NOW) -> Any:
    return judged(budget, usage(rows, budget, now), [], expand_step=step, now=now)


def test_a_cooldown_longer_than_the_window_looks_back_beyond_it() -> None:
    verdict = _verdict([_row(5)], Budget(window_hours=1, cooldown_minutes=600))
    assert (verdict["applyCountInWindow"], verdict["reasons"]) == (0, [Reason.COOLDOWN])
    assert verdict["cooldownRemainingSeconds"] == 5 * _HOUR


def test_a_row_of_the_future_counts_and_cools_down_for_longer() -> None:
    verdict = _verdict([_row(-1)], Budget(max_applies=5, max_expand_step=100))
    assert (verdict["applyCountInWindow"], verdict["cooldownRemainingSeconds"]) == (1, 2 * _HOUR)


def test_rolled_back_runs_are_told_beside_the_limits_that_they_do_not_count_in() -> None:
    verdict = _verdict([_row(3, "rollback"), _row(4, "rollback")], Budget())
    assert (verdict["rolledBackCountInWindow"], verdict["applyCountInWindow"], verdict["reasons"]) == (2, 0, [])


@pytest.mark.parametrize(
    "line", [b"}{", b"7", b"[]", b'{"execution": "apply"}', b'{"execution": {"action": "apply", "expandStep": "9"}}']
)
def test_a_row_that_cannot_be_understood_stops_the_pass(line: bytes) -> None:
    with pytest.raises(ManagerFileError, match="invalid controller telemetry JSONL: T"):
        list(history([*_lines(_row(1)), line], since=NOW, path="T"))


def test_a_long_history_is_not_read_to_its_beginning() -> None:
    read = 0

    def lines() -> Iterator[bytes]:
        nonlocal read
        for number in range(100_000):
            read += 1
            yield json.dumps({**_row(number), "filler": "x" * 1000}).encode()

    rows = list(history(lines(), since=NOW - 24 * _HOUR, path="T"))
    assert 24 < read < 1100
    assert usage(rows, Budget(), NOW) == Usage(applies=25, expand_step=250, last_mutation=NOW)


_histories = st.lists(
    st.builds(
        _row,
        st.floats(-3, 60),
        st.sampled_from(["apply", "rollback", "hold", "propose", "other"]),
        st.none() | st.integers(1, 100),
    ),
    max_size=12,
)
_budgets = st.builds(Budget, st.integers(1, 48), st.integers(0, 4), st.integers(0, 150), st.integers(0, 1200))


@given(_histories, _budgets, st.none() | st.integers(1, 100))
def test_no_history_lets_a_pass_go_beyond_its_budget(
    rows: list[dict[str, Any]], budget: Budget, step: int | None
) -> None:
    verdict = _verdict(list(history(_lines(*rows), since=budget.since(NOW), path="T")), budget, step)
    begin = NOW - budget.window_hours * _HOUR
    moments = [(parse_epoch(row["timestamp"]) or 0, row["execution"]) for row in rows]
    applies = [execution for at, execution in moments if at >= begin and execution["action"] == Action.APPLY]
    steps = sum(execution["expandStep"] or 0 for execution in applies)
    last = max((at for at, execution in moments if execution["action"] in ("apply", "rollback")), default=None)
    if not verdict["reasons"]:
        assert len(applies) + 1 <= budget.max_applies
        assert step is None or steps + step <= budget.max_expand_step
        assert last is None or NOW - last >= budget.cooldown_minutes * 60
    assert (verdict["cooldownRemainingSeconds"] > 0) is (Reason.COOLDOWN in verdict["reasons"]) or last == NOW


@given(st.integers(1, 30), _budgets, st.lists(st.integers(0, 40 * _HOUR), min_size=1, max_size=30))
def test_passes_that_follow_their_verdicts_keep_the_budget_at_every_moment(
    step: int, budget: Budget, pauses: list[int]
) -> None:
    rows: list[dict[str, Any]] = []
    now = NOW
    for pause in pauses:
        now += pause
        if not _verdict(rows, budget, step, now)["reasons"]:
            rows.append({"timestamp": format_utc(now), "execution": {"action": "apply", "expandStep": step}})
    at = [parse_epoch(row["timestamp"]) or 0 for row in rows]
    for position, moment in enumerate(at):
        inside = [other for other in at[: position + 1] if other >= moment - budget.window_hours * _HOUR]
        assert len(inside) <= budget.max_applies
        assert len(inside) * step <= budget.max_expand_step
        assert position == 0 or moment - at[position - 1] >= budget.cooldown_minutes * 60


def _window(begin: int, end: int, **more: Any) -> dict[str, Any]:
    return {"start": format_utc(begin), "end": format_utc(end), **more}


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(0, 9)), max_size=6), st.integers(-20, 20))
def test_a_pass_inside_any_window_finds_the_budget_frozen(windows: list[tuple[int, int]], offset: int) -> None:
    data = json.dumps({"windows": [_window(NOW + first, NOW + first + length) for first, length in windows]}).encode()
    now = NOW + offset
    active = active_windows(freeze_windows(data, "F"), now)
    inside = [first for first, length in windows if first <= offset <= first + length]
    assert len(active) == len(inside)
    verdict = judged(Budget(max_applies=9), Usage(), active, expand_step=None, now=now)
    assert (Reason.FREEZE in verdict["reasons"]) is verdict["freezeWindowActive"] is bool(inside)


_bad_entries = st.sampled_from(
    [
        *(None, 3, "always", [], {}),
        {"start": format_utc(NOW)},
        {"start": "soon", "end": format_utc(NOW)},
        {"start": False, "end": format_utc(NOW)},
        _window(NOW, NOW - 1),
    ]
)


@given(st.integers(0, 4), st.integers(0, 4), _bad_entries)
def test_one_unusable_entry_anywhere_makes_the_whole_file_unusable(before: int, after: int, bad: Any) -> None:
    good = _window(NOW - 1, NOW + 1)
    data = json.dumps({"windows": [good] * before + [bad] + [good] * after}).encode()
    with pytest.raises(UsageError, match="contains invalid window entries: F"):
        freeze_windows(data, "F")


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"3", b'{"windows": {}}', b'{"windows": false}', b"{} {}"])
def test_a_file_of_another_shape_is_unusable(data: bytes) -> None:
    with pytest.raises(UsageError, match="invalid freeze windows JSON: F"):
        freeze_windows(data, "F")


def test_the_age_of_the_evidence_is_told_beside_the_decision_s() -> None:
    drills = [{"completedAt": format_utc(NOW - 700)}, {"completedAt": "?"}, {"completedAt": format_utc(NOW - 900)}, 4]
    ci_result = {"generatedAt": format_utc(NOW - 61), "gates": {"drillRecency": {"drills": drills}}}
    verdict = freshness(ci_result, ttl_minutes=1, now=NOW)
    assert (verdict["ageSeconds"], verdict["reasons"]) == (61, [Reason.STALE])
    assert verdict["oldestDrillAgeSeconds"] == 900
