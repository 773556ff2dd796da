"""deploy/compose.yaml without an engine: what every service is denied, and that everything it names fits together."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from opsd.cli.fleet.registry import main as fleet_registry
from opsd.contract import jsoncodec
from opsd.supervisor.settings.load import env_name, load_settings, setting_fields
from sprite_service.main import configure, parser
from tests.deploy.dockerfile import parse
from tests.deploy.documents import ROOT, blocks

FILE = ROOT / "deploy" / "compose.yaml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]


def test_the_compose_specification_knows_every_key_and_every_value() -> None:
    try:
        from compose_spec import PyCompose
    except ImportError:
        assert os.environ.get("CI") != "true", "install tests/deploy/requirements.txt"
        pytest.skip("install tests/deploy/requirements.txt")

    def read(document: Any) -> Any:
        return PyCompose.from_json(jsoncodec.dumps(document).decode())

    assert set(read(COMPOSE).service_names()) == set(SERVICES)
    for change in ({"restart_policy": "always"}, {"healthcheck": {"interval": "often"}}, {"cpus": ["1.0"]}):
        with pytest.raises(ValueError):  # noqa: PT011 - the reader's words are its own
            read({**COMPOSE, "services": {"opsd": {**SERVICES["opsd"], **change}}})


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_rights_no_writable_root_and_bounds(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"mem_limit", "cpus", "pids_limit", "restart", "logging"} <= set(service)
    assert not {"privileged", "cap_add", "devices", "env_file"} & set(service)
    assert "docker.sock" not in str(service)
    if name not in OURS:  # the user of ours is the image's
        assert service["user"] in ("65534:65534", "472:0")  # as the images have it, whatever a later one says
        assert re.fullmatch(r"v?\d+\.\d+\.\d+", service["image"].rpartition(":")[2]), "a version, not latest"


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_asked_whether_it_works(name: str) -> None:
    service = SERVICES[name]
    if name == "agent":  # a run ends, and the next one begins
        assert service["healthcheck"] == {"disable": True}
    elif name == "opsd":
        assert "healthcheck" not in service  # the image's
    else:
        assert service["healthcheck"]["interval"] == "15s"
        assert service["healthcheck"]["test"][0] == "CMD"


def test_what_watches_the_manager_does_not_wait_for_it() -> None:
    assert "depends_on" not in SERVICES["prometheus"]
    assert "depends_on" not in SERVICES["alertmanager"]


def test_the_manager_has_the_time_to_drain_and_descriptors_for_its_streams(tmp_path: Path) -> None:
    settings = load_settings({}, {}, default_file=tmp_path / "none.toml").settings
    assert int(SERVICES["opsd"]["stop_grace_period"].removesuffix("s")) > settings.drain_seconds
    assert SERVICES["opsd"]["ulimits"] == {"nofile": 65536}


@pytest.mark.parametrize("name", SERVICES)
def test_a_port_is_open_to_this_host_only(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


def test_everything_that_a_service_names_is_declared_and_every_file_is_there() -> None:
    for service in SERVICES.values():
        assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])
        assert {config["source"] for config in service.get("configs", [])} <= set(COMPOSE["configs"])
        for source, _, target in (volume.partition(":") for volume in service.get("volumes", [])):
            if source.startswith("./"):
                assert (FILE.parent / source).is_dir()
                assert target.endswith(":ro")
            else:
                assert source in COMPOSE["volumes"]
        assert set(service.get("networks", [])) <= set(COMPOSE["networks"])
        assert set(service.get("depends_on", {})) <= set(SERVICES)
    for config in COMPOSE["configs"].values():
        assert (FILE.parent / config["file"]).is_file()


def test_a_secret_is_a_file_that_no_commit_holds() -> None:
    for name, secret in COMPOSE["secrets"].items():
        assert secret["file"] == f"compose/secrets/{name}"
    ignored = subprocess.run(
        ["git", "check-ignore", "-q", "deploy/compose/secrets/OPSD_HTTP__API_TOKEN"], cwd=ROOT, check=False
    )
    assert ignored.returncode == 0
    for service in SERVICES.values():
        env = service.get("environment", {})
        assert not [name for name in env if name in COMPOSE["secrets"]]
        named = {value for name, value in env.items() if name.endswith("__FILE") and value.startswith("/run/")}
        assert named <= {f"/run/secrets/{secret}" for secret in service.get("secrets", [])}


def test_the_documented_secrets_are_those_and_readable_only_through_a_closed_folder(tmp_path: Path) -> None:
    (script,) = blocks("deployment.md", "With a container engine")
    subprocess.run(["sh", "-euc", script], cwd=tmp_path, check=True)
    folder = tmp_path / "deploy" / "compose" / "secrets"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.name for path in folder.iterdir()} == set(COMPOSE["secrets"])
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o444
        assert len(path.read_text()) > 40


def test_the_manager_could_start_with_what_it_is_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    env: dict[str, str] = SERVICES["opsd"]["environment"]
    known = {env_name(key) for key in setting_fields()} | {"CREDENTIALS_DIRECTORY"}
    image = {
        name for step in parse((ROOT / "Dockerfile").read_text()) if step.name == "ENV" for name in step.rest.split()
    }
    assert set(env) <= known
    assert {word.partition("=")[0] for word in image if word.startswith("OPSD_")} <= known
    settings = load_settings({}, env, default_file=tmp_path / "none.toml").settings
    target = str(settings.registry.file)
    assert {"source": "registry", "target": target} in SERVICES["opsd"]["configs"]
    assert (
        fleet_registry(["--repo", str(tmp_path), "--registry-file", str(FILE.parent / "compose/registry.v1.json")]) == 0
    )
    assert "http://sprite:8787" in capsys.readouterr().out
    assert "sprite" in SERVICES


def test_the_sprites_health_check_asks_with_the_options_of_the_service(tmp_path: Path) -> None:
    service = SERVICES["sprite"]
    program, *options = service["entrypoint"]
    assert service["healthcheck"]["test"] == ["CMD", program, *options, "--ping"]
    options[options.index("--repo") + 1] = str(tmp_path)
    assert configure(parser().parse_args(options), {"OPS_MANAGER_SERVICE_TOKEN": "x"}).port == 8787


def test_prometheus_accepts_its_configuration(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is missing: install Debian's package prometheus")
    for name, config in COMPOSE["configs"].items():
        if name in ("prometheus", "rules", "recording"):
            shutil.copy(FILE.parent / config["file"], tmp_path)
    done = subprocess.run(
        [promtool, "check", "config", tmp_path / "prometheus.yml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_alertmanager_accepts_its_configuration() -> None:
    amtool = shutil.which("amtool")
    if amtool is None:
        pytest.skip("amtool is missing: install Debian's package prometheus-alertmanager")
    file = FILE.parent / COMPOSE["configs"]["alertmanager"]["file"]
    done = subprocess.run([amtool, "check-config", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_grafana_finds_the_dashboards_and_prometheus() -> None:
    grafana = SERVICES["grafana"]
    configs = {
        config["source"]: yaml.safe_load((FILE.parent / COMPOSE["configs"][config["source"]]["file"]).read_text())
        for config in grafana["configs"]
    }
    (provider,) = configs["grafana-dashboards"]["providers"]
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in grafana["volumes"]
    (source,) = configs["grafana-datasource"]["datasources"]
    host, _, port = source["url"].removeprefix("http://").partition(":")
    assert set(SERVICES[host]["networks"]) & set(grafana["networks"])
    assert f"127.0.0.1:{port}:{port}" in SERVICES[host]["ports"]
    home = Path(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(home.parent) == provider["options"]["path"]
    assert (ROOT / "deploy" / "grafana" / "dashboards" / home.name).is_file()


def test_what_prometheus_scrapes_and_tells_are_services_on_its_network() -> None:
    text = (FILE.parent / COMPOSE["configs"]["prometheus"]["file"]).read_text()
    document = yaml.safe_load(text)
    targets = [
        target
        for group in (*document["scrape_configs"], *document["alerting"]["alertmanagers"])
        for entry in group["static_configs"]
        for target in entry["targets"]
    ]
    for target in targets:
        name = target.partition(":")[0]
        assert set(SERVICES[name]["networks"]) & set(SERVICES["prometheus"]["networks"])
