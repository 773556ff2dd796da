"""The demo's end: whatever ends it, nothing that it started is left."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_no_daemon_outlives_the_demo(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "opsd", "demo", "--folder", str(tmp_path / "fleet")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        told = next(found for line in demo.stdout if (found := re.search(r"http://127\.0\.0\.1:(\d+)/metrics", line)))
        demo.send_signal(number)
        demo.stdout.read()
        assert demo.wait(180) == 128 + number
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(told[1])), timeout=60)
