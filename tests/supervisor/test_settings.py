"""Settings: four sources, one model, and the origin of every value."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from opsd.supervisor.settings.load import Origin, Settings, SettingsError, load_settings, setting_fields
from opsd.supervisor.settings.tokens import api_token, service_token


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    return tmp_path / "opsd.toml"


NOWHERE = Path("/nonexistent/opsd.toml")


def problems(file: Path | None = None, flags: dict[str, object] | None = None, **env: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(flags or {}, env, str(file) if file else None, default_file=NOWHERE)
    return caught.value.problems


def test_a_flag_stands_over_the_environment_over_the_file_over_the_default(toml: Path) -> None:
    toml.write_text("[http]\nport = 1\nhost = '::1'\n[reconcile]\njitter = 0.5\n")
    env = {"OPSD_HTTP__PORT": "2", "OPSD_RECONCILE__JITTER": "0.2"}
    loaded = load_settings({"http.port": "3", "http.host": None}, env, str(toml))
    assert loaded.settings.http.port == 3
    assert loaded.settings.reconcile.jitter == 0.2
    assert loaded.settings.http.host == "::1"
    assert loaded.settings.reconcile.resync_seconds == 30
    assert loaded.origins["http.port"] == Origin("flag", "--http-port")
    assert loaded.origins["reconcile.jitter"] == Origin("env", "OPSD_RECONCILE__JITTER")
    assert loaded.origins["http.host"] == Origin("file", str(toml))
    assert loaded.origins["reconcile.resync_seconds"] == Origin("default")
    assert set(loaded.origins) == set(setting_fields())


def test_the_file_is_the_flag_then_the_variable_then_the_default_place(tmp_path: Path) -> None:
    for number, name in enumerate(("flag", "env", "place"), start=1):
        (tmp_path / name).write_text(f"drain_seconds = {number}\n")
    place, env = tmp_path / "place", {"OPSD_CONFIG": str(tmp_path / "env")}

    def drain(flag: str | None, variables: dict[str, str]) -> float:
        return load_settings({}, variables, flag, default_file=place).settings.drain_seconds

    assert drain(str(tmp_path / "flag"), env) == 1
    assert drain(None, env) == 2
    assert drain(None, {}) == 3
    assert load_settings({}, {}, default_file=NOWHERE).config_file is None


def test_an_unknown_key_is_named_with_its_file_and_the_key_that_was_meant(toml: Path) -> None:
    toml.write_text("[http]\nprot = 1\n[reconsile]\njitter = 0.1\n")
    assert problems(toml) == [
        f"{toml}: http.prot: unknown setting, did you mean http.port?",
        f"{toml}: reconsile: unknown setting, did you mean reconcile.jitter?",
    ]


def test_an_unknown_variable_of_a_group_is_named(toml: Path) -> None:
    assert problems(OPSD_HTTP__PROT="1") == ["env OPSD_HTTP__PROT: unknown setting, did you mean OPSD_HTTP__PORT?"]


def test_variables_of_others_and_empty_ones_are_left_alone() -> None:
    loaded = load_settings({}, {"OPSD_PYTHON": "x", "OPSD_HTTP__PORT": "", "HOME": "/"}, default_file=NOWHERE)
    assert loaded.settings == Settings()


@pytest.mark.parametrize(
    ("text", "key", "what"),
    [
        ("[http]\nport = 'many'", "http.port", "valid integer"),
        ("[http]\nport = 70000", "http.port", "less than or equal to 65535, got 70000"),
        ("[http]\nport = true", "http.port", "a boolean is not accepted here"),
        ("[reconcile]\nresync_seconds = inf", "reconcile.resync_seconds", "finite number"),
        ("[reconcile]\nresync_seconds = 0", "reconcile.resync_seconds", "greater than 0"),
        ("[observe]\ndefault = 'push'", "observe.default", "'auto', 'stream' or 'poll'"),
        ("drain_seconds = -1", "drain_seconds", "greater than or equal to 0"),
        ("http = 5", "http", "a table is expected"),
        ("[thresholds]\ncritical_heartbeat_lag_seconds = 5", "thresholds", "must be >= degraded"),
        ("[reconcile]\nbackoff_cap_seconds = 0.1", "reconcile", "backoff_cap_seconds must be >="),
    ],
)
def test_a_bad_value_is_named_with_its_file_and_key(toml: Path, text: str, key: str, what: str) -> None:
    toml.write_text(text)
    (problem,) = problems(toml)
    assert problem.startswith(f"{toml}: {key}: ")
    assert what in problem


def test_every_fault_is_reported_at_once_with_its_own_source(toml: Path) -> None:
    toml.write_text("drain_seconds = 'x'\n")
    found = problems(toml, {"http.port": "y"}, OPSD_LOG__LEVEL="loud")
    assert [problem.partition(": ")[0] for problem in found] == [str(toml), "flag --http-port", "env OPSD_LOG__LEVEL"]


@pytest.mark.parametrize(
    ("content", "what"),
    [(b"[http\n", "not TOML: "), (b"a = '\xff'", "not UTF-8"), (None, "cannot be read: no such file")],
)
def test_a_file_that_cannot_be_used_is_named(toml: Path, content: bytes | None, what: str) -> None:
    if content is not None:
        toml.write_bytes(content)
    (problem,) = problems(toml)
    assert problem.startswith(f"{toml}: {what}")


def test_the_contracts_own_variables_stand_in_for_ours() -> None:
    env = {"OPS_MANAGER_SERVICE_TOKEN": "theirs", "OPS_MANAGER_THRESHOLD_PROFILE": "strict"}
    loaded = load_settings({}, env, default_file=NOWHERE)
    assert loaded.settings.thresholds.profile == "strict"
    assert loaded.origins["service_token"] == Origin("env", "OPS_MANAGER_SERVICE_TOKEN")
    ours = load_settings({}, env | {"OPSD_SERVICE_TOKEN": "ours"}, default_file=NOWHERE)
    assert ours.settings.service_token == SecretStr("ours")
    assert ours.origins["service_token"] == Origin("env", "OPSD_SERVICE_TOKEN")


def test_a_secret_is_in_no_repr_and_in_no_error(toml: Path) -> None:
    loaded = load_settings({}, {"OPSD_SERVICE_TOKEN": "s3cret", "OPSD_HTTP__API_TOKEN": "s3cret"}, default_file=NOWHERE)
    assert "s3cret" not in repr(loaded)
    toml.write_text("service_token = ['s3cret']\n")
    assert "s3cret" not in "".join(problems(toml))


def test_every_setting_documents_itself_with_its_default() -> None:
    for key, field in setting_fields().items():
        assert "Default" in (field.description or ""), key


def test_the_token_of_a_loop_is_the_registrys_variable_and_nothing_else_when_it_names_one() -> None:
    settings = Settings(service_token=SecretStr("general"))
    assert service_token(settings, {"A": "own"}, "A") == (SecretStr("own"), "env A")
    assert service_token(settings, {}, None) == (SecretStr("general"), "setting service_token")
    assert service_token(Settings(), {}, None) == (None, "none")
    with pytest.raises(SettingsError, match="env A: not set"):
        service_token(settings, {"A": ""}, "A")


def test_a_token_file_gives_its_text_without_blanks(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(" from-file\n")
    assert service_token(Settings(service_token_file=file), {}, None) == (SecretStr("from-file"), f"file {file}")
    file.write_text("\n")
    with pytest.raises(SettingsError, match="holds no token"):
        service_token(Settings(service_token_file=file), {}, None)
    with pytest.raises(SettingsError, match="cannot be read"):
        service_token(Settings(service_token_file=tmp_path / "absent"), {}, None)


def test_a_token_that_would_break_a_header_is_refused_without_being_shown() -> None:
    with pytest.raises(SettingsError, match="printable ASCII") as caught:
        service_token(Settings(), {"A": "one\r\nX-Evil: 1"}, "A")
    assert "Evil" not in str(caught.value)
    assert api_token(Settings()) is None


@pytest.mark.parametrize(("value", "enabled"), [("true", True), ("false", False), ("", True)])
def test_the_contracts_switch_of_alerts_is_obeyed(value: str, enabled: bool) -> None:
    env = {"OPS_MANAGER_ALERTS_ENABLED": value}
    assert load_settings({}, env, default_file=NOWHERE).settings.alerts.enabled is enabled


@pytest.mark.parametrize("value", ["TRUE", "1", "yes"])
def test_a_switch_of_alerts_that_could_mean_anything_is_refused(value: str) -> None:
    assert problems(OPS_MANAGER_ALERTS_ENABLED=value) == [
        "env OPS_MANAGER_ALERTS_ENABLED: alerts.enabled: must be true or false"
    ]
    ours = {"OPS_MANAGER_ALERTS_ENABLED": value, "OPSD_ALERTS__ENABLED": "true"}
    assert load_settings({}, ours, default_file=NOWHERE).settings.alerts.enabled is True


def test_the_files_of_alerts_may_be_named_as_the_contract_does() -> None:
    env = {"OPS_MANAGER_ALERT_SINKS_FILE": "/a.json", "OPS_MANAGER_ALERT_DELIVERY_FILE": "/b.json"}
    alerts = load_settings({}, env, default_file=NOWHERE).settings.alerts
    assert (alerts.catalog_file, alerts.delivery_file) == (Path("/a.json"), Path("/b.json"))
