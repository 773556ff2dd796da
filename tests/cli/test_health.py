"""``opsd health``: arguments, files and exit codes; the judgement has its own tests."""

from __future__ import annotations

import json

import pytest

from tests.cli.support import Repo, Shell


def test_without_any_input_a_loop_is_healthy(opsd: Shell) -> None:
    result = opsd("health", "--now", "2026-11-24T08:00:00Z")
    assert (result.exit, result.err) == (0, "")
    assert result.json["status"] == "healthy"
    assert result.json["updatedAt"] == "2026-11-24T08:00:00Z"
    assert result.json["thresholds"] == {
        "profile": None, "degradedIngestLagSeconds": 300, "criticalIngestLagSeconds": 900,
        "degradedHeartbeatLagSeconds": 120, "criticalHeartbeatLagSeconds": 300,
        "degradedTransportFailureStreak": 2, "criticalTransportFailureStreak": 4,
    }  # fmt: skip


def test_the_checks_come_in_the_contracts_order(opsd: Shell) -> None:
    bad: list[tuple[str, str, str]] = [
        ("--transport", "ssh", "--transport must be local or sprite_service"),
        ("--ingest-status", "", "--ingest-status must be success or failed"),
        ("--degraded-ingest-lag-seconds", "x", "degraded-ingest-lag-seconds must be a non-negative integer"),
        ("--critical-transport-failure-streak", "", "critical-transport-failure-streak must be a non-negative integer"),
        ("--degraded-ingest-lag-seconds", "901", "critical ingest lag threshold must be >= degraded threshold"),
        ("--degraded-heartbeat-lag-seconds", "301", "critical heartbeat lag threshold must be >= degraded threshold"),
        (
            "--degraded-transport-failure-streak",
            "5",
            "critical transport failure threshold must be >= degraded threshold",
        ),
        ("--now", "today", "--now must be an ISO-8601 UTC timestamp"),
    ]
    seen: set[str] = set()
    argv: list[str] = []
    for flag, value, message in reversed(bad):
        if flag in seen:
            argv[argv.index(flag) + 1] = value
        else:
            argv += [flag, value]
        seen.add(flag)
        result = opsd("health", *argv)
        assert (result.exit, result.out, result.err) == (1, b"", f"error: {message}\n")


@pytest.mark.parametrize(
    ("flag", "what"),
    [("--state-file", "state"), ("--heartbeat-state-file", "heartbeat state"),
     ("--sequence-state-file", "sequence state"), ("--transport-health-file", "transport health")],
)  # fmt: skip
def test_a_file_that_is_no_object_is_named(opsd: Shell, repo: Repo, flag: str, what: str) -> None:
    path = repo.root / "file.json"
    for text in ("", "{", "[]", "7", '"s"'):
        path.write_text(text)
        result = opsd("health", flag, path)
        assert (result.exit, result.out, result.err) == (1, b"", f"error: invalid {what} JSON: {path}\n")
    path.write_text("null")
    assert opsd("health", flag, path).exit == 0
    assert opsd("health", flag, repo.root).exit == 0  # a folder is no file
    assert opsd("health", flag, "").exit == 0


def test_the_last_complete_intent_counts(opsd: Shell, repo: Repo) -> None:
    path = repo.root / "intents.jsonl"
    path.write_text('{"status":"confirmed"}\n{"status":"ambiguous"}\n{"status":"conf')
    result = opsd("health", "--intents-file", path, "--pretty").json
    assert result["reasonCodes"] == ["control_ambiguous"]
    path.write_text("broken\n")
    assert opsd("health", "--intents-file", path).json["status"] == "healthy"


def test_a_bad_status_does_not_change_the_exit_code(opsd: Shell, repo: Repo) -> None:
    path = repo.root / "streak.json"
    path.write_text(json.dumps({"failureStreak": 9}))
    result = opsd("health", "--transport-health-file", path, "--critical-transport-failure-streak", "007")
    assert (result.exit, result.json["status"]) == (0, "critical")
    assert result.json["reasons"][0]["threshold"] == "7"


def test_a_loop_is_judged_by_its_own_files_as_its_last_pass_had_it(opsd: Shell, repo: Repo) -> None:
    repo.append("loop_start")
    assert opsd("health", *repo.flags).err == "error: no status artifacts found for loop: demo\n"
    limits = ("--degraded-ingest-lag-seconds", "1", "--critical-ingest-lag-seconds", "2")
    assert opsd("reconcile", *repo.flags, "--threshold-profile", "strict", *limits).exit == 0
    written = json.loads((repo.ops / "health.json").read_text())
    found = opsd("health", *repo.flags, "--now", written["updatedAt"]).json
    assert {**found, "traceId": written["traceId"]} == written
    later = opsd("health", *repo.flags, "--critical-ingest-lag-seconds", "2000000000", "--pretty").json
    assert (later["status"], later["thresholds"]["profile"]) == ("degraded", "strict")


def test_file_flags_stand_over_the_loops_own_files(opsd: Shell, repo: Repo) -> None:
    repo.append("loop_start")
    opsd("reconcile", *repo.flags)
    streak = repo.root / "streak.json"
    streak.write_text('{"failureStreak": 9}')
    found = opsd("health", *repo.flags, "--transport-health-file", streak).json
    assert found["metrics"]["transportFailureStreak"] == 9
    assert found["metrics"]["ingestLagSeconds"] > 0


@pytest.mark.parametrize(("given", "missing"), [("--repo", "--loop"), ("--loop", "--repo")])
def test_repo_and_loop_come_together(opsd: Shell, given: str, missing: str) -> None:
    assert opsd("health", given, "x").err == f"error: {missing} is required\n"


def test_a_reserved_name_is_no_loop(opsd: Shell, repo: Repo) -> None:
    assert opsd("health", "--repo", repo.root, "--loop", "fleet").exit == 1
