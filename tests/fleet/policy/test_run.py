"""A run over real files: what is read, what is written in which order, and what a crash in between leaves.

Invariant: whatever step a run dies at, no decision is published that is not recorded, and the run after it loses no
change of governance.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from opsd.contract.errors import ManagerFileError, OpsError
from opsd.contract.jsoncodec import dumps
from opsd.fleet.policy.memory import PolicyMemory
from opsd.fleet.policy.run import PolicyRequest, run_policy
from opsd.storage.audit_chain import verify
from opsd.storage.fleet_parts import FleetDocument, FleetLog
from opsd.storage.fleet_store import FileFleetStore
from tests.fleet.policy.factories import GOVERNANCE, NOW, registry, result


class Fleet:
    """A repo with a fleet state, and runs over it."""

    def __init__(self, root: Path) -> None:
        self.store = FileFleetStore(str(root))
        self.registry = registry()
        self.report(result("a"), result("b", "success", "critical"))

    def report(self, *results: dict[str, Any]) -> None:
        state = {"fleetId": "harbor", "traceId": "fl-7", "status": "x", "results": list(results)}
        self.store.replace(FleetDocument.STATE, state)

    def run(self, *, at: int = NOW, memory: PolicyMemory | None = None, **asked: Any) -> Any:
        return run_policy(self.store, self.registry, PolicyRequest(**asked), clock=lambda: at, memory=memory)

    def path(self, part: FleetDocument | FleetLog) -> Path:
        return Path(self.store.location(part))

    def rows(self, log: FleetLog) -> list[Any]:
        path = self.path(log)
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def published(self) -> Any:
        path = self.path(FleetDocument.POLICY)
        return json.loads(path.read_text()) if path.exists() else None


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


def test_a_run_records_and_publishes_what_it_decided(fleet: Fleet) -> None:
    state = fleet.run()
    assert fleet.published == json.loads(dumps(state))
    assert [row["candidateId"] for row in fleet.rows(FleetLog.POLICY_HISTORY)] == [
        "a:reconcile_failed",
        "b:health_critical",
    ]
    assert len(fleet.rows(FleetLog.POLICY)) == len(fleet.rows(FleetLog.GOVERNANCE)) == 1
    report = verify(fleet.store.location(FleetLog.GOVERNANCE))
    assert report is not None
    assert (report.ok, report.chained) == (True, 1)


STEPS = ["append_audited", "append", "replace"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("done", [False, True])
def test_a_crash_at_any_step_loses_nothing(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, step: str, done: bool
) -> None:
    """The run dies just before or just after the first call of a step."""
    fleet.run()
    before = fleet.published
    fleet.registry = registry(governance={**GOVERNANCE, "approvalRef": "CHG-91"})
    with monkeypatch.context() as patch:
        real = getattr(FileFleetStore, step)

        def die(self: FileFleetStore, *args: Any, **named: Any) -> None:
            if done:
                real(self, *args, **named)
            raise KeyboardInterrupt

        patch.setattr(FileFleetStore, step, die)
        with pytest.raises(KeyboardInterrupt):
            fleet.run(at=NOW + 1)
    if not (step == "replace" and done):
        assert fleet.published == before
    else:
        assert len(fleet.rows(FleetLog.POLICY_HISTORY)) == 4
    fleet.run(at=NOW + 2)
    fleet.run(at=NOW + 3)
    events = [row["eventType"] for row in fleet.rows(FleetLog.GOVERNANCE)]
    assert events == ["autonomous_policy_initialized", "autonomous_policy_mutated"]
    report = verify(fleet.store.location(FleetLog.GOVERNANCE))
    assert report is not None
    assert report.ok


@pytest.mark.parametrize("log", [FleetLog.GOVERNANCE, FleetLog.POLICY_HISTORY, FleetLog.POLICY])
def test_what_cannot_be_recorded_is_not_published(fleet: Fleet, log: FleetLog) -> None:
    fleet.path(log).mkdir(parents=True)
    with pytest.raises(OpsError, match=fleet.path(log).name):
        fleet.run()
    assert fleet.published is None


@pytest.mark.parametrize(
    ("part", "text", "message"),
    [
        (FleetDocument.STATE, "{", "invalid fleet state JSON"),
        (FleetDocument.POLICY, "", "invalid existing policy state JSON"),
        (FleetDocument.POLICY, "[]", "invalid existing policy state JSON"),
        (FleetLog.POLICY_HISTORY, "{}\n{oops\n{}\n", "invalid policy history JSONL"),
        (FleetLog.POLICY_HISTORY, "7\n", "invalid policy history JSONL"),
        (FleetLog.HANDOFF, "{}\n{oops\n{}\n", "invalid handoff telemetry JSONL"),
        (
            FleetLog.HANDOFF,
            '{"category":"fleet_handoff_execute","execution":{"mode":"autonomous","failedCount":"3"}}\n',
            "invalid handoff telemetry JSONL",
        ),
    ],
)
def test_a_bad_input_stops_the_run_before_anything_is_written(
    fleet: Fleet, part: FleetDocument | FleetLog, text: str, message: str
) -> None:
    fleet.path(part).parent.mkdir(exist_ok=True)
    fleet.path(part).write_text(text)
    before = sorted((path, path.read_bytes()) for path in fleet.path(part).parents[1].rglob("*.json*"))
    with pytest.raises(ManagerFileError, match=message):
        fleet.run()
    assert sorted((path, path.read_bytes()) for path in fleet.path(part).parents[1].rglob("*.json*")) == before


def test_a_prior_state_of_null_is_none(fleet: Fleet) -> None:
    fleet.path(FleetDocument.POLICY).write_text("null\n")
    fleet.run()
    assert [row["eventType"] for row in fleet.rows(FleetLog.GOVERNANCE)] == ["autonomous_policy_initialized"]


def test_a_torn_history_row_is_cut_off_before_the_next_one(fleet: Fleet) -> None:
    history = fleet.path(FleetLog.POLICY_HISTORY)
    history.parent.mkdir()
    history.write_text('{"a":1}\n{"candidateId":"a:rec')
    fleet.run()
    assert [row.get("candidateId") for row in fleet.rows(FleetLog.POLICY_HISTORY)] == [
        None,
        "a:reconcile_failed",
        "b:health_critical",
    ]


def test_a_history_row_that_only_lacks_its_newline_is_kept(fleet: Fleet) -> None:
    history = fleet.path(FleetLog.POLICY_HISTORY)
    history.parent.mkdir()
    history.write_text('{"a":1}')
    fleet.run()
    assert fleet.rows(FleetLog.POLICY_HISTORY)[0] == {"a": 1}


def test_a_dedupe_window_that_is_no_count_is_refused_wherever_it_comes_from(fleet: Fleet) -> None:
    for asked in ({"dedupe_window_s": ""}, {"dedupe_window_s": "-5"}, {"dedupe_window_s": "1.0"}):
        with pytest.raises(OpsError, match="--dedupe-window-seconds must be a non-negative integer"):
            fleet.run(**asked)
    fleet.registry["policy"]["noiseControls"]["dedupeWindowSeconds"] = 1e20
    with pytest.raises(OpsError, match="--dedupe-window-seconds must be a non-negative integer"):
        fleet.run()


def test_a_change_of_suppressions_is_logged_beside_the_audit(fleet: Fleet) -> None:
    fleet.run()
    fleet.registry = registry(suppressions={"*": ["health_critical"]})
    fleet.run(at=NOW + 1)
    assert [row["changed"] for row in fleet.rows(FleetLog.POLICY_CHANGES)] == [["suppressions"]]
    assert len(fleet.rows(FleetLog.GOVERNANCE)) == 1


def test_a_kept_memory_decides_as_a_fresh_one_and_reads_only_what_is_new(fleet: Fleet) -> None:
    memory = PolicyMemory(fleet.store)
    for second in range(5):
        at = NOW + second * 150
        kept = fleet.run(at=at, memory=memory)
        seen = {name: memory.history.seen(name) for name in ("a:reconcile_failed", "b:health_critical")}
        fresh = PolicyMemory(fleet.store)
        fresh.catch_up_history()
        memory.catch_up_history()
        assert {name: fresh.history.seen(name) for name in seen} == {name: memory.history.seen(name) for name in seen}
        assert kept["candidates"][0]["suppressed"] == (second % 2 == 1)


def test_a_longer_look_back_than_before_reads_the_executions_again(fleet: Fleet) -> None:
    row = {"timestamp": "x", "category": "fleet_handoff_execute", "execution": {"mode": "autonomous"}}
    fleet.store.append(FleetLog.HANDOFF, [row] * 2500)
    memory = PolicyMemory(fleet.store)
    assert 1000 <= len(memory.catch_up_executions(5, skip_empty=False)) < 2500
    assert len(memory.catch_up_executions(2500, skip_empty=False)) == 2500
    assert memory.catch_up_executions(2500, skip_empty=True) == []


def test_a_long_history_and_many_loops_meet_no_ceiling(fleet: Fleet) -> None:
    names = [f"loop-{number}" for number in range(1000)]
    rows = [
        {"timestamp": "2026-11-24T11:59:00Z", "candidateId": f"{names[number % 1000]}:reconcile_failed"}
        for number in range(100_000)
    ]
    fleet.store.append(FleetLog.POLICY_HISTORY, rows)
    fleet.report(*(result(name, "failed", "critical") for name in names))
    state = fleet.run()
    assert (state["candidateCount"], state["cooldownSuppressedCount"]) == (2000, 1000)
    assert len(fleet.rows(FleetLog.POLICY_HISTORY)) == 102_000
