"""The stages before the gates: the report, candidates, suppression and dedupe, cohort, auto-pause."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.contract.errors import ManagerFileError, UsageError
from opsd.fleet.policy.autopause import Execution, execution_of, judge_pause, window
from opsd.fleet.policy.candidates import candidates_of
from opsd.fleet.policy.cohort import bucket_of, cohort
from opsd.fleet.policy.controls import parse_controls
from opsd.fleet.policy.cooldown import cooldown
from opsd.fleet.policy.inputs import Seen
from opsd.fleet.policy.report import parse_report
from tests.fleet.policy.factories import NOW, NOW_TEXT, controls, inputs, registry, report, result, state_of


class TestReport:
    @pytest.mark.parametrize(
        "text", ["", "{", "[]", "7", '{"results":7}', '{"results":[7]}', '{"results":[{"status":"failed"}]}', "{} {}"]
    )
    def test_what_cannot_be_judged_is_refused(self, text: str) -> None:
        with pytest.raises(ManagerFileError, match=r"invalid fleet state JSON: s\.json"):
            parse_report(text.encode(), "s.json")

    @pytest.mark.parametrize("text", ["null", "{}", '{"results":null}', '{"results":false}'])
    def test_no_results_are_none(self, text: str) -> None:
        found = parse_report(text.encode(), "s.json")
        assert (found.result_count, found.fleet_id, found.status, found.trace_id) == (0, "default", "unknown", None)

    def test_an_object_of_results_is_its_values(self) -> None:
        found = parse_report(b'{"results":{"x":{"loopId":"a","status":"failed"},"y":{"status":"success"}}}', "s")
        assert (found.result_count, [one.id for one in candidates_of(found.results)]) == (2, ["a:reconcile_failed"])


class TestCandidates:
    def test_they_are_ordered_by_loop_and_category_in_code_points(self) -> None:
        results = [
            result("b", "failed", "critical"),
            result("loop-10", "success", "degraded"),
            result("B", "failed"),
            result("loop-2", "failed"),
            result("a", "success", "healthy"),
        ]
        assert [one.id for one in candidates_of(report(*results).results)] == [
            "B:reconcile_failed",
            "b:health_critical",
            "b:reconcile_failed",
            "loop-10:health_degraded",
            "loop-2:reconcile_failed",
        ]

    def test_of_several_results_for_one_candidate_the_first_is_kept(self) -> None:
        found = candidates_of(report(result("a", traceId="one"), result("a", traceId="two")).results)
        assert [one.trace_id for one in found] == ["one"]


class TestSuppression:
    @pytest.mark.parametrize(
        ("suppressions", "scope", "source"),
        [
            (
                {"a": ["reconcile_failed"], "*": ["reconcile_failed"]},
                "loop",
                "policy.suppressions.<loopId>",
            ),
            ({"a": [], "*": ["reconcile_failed"]}, "global", "policy.suppressions.*"),
            ({"b": ["reconcile_failed"], "*": ["health_critical"]}, None, None),
        ],
    )
    def test_the_loops_own_goes_before_the_fleets(
        self, suppressions: dict[str, Any], scope: str | None, source: str | None
    ) -> None:
        (found,) = state_of(inputs(result("a"), suppressions=suppressions))["candidates"]
        assert (found["suppressionScope"], found["suppressionSource"]) == (scope, source)
        assert found["suppressionReason"] == ("registry_policy_suppression" if scope else None)

    def test_the_registrys_goes_before_the_dedupe_window_which_is_shown_nevertheless(self) -> None:
        history = {"a:reconcile_failed": Seen(NOW - 100)}
        (found,) = state_of(inputs(result("a"), suppressions={"*": ["reconcile_failed"]}, history=history))[
            "candidates"
        ]
        assert found["suppressionScope"] == "global"
        assert found["cooldown"] == {
            "enabled": True,
            "windowSeconds": 300,
            "active": True,
            "remainingSeconds": 200,
            "lastUnsuppressedAt": "2026-11-24T11:58:20Z",
        }

    def test_a_window_of_zero_shows_nothing_of_the_history(self) -> None:
        (found,) = state_of(inputs(result("a"), window_s=0, history={"a:reconcile_failed": Seen(NOW)}))["candidates"]
        assert found["suppressed"] is False
        assert found["cooldown"] == {
            "enabled": False,
            "windowSeconds": 0,
            "active": False,
            "remainingSeconds": 0,
            "lastUnsuppressedAt": None,
        }


class TestCooldown:
    @pytest.mark.parametrize(
        ("age", "active", "remaining"), [(0, True, 60), (59, True, 1), (60, False, 0), (61, False, 0)]
    )
    def test_its_last_second_is_outside(self, age: int, active: bool, remaining: int) -> None:
        assert cooldown(NOW - age, window_s=60, now=NOW) == (active, remaining)

    @given(st.integers(0, 2**40), st.integers(0, 2**33), st.integers(0, 2**33))
    def test_none_lasts_longer_than_its_window_however_wrong_the_clock(
        self, window_s: int, last: int, now: int
    ) -> None:
        assert cooldown(last, window_s=window_s, now=now).remaining_s <= window_s


class TestCohort:
    @pytest.mark.parametrize(
        ("loop_id", "salt", "bucket"),
        [
            ("a", "fleet-autonomous-rollout-v1", 36),
            ("b", "fleet-autonomous-rollout-v1", 85),
            ("loop-a", "fleet-autonomous-rollout-v1", 36),
            ("loop-b", "fleet-autonomous-rollout-v1", 85),
            ("loop-red", "fleet-autonomous-rollout-v1", 76),
            ("loop-1", "cohort-seed-v1", 55),
            ("loop-2", "cohort-seed-v1", 15),
            ("loop-3", "cohort-seed-v1", 75),
            ("loop-scope-miss", "cohort-seed-v1", 80),
            ("é", "fleet-autonomous-rollout-v1", 78),
            ("😀", "fleet-autonomous-rollout-v1", 41),
        ],
    )
    def test_the_contracts_buckets(self, loop_id: str, salt: str, bucket: int) -> None:
        assert bucket_of(loop_id, salt) == bucket

    @given(st.text(), st.text(), st.integers(0, 100), st.integers(0, 100), st.lists(st.text(), max_size=3))
    def test_a_raised_percentage_never_drops_a_loop(
        self, loop_id: str, salt: str, one: int, two: int, scope: list[str]
    ) -> None:
        low, high = sorted((one, two))
        before = cohort(loop_id, salt=salt, canary_percent=low, scope=scope)
        after = cohort(loop_id, salt=salt, canary_percent=high, scope=scope)
        assert before.bucket == after.bucket
        assert after.in_cohort or not before.in_cohort

    @given(st.text(), st.text())
    def test_nobody_is_selected_at_zero_and_everybody_at_a_hundred(self, loop_id: str, salt: str) -> None:
        assert cohort(loop_id, salt=salt, canary_percent=0, scope=()).canary_selected is False
        assert cohort(loop_id, salt=salt, canary_percent=100, scope=()).canary_selected is True


def execution(second: int = 0, **counts: Any) -> Execution:
    found = execution_of(
        {
            "timestamp": f"2026-11-24T11:00:{second:02d}Z",
            "category": "fleet_handoff_execute",
            "execution": {"mode": "autonomous", **counts},
        }
    )
    assert found is not None
    return found


class TestAutoPause:
    @pytest.mark.parametrize(
        "row",
        [
            {},
            {"category": "fleet_handoff_plan", "execution": "text"},
            {"category": "fleet_handoff_execute"},
            {"category": "fleet_handoff_execute", "execution": {"mode": "manual", "failedCount": "x"}},
        ],
    )
    def test_only_autonomous_executions_count(self, row: dict[str, Any]) -> None:
        assert execution_of(row) is None

    @pytest.mark.parametrize(
        ("counts", "attempted"),
        [
            ({"executedIntentCount": 0, "requestedIntentCount": 4}, 0),
            ({"executedIntentCount": None, "requestedIntentCount": 4}, 4),
            ({"executedIntentCount": False}, 0),
            ({"requestedIntentCount": 2.0}, 2),
        ],
    )
    def test_what_was_attempted(self, counts: dict[str, Any], attempted: int) -> None:
        assert execution(**counts).attempted == attempted

    def test_the_window_is_the_newest_by_text_and_stable(self) -> None:
        rows = [execution(9, failedCount=1), execution(2, failedCount=2), execution(9, failedCount=3)]
        undated = rows[0]._replace(timestamp="", failed=9)
        assert [one.failed for one in window([*rows, undated], 3, skip_empty=False)] == [2, 1, 3]

    def test_a_count_that_is_none_is_refused_only_inside_the_window(self) -> None:
        rows = [execution(1, failedCount="3"), execution(2), execution(3)]
        assert len(window(rows, 2, skip_empty=False)) == 2
        with pytest.raises(ValueError, match="not a number"):
            window(rows, 3, skip_empty=False)

    def test_empty_executions_push_failures_out_of_the_window_unless_told_not_to(self) -> None:
        rows = [execution(1, requestedIntentCount=3, failedCount=3), *(execution(second) for second in range(2, 7))]
        rules = controls()
        assert judge_pause(rules, window(rows, 5, skip_empty=False)).auto_reasons == ()
        assert judge_pause(rules, window(rows, 5, skip_empty=True)).auto_reasons == (
            "autonomous_autopause_failure_spike",
        )

    def test_both_spikes_are_told_and_rates_are_unrounded(self) -> None:
        rows = (execution(requestedIntentCount=3, failedCount=2, ambiguousCount=3),)
        pause = judge_pause(controls(), rows)
        metrics = pause.document()["auto"]["metrics"]
        assert pause.auto_reasons == ("autonomous_autopause_ambiguous_spike", "autonomous_autopause_failure_spike")
        assert pause.reasons == ("autonomous_rollout_paused_auto",)
        assert (metrics["failureRate"], repr(metrics["ambiguityRate"])) == (0.6666666666666666, "1")

    def test_a_sample_that_is_too_small_pauses_nothing(self) -> None:
        rows = (execution(requestedIntentCount=2, failedCount=2),)
        assert judge_pause(controls(), rows).auto_reasons == ()


class TestControls:
    def test_what_a_registry_program_left_out_takes_its_default(self) -> None:
        found = parse_controls({"policy": {}})
        assert (found.mode, found.allowed_categories, found.min_severity, found.max_actions_per_run) == (
            "advisory",
            (),
            "critical",
            1,
        )
        assert (found.canary_percent, found.auto_pause.enabled, found.dedupe_window) == (100, True, 300)

    @pytest.mark.parametrize(
        ("where", "value"),
        [
            ("safety", {"killSwitch": "yes"}),
            ("safety", {"maxActionsPerRun": "1"}),
            ("safety", {"maxActionsPerLoop": -1}),
            ("rollout", {"pause": {"manual": 1}}),
            ("rollout", {"scope": {"loopIds": [7]}}),
            ("allow", {"categories": "all"}),
            ("thresholds", {"minSeverity": 3}),
        ],
    )
    def test_a_control_that_cannot_be_compared_is_refused(self, where: str, value: dict[str, Any]) -> None:
        with pytest.raises(UsageError, match=f"policy.autonomous.{where}"):
            controls(**{where: value})

    def test_an_unknown_mode_is_refused(self) -> None:
        with pytest.raises(UsageError, match="unsupported policy mode: auto"):
            controls("auto")

    def test_the_registrys_time_is_not_looked_at(self) -> None:
        assert registry()["policy"]["autonomous"]["governance"]["reviewBy"] > NOW_TEXT
