"""The Dockerfile: what it must and must not say; its steps carried out; the result run read-only and not as root."""

from __future__ import annotations

import pickle
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.deploy.dockerfile import Context, Image, build, parse, stages
from tests.deploy.documents import ROOT
from tests.deploy.machine import once, required
from tests.ports import free_port

INSTRUCTIONS = parse((ROOT / "Dockerfile").read_text())
STAGES = stages(INSTRUCTIONS)
FINAL = {instruction.name: instruction.rest for instruction in STAGES[-1]}


def test_every_stage_begins_at_a_base_that_a_build_can_pin() -> None:
    assert INSTRUCTIONS[0].name == "ARG"
    default = INSTRUCTIONS[0].rest.removeprefix("BASE=")
    assert re.fullmatch(r"[a-z]+:[0-9.]+-[a-z]+-[a-z]+", default), "a tag that says version and distribution"
    assert [stage[0].rest.partition(" ")[0] for stage in STAGES] == ["${BASE}"] * len(STAGES)


def test_the_image_runs_under_a_number_that_is_not_root_and_nothing_changes_after_that() -> None:
    names = [instruction.name for instruction in STAGES[-1]]
    assert re.fullmatch(r"[1-9][0-9]{4,}:[1-9][0-9]{4,}", FINAL["USER"])
    assert not {"RUN", "COPY", "ADD"} & set(names[names.index("USER") :])


def test_nothing_is_fetched_but_pinned_packages() -> None:
    runs = [instruction.rest for instruction in INSTRUCTIONS if instruction.name == "RUN"]
    assert "ADD" not in {instruction.name for instruction in INSTRUCTIONS}
    for run in runs:
        assert not re.search(r"\b(curl|wget|git|apt-get|apk)\b|://", run)
        for install in re.findall(r"pip install ([^&]*)", run):
            assert "--require-hashes" in install or "--no-index" in install


def test_no_secret_is_named_and_the_health_check_is_the_programs_own() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert not re.search(r"token|password|secret", text, re.IGNORECASE)
    assert FINAL["HEALTHCHECK"].endswith('CMD ["opsd", "ping"]')
    assert FINAL["ENTRYPOINT"].startswith("[")  # signals reach the program, not a shell


def test_the_context_holds_what_is_copied_and_nothing_that_lies_about() -> None:
    context = Context(ROOT)
    assert [
        path for path in (".git", ".venv/x", "token", ".env", "opsd/__pycache__/x.pyc", "tests") if context.holds(path)
    ] == []
    copied = [instruction.rest.split()[:-1] for instruction in INSTRUCTIONS if instruction.name == "COPY"]
    for source in (path for paths in copied if not paths[0].startswith("--from") for path in paths):
        assert context.holds(source.removeprefix("./"))
        assert (ROOT / source).exists()


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    required("unshare", "setpriv", "useradd", "python3")
    with once(tmp_path_factory, "image") as (folder, empty):
        if empty:
            (folder / "image").write_bytes(pickle.dumps(build(ROOT, folder)))
        built: Image = pickle.loads((folder / "image").read_bytes())
        return built


class Container:
    """The image as an engine would run it with a read-only root."""

    def __init__(self, image: Image, env: Mapping[str, str], volumes: Mapping[str, Path]) -> None:
        self.image = image
        self._env = {**image.env, **env}
        self._volumes = volumes

    def command(self, argv: list[str]) -> list[str]:
        image = self.image
        return image.root.command(
            argv, env=self._env, cwd=image.cwd, user=image.user, read_only=True, volumes=self._volumes
        )

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(list(argv)), capture_output=True, text=True, timeout=600, check=False)

    @contextmanager
    def started(self, argv: list[str], check: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
        """The main process, once its health check says so."""
        with log.open("wb") as output:
            process = subprocess.Popen(self.command(argv), stdout=output, stderr=output)
        try:
            end = time.monotonic() + 180
            while (answer := self.run(*check)).returncode != 0:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < end, answer.stderr + log.read_text()
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(120)


@pytest.fixture
def data(tmp_path: Path, image: Image) -> Path:
    """A fresh volume, as an engine fills it from the image."""
    folder = tmp_path / "data"
    kept = image.root.path / "var" / "lib" / "opsd"
    folder.mkdir()
    shutil.chown(folder, kept.stat().st_uid, kept.stat().st_gid)
    folder.chmod(0o750)
    return folder


def test_the_manager_runs_not_as_root_on_a_read_only_root_and_is_healthy(
    image: Image, data: Path, tmp_path: Path
) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir(mode=0o755)
    (secrets / "OPSD_HTTP__API_TOKEN").write_text("of the container")
    port = free_port()
    env = {"OPSD_HTTP__PORT": str(port), "CREDENTIALS_DIRECTORY": "/mnt"}
    container = Container(image, env, {"/var/lib/opsd": data, "/mnt": secrets})
    assert image.argv("HEALTHCHECK") == ["opsd", "ping"]
    assert container.run("opsd", "ping").returncode == 1
    main = image.argv("ENTRYPOINT") + image.argv("CMD")
    with container.started(main, image.argv("HEALTHCHECK"), tmp_path / "log") as process:
        status = Path(f"/proc/{process.pid}/status").read_text()
        assert "Uid:\t10001\t10001\t10001\t10001" in status
        assert "Gid:\t10001\t10001\t10001\t10001" in status
        assert "CapEff:\t0000000000000000" in status
        shown = container.run("opsd", "config", "show").stdout
        assert re.search(r"^http\.api_token +\*+ +credential OPSD_HTTP__API_TOKEN$", shown, re.MULTILINE)
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
    assert "of the container" not in (tmp_path / "log").read_text()


def test_nothing_but_the_volume_can_be_written_and_no_installer_is_left(image: Image, data: Path) -> None:
    container = Container(image, {}, {"/var/lib/opsd": data})
    for path in ("/x", "/opt/opsd/x", "/etc/x"):
        assert container.run("python3", "-c", f"open({path!r}, 'w')").returncode != 0
    assert container.run("python3", "-c", "open('/var/lib/opsd/x', 'w')").returncode == 0
    assert container.run("python3", "-c", "import pip").returncode == 1
    assert container.run("opsd", "version").stdout.startswith("opsd ")
    assert not list((image.root.path / "opt").glob("build*"))


def test_the_sprites_service_runs_from_the_same_image(image: Image, data: Path, tmp_path: Path) -> None:
    container = Container(image, {"OPS_MANAGER_SERVICE_TOKEN": "hush"}, {"/var/lib/opsd": data})
    main = ["sprite-service", "--repo", "/var/lib/opsd", "--port", str(free_port())]
    with container.started(main, [*main, "--ping"], tmp_path / "log") as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0


def test_kubernetes_first_registry_is_laid_once_and_the_manager_starts_with_it(
    image: Image, data: Path, tmp_path: Path
) -> None:
    folder = ROOT / "deploy" / "kubernetes"
    pod = yaml.safe_load((folder / "statefulset.yaml").read_text())["spec"]["template"]["spec"]
    config = tmp_path / "config"
    config.mkdir(mode=0o755)
    for name, text in yaml.safe_load((folder / "configmap.yaml").read_text())["data"].items():
        (config / name).write_text(text)
    credentials = tmp_path / "credentials"
    credentials.mkdir(mode=0o755)
    (credentials / "OPS_MANAGER_SERVICE_TOKEN").write_text("hush")
    env = {variable["name"]: variable["value"] for variable in pod["containers"][0]["env"]}
    (mounted,) = [path for name, path in env.items() if name == "CREDENTIALS_DIRECTORY"]
    (image.root.path / mounted.lstrip("/")).mkdir(exist_ok=True)
    (image.root.path / "etc" / "opsd").mkdir(exist_ok=True)
    volumes = {"/var/lib/opsd": data, "/etc/opsd": config, mounted: credentials}
    container = Container(image, {**env, "OPSD_HTTP__PORT": str(free_port())}, volumes)
    registry = data / ".superloop" / "ops-manager" / "fleet" / "registry.v1.json"
    lay = pod["initContainers"][0]["command"]
    assert container.run(*lay).returncode == 0
    registry.write_text(registry.read_text().replace("my-fleet", "changed-since"))
    assert container.run(*lay).returncode == 0
    assert "changed-since" in registry.read_text()
    main = image.argv("ENTRYPOINT") + image.argv("CMD")
    with container.started(main, image.argv("HEALTHCHECK"), tmp_path / "log"):
        assert container.run("opsd", "config", "show").returncode == 0
    assert '"loops":1' in (tmp_path / "log").read_text().replace(" ", "")
