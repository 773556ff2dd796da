"""``opsd fleet policy``, ``fleet explain`` and ``audit verify`` as commands."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from opsd.cli.fleet.explain_page import explain_page
from opsd.cli.fleet.policy_page import policy_page
from opsd.fleet.policy.explain import explain
from opsd.storage.fleet_parts import AUDITED
from opsd.storage.fleet_store import FileFleetStore
from tests.cli.support import Shell, printed


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    folder = tmp_path / ".superloop" / "ops-manager" / "fleet"
    folder.mkdir(parents=True)
    registry = {"schemaVersion": "v1", "fleetId": "harbor", "loops": [{"loopId": "pier"}, {"loopId": "quay"}]}
    (folder / "registry.v1.json").write_text(json.dumps(registry))
    report(folder, {"loopId": "pier", "status": "failed", "healthStatus": "degraded"})
    return folder


def report(folder: Path, *results: dict[str, Any]) -> None:
    state = {"fleetId": "harbor", "traceId": "fl-7", "status": "partial_failure", "results": results}
    (folder / "state.json").write_text(json.dumps(state))


class TestPolicy:
    def test_it_prints_what_it_published(self, opsd: Shell, fleet: Path, tmp_path: Path) -> None:
        done = opsd("fleet", "policy", "--repo", tmp_path)
        assert (done.exit, done.err) == (0, "")
        assert done.out == (fleet / "policy-state.json").read_bytes()

    def test_without_a_fleet_state_nothing_is_created(self, opsd: Shell, tmp_path: Path) -> None:
        done = opsd("fleet", "policy", "--repo", tmp_path)
        path = f"{tmp_path}/.superloop/ops-manager/fleet/state.json"
        assert (done.exit, done.out, done.err) == (1, b"", f"error: fleet state file not found: {path}\n")
        assert list(tmp_path.iterdir()) == []

    def test_it_waits_for_nobody_longer_than_told(self, opsd: Shell, fleet: Path, tmp_path: Path) -> None:
        with FileFleetStore(str(tmp_path)).lock(wait_s=0):
            done = opsd("fleet", "policy", "--repo", tmp_path, "--lock-wait-seconds", 0)
        assert done.exit == 1
        assert done.err.startswith("error: another process works on this fleet")
        assert not (fleet / "policy-state.json").exists()

    def test_runs_at_the_same_moment_make_one_candidate_eligible_once(self, fleet: Path, tmp_path: Path) -> None:
        policy = {
            "mode": "guarded_auto",
            "autonomous": {
                "governance": {
                    "actor": "duty-lead",
                    "approvalRef": "CHG-88",
                    "rationale": "night cover",
                    "changedAt": "2026-01-01T00:00:00Z",
                    "reviewBy": "2099-01-01T00:00:00Z",
                }
            },
        }
        registry = {"schemaVersion": "v1", "fleetId": "harbor", "loops": [{"loopId": "pier"}], "policy": policy}
        (fleet / "registry.v1.json").write_text(json.dumps(registry))
        argv = [sys.executable, "-m", "opsd", "fleet", "policy", "--repo", str(tmp_path)]
        running = [subprocess.Popen(argv, stdout=subprocess.PIPE) for _ in range(6)]
        states = [json.loads(process.communicate()[0]) for process in running]
        assert sorted(state["autoEligibleCount"] for state in states) == [0, 0, 0, 0, 0, 1]
        history = [json.loads(line) for line in (fleet / "telemetry" / "policy-history.jsonl").read_text().splitlines()]
        assert len([row for row in history if row["autonomousEligible"]]) == 1

    def test_warnings_are_in_the_document_and_not_on_stderr(self, opsd: Shell, fleet: Path, tmp_path: Path) -> None:
        report(fleet, {"loopId": "gone", "status": "failed"})
        done = opsd("fleet", "policy", "--repo", tmp_path, "--max-fleet-state-age-seconds", 5)
        assert (done.exit, done.err) == (0, "")
        assert [one["code"] for one in done.json["warnings"]] == [
            "candidates_of_unregistered_loops",
            "fleet_state_too_old",
        ]

    def test_the_page_says_who_is_in_trouble_why_and_what_is_proposed(
        self, opsd: Shell, fleet: Path, tmp_path: Path
    ) -> None:
        report(fleet, {"loopId": "gone\u001b[2J", "status": "failed"}, {"loopId": "pier", "healthStatus": "degraded"})
        opsd("fleet", "policy", "--repo", tmp_path)
        state = json.loads((fleet / "policy-state.json").read_text())
        page = printed(policy_page(state, ("--repo", "/srv/my repo")))
        assert "2 candidates: 0 the manager may act on, 2 for a person, 0 suppressed" in page
        assert "gone\\x1b[2J" in page
        assert "health_degraded" in page
        assert "cancel, by a person" in page
        assert "policy_mode_not_guarded_auto" in page
        assert "the fleet state still holds results of loops" in page
        assert "the registry's mode is advisory" in page
        assert "opsd fleet explain --repo '/srv/my repo'" in page

    def test_the_page_of_a_fleet_that_is_well(self, opsd: Shell, fleet: Path, tmp_path: Path) -> None:
        report(fleet)
        done = opsd("fleet", "policy", "--repo", tmp_path)
        assert "nobody is in trouble" in printed(policy_page(done.json, ()))


class TestExplain:
    def test_it_derives_the_decision_again(self, opsd: Shell, fleet: Path, tmp_path: Path) -> None:
        opsd("fleet", "policy", "--repo", tmp_path)
        done = opsd("fleet", "explain", "pier:reconcile_failed", "--repo", tmp_path)
        assert (done.exit, done.err, done.json["derivation"]["matches"]) == (0, "", True)
        assert [gate["gate"] for gate in done.json["candidates"][0]["gates"] if not gate["passed"]] == ["mode"]

    def test_the_candidate_may_stand_behind_the_flags(self, opsd: Shell, fleet: Path, tmp_path: Path) -> None:
        opsd("fleet", "policy", "--repo", tmp_path)
        assert opsd("fleet", "explain", "--repo", tmp_path, "pier").json["name"] == "pier"

    def test_an_edited_decision_is_exit_1(self, opsd: Shell, fleet: Path, tmp_path: Path) -> None:
        opsd("fleet", "policy", "--repo", tmp_path)
        path = fleet / "policy-state.json"
        path.write_text(path.read_text().replace('"eligible":false', '"eligible":true'))
        done = opsd("fleet", "explain", "pier", "--repo", tmp_path)
        assert (done.exit, done.json["derivation"]["matches"]) == (1, False)

    @pytest.mark.parametrize(
        ("argv", "message"),
        [
            ((), "a candidate is required, as <loop>:<category>"),
            (("pier",), "--repo is required"),
            (("pier", "quay"), "unknown argument: quay"),
        ],
    )
    def test_what_is_missing_is_said(self, opsd: Shell, argv: tuple[str, ...], message: str) -> None:
        assert opsd("fleet", "explain", *argv).err == f"error: {message}\n"

    def test_without_a_policy_state(self, opsd: Shell, fleet: Path, tmp_path: Path) -> None:
        path = fleet / "policy-state.json"
        assert opsd("fleet", "explain", "x", "--repo", tmp_path).err == f"error: policy state file not found: {path}\n"
        path.write_text("{")
        assert opsd("fleet", "explain", "x", "--repo", tmp_path).err == f"error: invalid policy state JSON: {path}\n"

    def test_the_page_shows_gates_and_their_inputs(self, opsd: Shell, fleet: Path, tmp_path: Path) -> None:
        state = opsd("fleet", "policy", "--repo", tmp_path).json
        page = printed(explain_page(explain(state, "pier")))
        assert "derived again from the recorded inputs: the same decision" in page
        assert "severity_below_threshold" in page
        assert "severity warning · minimum critical" in page
        del state["evaluation"]
        assert "not derived again: the state was published without its inputs" in printed(
            explain_page(explain(state, "pier"))
        )


class TestAuditVerify:
    def test_an_audit_in_order(self, opsd: Shell, fleet: Path, tmp_path: Path) -> None:
        opsd("fleet", "policy", "--repo", tmp_path)
        done = opsd("audit", "verify", "--repo", tmp_path)
        assert (done.exit, done.err, done.json["ok"]) == (0, "", True)
        assert [log["status"] for log in done.json["logs"]] == ["intact", *["absent"] * (len(AUDITED) - 1)]

    def test_before_the_first_run_there_is_nothing_to_verify(self, opsd: Shell, fleet: Path, tmp_path: Path) -> None:
        done = opsd("audit", "verify", "--repo", tmp_path)
        assert (done.exit, [log["status"] for log in done.json["logs"]]) == (0, ["absent"] * len(AUDITED))

    def test_an_edited_row_is_exit_1(self, opsd: Shell, fleet: Path, tmp_path: Path) -> None:
        opsd("fleet", "policy", "--repo", tmp_path)
        log = fleet / "telemetry" / "policy-governance.jsonl"
        log.write_text(log.read_text().replace("harbor", "harbour"))
        done = opsd("audit", "verify", "--repo", tmp_path)
        assert (done.exit, done.json["ok"]) == (1, False)
        assert done.json["logs"][0]["problems"][0]["problem"] == "last_row_altered"

    def test_an_audit_that_is_gone_with_its_head_is_missed(self, opsd: Shell, fleet: Path, tmp_path: Path) -> None:
        opsd("fleet", "policy", "--repo", tmp_path)
        for path in (fleet / "telemetry").glob("policy-governance*"):
            path.unlink()
        done = opsd("audit", "verify", "--repo", tmp_path)
        assert (done.exit, done.json["logs"][0]["problems"][0]["problem"]) == (1, "log_missing")

    def test_one_log_can_be_named(self, opsd: Shell, fleet: Path, tmp_path: Path) -> None:
        opsd("fleet", "policy", "--repo", tmp_path, "--governance-audit-file", tmp_path / "mine.jsonl")
        done = opsd("audit", "verify", "--repo", tmp_path, "--file", tmp_path / "mine.jsonl")
        assert [(log["file"], log["status"]) for log in done.json["logs"]] == [(str(tmp_path / "mine.jsonl"), "intact")]
        assert opsd("audit", "verify", "--repo", tmp_path, "--file", tmp_path / "none.jsonl").exit == 1
