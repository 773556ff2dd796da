"""The contract's own command names, as files that can be started from anywhere (contract 10, 1.2)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.support import Repo

SCRIPTS = Path(__file__).parents[2] / "scripts"
NAMES = [
    "loop-run-snapshot",
    "poll-events",
    "project-state",
    "reconcile",
    "health",
    "service-client",
    "alert-sink-config",
    "horizon-bridge",
]
NAMES_OF_TWO_WORDS = ["fleet-status", "fleet-handoff", "promotion-gates", "promotion-ci"]
NAMES_OF_TWO_WORDS += ["promotion-apply", "promotion-orchestrate", "promotion-controller"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of its own: the real doors and packages, and this interpreter as its environment."""
    root = tmp_path / "check out"
    shutil.copytree(SCRIPTS, root / "scripts")
    (root / "opsd").symlink_to(SCRIPTS.parent / "opsd")
    (root / ".venv" / "bin").mkdir(parents=True)
    python = root / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return root


def _run(*argv: object, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in argv], capture_output=True, text=True, cwd=cwd, env={**os.environ, **env}, check=False
    )


@pytest.mark.parametrize("name", NAMES + NAMES_OF_TWO_WORDS)
def test_every_door_is_executable_and_knows_its_command(checkout: Path, name: str) -> None:
    done = _run(checkout / "scripts" / f"ops-manager-{name}.sh", "--help", cwd=checkout)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: opsd ")


def test_a_door_opens_from_any_folder_and_through_links(checkout: Path, repo: Repo, tmp_path: Path) -> None:
    door = checkout / "scripts" / "ops-manager-loop-run-snapshot.sh"
    (tmp_path / "bin").mkdir()
    link = tmp_path / "bin" / "snap"
    link.symlink_to(door)
    (tmp_path / "second").symlink_to(link)
    (tmp_path / "linked").symlink_to(checkout)
    (tmp_path / "scripts-link").symlink_to(checkout / "scripts")
    ways: list[tuple[object, Path]] = [
        (door, Path("/")), (link, Path("/")), (tmp_path / "second", tmp_path), ("./second", tmp_path),
        ("bin/snap", tmp_path), (f"./{door.name}", door.parent), (f"../scripts/{door.name}", door.parent),
        (tmp_path / "linked" / "scripts" / door.name, tmp_path), (tmp_path / "scripts-link" / door.name, tmp_path),
    ]  # fmt: skip
    for path, cwd in ways:
        done = _run(path, *repo.flags, cwd=cwd)
        assert (done.returncode, done.stderr) == (0, ""), (path, cwd)
    found = _run("sh", door.name, *repo.flags, cwd=door.parent)
    assert (found.returncode, found.stderr) == (0, "")
    by_path = _run("snap", *repo.flags, cwd=Path("/"), PATH=f"{tmp_path}/bin:{os.environ['PATH']}")
    assert (by_path.returncode, by_path.stderr) == (0, "")


def test_arguments_pass_unchanged(checkout: Path, repo: Repo) -> None:
    door = checkout / "scripts" / "ops-manager-loop-run-snapshot.sh"
    done = _run(door, *repo.flags, "--trace-id", "a  b\n$HOME'\"*", "--run-id", "", cwd=checkout)
    assert '"traceId":"a  b\\n$HOME\'\\"*"' in done.stdout


def test_the_callers_folder_is_not_on_the_import_path(checkout: Path, repo: Repo) -> None:
    (repo.root / "orjson.py").write_text("raise SystemExit('hijacked')\n")
    (repo.root / "opsd.py").write_text("raise SystemExit('hijacked')\n")
    done = _run(checkout / "scripts" / "ops-manager-loop-run-snapshot.sh", *repo.flags, cwd=repo.root)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_checkouts_own_catalog_is_the_default(checkout: Path, repo: Repo) -> None:
    done = _run(checkout / "scripts" / "ops-manager-reconcile.sh", *repo.flags, cwd=Path("/"))
    path = checkout / "config" / "ops-manager-threshold-profiles.v1.json"
    assert done.stderr == f"error: threshold profiles file not found: {path}\n"


def test_without_an_environment_an_installed_program_is_used(checkout: Path, tmp_path: Path) -> None:
    shutil.rmtree(checkout / ".venv")
    (tmp_path / "bin").mkdir()
    for name in ("opsd", "sprite-service"):
        program = tmp_path / "bin" / name
        program.write_text(f'#!/bin/sh\necho {name} "$@"\n')
        program.chmod(0o755)
    path = f"{tmp_path}/bin:{os.environ['PATH']}"
    snapshot = _run(checkout / "scripts" / "ops-manager-loop-run-snapshot.sh", "--x", cwd=tmp_path, PATH=path)
    assert snapshot.stdout == "opsd snapshot --x\n"
    service = _run(checkout / "scripts" / "ops-manager-sprite-service.py", "--x", cwd=tmp_path, PATH=path)
    assert service.stdout == "sprite-service --x\n"


def test_without_any_the_door_says_what_to_do(checkout: Path, tmp_path: Path) -> None:
    shutil.rmtree(checkout / ".venv")
    (tmp_path / "bin").mkdir()
    for tool in ("sh", "readlink"):
        (tmp_path / "bin" / tool).symlink_to(str(shutil.which(tool)))
    (tmp_path / "bin" / "python3").symlink_to(sys.executable)
    for name in ("ops-manager-health.sh", "ops-manager-sprite-service.py"):
        done = _run(checkout / "scripts" / name, "--help", cwd=tmp_path, PATH=f"{tmp_path}/bin")
        assert (done.returncode, done.stdout) == (1, ""), done
        assert done.stderr.startswith("error: no environment: run 'make install' in ")


def test_the_service_door_runs_the_checkouts_service_in_its_own_process(checkout: Path, tmp_path: Path) -> None:
    package = checkout / "sprite_service"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "main.py").write_text("import os\ndef main(argv=None):\n    print(os.getpid(), argv)\n    return 7\n")
    (tmp_path / "link").symlink_to(checkout / "scripts" / "ops-manager-sprite-service.py")
    with subprocess.Popen([str(tmp_path / "link"), "--port=1", ""], stdout=subprocess.PIPE, text=True) as process:
        out, _ = process.communicate(timeout=120)
    assert (process.returncode, out) == (7, f"{process.pid} ['--port=1', '']\n")
