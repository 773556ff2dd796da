"""A machine inside the test's machine: a root folder of its own, with this machine's programs read-only in it.

``Root`` is that folder; what runs in it runs in namespaces of its own, so nothing that is mounted, installed or
created there is seen outside. ``Booted`` is one that systemd has booted in.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest

#: What an installed image has for everybody.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_HERE = Path(__file__).parent
#: What installing from the network needs to know of this machine.
_NETWORK = ("PIP_", "SSL_CERT_", "REQUESTS_CA_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy")


def required(*programs: str) -> None:
    """Skip the test where it cannot run; in CI it has to."""
    missing = [program for program in programs if shutil.which(program, path=PATH) is None]
    if os.geteuid() != 0:
        missing.append("root's rights")
    if "python3" in programs and not _python_can_install():
        missing.append("Python 3.11 or newer with venv as python3 (Debian: python3-venv)")
    if missing:
        assert os.environ.get("CI") != "true", f"missing: {', '.join(missing)}"
        pytest.skip(f"missing: {', '.join(missing)}")


def _python_can_install() -> bool:
    check = "import ensurepip, sys; sys.exit(sys.version_info < (3, 11))"
    found = shutil.which("python3", path=PATH)
    return found is not None and subprocess.run([found, "-c", check], capture_output=True, check=False).returncode == 0


@contextmanager
def once(factory: pytest.TempPathFactory, name: str) -> Iterator[tuple[Path, bool]]:
    """A folder that the test processes of one run share, and whether it has to be filled; one at a time fills it.

    The tests of a module may be spread over several processes, and what they share takes a minute to make.
    """
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder, done = base / name, base / f"{name}.done"
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o755)
            yield folder, True
            done.touch()
        else:
            yield folder, False


@dataclass(frozen=True, slots=True)
class Root:
    """A root folder: an ``/etc`` of its own, ``/usr`` of this machine, empty otherwise."""

    path: Path

    @classmethod
    def made(cls, path: Path) -> Self:
        """A new one."""
        path.mkdir(mode=0o755)
        for name in ("usr", "dev", "proc", "sys", "run", "root", "opt", "srv", "home", "mnt", "var/lib", "var/log"):
            (path / name).mkdir(mode=0o755, parents=True)
        for name in ("tmp", "var/tmp"):
            (path / name).mkdir(parents=True)
            (path / name).chmod(0o1777)
        for name in ("bin", "sbin", "lib", "lib64", "lib32", "libx32"):
            if Path("/", name).is_symlink():
                (path / name).symlink_to(f"usr/{name}")
        kept = ("passwd", "group", "shadow", "gshadow", "nsswitch.conf", "hosts", "resolv.conf", "pip.conf")
        folders = ("ssl", "ca-certificates", "alternatives", "ld.so.conf.d", "pam.d", "security")
        (path / "etc/systemd/system").mkdir(mode=0o755, parents=True)
        for name in (*kept, "ld.so.cache", "ld.so.conf", "login.defs", "localtime"):
            if Path("/etc", name).is_file():
                shutil.copy2(f"/etc/{name}", path / "etc" / name)
        for name in folders:
            if Path("/etc", name).is_dir():
                shutil.copytree(f"/etc/{name}", path / "etc" / name, symlinks=True)
        return cls(path)

    def copy(self, path: Path) -> Root:
        """The same again, to be changed by itself."""
        output(["cp", "-a", str(self.path), str(path)])
        return Root(path)

    def command(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str = "/",
        user: str = "0:0",
        read_only: bool = False,
        volumes: Mapping[str, Path] | None = None,
    ) -> list[str]:
        """The command line that runs ``argv`` inside, with ``env`` and nothing else, as the container engines do it.

        ``volumes`` maps paths inside to folders outside, which can be written to also when the root is ``read_only``.
        """
        uid, _, gid = user.partition(":")
        drop = ["/usr/bin/setpriv", f"--reuid={uid}", f"--regid={gid or uid}", "--clear-groups", "--no-new-privs"]
        if uid != "0":
            drop += ["--inh-caps=-all", "--bounding-set=-all"]
        mounts = [f"{inside}={outside}" for inside, outside in (volumes or {}).items()]
        inner = [f"{name}={value}" for name, value in {"PATH": PATH, **(env or {})}.items()]
        return [
            *("unshare", "--mount", "--propagation", "private", "/bin/sh", str(_HERE / "enter.sh")),
            *(str(self.path), "ro" if read_only else "rw", cwd, str(len(mounts)), *mounts),
            *("env", "-i", *inner, *drop, *argv),
        ]

    def run(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: str = "/") -> str:
        """Run something as root that may use the network, and tell what it printed."""
        network = {name: value for name, value in os.environ.items() if name.startswith(_NETWORK)}
        return output(self.command(argv, env={**network, **(env or {})}, cwd=cwd))


def output(argv: Sequence[str], cwd: Path | None = None) -> str:
    """What a command printed; it has to succeed."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=1800, cwd=cwd)
    assert done.returncode == 0, f"{argv[-1]}: {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


class Booted:
    """A root in which systemd runs as the first process."""

    def __init__(self, process: subprocess.Popen[bytes], first: int, console: Path) -> None:
        self.process = process
        self.first = first
        self.console = console

    def sh(self, script: str, *, cwd: str = "/", check: bool = True) -> str:
        """What a root shell printed, stderr too; with ``check`` it stops at the first command that fails."""
        enter = ["nsenter", f"--target={self.first}", *(f"--{kind}" for kind in ("mount", "pid", "uts", "ipc", "net"))]
        env = (f"PATH={PATH}", "HOME=/root", "USER=root", "LC_ALL=C.UTF-8")
        argv = [*enter, "--cgroup", "--root", "--wd", "env", "-i", *env]
        done = subprocess.run(
            [*argv, "/bin/bash", "-euo", "pipefail", "-c", f"exec 2>&1\ncd {cwd}\n{script}"],
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{script}\n{done.stdout}\n{done.returncode}\n{self.console.read_text()[-6000:]}")
        return done.stdout

    def until(self, script: str, within_s: float = 180.0) -> str:
        """Repeat a script until it succeeds, and tell what it printed then."""
        end = time.monotonic() + within_s
        while True:
            try:
                return self.sh(script)
            except AssertionError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)


@contextmanager
def boot(root: Root) -> Iterator[Booted]:
    """Boot systemd in ``root``, without a network and in a control group of its own; all of it ends with the test."""
    console = root.path.parent / f"{root.path.name}-console"
    console.touch()
    group = _group()
    group.mkdir()
    with console.open("ab") as log:
        process = subprocess.Popen(
            ["/bin/sh", str(_HERE / "boot.sh"), str(root.path), str(group), str(console)],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        booted = Booted(process, _child(process, console), console)
        booted.until("systemctl is-active multi-user.target")
        yield booted
    finally:
        for number in _processes(group):
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        process.wait(180)
        for folder, _, _ in os.walk(group, topdown=False):
            _remove_when_empty(Path(folder))


def _group() -> Path:
    """A place for a control group below this process's own, where systemd keeps track of processes."""
    named = Path("/sys/fs/cgroup/systemd")
    base, mark = (named, ":name=systemd:") if named.is_dir() else (Path("/sys/fs/cgroup"), "0::")
    own = next(line for line in Path("/proc/self/cgroup").read_text().splitlines() if mark in line)
    return base / own.rpartition(":")[2].lstrip("/") / f"opsd-test-{os.getpid()}-{time.monotonic_ns()}"


def _child(process: subprocess.Popen[bytes], console: Path) -> int:
    """The first process of the new namespace, as it is numbered outside."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    end = time.monotonic() + 180
    while time.monotonic() < end and process.poll() is None:
        for number in children.read_text().split():
            with contextlib.suppress(OSError):
                if Path(f"/proc/{number}/comm").read_text() == "systemd\n":
                    return int(number)
        time.sleep(0.02)
    raise AssertionError(console.read_text())


def _processes(group: Path) -> set[int]:
    return {int(line) for file in group.rglob("cgroup.procs") for line in file.read_text().split() if line != "0"}


def _remove_when_empty(folder: Path) -> None:
    end = time.monotonic() + 120
    while True:
        try:
            folder.rmdir()
        except OSError:  # a process of it is still on its way out
            if time.monotonic() > end:
                raise
            time.sleep(0.02)
        else:
            return
