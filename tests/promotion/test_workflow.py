"""The ready workflow: its facts are the contract's (contract 90, C), and what it runs is what its inputs say."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOW = yaml.safe_load((ROOT / "deploy" / "ci" / "ops-manager-promotion-gates.yml").read_text())
TRIGGERS = WORKFLOW[True]  # YAML 1.1 reads the key `on` as true
JOB = WORKFLOW["jobs"]["promotion-gates"]
CHECKOUT, _INSTALL, EVALUATE, SHOW = JOB["steps"]
THRESHOLDS = {
    "window_executions": "20",
    "min_sample_size": "20",
    "max_ambiguity_rate": "0.2",
    "max_failure_rate": "0.2",
    "max_manual_backlog": "5",
    "max_drill_age_hours": "168",
}
DEFAULTS = {"repo_path": ".", "skip_on_missing_evidence": True, "fail_on_hold": False, **THRESHOLDS}
OUTPUTS = [f".superloop/ops-manager/fleet/promotion-ci-{name}" for name in ("result.json", "summary.md")]


def value(expression: str, event: str, inputs: dict[str, Any]) -> str:
    """The text of a ``${{ }}`` of the few forms that the workflow uses."""
    inner = re.fullmatch(r"\$\{\{ (.*) \}\}", expression)
    assert inner is not None
    python = inner[1].replace("||", "or").replace("&&", "and").replace("github.event_name", "event")
    python = re.sub(r"inputs\.(\w+)", r"inputs.get('\1', '')", python)
    found = eval(python, {"event": event, "inputs": inputs})
    return str(found).lower() if isinstance(found, bool) else str(found)


def ran(tmp_path: Path, event: str, inputs: dict[str, Any], exit_code: int = 0) -> tuple[int, list[str]]:
    """Run the evaluating step with a wrapper that notes its arguments; its exit code and the arguments."""
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    door = scripts / "ops-manager-promotion-ci.sh"
    door.write_text(f'#!/bin/sh\nfor part in "$@"; do printf "%s\\0" "$part"; done > seen\nexit {exit_code}\n')
    door.chmod(0o755)
    env = {name: value(text, event, inputs) for name, text in EVALUATE["env"].items()}
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", EVALUATE["run"]],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", **env},
        check=False,
    )
    return done.returncode, (tmp_path / "seen").read_text().split("\0")[:-1]


def flags(repo: str = ".", **changes: str) -> list[str]:
    argv = ["--repo", repo]
    for name, default in THRESHOLDS.items():
        argv += [f"--{name.replace('_', '-')}", changes.get(name, default)]
    return [*argv, "--result-file", OUTPUTS[0], "--summary-file", OUTPUTS[1]]


def test_it_runs_on_a_schedule_and_when_dispatched_with_the_contracts_inputs() -> None:
    assert set(TRIGGERS) == {"schedule", "workflow_dispatch"}
    assert TRIGGERS["schedule"] == [{"cron": "17 5 * * *"}]
    inputs = TRIGGERS["workflow_dispatch"]["inputs"]
    assert {name: spec["default"] for name, spec in inputs.items()} == DEFAULTS
    booleans = {name for name, spec in inputs.items() if spec["type"] == "boolean"}
    assert booleans == {"skip_on_missing_evidence", "fail_on_hold"}


def test_it_may_read_and_nothing_else_and_one_runs_at_a_time() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert WORKFLOW["concurrency"]["cancel-in-progress"] is False
    assert "${{ github.ref }}" in WORKFLOW["concurrency"]["group"]
    assert (JOB["runs-on"], JOB["timeout-minutes"]) == ("ubuntu-latest", 10)
    assert re.fullmatch(r"actions/checkout@[0-9a-f]{40}", CHECKOUT["uses"])
    assert CHECKOUT["with"] == {"persist-credentials": False}
    assert [step for step in JOB["steps"] if "uses" in step] == [CHECKOUT]


def test_no_input_is_part_of_a_script() -> None:
    assert not any("${{" in step.get("run", "") for step in JOB["steps"])


def test_a_scheduled_run_skips_and_enforces_nothing(tmp_path: Path) -> None:
    assert ran(tmp_path, "schedule", {}) == (0, [*flags(), "--skip-on-missing-evidence"])


@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize("fail", [True, False])
def test_a_dispatched_run_honours_both_switches(tmp_path: Path, skip: bool, fail: bool) -> None:
    inputs = {**DEFAULTS, "skip_on_missing_evidence": skip, "fail_on_hold": fail}
    switches = ["--skip-on-missing-evidence"] * skip + ["--fail-on-hold"] * fail
    assert ran(tmp_path, "workflow_dispatch", inputs) == (0, [*flags(), *switches])


def test_inputs_are_data_and_the_exit_code_is_the_wrappers(tmp_path: Path) -> None:
    hostile = '$(touch gone) "; touch gone #'
    inputs = {**DEFAULTS, "repo_path": hostile, "skip_on_missing_evidence": False, "max_failure_rate": "0"}
    assert ran(tmp_path, "workflow_dispatch", inputs, 2) == (2, flags(hostile, max_failure_rate="0"))
    assert not (tmp_path / "gone").exists()


def test_the_last_step_always_shows_what_there_is(tmp_path: Path) -> None:
    assert SHOW["if"] == "always()"
    (tmp_path / OUTPUTS[0]).parent.mkdir(parents=True)
    (tmp_path / OUTPUTS[0]).write_text("{}\n")
    done = subprocess.run(["bash", "-ec", SHOW["run"]], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == f"{{}}\n{OUTPUTS[1]} not found\n"
