"""``opsd config show`` and ``opsd config check``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from opsd.cli.daemon.config import check, show
from tests.cli.support import Shell


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    empty = tmp_path / "empty.toml"
    empty.write_text("")
    monkeypatch.setenv("OPSD_CONFIG", str(empty))
    for name in ("OPSD_SERVICE_TOKEN", "OPS_MANAGER_SERVICE_TOKEN", "OPSD_HTTP__PORT"):
        monkeypatch.delenv(name, raising=False)


def test_show_names_the_value_and_the_origin_of_all_four_sources(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "opsd.toml"
    file.write_text("[http]\nhost = '::1'\n")
    monkeypatch.setenv("OPSD_HTTP__PORT", "1234")
    assert show(["--json", "--config", str(file), "--log-level", "debug"]) == 0
    document = json.loads(capsys.readouterr().out)
    rows = {row["key"]: (row["value"], row["origin"], row["originName"]) for row in document["settings"]}
    assert document["configFile"] == str(file)
    assert rows["log.level"] == ("debug", "flag", "--log-level")
    assert rows["http.port"] == (1234, "env", "OPSD_HTTP__PORT")
    assert rows["http.host"] == ("::1", "file", str(file))
    assert rows["observe.idle_resync_seconds"] == (900.0, "default", None)


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_show_masks_a_secret_and_tells_that_it_is_set(
    flags: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPS_MANAGER_SERVICE_TOKEN", "hush-hush")
    assert show(flags) == 0
    out = capsys.readouterr().out
    assert "hush-hush" not in out
    assert "********" in out
    assert "OPS_MANAGER_SERVICE_TOKEN" in out


def test_check_accepts_a_good_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "opsd.toml"
    file.write_text("drain_seconds = 3\n")
    assert check(["--config", str(file)]) == 0
    assert capsys.readouterr().out == f"ok: {file}\n"


def test_check_names_the_file_and_the_bad_key(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "opsd.toml"
    file.write_text("[http]\nprot = 1\n")
    assert check(["--config", str(file)]) == 1
    assert capsys.readouterr().err == f"error: {file}: http.prot: unknown setting, did you mean http.port?\n"


def test_check_names_a_token_file_that_cannot_be_read(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert check(["--http-api-token-file", str(tmp_path / "absent")]) == 1
    assert "http.api_token: cannot be read" in capsys.readouterr().err


def test_secrets_have_no_flag() -> None:
    with pytest.raises(SystemExit):
        show(["--service-token", "x"])


def test_the_help_can_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        show(["--help"])
    assert ended.value.code == 0
    assert "--http-port" in capsys.readouterr().out


def test_every_fault_is_an_error_of_its_own_for_other_commands_too(opsd: Shell, tmp_path: Path) -> None:
    file = tmp_path / "opsd.toml"
    file.write_text("[http]\nprot = 1\n[fleet]\ninterval_secnds = 4\n")
    asked = opsd("loops", "--config", file)
    assert (asked.exit, asked.err.count("\n"), asked.err) == (1, 2, opsd("config", "check", "--config", file).err)
