"""Steps that are replaced by programs: they are really run, with exactly the contract's arguments."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.support import Repo, Shell

PROFILE = {
    "schemaVersion": "v1", "profile": "calm",
    "values": {"degradedIngestLagSeconds": 5, "criticalIngestLagSeconds": "7",
               "degradedTransportFailureStreak": 1, "criticalTransportFailureStreak": 2},
}  # fmt: skip


def _program(path: Path, body: str, head: str = "#!/bin/sh\n") -> Path:
    path.write_text(head + body)
    path.chmod(0o755)
    return path


def test_the_client_is_called_as_the_contract_says(opsd: Shell, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = repo.root / "calls"
    client = _program(
        repo.root / "client", f"printf '%s|' \"$@\" >> '{calls}'; echo >> '{calls}'; echo secret >&2; exit 9\n"
    )
    monkeypatch.setenv("OPS_MANAGER_SERVICE_CLIENT_SCRIPT", str(client))
    flags = ("--transport", "sprite_service", "--service-base-url", "http://h:1/", "--trace-id", "t")
    result = opsd("reconcile", "--repo", repo.root, "--loop", "a b", *flags, "--service-token", "secret")
    assert (result.exit, result.err) == (1, "")
    assert calls.read_text() == (
        "--method|GET|--base-url|http://h:1/|--path|/ops/snapshot?loopId=a%20b|--token|secret|--trace-id|t|"
        "--retry-attempts|3|--retry-backoff-seconds|1|\n"
    )
    row = json.loads((repo.ops.parent / "a b" / "telemetry" / "reconcile.jsonl").read_text())
    assert (row["failureCode"], row["failureMessage"]) == ("service_request_failed", "[redacted]")


def test_the_resolver_can_be_replaced(opsd: Shell, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    args = repo.root / "args"
    script = _program(repo.root / "resolver", f"printf '%s|' \"$@\" > '{args}'; echo '{json.dumps(PROFILE)}'\n")
    monkeypatch.setenv("OPS_MANAGER_THRESHOLD_PROFILE_SCRIPT", str(script))
    catalog = repo.root / "f.json"
    catalog.write_text('{"profiles": {"calm": {}}}')
    health = opsd("reconcile", *repo.flags, "--threshold-profile", "x", "--thresholds-file", catalog).json["health"]
    assert args.read_text() == f"--profiles-file|{catalog}|--profile|x|"
    assert health["thresholds"]["profile"] == "calm"
    assert health["thresholds"]["criticalIngestLagSeconds"] == 7


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("echo 'error: no such thing' >&2; exit 1", "no such thing"),
        ("exit 5", "threshold profile script failed with exit code 5"),
        ("echo hello", "threshold profile script did not print a JSON object"),
        ("echo '{}'", "threshold profile script answered no profile"),
        ("echo '{\"profile\":\"p\",\"values\":{\"degradedIngestLagSeconds\":-1}}'",
         "degraded-ingest-lag-seconds must be a non-negative integer"),
    ],
)  # fmt: skip
def test_a_resolver_that_cannot_be_used_ends_the_command(
    opsd: Shell, repo: Repo, monkeypatch: pytest.MonkeyPatch, body: str, message: str
) -> None:
    monkeypatch.setenv("OPS_MANAGER_THRESHOLD_PROFILE_SCRIPT", str(_program(repo.root / "resolver", body + "\n")))
    result = opsd("reconcile", *repo.flags)
    assert (result.exit, result.out, result.err) == (1, b"", f"error: {message}\n")


def test_the_judge_can_be_replaced_and_sees_the_documents_of_this_pass(
    opsd: Shell, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.append("role_end")
    args, state = repo.root / "args", repo.root / "seen"
    body = (
        f'printf \'%s|\' "$@" > \'{args}\'; cat "$2" > \'{state}\'; echo \'{{"status":"healthy","reasonCodes":[]}}\'\n'
    )
    monkeypatch.setenv("OPS_MANAGER_HEALTH_SCRIPT", str(_program(repo.root / "judge", body)))
    result = opsd("reconcile", *repo.flags, "--trace-id", "t")
    assert result.json["health"] == {"status": "healthy", "reasonCodes": []}
    given = args.read_text().split("|")
    assert given[::2][:-1] == [
        "--state-file", "--heartbeat-state-file", "--sequence-state-file", "--transport-health-file", "--intents-file",
        "--trace-id", "--transport", "--threshold-profile", "--ingest-status", "--failure-code",
        "--degraded-ingest-lag-seconds", "--critical-ingest-lag-seconds", "--degraded-heartbeat-lag-seconds",
        "--critical-heartbeat-lag-seconds", "--degraded-transport-failure-streak",
        "--critical-transport-failure-streak", "--now",
    ]  # fmt: skip
    assert given[3] == ""
    assert given[9] == str(repo.ops / "intents.jsonl")
    assert json.loads(state.read_text())["transition"]["triggeringSignal"] == "event:role_end"


def test_a_judge_that_fails_ends_the_command_and_releases_the_loop(
    opsd: Shell, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPS_MANAGER_HEALTH_SCRIPT", "/nowhere/judge")
    result = opsd("reconcile", *repo.flags)
    assert (result.exit, result.err) == (1, "error: cannot run /nowhere/judge: No such file or directory\n")
    monkeypatch.delenv("OPS_MANAGER_HEALTH_SCRIPT")
    assert opsd("reconcile", *repo.flags).exit == 0
