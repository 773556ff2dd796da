"""The demo's end: whatever ends it, nothing that it started is left."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

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


def test_a_port_that_somebody_else_has_is_left_to_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = next(trouble for trouble in TROUBLES if not trouble.crashes)  # the quickest fleet: nothing but the daemon
    monkeypatch.setattr("opsd.demo.fleet.TROUBLES", (lost,))
    monkeypatch.setattr("opsd.demo.fleet.ACTS", ())
    monkeypatch.setattr("opsd.demo.fleet.list_cases", list)
    monkeypatch.setattr("opsd.demo.fleet.policy_block", lambda _now: {})
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr("opsd.demo.fleet.free_port", lambda _preferred: port)
        with DemoFleet(tmp_path, duration_s=1.0) as fleet:
            assert fleet.url != f"http://127.0.0.1:{port}"
            assert [view["loopId"] for view in fleet.views()] == [lost.loop_id]
