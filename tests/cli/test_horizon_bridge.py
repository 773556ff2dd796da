"""``opsd horizon-bridge``: what it answers, with which exit code, and what it refuses in which order."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from opsd.storage import locks
from tests.cli.support import Repo, Shell

ENVELOPE = {
    "schemaVersion": "v1",
    "traceId": "t",
    "packet": {"packetId": "p", "recipient": {"type": "a", "id": "b"}, "intent": "do"},
    "evidenceRefs": [],
}


@pytest.fixture
def outbox(repo: Repo) -> Path:
    folder = repo.root / ".superloop" / "horizons" / "outbox"
    folder.mkdir(parents=True)
    return folder


def test_it_prints_the_state_that_it_wrote(opsd: Shell, repo: Repo, outbox: Path) -> None:
    (outbox / "a.jsonl").write_text(json.dumps(ENVELOPE))
    done = opsd("horizon-bridge", "--repo", repo.root, "--pretty")
    assert (done.exit, done.err) == (0, "")
    assert done.out.startswith(b'{\n  "schemaVersion": "v1",\n')
    assert list(done.json) == [
        "schemaVersion", "generatedAt", "updatedAt", "traceId", "status", "contract", "source", "files", "summary",
        "dedupe", "reasonCodes", "observed", "ignored",
    ]  # fmt: skip
    state = repo.root / ".superloop/ops-manager/fleet/horizon-bridge-state.json"
    assert json.loads(state.read_bytes()) == done.json


def test_a_file_that_breaks_the_contract_exits_2_with_nothing_on_stderr(opsd: Shell, repo: Repo, outbox: Path) -> None:
    (outbox / "a.jsonl").write_text("{}\n")
    done = opsd("horizon-bridge", "--repo", repo.root)
    assert (done.exit, done.err, done.json["status"]) == (2, "", "failed_contract_validation")
    assert opsd("horizon-bridge", "--repo", repo.root).exit == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--max-files", "x"), "--repo is required"),
        (("--repo", "", "--retention-days", "x"), "--repo is required"),
        (("--repo", "/none", "--max-files", "+1", "--retention-days", "x"), "--max-files must be an integer >= 0"),
        (("--repo", "/none", "--retention-days", ""), "--retention-days must be an integer >= 0"),
        (("--repo", "/none"), "repo path not found: /none"),
        (("--repo",), "--repo requires a value"),
    ],
)
def test_what_it_refuses_first(opsd: Shell, arguments: tuple[str, ...], message: str) -> None:
    done = opsd("horizon-bridge", *arguments)
    assert (done.exit, done.out, done.err) == (1, b"", f"error: {message}\n")


def test_an_outbox_stays_as_it_is_while_another_bridge_is_at_work(
    opsd: Shell, repo: Repo, outbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (outbox / "a.jsonl").write_text(json.dumps(ENVELOPE))
    monkeypatch.setattr("opsd.storage.locks.time.monotonic", iter(range(0, 10_000, 10)).__next__)
    claims = repo.root / ".superloop/ops-manager/fleet/horizon-bridge-claims"
    with locks.exclusive(f"{claims}/.lock", wait_s=0):
        done = opsd("horizon-bridge", "--repo", repo.root)
    assert (done.exit, done.out) == (1, b"")
    assert done.err == f"error: another bridge is at work and holds {claims}/.lock; gave up after 30 s\n"
    assert (outbox / "a.jsonl").exists()
