"""A machine that docs/install.md made: its steps, run block by block as they are printed.

The program is installed before the machine boots, since only then it has a network; everything after that is typed by
root on the running machine. ``INSTEAD`` is all that is not run as it is printed.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.deploy.documents import ROOT, blocks
from tests.deploy.machine import Booted, Root, boot, once, output, required

DOCUMENT = "install.md"
STEPS = re.findall(r"^### (\d+\. .*)$", (ROOT / "docs" / DOCUMENT).read_text(), re.MULTILINE)

#: The printed line, and what does the same on a machine without a network.
INSTEAD = {
    "apt-get install --yes --no-install-recommends prometheus": "sh /root/package/install.sh",
}

_SOURCE = "/root/opsd"
#: What Debian's package leaves behind; its programs are in this machine's /usr, which the other one shares.
_PROMETHEUS_UNIT = Path("/usr/lib/systemd/system/prometheus.service")
_INSTALL_PROMETHEUS = """set -eu
install -d -o prometheus -g prometheus /var/lib/prometheus /var/lib/prometheus/metrics2
install -D -m 0644 /root/package/prometheus.service /etc/systemd/system/prometheus.service
install -D -m 0644 /root/package/default /etc/default/prometheus
install -D -m 0644 /root/package/prometheus.yml /etc/prometheus/prometheus.yml
systemctl daemon-reload
systemctl enable --now prometheus
"""


def step(number: int) -> str:
    """The heading of a step."""
    (found,) = [heading for heading in STEPS if heading.startswith(f"{number}. ")]
    return found


def as_typed(block: str) -> str:
    """A printed block with what stands instead of it here."""
    return "".join(INSTEAD.get(line.rstrip("\n"), line.rstrip("\n")) + "\n" for line in block.splitlines())


def type_steps(machine: Booted, *numbers: int) -> list[str]:
    """Type every block of the steps, each in a shell of its own; what each block printed."""
    return [machine.sh(as_typed(block), cwd=_SOURCE) for number in numbers for block in blocks(DOCUMENT, step(number))]


@contextmanager
def installed_machine(factory: pytest.TempPathFactory, *, prometheus: bool = False) -> Iterator[Booted]:
    """One that has booted with the program installed (step 1), and nothing of the steps after it."""
    required("systemctl", "unshare", "nsenter", "python3", "curl", "make", "runuser")
    with once(factory, "installed") as (shared, empty):
        if empty:
            _install(Root.made(shared / "root"))
    root = Root(shared / "root").copy(factory.mktemp("systemd") / "root")
    if prometheus:
        _bring_package(root)
    for unit in ("opsd", "sprite-service", "prometheus"):  # no journal in there
        folder = root.path / "etc" / "systemd" / "system" / f"{unit}.service.d"
        folder.mkdir()
        output_to = f"StandardOutput=append:/var/log/{unit}.log\nStandardError=inherit\n"
        (folder / "log.conf").write_text(f"[Service]\n{output_to}")
    with boot(root) as booted:
        try:
            yield booted
        except AssertionError as error:
            logs = "".join(path.read_text()[-4000:] for path in sorted((root.path / "var" / "log").glob("*.log")))
            raise AssertionError(f"{error}\n{logs}") from None


def _install(root: Root) -> None:
    wheel, install = blocks(DOCUMENT, step(1))
    source = root.path / _SOURCE.lstrip("/")
    with (ROOT / "pyproject.toml").open() as held:  # another run of the tests may build there too
        fcntl.flock(held, fcntl.LOCK_EX)
        output(["sh", "-euc", wheel], cwd=ROOT)
        shutil.copytree(ROOT / "dist", source / "dist")
    shutil.copytree(ROOT / "deploy", source / "deploy")
    shutil.copy(ROOT / "requirements.txt", source)
    root.run(["sh", "-euc", install], cwd=_SOURCE)


def _bring_package(root: Root) -> None:
    """What ``apt-get`` would fetch: the package's unit and configuration, as they are on this machine."""
    required("prometheus", "promtool")
    if not _PROMETHEUS_UNIT.is_file():
        assert os.environ.get("CI") != "true", "missing: the unit of Debian's package prometheus"
        pytest.skip("missing: the unit of Debian's package prometheus")
    package = root.path / "root" / "package"
    package.mkdir()
    shutil.copy(_PROMETHEUS_UNIT, package)
    shutil.copy("/etc/default/prometheus", package / "default")
    shutil.copy("/etc/prometheus/prometheus.yml", package)
    (package / "install.sh").write_text(_INSTALL_PROMETHEUS)
