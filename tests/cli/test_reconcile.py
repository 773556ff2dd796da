"""``opsd reconcile`` as a command: checks, what is printed, what is left; passes have their own tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.support import Repo, Shell


def _row(repo: Repo) -> Any:
    return json.loads((repo.ops / "telemetry" / "reconcile.jsonl").read_text().splitlines()[-1])


def test_a_successful_pass_prints_the_stored_state(opsd: Shell, repo: Repo) -> None:
    repo.append("role_end")
    result = opsd("reconcile", *repo.flags, "--trace-id", "t-1")
    assert (result.exit, result.err) == (0, "")
    assert result.json == json.loads((repo.ops / "state.json").read_text())
    assert result.json["trace"] == {"reconcileTraceId": "t-1"}
    assert opsd("reconcile", *repo.flags, "--pretty").out.startswith(b'{\n  "schemaVersion"')


def test_a_failed_pass_prints_the_health_and_nothing_on_stderr(opsd: Shell, repo: Repo) -> None:
    repo.journal.unlink()
    result = opsd("reconcile", *repo.flags)
    assert (result.exit, result.err) == (1, "")
    assert result.json["transport"]["failureCode"] == "snapshot_unavailable"
    assert result.json == json.loads((repo.ops / "health.json").read_text())


def test_a_link_out_of_the_repo_is_an_artifact_that_cannot_be_had(opsd: Shell, repo: Repo, tmp_path: Path) -> None:
    secret = tmp_path.parent / f"{tmp_path.name}-secret"
    secret.write_text('{"active": true}')
    state = repo.root / ".superloop" / "state.json"
    state.symlink_to(secret)
    said = f"error: artifact is a link out of the repo: {state}"
    result = opsd("reconcile", *repo.flags)
    assert (result.exit, result.json["transport"]["failureCode"]) == (1, "snapshot_unavailable")
    assert _row(repo)["failureMessage"] == said
    looked = opsd("snapshot", *repo.flags)
    assert (looked.exit, looked.out, looked.err) == (1, b"", f"{said}\n")


def test_a_manager_file_that_blocks_the_judgement_is_named_after_the_pass(opsd: Shell, repo: Repo) -> None:
    repo.ops.mkdir(parents=True)
    (repo.ops / "heartbeat.json").write_text("{")
    result = opsd("reconcile", *repo.flags)
    assert (result.exit, result.out) == (1, b"")
    assert result.err == f"error: invalid heartbeat state JSON: {repo.ops}/heartbeat.json\n"
    assert _row(repo)["status"] == "success"


def test_a_trace_id_comes_from_flag_then_environment_then_chance(
    opsd: Shell, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    opsd("reconcile", *repo.flags)
    assert len(_row(repo)["traceId"]) == 36
    monkeypatch.setenv("OPS_MANAGER_TRACE_ID", "from-env")
    opsd("reconcile", *repo.flags, "--trace-id", "")
    assert _row(repo)["traceId"] == "from-env"
    opsd("reconcile", *repo.flags, "--trace-id", "from-flag")
    assert _row(repo)["traceId"] == "from-flag"


def test_path_flags_are_used_and_echoed_as_given(opsd: Shell, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repo.root)
    repo.append("role_end")  # without an active run: a divergence, whose row quotes the paths
    flags = {
        "--cursor-file": "a/c.json", "--state-file": "b/s.json", "--sequence-state-file": "c/q.json",
        "--sequence-telemetry-file": "d/q.jsonl",
    }  # fmt: skip
    result = opsd("reconcile", *repo.flags, *(part for pair in flags.items() for part in pair))
    assert result.exit == 0
    assert all((repo.root / path).is_file() for path in flags.values())
    row = json.loads((repo.ops / "escalations.jsonl").read_text().splitlines()[0])
    assert (row["stateFile"], row["cursorFile"]) == ("b/s.json", "a/c.json")


def test_the_profile_comes_from_flag_then_environment_then_catalog(
    opsd: Shell, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert opsd("reconcile", *repo.flags).json["health"]["thresholds"]["profile"] == "balanced"
    monkeypatch.setenv("OPS_MANAGER_THRESHOLD_PROFILE", "relaxed")
    assert opsd("reconcile", *repo.flags).json["health"]["thresholds"]["profile"] == "relaxed"
    thresholds = opsd(
        "reconcile", *repo.flags, "--threshold-profile", "strict", "--critical-ingest-lag-seconds", "0777"
    ).json["health"]["thresholds"]
    assert (thresholds["profile"], thresholds["criticalIngestLagSeconds"]) == ("strict", 777)
    assert thresholds["degradedIngestLagSeconds"] == 120


def test_the_catalog_of_the_install_root_is_used(
    opsd: Shell, repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSD_INSTALL_ROOT", str(tmp_path))
    path = tmp_path / "config" / "ops-manager-threshold-profiles.v1.json"
    assert opsd("reconcile", *repo.flags).err == f"error: threshold profiles file not found: {path}\n"
    monkeypatch.setenv("OPS_MANAGER_THRESHOLD_PROFILES_FILE", "other.json")
    assert opsd("reconcile", *repo.flags).err == "error: threshold profiles file not found: other.json\n"


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("OPS_MANAGER_ALERTS_ENABLED", "TRUE", "--alerts-enabled must be true or false"),
        ("OPS_MANAGER_DRIFT_MIN_CONFIDENCE", "LOW", "--drift-min-confidence must be one of: low, medium, high"),
        ("OPS_MANAGER_DRIFT_REQUIRED_STREAK", "0", "--drift-required-streak must be an integer >= 1"),
        ("OPS_MANAGER_DRIFT_SUMMARY_WINDOW", "x", "--drift-summary-window must be an integer >= 1"),
    ],
)
def test_variables_are_checked_like_their_flags_which_stand_above_them(
    opsd: Shell, repo: Repo, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    monkeypatch.setenv(variable, value)
    result = opsd("reconcile", *repo.flags)
    assert (result.exit, result.out, result.err) == (1, b"", f"error: {message}\n")
    assert not repo.ops.exists()
    flag = message.split(" ")[0]
    good = {"--alerts-enabled": "false", "--drift-min-confidence": "low"}.get(flag, "5")
    assert opsd("reconcile", *repo.flags, flag, good).exit == 0
    monkeypatch.setenv(variable, "")
    assert opsd("reconcile", *repo.flags).exit == 0


def test_an_operator_can_step_over_a_bad_line_and_telemetry_says_so(opsd: Shell, repo: Repo) -> None:
    repo.append("loop_start")
    repo.append_text("{broken\n")
    repo.append("loop_stop")
    assert "at line 2" in _failure(opsd, repo)
    assert opsd("reconcile", *repo.flags, "--skip-bad-line", "2").exit == 0
    assert (_row(repo)["skippedLine"], _row(repo)["eventsIngested"]) == (2, 2)


def _failure(opsd: Shell, repo: Repo) -> str:
    assert opsd("reconcile", *repo.flags).exit == 1
    message: str = _row(repo)["failureMessage"]
    return message


def test_the_service_transport_needs_an_address(opsd: Shell, repo: Repo) -> None:
    result = opsd("reconcile", *repo.flags, "--transport", "sprite_service", "--service-base-url", "")
    assert result.err == "error: --service-base-url is required when --transport sprite_service\n"
    assert not repo.ops.exists()
