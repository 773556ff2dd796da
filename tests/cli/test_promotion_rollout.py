"""Apply, orchestrate and controller as commands: the real gates behind them, in this process and as programs."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from opsd.contract.timestamps import format_utc
from tests.cli.support import Shell

SCRIPTS = Path(__file__).parents[2] / "scripts"
DRILLS = ("kill_switch", "sprite_service_outage", "ambiguous_retry_guard")


def _in(hours: float) -> str:
    return format_utc(time.time() + hours * 3600)


class Yard:
    """A guarded fleet with evidence that promotes it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.fleet = root / ".superloop/ops-manager/fleet"
        self.fleet.mkdir(parents=True)
        governance = {"actor": "tomas", "approvalRef": "C-1", "rationale": "r", "changedAt": _in(-48)}
        autonomous = {"governance": {**governance, "reviewBy": _in(480)}, "rollout": {"canaryPercent": 10}}
        policy = {"mode": "guarded_auto", "autonomous": autonomous}
        self.write("registry.v1.json", {"schemaVersion": "v1", "loops": [{"loopId": "a"}], "policy": policy})
        paths = dict.fromkeys(("policyGated", "rolloutGated", "governanceGated", "transportGated"), 0)
        status = {"enabled": True, "governance": {"posture": "active"}, "outcomeRollup": {"manual_backlog": 0}}
        self.write("status.json", {"autonomous": {**status, "safetyGateDecisions": {"byPath": paths}}})
        drills = [{"id": drill, "status": "pass", "completedAt": _in(-1)} for drill in DRILLS]
        self.write("drills/promotion.v1.json", {"drills": drills})
        row = {"category": "fleet_handoff_execute", "execution": {"mode": "autonomous", "requestedIntentCount": 1}}
        self.write("telemetry/handoff.jsonl", row)

    def write(self, name: str, document: Any) -> None:
        path = self.fleet / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(document) + "\n")

    def read(self, name: str) -> Any:
        return json.loads((self.fleet / name).read_text())

    def program(self, name: str, *lines: str) -> Path:
        """A program that writes its calls into the repo."""
        path = self.root / name
        path.write_text(
            "\n".join(["#!/bin/sh", f"calls={self.root}/calls", *lines, ""]).replace(">> $calls", '>> "$calls"')
        )
        path.chmod(0o755)
        return path

    @property
    def rollout(self) -> tuple[int, bool]:
        found = self.read("registry.v1.json")["policy"]["autonomous"]["rollout"]
        return found["canaryPercent"], found.get("pause", {}).get("manual", False)

    @property
    def flags(self) -> list[str]:
        return ["--repo", str(self.root)]

    @property
    def evidence(self) -> list[str]:
        return ["--fleet-status-file", str(self.fleet / "status.json"), "--min-sample-size", "1"]


GOVERNANCE = [
    "--by",
    "ines k",
    "--approval-ref",
    "C 2",
    "--rationale",
    "wider --expand-step 90",
    "--review-by",
    _in(99),
]
GUARDED = ["--mode", "guarded_auto_apply", *GOVERNANCE]


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path)


def test_a_guarded_pass_goes_through_every_command_in_one_process(yard: Yard, opsd: Shell) -> None:
    done = opsd("promotion", "controller", *yard.flags, *GUARDED, *yard.evidence, "--trace-id", "t")
    assert (done.exit, done.err) == (0, "")
    assert done.json["status"] == "applied"
    assert yard.rollout == (35, False)
    applied = yard.read("promotion-controller-apply-result.json")
    assert applied["apply"]["record"]["governance"]["rationale"] == "wider --expand-step 90"
    assert applied["traceId"] == "t"


@pytest.mark.parametrize("verdict", ["promote", "hold"])
def test_programs_and_this_process_leave_the_same_artifacts(
    tmp_path: Path, opsd: Shell, monkeypatch: pytest.MonkeyPatch, verdict: str
) -> None:
    def left(name: str) -> tuple[Any, ...]:
        yard = Yard(tmp_path / name)
        if verdict == "hold":
            yard.write("drills/promotion.v1.json", {"drills": []})
        done = opsd("promotion", "controller", *yard.flags, *GUARDED, *yard.evidence, "--trace-id", "t")
        names = sorted(str(path.relative_to(yard.fleet)) for path in yard.fleet.rglob("*") if path.is_file())
        codes = done.json["decision"]["reasonCodes"]
        return done.exit, done.err, done.json["status"], codes, names, yard.rollout

    here = left("here")
    for name in ("ORCHESTRATE", "CI", "APPLY"):
        door = SCRIPTS / f"ops-manager-promotion-{name.lower()}.sh"
        monkeypatch.setenv(f"OPS_MANAGER_PROMOTION_{name}_SCRIPT", str(door))
    assert left("programs") == here
    assert here[2] == ("applied" if verdict == "promote" else "hold")


def test_a_hold_is_no_permission_and_its_message_and_code_are_apply_s(yard: Yard, opsd: Shell) -> None:
    yard.write("drills/promotion.v1.json", {"drills": []})
    done = opsd("promotion", "orchestrate", *yard.flags, "--mode", "apply", *GOVERNANCE, *yard.evidence)
    assert (done.exit, done.out) == (1, b"")
    assert done.err == "error: intent expand requires promotion decision promote (found: hold)\n"
    assert not (yard.fleet / "promotion-orchestrate-result.json").exists()


def test_a_failed_run_takes_the_result_of_the_one_before_away(yard: Yard, opsd: Shell) -> None:
    arguments = ["promotion", "orchestrate", *yard.flags, "--mode", "dry_run"]
    assert opsd(*arguments, *yard.evidence).json["status"] == "preview"
    done = opsd(*arguments, *yard.evidence, "--max-failure-rate", "many")
    assert done.exit == 1
    assert "--max-failure-rate must be a number between 0 and 1" in done.err
    assert not (yard.fleet / "promotion-orchestrate-result.json").exists()


def test_an_emergency_rollback_needs_no_evaluation(yard: Yard, opsd: Shell) -> None:
    rollback = ["promotion", "orchestrate", *yard.flags, "--mode", "rollback", *GOVERNANCE]
    rollback += ["--fleet-status-file", "nowhere"]
    assert opsd(*rollback).exit == 1
    assert yard.rollout == (10, False)
    done = opsd(*rollback, "--emergency")
    assert (done.exit, done.err) == (0, "")
    assert (done.json["status"], done.json["decision"]) == ("rolled_back", "unknown")
    assert done.json["emergency"]["evaluationExitCode"] == 1
    assert yard.rollout == (10, True)


def test_an_emergency_asks_a_program_first_as_the_contract_says(
    yard: Yard, opsd: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = yard.root / "apply"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {yard.root}/calls\ncase "$*" in *--emergency) echo {{}};; *) exit 1;; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("OPS_MANAGER_PROMOTION_APPLY_SCRIPT", str(program))
    rollback = ["promotion", "orchestrate", *yard.flags, "--mode", "rollback", *GOVERNANCE, *yard.evidence]
    assert opsd(*rollback, "--emergency").json["status"] == "rolled_back"
    asked = (yard.root / "calls").read_text().splitlines()
    assert [line.endswith("--emergency") for line in asked] == [False, True]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["apply", "--intent", "expand", *GOVERNANCE, "--emergency"], "--emergency requires intent rollback"),
        (["orchestrate", "--mode", "apply", *GOVERNANCE, "--emergency"], "--emergency requires mode rollback"),
        (["controller", *GUARDED, "--review-by", "soon"], "--review-by must be an ISO-8601 timestamp"),
        (["controller", *GUARDED, "--review-by", _in(-1)], "--review-by must be in the future"),
    ],
)
def test_what_the_added_flags_refuse(yard: Yard, opsd: Shell, arguments: list[str], message: str) -> None:
    name, *rest = arguments
    done = opsd("promotion", name, *yard.flags, *rest)
    assert (done.exit, done.out, done.err) == (1, b"", f"error: {message}\n")
    assert yard.rollout == (10, False)


def test_a_registry_program_is_started_for_the_file_and_for_the_changed_document(
    yard: Yard, opsd: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = yard.root / "registry"
    program.write_text(
        f'#!/bin/sh\necho "$#:$1:$2:$3" >> {yard.root}/calls\nexec {SCRIPTS}/ops-manager-fleet-registry.sh "$@"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("OPS_MANAGER_FLEET_REGISTRY_SCRIPT", str(program))
    yard.write("promotion-state.json", {"summary": {"decision": "promote"}})
    done = opsd("promotion", "apply", *yard.flags, "--intent", "expand", *GOVERNANCE)
    assert (done.exit, done.err) == (0, "")
    assert (yard.root / "calls").read_text().splitlines() == [f"4:--repo:{yard.root}:--registry-file"] * 2
    assert yard.read("registry.v1.json")["sourceFile"] == str(yard.fleet / "registry.v1.json")
    assert yard.rollout == (35, False)


def test_a_summary_reaches_the_pipeline_and_a_device_is_never_replaced(
    yard: Yard, opsd: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = yard.root / "step.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    arguments = ["promotion", "orchestrate", *yard.flags, "--mode", "dry_run", *yard.evidence]
    opsd(*arguments)
    assert "## Ops Manager Promotion Orchestration\n\nMode: `dry_run`" in summary.read_text()
    done = opsd(*arguments, "--result-file", "/dev/null")
    assert done.exit == 1
    assert Path("/dev/null").is_char_device()
