"""Secrets that come as files."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsd.contract.errors import UsageError
from opsd.runtime.credentials import MAX_CREDENTIAL_BYTES, CredentialEnvironment
from opsd.supervisor.settings.load import Origin, load_settings
from opsd.supervisor.settings.tokens import api_token, service_token


def environment(folder: Path, **variables: str) -> CredentialEnvironment:
    return CredentialEnvironment({"CREDENTIALS_DIRECTORY": str(folder), **variables})


def test_a_file_named_like_a_variable_is_that_variable(tmp_path: Path) -> None:
    (tmp_path / "SPRITE_TOKEN").write_text("hush\n")
    env = environment(tmp_path, HOME="/")
    assert env["SPRITE_TOKEN"] == "hush"
    assert dict(env) == {"CREDENTIALS_DIRECTORY": str(tmp_path), "HOME": "/", "SPRITE_TOKEN": "hush"}
    assert len(env) == 3
    assert env.is_file("SPRITE_TOKEN")
    assert not env.is_file("HOME")


def test_without_a_folder_it_is_the_environment(tmp_path: Path) -> None:
    assert dict(CredentialEnvironment({"A": "1"})) == {"A": "1"}


def test_a_variable_that_is_set_stands_over_the_file_and_an_empty_one_does_not(tmp_path: Path) -> None:
    for name in ("SET", "EMPTY"):
        (tmp_path / name).write_text("from the file")
    env = environment(tmp_path, SET="from the environment", EMPTY="", ALONE="")
    assert (env["SET"], env["EMPTY"], env["ALONE"]) == ("from the environment", "from the file", "")
    with pytest.raises(KeyError):
        env["MISSING"]


def test_what_systemd_puts_before_the_files_of_a_folder_is_dropped_and_a_plain_name_goes_first(tmp_path: Path) -> None:
    (tmp_path / "opsd_SPRITE_TOKEN").write_text("of the folder")
    (tmp_path / "opsd_API").write_text("of the folder")
    (tmp_path / "API").write_text("plain")
    env = environment(tmp_path)
    assert (env["SPRITE_TOKEN"], env["API"]) == ("of the folder", "plain")


def test_files_and_folders_of_other_names_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "..data").mkdir()  # as Kubernetes lays them
    (tmp_path / "tls.key").write_bytes(b"\xff")
    assert set(environment(tmp_path)) == {"CREDENTIALS_DIRECTORY"}


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b" \n", "is empty"),
        (b"a\0b", "holds a NUL byte"),
        (b"\xff", "not UTF-8"),
        (b"x" * (MAX_CREDENTIAL_BYTES + 1), f"larger than {MAX_CREDENTIAL_BYTES} bytes"),
    ],
)
def test_a_file_that_cannot_be_a_secret_is_named_without_its_content(tmp_path: Path, content: bytes, what: str) -> None:
    (tmp_path / "TOKEN").write_bytes(content)
    with pytest.raises(UsageError) as caught:
        environment(tmp_path)
    assert caught.value.message == f"{tmp_path}/TOKEN: credential: {what}"


def test_a_file_or_folder_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "TOKEN").mkdir()
    with pytest.raises(UsageError, match="TOKEN: credential: cannot be read: is a directory"):
        environment(tmp_path)
    with pytest.raises(UsageError, match="credentials: cannot be read: no such file or directory"):
        environment(tmp_path / "gone")


def test_a_refresh_takes_the_new_secret_and_one_that_fails_keeps_the_old(tmp_path: Path) -> None:
    file = tmp_path / "TOKEN"
    file.write_text("old")
    env = environment(tmp_path)
    file.write_text("new")
    env.refresh()
    assert env["TOKEN"] == "new"
    file.write_text("")
    with pytest.raises(UsageError):
        env.refresh()
    assert env["TOKEN"] == "new"


def test_service_token_loop_token_and_api_token_come_from_files_and_are_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "opsd_OPS_MANAGER_SERVICE_TOKEN").write_text("shared")
    (tmp_path / "opsd_SPRITE_TOKEN").write_text("of one loop")
    (tmp_path / "opsd_OPSD_HTTP__API_TOKEN").write_text("api")
    env = environment(tmp_path)
    loaded = load_settings({}, env, default_file=tmp_path / "none.toml")
    assert loaded.origins["http.api_token"] == Origin("credential", "OPSD_HTTP__API_TOKEN")
    assert loaded.origins["service_token"] == Origin("credential", "OPS_MANAGER_SERVICE_TOKEN")
    secrets = [service_token(loaded.settings, env, name)[0] for name in (None, "SPRITE_TOKEN")]
    secrets.append(api_token(loaded.settings))
    assert [secret and secret.get_secret_value() for secret in secrets] == ["shared", "of one loop", "api"]
