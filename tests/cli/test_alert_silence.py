"""``opsd alerts silence``: add, list, expire."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.support import Repo, Shell


@pytest.fixture(autouse=True)
def somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "ann")


def add(opsd: Shell, repo: Repo, *more: str) -> dict[str, object]:
    added = opsd("alerts", "silence", "add", "--repo", repo.root, "--matcher", "loopId=demo", *more)
    assert (added.exit, added.err) == (0, "")
    silence: dict[str, object] = added.json
    return silence


def file_of(repo: Repo) -> Path:
    return repo.root / ".superloop/ops-manager/fleet/alert-silences.v1.json"


def test_a_silence_is_added_listed_and_expired_but_never_deleted(opsd: Shell, repo: Repo) -> None:
    silence = add(opsd, repo, "--matcher", "category=~health_.*", "--duration", "2h", "--comment", "deploy")
    assert silence["state"] == "active"
    assert (silence["createdBy"], silence["comment"]) == ("ann", "deploy")
    listed = opsd("alerts", "silence", "list", "--repo", repo.root).json
    assert listed == {"schemaVersion": "v1", "silences": [silence]}

    ended = opsd("alerts", "silence", "expire", "--repo", repo.root, "--id", silence["id"]).json
    assert ended == silence | {"endsAt": ended["endsAt"], "state": "expired"}
    assert opsd("alerts", "silence", "list", "--repo", repo.root).json["silences"] == []
    assert opsd("alerts", "silence", "list", "--repo", repo.root, "--all").json["silences"] == [ended]
    kept = json.loads(file_of(repo).read_bytes())
    assert kept == {"schemaVersion": "v1", "silences": [{k: v for k, v in ended.items() if k != "state"}]}


def test_a_silence_may_begin_and_end_at_given_times(opsd: Shell, repo: Repo) -> None:
    silence = add(opsd, repo, "--starts-at", "2999-01-01T00:00:00Z", "--duration", "1d", "--created-by", "bob")
    assert (silence["endsAt"], silence["state"], silence["createdBy"]) == ("2999-01-02T00:00:00Z", "pending", "bob")
    assert add(opsd, repo, "--ends-at", "2999-01-01T00:00:00Z")["endsAt"] == "2999-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--duration", "1h"), "--matcher is required"),
        (("--matcher", "loopId"), "a matcher is name=value"),
        (("--matcher", "loopId=a"), "one of --duration and --ends-at is required"),
        (("--matcher", "loopId=a", "--duration", "1h", "--ends-at", "2999-01-01T00:00:00Z"), "one of --duration"),
        (("--matcher", "loopId=a", "--duration", "soon"), "--duration must be like"),
        (("--matcher", "loopId=a", "--duration", "0s"), "--duration must be like"),
        (("--matcher", "loopId=a", "--ends-at", "tomorrow"), "--ends-at must be a time like"),
        (("--matcher", "loopId=a", "--ends-at", "2001-01-01T00:00:00Z"), "a silence must end after it begins"),
    ],
)
def test_a_silence_that_makes_no_sense_is_refused(
    opsd: Shell, repo: Repo, flags: tuple[str, ...], message: str
) -> None:
    refused = opsd("alerts", "silence", "add", "--repo", repo.root, *flags)
    assert refused.exit == 1
    assert refused.err.startswith(f"error: {message}")
    assert not file_of(repo).exists()


def test_without_a_user_in_the_environment_the_login_name_is_the_author(
    opsd: Shell, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("USER")
    added = opsd("alerts", "silence", "add", "--repo", repo.root, "--matcher", "loopId=a", "--duration", "1h")
    assert json.loads(added.out)["createdBy"] == pwd.getpwuid(os.getuid()).pw_name


@pytest.mark.parametrize("action", [("list",), ("expire", "--id", "x"), ("add", "--matcher", "loopId=a")])
def test_a_damaged_file_is_named_and_left_as_it_is(opsd: Shell, repo: Repo, action: tuple[str, ...]) -> None:
    file_of(repo).parent.mkdir(parents=True)
    file_of(repo).write_text("{")
    end = ("--duration", "1h") if action[0] == "add" else ()
    refused = opsd("alerts", "silence", *action, "--repo", repo.root, *end)
    assert (refused.exit, refused.err) == (
        1,
        f"error: invalid alert silences file: {file_of(repo)}: it is not JSON\n",
    )
    assert file_of(repo).read_text() == "{"


def test_an_action_is_needed_and_has_to_be_known(opsd: Shell) -> None:
    assert opsd("alerts", "silence", "--help").exit == 0
    assert opsd("alerts", "silence").err == "error: opsd alerts silence needs an action\n"
    unknown = opsd("alerts", "silence", "delete")
    assert unknown.err == "error: unknown action: delete\n"
    assert b"add" in unknown.out


def test_silences_that_are_added_at_the_same_time_are_all_kept(repo: Repo) -> None:
    flags = ("--repo", str(repo.root), "--matcher", "loopId=a", "--duration", "1h", "--created-by", "x")
    command = [sys.executable, "-m", "opsd", "alerts", "silence", "add", *flags]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(6)]
    ids = [json.loads(process.communicate()[0])["id"] for process in running]
    kept = json.loads(file_of(repo).read_bytes())["silences"]
    assert sorted(ids) == sorted(silence["id"] for silence in kept)
    assert len(set(ids)) == 6
