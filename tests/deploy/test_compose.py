"""deploy/compose.yaml without an engine: what every service is denied, and that everything it names fits together."""

from __future__ import annotations

import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from opsd.cli.fleet_registry import main as fleet_registry
from opsd.supervisor.settings import env_name, load_settings, setting_fields
from sprite_service.main import configure, parser
from tests.deploy.dockerfile import parse
from tests.deploy.documents import ROOT, blocks

FILE = ROOT / "deploy" / "compose.yaml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_rights_no_writable_root_and_bounds(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"mem_limit", "pids_limit", "restart", "logging"} <= set(service)
    assert not {"privileged", "cap_add", "devices", "env_file"} & set(service)
    assert "docker.sock" not in str(service)
    if name not in OURS:  # the user of ours is the image's
        assert service["user"] == "65534:65534"
        assert service["image"].rpartition(":")[2][:2] in ("v0", "v3"), "a version, not latest"


@pytest.mark.parametrize("name", SERVICES)
def test_a_port_is_open_to_this_host_only(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


def test_everything_that_a_service_names_is_declared_and_every_file_is_there() -> None:
    for service in SERVICES.values():
        assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])
        assert {config["source"] for config in service.get("configs", [])} <= set(COMPOSE["configs"])
        assert {volume.partition(":")[0] for volume in service.get("volumes", [])} <= set(COMPOSE["volumes"])
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
        assert not [name for name in service.get("environment", {}) if name in COMPOSE["secrets"]]


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
