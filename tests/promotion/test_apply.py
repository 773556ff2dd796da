"""Apply over real files: what it refuses, what it changes, how a key is answered, and what an emergency may do."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from opsd.contract.errors import LockTimeoutError, ManagerFileError, OpsError, UsageError
from opsd.contract.timestamps import format_utc
from opsd.promotion.rollout.apply import Apply
from opsd.promotion.rollout.context import Governance
from opsd.promotion.rollout.words import Intent
from opsd.storage.fleet_parts import FleetDocument
from tests.promotion.rollout_factories import GOVERNANCE, NOW, Fleet, Rules, apply_request, registry


def test_an_expand_is_recorded_and_its_journal_is_closed(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    record = fleet.apply(apply_request())
    assert fleet.rollout == (65, False)
    assert fleet.rows() == [record]
    assert json.loads((fleet.folder / "promotion-apply-state.json").read_text()) == record
    journal = [
        json.loads(line) for line in (fleet.folder / "telemetry/promotion-apply-journal.jsonl").read_text().splitlines()
    ]
    assert [row["phase"] for row in journal] == ["applying", "recorded"]


def test_the_registry_keeps_the_indentation_of_its_owner(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    fleet.write(registry(), indent=4)
    fleet.apply(apply_request())
    assert fleet.registry_file.read_text().startswith('{\n    "schemaVersion"')


def test_a_torn_last_row_neither_hides_a_key_nor_spoils_the_next_row(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    fleet.apply(apply_request(key="k"))
    telemetry = fleet.folder / "telemetry/promotion-apply.jsonl"
    with telemetry.open("a") as file:
        file.write('{"idempotencyKey":"to')
    assert fleet.apply(apply_request(key="k"))["replayed"] is True
    fleet.apply(apply_request(key="l", step=1))
    assert [row["idempotencyKey"] for row in fleet.rows()] == ["k", "l"]


def test_damage_inside_the_log_stops_an_apply_with_a_key_and_no_other(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    telemetry = fleet.folder / "telemetry/promotion-apply.jsonl"
    telemetry.parent.mkdir()
    telemetry.write_text("}{\n")
    with pytest.raises(ManagerFileError, match="invalid apply telemetry JSONL"):
        fleet.apply(apply_request(key="k"))
    assert fleet.rollout == (40, False)
    fleet.apply(apply_request())
    assert fleet.rollout == (65, False)


def test_a_key_of_another_intent_refuses_an_expand_and_never_answers_a_rollback(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    fleet.apply(apply_request(key="k"))
    with pytest.raises(UsageError, match="belongs to intent expand"):
        fleet.apply(apply_request(Intent.RESUME, key="k"))
    assert "replayed" not in fleet.apply(apply_request(Intent.ROLLBACK, key="k"))
    assert fleet.rollout == (65, True)


def test_a_rollback_is_replayed_only_while_its_pause_stands(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    fleet.apply(apply_request(Intent.ROLLBACK, key="k"))
    assert fleet.apply(apply_request(Intent.ROLLBACK, key="k"))["replayed"] is True
    fleet.apply(apply_request(Intent.RESUME))
    assert "replayed" not in fleet.apply(apply_request(Intent.ROLLBACK, key="k"))
    assert fleet.rollout[1] is True


def test_an_old_decision_is_refused_only_where_an_age_was_named(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    with pytest.raises(UsageError, match="is 60 s old"):
        fleet.apply(apply_request(max_decision_age_s=59))
    assert fleet.apply(apply_request(max_decision_age_s=60))["decisionAgeSeconds"] == 60


def test_an_expand_waits_for_the_pass_over_the_fleet_and_a_rollback_does_not(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    apply = Apply(fleet.store, Rules(), clock=lambda: NOW, lock_wait_s=0.05)
    with fleet.store.lock(wait_s=0):
        with pytest.raises(LockTimeoutError):
            apply.run(apply_request())
        apply.run(apply_request(Intent.ROLLBACK))
    assert fleet.rollout == (40, True)


def test_an_edit_by_somebody_else_meanwhile_is_kept(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)

    class Meddled(Rules):
        done = False

        def revalidated(self, document: dict[str, object]) -> dict[str, object]:
            if not self.done:
                self.done = True
                fleet.write({**registry(10), "owner": "night shift"})
            return super().revalidated(document)

    Apply(fleet.store, Meddled(), clock=lambda: NOW).run(apply_request())
    assert fleet.read()["owner"] == "night shift"
    assert fleet.rollout == (35, False)
    fleet.write(registry(3))
    fleet.apply(apply_request(Intent.ROLLBACK))
    assert [row["intent"] for row in fleet.rows()] == ["expand", "rollback"]


def test_of_many_expands_at_once_none_is_lost(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, registry(0))
    threads = [threading.Thread(target=fleet.apply, args=(apply_request(step=7),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fleet.rollout == (56, False)
    assert sorted(row["rollout"]["after"]["canaryPercent"] for row in fleet.rows()) == [7 * n for n in range(1, 9)]


def _emergency(governance: Governance = GOVERNANCE) -> object:
    return apply_request(Intent.ROLLBACK, emergency=True, governance=governance)


def test_an_emergency_needs_no_decision(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, decision=None)
    with pytest.raises(UsageError, match="promotion state file not found"):
        fleet.apply(apply_request(Intent.ROLLBACK))
    assert fleet.apply(_emergency())["decision"] == "unknown"
    assert fleet.rollout == (40, True)


def test_an_emergency_renews_a_registry_whose_review_has_expired(tmp_path: Path) -> None:
    document = registry()
    document["policy"]["autonomous"]["governance"]["reviewBy"] = format_utc(NOW - 1)
    fleet = Fleet(tmp_path, document)
    with pytest.raises(OpsError, match="failed to read/validate"):
        fleet.apply(apply_request(Intent.ROLLBACK))
    record = fleet.apply(_emergency())
    assert "reviewBy must be in the future" in " ".join(record["emergency"]["because"])
    assert fleet.rollout == (40, True)
    assert Rules().normalized(fleet.registry_file.read_bytes())["policy"]["mode"] == "guarded_auto"


def test_an_emergency_whose_own_deadline_cannot_stand_pauses_and_leaves_the_governance(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    fleet.apply(_emergency(Governance("ines", "CHG", "now", "soon")))
    assert fleet.rollout == (40, True)
    assert fleet.read()["policy"]["autonomous"]["governance"]["actor"] == "tomas"


@pytest.mark.parametrize("broken", [{"suppressions": {"nobody": []}}, {"mode": "advisory"}, {"noiseControls": 3}])
def test_an_emergency_pauses_a_registry_that_the_rules_refuse(tmp_path: Path, broken: dict[str, object]) -> None:
    document = registry()
    document["policy"].update(broken)
    fleet = Fleet(tmp_path, document)
    with pytest.raises(OpsError):
        fleet.apply(apply_request(Intent.ROLLBACK))
    fleet.apply(_emergency())
    assert fleet.rollout == (40, True)
    assert fleet.read()["policy"].items() >= broken.items()


def test_an_emergency_pauses_although_nothing_can_be_recorded_and_says_so(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    (fleet.folder / "telemetry").write_text("no folder")
    with pytest.raises(FileExistsError):
        fleet.apply(apply_request(Intent.ROLLBACK))
    assert fleet.rollout == (40, False)
    with pytest.raises(ManagerFileError, match="the rollout is paused, but"):
        fleet.apply(_emergency())
    assert fleet.rollout == (40, True)


@pytest.mark.parametrize("text", ["", "not a registry", "[]", '{"policy": 3}'])
def test_only_a_registry_that_is_none_stops_an_emergency(tmp_path: Path, text: str) -> None:
    fleet = Fleet(tmp_path)
    fleet.registry_file.write_text(text)
    with pytest.raises(OpsError, match="failed to read/validate fleet registry"):
        fleet.apply(_emergency())
    assert fleet.registry_file.read_text() == text


def test_what_an_apply_to_another_registry_has_open_is_left_alone(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    journal = fleet.folder / "telemetry/promotion-apply-journal.jsonl"
    journal.parent.mkdir()
    row = {
        "runId": "x",
        "phase": "applying",
        "registryFile": "/elsewhere.json",
        "before": "",
        "after": "",
        "record": {},
    }
    journal.write_text(json.dumps(row) + "\n")
    fleet.apply(apply_request())
    assert [run["phase"] for run in map(json.loads, journal.read_text().splitlines()) if run["runId"] == "x"] == [
        "applying"
    ]
    assert fleet.store.exists(FleetDocument.PROMOTION_APPLY)
