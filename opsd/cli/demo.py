"""``opsd demo``: recorded runs play in sprite services of their own, one daemon supervises them, the terminal follows.

``--once`` plays to the end, prints the final table and exits 0 when every loop arrived where its recording did.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.live import Live

from opsd.contract.errors import OpsError
from opsd.demo.fleet import DemoFleet
from opsd.demo.table import fleet_table

_DESCRIPTION = (
    "Recorded runs play in sprite services of their own, one daemon supervises them, and this terminal follows. "
    "Ctrl-C ends everything."
)
_SETTLE_S = 30.0
_LOG_WIDTH = 140


def main(argv: list[str]) -> int:
    """Run the demo; 0 at the end or after Ctrl-C, 1 when a loop did not arrive."""
    parser = argparse.ArgumentParser(prog="opsd demo", description=_DESCRIPTION)
    parser.add_argument("--once", action="store_true", help="play to the end, print the final table, exit")
    parser.add_argument("--seconds", type=float, help="how long each replay takes (default 60; 8 with --once)")
    parser.add_argument(
        "--folder", type=Path, help="keep repos, manager files and logs here (default: a temporary one)"
    )
    options = parser.parse_args(argv)
    duration_s = options.seconds if options.seconds is not None else 8.0 if options.once else 60.0
    if options.folder is not None:
        if options.folder.exists() and any(options.folder.iterdir()):
            raise OpsError(f"{options.folder} is not empty")
        options.folder.mkdir(parents=True, exist_ok=True)
        return _run(options.folder.resolve(), once=options.once, duration_s=duration_s)
    with tempfile.TemporaryDirectory(prefix="opsd-demo-") as folder:
        return _run(Path(folder), once=options.once, duration_s=duration_s)


def _run(folder: Path, *, once: bool, duration_s: float) -> int:
    console = Console()
    if not console.is_terminal:  # a log file or a pipe has no width of its own
        console = Console(width=_LOG_WIDTH)
    console.print("starting sprite services and the daemon ...")
    with DemoFleet(folder, duration_s=duration_s) as fleet:
        console.print(f"metrics: {fleet.url}/metrics   loops: {fleet.url}/v1/loops   files and logs: {folder}")
        return _play_once(console, fleet) if once else _follow(console, fleet)


def _play_once(console: Console, fleet: DemoFleet) -> int:
    deadline = time.monotonic() + fleet.duration_s + _SETTLE_S
    while True:
        views = fleet.views()
        settled = fleet.played_out() and fleet.settled(views)
        if settled or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    console.print(fleet_table(views, now=time.time(), title="fleet at the end of the demo", width=console.width))
    if not settled:
        console.print("error: not every loop arrived where its recording ended", style="bold red")
        return 1
    console.print(f"all {len(views)} loops arrived where their recordings ended", style="green")
    return 0


def _follow(console: Console, fleet: DemoFleet) -> int:
    title = f"opsd demo, {fleet.url}/metrics, Ctrl-C ends it"
    try:
        with Live(console=console, refresh_per_second=4) as live:
            while True:
                live.update(fleet_table(fleet.views(), now=time.time(), title=title, width=console.width))
                time.sleep(0.5)
    except KeyboardInterrupt:
        console.print("ending the demo ...")
    return 0
