"""deploy/sprite/sprite-service.sh with a real service: started again, one instance, not as root, its output kept."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.deploy.documents import ROOT
from tests.ports import free_port
from tests.sprite_service.support import environment, make_repo

SCRIPT = ROOT / "deploy" / "sprite" / "sprite-service.sh"
TOKEN = "hush-hush-of-the-script"
#: Enough for every start and every end, in seconds.
PATIENCE_S = 120.0


def eventually(condition: Callable[[], object], tell: Callable[[], str] = str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, tell()
        time.sleep(0.01)


class Sprite:
    """A repo, the variables of the script, and a program that starts the real service."""

    def __init__(self, folder: Path, program: str | None = None) -> None:
        self.folder = folder
        self.log = folder / "log"
        self.pid_file = folder / "run" / "service.pid"
        (folder / "token").write_text(TOKEN)
        make_repo(folder / "repo")
        service = folder / "sprite-service"
        service.write_text(program or f'#!/bin/sh\nexec {sys.executable} -m sprite_service "$@"\n')
        service.chmod(0o755)
        self.port = free_port()
        self.env = {
            **environment(None),
            "PYTHONPATH": str(ROOT),
            "SPRITE_SERVICE": str(service),
            "SPRITE_USER": "root",
            "SPRITE_TOKEN_FILE": str(folder / "token"),
            "SPRITE_RUN_DIR": str(folder / "run"),
            "SPRITE_LOG": str(self.log),
            "SPRITE_PAUSE": "0",
        }

    @property
    def options(self) -> list[str]:
        return ["--repo", str(self.folder / "repo"), "--port", str(self.port)]

    def run(self, **env: str) -> subprocess.CompletedProcess[str]:
        """The script, where it is expected to end by itself."""
        return subprocess.run(
            ["/bin/sh", str(SCRIPT), *self.options],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            env={**self.env, **env},
            check=False,
        )

    @contextmanager
    def started(self) -> Iterator[subprocess.Popen[bytes]]:
        process = subprocess.Popen(["/bin/sh", str(SCRIPT), *self.options], env=self.env)
        try:
            yield process
        finally:
            process.kill()  # the service follows
            process.wait(PATIENCE_S)

    def ready(self) -> bool:
        argv = [sys.executable, "-m", "sprite_service", *self.options, "--ping"]
        env = {**self.env, "OPS_MANAGER_SERVICE_TOKEN": (self.folder / "token").read_text()}
        answer = subprocess.run(argv, env=env, capture_output=True, check=False)
        return answer.returncode == 0 and self.pid() != 0  # which is written down after the start

    def pid(self) -> int:
        """The service's process, 0 while there is none."""
        try:
            return int(self.pid_file.read_text() or 0)
        except FileNotFoundError:
            return 0

    def tell(self) -> str:
        return self.log.read_text() if self.log.exists() else "no log"


@pytest.fixture
def sprite(tmp_path: Path) -> Sprite:
    return Sprite(tmp_path)


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_service_that_is_killed_is_seen_again(sprite: Sprite) -> None:
    with sprite.started():
        eventually(sprite.ready, sprite.tell)
        first = sprite.pid()
        os.kill(first, signal.SIGKILL)
        eventually(lambda: sprite.pid() not in (0, first), sprite.tell)
        eventually(sprite.ready, sprite.tell)
    assert "the service ended with 137; next start in 0 s" in sprite.tell()
    assert TOKEN not in sprite.tell()
    assert stat.S_IMODE(sprite.log.stat().st_mode) == 0o600


def test_the_end_of_the_script_is_the_end_of_the_service_by_signal_and_by_kill(sprite: Sprite) -> None:
    for number, code in ((signal.SIGTERM, 0), (signal.SIGKILL, -9)):
        with sprite.started() as process:
            eventually(sprite.ready, sprite.tell)
            service = sprite.pid()
            process.send_signal(number)
            assert process.wait(PATIENCE_S) == code
            eventually(lambda pid=service: gone(pid), sprite.tell)  # type: ignore[misc]


def test_a_second_one_does_not_start(sprite: Sprite) -> None:
    with sprite.started():
        eventually(sprite.ready, sprite.tell)
        second = sprite.run()
        assert (second.returncode, second.stderr) == (1, "error: already running\n")
        assert sprite.ready()


def test_hangup_takes_a_new_token(sprite: Sprite) -> None:
    with sprite.started() as process:
        eventually(sprite.ready, sprite.tell)
        first = sprite.pid()
        (sprite.folder / "token").write_text("another-token")
        process.send_signal(signal.SIGHUP)
        eventually(lambda: sprite.pid() not in (0, first), sprite.tell)
        eventually(sprite.ready, sprite.tell)
    assert "restarting on request" in sprite.tell()


def test_a_service_that_cannot_start_is_tried_with_growing_pauses_and_a_signal_ends_the_pause(tmp_path: Path) -> None:
    sprite = Sprite(tmp_path, "#!/bin/sh\necho no way\nexit 3\n")
    sprite.env["SPRITE_PAUSE"] = "1"
    with sprite.started() as process:
        eventually(lambda: "next start in 2 s" in sprite.tell(), sprite.tell)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
    assert "no way\n" in sprite.tell()
    assert "the service ended with 3; next start in 1 s" in sprite.tell()


def test_a_large_log_is_moved_aside_at_a_start(sprite: Sprite) -> None:
    sprite.log.write_bytes(b"x" * 10_000_001)
    with sprite.started():
        eventually(sprite.ready, sprite.tell)
    assert (sprite.folder / "log.1").stat().st_size >= 10_000_001
    assert sprite.log.stat().st_size < 10_000


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another account")
def test_root_becomes_the_agents_account_and_keeps_no_right(tmp_path: Path) -> None:
    report = (
        "#!/bin/sh\n"
        "grep -E '^(Uid|CapPrm|CapBnd|NoNewPrivs):' /proc/self/status\n"
        "echo token $OPS_MANAGER_SERVICE_TOKEN\n"
    )
    sprite = Sprite(tmp_path, report)
    sprite.env["SPRITE_USER"] = "nobody"
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o011)
    (tmp_path / "token").chmod(0o600)
    with sprite.started():
        eventually(lambda: "the service ended with 0" in sprite.tell(), sprite.tell)
    seen = sprite.tell()
    assert f"token {TOKEN}" in seen  # which the account itself could not have read
    assert "Uid:\t65534\t65534\t65534\t65534" in seen
    for line in ("CapPrm:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"):
        assert line in seen


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"SPRITE_SERVICE": "/nowhere"}, "not a program: /nowhere"),
        ({"SPRITE_USER": "nobody-of-that-name"}, "no such account: nobody-of-that-name"),
        ({"PATH": "/nowhere"}, "flock is missing: install util-linux"),
    ],
)
def test_what_cannot_work_is_told(sprite: Sprite, env: dict[str, str], message: str) -> None:
    done = sprite.run(**env)
    assert (done.returncode, done.stderr) == (1, f"error: {message}\n")


def test_the_script_is_plain_posix() -> None:
    dash = shutil.which("dash")
    if dash is None:
        pytest.skip("dash is missing")
    assert subprocess.run([dash, "-n", str(SCRIPT)], capture_output=True, check=False).returncode == 0
    assert SCRIPT.read_text().startswith("#!/bin/sh\n")
    assert os.access(SCRIPT, os.X_OK)
