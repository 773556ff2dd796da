"""``opsd token``: made, listed, rotated, revoked; audited; never shown twice."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from opsd.access.token_format import TokenPurpose, digest_of, purpose_of
from opsd.storage.audit_chain import verify
from tests.cli.support import Shell


@pytest.fixture(autouse=True)
def ann(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "ann")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "etc" / "principals.json"


def make(opsd: Shell, file: Path, *flags: str, name: str = "ci") -> str:
    made = opsd("token", "new", "--file", file, "--principal", name, *flags)
    assert (made.exit, made.err) == (0, "")
    return made.out.decode()


def listed(opsd: Shell, file: Path, *flags: str) -> Any:
    return opsd("token", "list", "--file", file, *flags).json["principals"]


def audit(file: Path) -> list[Any]:
    return [json.loads(line) for line in Path(f"{file}.audit.jsonl").read_text().splitlines()]


def test_a_token_is_printed_once_and_kept_nowhere(opsd: Shell, file: Path) -> None:
    printed = make(opsd, file, "--scope", "control", "--scope", "read", "--loops", "web-*", "--note", "laptop")
    token = printed.removesuffix("\n")
    assert purpose_of(token) is TokenPurpose.DAEMON
    (known,) = listed(opsd, file)
    (shown,) = known["tokens"]
    assert (known["name"], known["scopes"], known["loops"]) == ("ci", ["read", "control"], ["web-*"])
    assert (shown["state"], shown["createdBy"], shown["note"]) == ("active", "ann", "laptop")
    assert file.stat().st_mode & 0o777 == 0o600
    assert digest_of(token) in file.read_text()
    assert not [path for path in file.parent.iterdir() if token in path.read_text()]


def test_rotation_leaves_a_trace_of_who_did_what(opsd: Shell, file: Path) -> None:
    make(opsd, file, "--scope", "read", "--expires", "never")
    make(opsd, file, "--by", "bob", "--for", "sprite", "--expires", "1h")
    first, second = listed(opsd, file)[0]["tokens"]
    assert (first["expiresAt"], second["purpose"]) == (None, "sprite")
    refused = opsd("token", "new", "--file", file, "--principal", "ci")
    assert refused.err.startswith("error: principal ci has 2 live tokens; revoke one of them: tok_")

    ended = opsd("token", "revoke", "--file", file, "--id", first["id"]).json
    assert (ended["principal"], ended["token"]["state"]) == ("ci", "revoked")
    assert opsd("token", "revoke", "--file", file, "--id", first["id"]).json == ended
    assert [one["id"] for one in listed(opsd, file)[0]["tokens"]] == [second["id"]]
    assert [one["state"] for one in listed(opsd, file, "--all")[0]["tokens"]] == ["revoked", "active"]

    told = [(row["action"], row["by"], row["tokenId"]) for row in audit(file)]
    assert told == [
        ("token_created", "ann", first["id"]),
        ("token_created", "bob", second["id"]),
        ("token_revoked", "ann", first["id"]),
    ]
    report = verify(f"{file}.audit.jsonl")
    assert report is not None
    assert report.ok


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--principal", "ci"), "--scope is required: there is no principal ci yet"),
        (("--scope", "read"), "--principal is required"),
        (("--principal", "ci", "--scope", "root"), "--scope must be one of: read, control, policy, admin"),
        (("--principal", "api_token", "--scope", "read"), "--principal: the name api_token is reserved"),
        (("--principal", "ci", "--scope", "read", "--expires", "soon"), "--expires must be like 12h, 30d or never"),
        (("--principal", "ci", "--scope", "read", "--loops", ""), "--loops must be 1 to 200 printable characters"),
        (("--principal", "ci", "--scope", "read", "--note", "a\nb"), "--note must be at most 200 printable"),
        (("--principal", "ci", "--scope", "read", "--for", "me"), "--for must be one of: daemon, sprite"),
        (("--principal", "ci", "--scope", "admin", "--for", "sprite"), "a sprite service knows the scopes read and"),
    ],
)
def test_what_makes_no_sense_is_refused(opsd: Shell, file: Path, flags: tuple[str, ...], message: str) -> None:
    refused = opsd("token", "new", "--file", file, *flags)
    assert (refused.exit, refused.out) == (1, b"")
    assert refused.err.startswith(f"error: {message}")
    assert not file.exists()


def test_the_daemons_own_variable_names_the_file(opsd: Shell, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = opsd("token", "list")
    assert refused.err == "error: --file is required where OPSD_HTTP__PRINCIPALS_FILE is not set\n"
    monkeypatch.setenv("OPSD_HTTP__PRINCIPALS_FILE", str(file))
    assert opsd("token", "list").err == f"error: principals file not found: {file}\n"
    assert opsd("token", "new", "--principal", "ci", "--scope", "read").exit == 0
    assert opsd("token", "list").json["file"] == str(file)


@pytest.mark.parametrize(
    "command", [("new", "--principal", "a", "--scope", "read"), ("list",), ("revoke", "--id", "tok_1")]
)
def test_a_damaged_file_is_named_and_left_as_it_is(opsd: Shell, file: Path, command: tuple[str, ...]) -> None:
    file.parent.mkdir()
    file.write_text("{")
    refused = opsd("token", command[0], "--file", file, *command[1:])
    assert (refused.exit, refused.out) == (1, b"")
    assert refused.err == f"error: invalid principals file: {file}: it is not JSON\n"
    assert file.read_text() == "{"


def test_without_user_the_login_name_counts_and_without_one_the_user_id(
    opsd: Shell, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = pwd.getpwuid(os.getuid()).pw_name
    monkeypatch.delenv("USER")
    make(opsd, file, "--scope", "read")
    monkeypatch.setenv("USER", "")

    def nameless(_uid: int) -> pwd.struct_passwd:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", nameless)
    make(opsd, file)
    assert [row["by"] for row in audit(file)] == [login, f"uid-{os.getuid()}"]


def test_an_unknown_token_cannot_be_revoked(opsd: Shell, file: Path) -> None:
    make(opsd, file, "--scope", "read")
    refused = opsd("token", "revoke", "--file", file, "--id", "tok_1")
    assert (refused.exit, refused.err) == (1, "error: there is no token with the id tok_1\n")


def test_a_link_to_the_file_stays_a_link(opsd: Shell, file: Path, tmp_path: Path) -> None:
    file.parent.mkdir()
    link = tmp_path / "link.json"
    link.symlink_to(file)
    make(opsd, link, "--scope", "read")
    assert link.is_symlink()
    assert listed(opsd, file) == listed(opsd, link)


def test_tokens_that_are_made_at_the_same_time_are_all_kept(file: Path) -> None:
    command = [sys.executable, "-m", "opsd", "token", "new", "--file", str(file), "--scope", "read", "--principal"]
    running = [subprocess.Popen([*command, f"p{number}"], stdout=subprocess.PIPE) for number in range(6)]
    made = [process.communicate()[0].decode().strip() for process in running]
    assert all(digest_of(token) in file.read_text() for token in made)
    assert len(audit(file)) == 6


def test_audit_verify_checks_the_log_of_tokens_where_the_variable_names_the_file(
    opsd: Shell, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(opsd, file, "--scope", "read")
    make(opsd, file, "--note", "second")
    log = Path(f"{file}.audit.jsonl")
    verify_command = ("audit", "verify", "--repo", tmp_path)
    assert str(log) not in [one["file"] for one in opsd(*verify_command).json["logs"]]
    link = tmp_path / "link.json"
    link.symlink_to(file)
    for name in (file, link):
        monkeypatch.setenv("OPSD_HTTP__PRINCIPALS_FILE", str(name))
        (found,) = [one for one in opsd(*verify_command).json["logs"] if one["file"] == str(log)]
        assert (found["status"], found["chainedRows"]) == ("intact", 2)
    log.write_text(log.read_text().replace("ann", "eve", 1))
    done = opsd(*verify_command)
    assert (done.exit, done.json["ok"]) == (1, False)
    monkeypatch.setenv("OPSD_HTTP__PRINCIPALS_FILE", str(tmp_path / "other.json"))
    assert opsd(*verify_command).exit == 0
