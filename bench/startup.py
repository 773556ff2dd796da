"""``opsd snapshot`` as a whole process against ``python -c 'import pydantic'``."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.measure import Figure, paired
from opsd.demo.replay import Player, load_recording


def startup() -> Iterator[Figure]:
    """Wall time of whole processes; a one-shot command imports nothing that it does not use."""
    with tempfile.TemporaryDirectory() as folder:
        recording = load_recording("long_run")
        Player(Path(folder), recording, duration_s=0.0, started_at=1795521600).play(lambda _seconds: False)
        command = [
            str(Path(sys.executable).with_name("opsd")),
            "snapshot",
            "--repo",
            folder,
            "--loop",
            recording.loop_id,
        ]

        def ours() -> None:
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

        def theirs() -> None:
            subprocess.run([sys.executable, "-c", "import pydantic"], check=True)

        mine, other, ratio = paired(ours, theirs, rounds=15)
        yield Figure(
            "opsd snapshot (process) against python -c 'import pydantic'",
            ratio,
            "<= 1.5",
            f"{mine * 1000:.0f} ms against {other * 1000:.0f} ms",
        )
