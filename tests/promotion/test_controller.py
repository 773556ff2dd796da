"""Controller passes over real files: what is checked before anything runs, what is applied, verified and taken back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from opsd.contract.errors import LockTimeoutError, ManagerFileError, OpsError
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import format_utc
from opsd.promotion.controller.budget import Budget
from opsd.promotion.controller.run import Controller, ControllerFailedError
from opsd.promotion.controller.words import Mode
from opsd.promotion.rollout.words import Intent
from opsd.promotion.steps import Step
from opsd.storage.run_journal import RunJournal
from tests.promotion.controller_support import World, answer, request
from tests.promotion.rollout_factories import NOW, Fleet, registry

ROWS = "promotion-controller"
FREE = Budget(max_applies=9, max_expand_step=900, cooldown_minutes=0)


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path, decision=None)


def test_a_pass_applies_verifies_and_records(fleet: Fleet) -> None:
    world = World(fleet.store)
    record = world.run()
    assert world.calls == ["dry_run", "ci", "apply", "ci", "apply expand", "ci"]
    assert (record["status"], record["registryChanged"], record["verification"]["status"]) == ("applied", True, "pass")
    assert fleet.rollout == (65, False)
    assert fleet.rows(ROWS) == [record]
    assert json.loads((fleet.folder / "promotion-controller-state.json").read_text()) == record


def test_a_pass_in_default_mode_changes_nothing(fleet: Fleet) -> None:
    before = fleet.registry_file.read_bytes()
    world = World(fleet.store)
    assert world.run(mode=Mode.PROPOSE_ONLY)["status"] == "proposed"
    assert world.calls == ["dry_run", "ci"]
    assert fleet.registry_file.read_bytes() == before


def test_a_failed_verification_pauses_the_rollout(fleet: Fleet) -> None:
    world = World(fleet.store, "promote", "promote", "hold")
    record = world.run()
    assert (record["status"], record["execution"]["action"]) == ("rolled_back", "rollback")
    assert fleet.rollout == (65, True)
    assert world.calls[-3:] == ["rollback", "ci", "apply rollback"]


@pytest.mark.parametrize("broken", [7, 2])
def test_the_rollback_of_a_pass_needs_no_evaluation(fleet: Fleet, broken: int) -> None:
    world = World(fleet.store, "promote", "promote", broken)
    assert world.run()["verification"]["reasonCodes"] == ["controller_verification_command_failed"]
    assert fleet.rollout == (65, True)
    assert json.loads((fleet.folder / "promotion-controller-rollback-result.json").read_text())["decision"] == "unknown"


def test_the_rollback_of_a_pass_goes_on_when_the_registry_has_become_invalid(fleet: Fleet) -> None:
    def spoil() -> None:
        if world.calls[-1] == "ci" and "apply expand" in world.calls and "rollback" not in world.calls:
            document = fleet.read()
            document["policy"]["suppressions"] = {"nobody": []}
            fleet.write(document)

    world = World(fleet.store, "promote", "promote", "hold", tick=spoil)
    assert world.run()["status"] == "rolled_back"
    assert fleet.rollout == (65, True)
    assert fleet.read()["policy"]["suppressions"] == {"nobody": []}


def test_files_of_an_earlier_pass_are_never_taken_for_this_one_s(fleet: Fleet) -> None:
    World(fleet.store).run(mode=Mode.PROPOSE_ONLY)
    silent = Step(lambda _argv: answer())
    controller = Controller(fleet.store, silent, silent, clock=lambda: NOW)
    with pytest.raises(OpsError, match="preview result file not found"):
        controller.run(request(fleet.store))
    assert len(fleet.rows(ROWS)) == 1


@pytest.mark.parametrize("state", ["", "[]", "3", "{", "{} {}"])
def test_an_unusable_prior_state_stops_a_pass_before_anything_runs(fleet: Fleet, state: str) -> None:
    (fleet.folder / "promotion-controller-state.json").write_text(state)
    world = World(fleet.store)
    with pytest.raises(OpsError, match="invalid prior controller state JSON"):
        world.run()
    assert world.calls == []


def test_a_torn_telemetry_row_is_cut_off_and_a_damaged_one_stops_the_pass(fleet: Fleet) -> None:
    telemetry = fleet.folder / "telemetry/promotion-controller.jsonl"
    telemetry.parent.mkdir()
    telemetry.write_text('{"timestamp": "20')
    assert World(fleet.store).run()["status"] == "applied"
    telemetry.write_text(telemetry.read_text() + "}{\n")
    world = World(fleet.store)
    with pytest.raises(OpsError, match="invalid controller telemetry JSONL"):
        world.run(budget=FREE)
    assert world.calls == ["dry_run", "ci"]


def test_nothing_is_applied_that_could_not_be_recorded(fleet: Fleet) -> None:
    (fleet.folder / "telemetry/promotion-controller.jsonl").mkdir(parents=True)
    world = World(fleet.store)
    with pytest.raises(OpsError):
        world.run()
    assert fleet.rollout == (40, False)


def test_two_controllers_do_not_run_at_once(fleet: Fleet) -> None:
    controller = Controller(fleet.store, Step(lambda _argv: answer()), Step(lambda _argv: answer()), lock_wait_s=0.05)
    with fleet.store.controller_lock(wait_s=0), pytest.raises(LockTimeoutError, match="another promotion controller"):
        controller.run(request(fleet.store))


def test_a_standing_pause_holds_a_pass_that_asked_for_it(fleet: Fleet) -> None:
    fleet.write(registry(paused=True))
    record = World(fleet.store).run(hold_while_paused=True)
    assert (record["status"], record["decision"]["reasonCodes"]) == ("hold", ["controller_manual_pause_active"])
    fleet.registry_file.unlink()
    record = World(fleet.store).run(hold_while_paused=True)
    assert record["decision"]["reasonCodes"] == ["controller_manual_pause_unknown"]


def test_a_rollout_that_fails_every_verification_shows_in_the_budget(fleet: Fleet) -> None:
    for passes in range(3):
        record = World(fleet.store, "promote", "promote", "hold").run(budget=FREE)
        assert record["decision"]["budget"]["rolledBackCountInWindow"] == passes
    assert fleet.rollout == (100, True)


def test_a_failed_rollback_is_recorded_with_the_code_of_its_command(fleet: Fleet) -> None:
    world = World(fleet.store, "promote", "promote", "hold")

    def lose() -> None:
        if "rollback" in world.calls:
            fleet.registry_file.unlink(missing_ok=True)

    world.tick = lose
    with pytest.raises(ControllerFailedError) as failed:
        world.run()
    assert failed.value.exit_code == 1
    record: Any = failed.value.record
    assert (record["status"], record["error"]["stage"]) == ("failed", "rollback")
    assert fleet.rows(ROWS) == [record]


def test_an_unfinished_run_counts_in_a_proposal_and_is_left_for_a_pass_that_may_act(fleet: Fleet) -> None:
    journal = fleet.folder / "telemetry/promotion-controller-journal.jsonl"
    journal.parent.mkdir()
    execution = {"action": "apply", "expandStep": 25, "applyExecuted": True}
    left = {"timestamp": format_utc(NOW - 60), "runId": "r", "status": "applied", "execution": execution}
    decision = {"promotionDecision": "promote", "promotionReasonCodes": [], "failedGates": [], "reasonCodes": []}
    left["decision"] = decision
    journal.write_text(json.dumps({"runId": "r", "phase": "applying", "record": left}) + "\n")
    record = World(fleet.store).run(mode=Mode.PROPOSE_ONLY)
    assert record["decision"]["budget"]["applyCountInWindow"] == 1
    assert record["observed"]["unfinishedRunIds"] == ["r"]

    world = World(fleet.store, "hold")
    assert world.run()["status"] == "hold"
    assert world.calls[:4] == ["ci", "rollback", "ci", "apply rollback"]
    assert fleet.rollout == (40, True)
    assert [(row["runId"] == "r", row["status"]) for row in fleet.rows(ROWS)] == [
        (False, "proposed"),
        (True, "rolled_back"),
        (False, "hold"),
    ]


def test_resume_is_no_expand_of_the_budget(fleet: Fleet) -> None:
    fleet.write(registry(paused=True))
    record = World(fleet.store).run(apply_intent=Intent.RESUME, budget=Budget(max_expand_step=0))
    assert (record["status"], record["execution"]["expandStep"]) == ("applied", None)
    assert fleet.rollout == (40, False)


def test_a_run_that_died_before_it_changed_anything_is_recorded_as_a_failed_apply(fleet: Fleet) -> None:
    def die() -> None:
        if world.calls[-1] == "apply expand":
            raise KeyboardInterrupt

    world = World(fleet.store, tick=die)
    with pytest.raises(KeyboardInterrupt):
        world.run()
    world.tick = lambda: None
    assert world.run()["decision"]["reasonCodes"] == [
        "controller_budget_apply_count_exceeded",
        "controller_budget_cooldown_active",
    ]
    first = fleet.rows(ROWS)[0]
    assert (first["status"], first["error"]["stage"], first["recovered"]) == ("failed", "apply", True)
    assert fleet.rollout == (40, False)


def test_a_lost_rollback_is_made_up_for_before_anything_else_is_looked_at(fleet: Fleet) -> None:
    def die() -> None:
        if world.calls[-1] == "apply rollback":
            raise KeyboardInterrupt

    world = World(fleet.store, "promote", "promote", "hold", tick=die)
    with pytest.raises(KeyboardInterrupt):
        world.run()
    assert fleet.rollout == (65, False)
    freeze = fleet.folder / "freeze.json"
    freeze.write_text("{")
    (fleet.folder / "promotion-controller-state.json").write_text("{")
    with pytest.raises(OpsError, match="invalid freeze windows JSON"):
        World(fleet.store, 7).run(freeze_windows_file=str(freeze))
    assert fleet.rollout == (65, True)
    assert [(row["status"], row["recovered"]) for row in fleet.rows(ROWS)] == [("rolled_back", True)]


def test_a_rollback_does_not_wait_for_the_journal(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    append = RunJournal.append

    def full(self: RunJournal, run_id: str, phase: str, fields: JsonObject | None = None) -> None:
        if phase == "rolling_back":
            raise ManagerFileError("no space left")
        append(self, run_id, phase, fields)

    monkeypatch.setattr(RunJournal, "append", full)
    assert World(fleet.store, "promote", "promote", "hold").run()["status"] == "rolled_back"
    assert fleet.rollout == (65, True)
