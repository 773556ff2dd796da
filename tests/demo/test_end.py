"""The demo's beginning and end: it shows its own daemon only, and whatever ends it, nothing that it started is left."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from opsd.contract.errors import OpsError
from opsd.demo import fleet as fleet_module
from opsd.demo.autonomy import TROUBLES
from opsd.demo.fleet import DemoFleet
from tests.runtime.stopped import processes_in


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_no_daemon_outlives_the_demo(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "opsd", "demo", "--folder", str(tmp_path / "fleet")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        assert any(re.search(r"http://127\.0\.0\.1:\d+/metrics", line) for line in demo.stdout)
        demo.send_signal(number)
        demo.stdout.read()
        assert demo.wait(180) == 128 + number
    assert processes_in(tmp_path) == []


def test_a_second_signal_does_not_keep_the_demo_from_clearing_up(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "opsd", "demo"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as demo:
        assert demo.stdout is not None
        assert any("from another terminal" in line for line in demo.stdout)
        demo.send_signal(signal.SIGINT)
        assert any("ending the demo" in line for line in demo.stdout)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            demo.send_signal(number)
        assert demo.wait(180) == 0
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def a_small_fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DemoFleet:
    monkeypatch.setattr(fleet_module, "list_cases", list)
    monkeypatch.setattr(fleet_module, "ACTS", ())
    monkeypatch.setattr(fleet_module, "TROUBLES", [one for one in TROUBLES if not one.crashes])
    monkeypatch.setattr(fleet_module, "policy_block", lambda _now: {"mode": "advisory"})
    return DemoFleet(tmp_path, duration_s=1)


def test_a_daemon_that_took_the_port_meanwhile_is_not_taken_for_the_demos_own(
    a_small_fleet: DemoFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = int(other.getsockname()[1])
        monkeypatch.setattr(fleet_module, "free_port", lambda preferred: taken)
        with a_small_fleet as fleet:
            assert not fleet.url.endswith(f":{taken}")
            assert [view["loopId"] for view in fleet.views()] == ["cold-archive"]


def test_a_daemon_that_ended_is_told_of_with_its_last_word(a_small_fleet: DemoFleet) -> None:
    with a_small_fleet as fleet:
        assert fleet.daemon is not None
        fleet.daemon.terminate()
        fleet.daemon.wait(60)
        with pytest.raises(OpsError, match=r"(?s)has ended; the last line of .*opsd\.log: .*daemon"):
            fleet.views()
