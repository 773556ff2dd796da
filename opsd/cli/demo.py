"""``opsd demo``: recorded runs play in sprite services of their own, one daemon supervises them, the terminal follows.

``--once`` plays to the end, approves, rejects and cancels on the way, and exits 0 when every loop arrived where it has
to end, every intent was confirmed, and autonomy did what its rails allow and nothing else.
"""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live

from opsd.contract.errors import OpsError
from opsd.contract.values import get
from opsd.demo.fleet import ACTS, TOKEN_VARIABLE, Act, DemoFleet
from opsd.demo.table import fleet_table

_DESCRIPTION = (
    "Recorded and simulated runs play behind sprite services of their own, one daemon supervises them, and this "
    "terminal follows; three of them wait for an approval, a rejection and a cancel. Of those in trouble the "
    "manager cancels one by itself. "
    "Ctrl-C ends everything."
)
_SETTLE_S = 30.0
_LOG_WIDTH = 170
#: SIGHUP: the terminal is closed. To the daemon it would mean a reload.
_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_ALERTS_SHOWN = 6
_ALERTS_AT_THE_END = 20


def main(argv: list[str]) -> int:
    """Run the demo; 0 at the end or after Ctrl-C, 1 when a loop did not arrive."""
    parser = argparse.ArgumentParser(prog="opsd demo", description=_DESCRIPTION)
    parser.add_argument("--once", action="store_true", help="play to the end, print the final table, exit")
    parser.add_argument("--seconds", type=float, help="how long each replay takes (default 60; 8 with --once)")
    parser.add_argument(
        "--folder", type=Path, help="keep repos, manager files and logs here (default: a temporary one)"
    )
    options = parser.parse_args(argv)
    for number in _ENDS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)
    duration_s = options.seconds if options.seconds is not None else 8.0 if options.once else 60.0
    if options.folder is not None:
        if options.folder.exists() and any(options.folder.iterdir()):
            raise OpsError(f"{options.folder} is not empty")
        options.folder.mkdir(parents=True, exist_ok=True)
        return _run(options.folder.resolve(), once=options.once, duration_s=duration_s)
    with tempfile.TemporaryDirectory(prefix="opsd-demo-") as folder:
        return _run(Path(folder), once=options.once, duration_s=duration_s)


def _end(number: int, _frame: object) -> None:
    """Everything that was started ends on the way out, which takes moments and is not disturbed by a second signal."""
    for other in _ENDS:
        signal.signal(other, signal.SIG_IGN)
    raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)


def _run(folder: Path, *, once: bool, duration_s: float) -> int:
    console = Console()
    if not console.is_terminal:  # a log file or a pipe has no width of its own
        console = Console(width=_LOG_WIDTH)
    console.print("starting sprite services and the daemon ...")
    with DemoFleet(folder, duration_s=duration_s) as fleet:
        console.print(f"metrics: {fleet.url}/metrics   loops: {fleet.url}/v1/loops   files and logs: {folder}")
        if once:
            return _play_once(console, fleet)
        try:
            _invite(console, fleet)
            _follow(console, fleet)
        except KeyboardInterrupt:
            console.print("ending the demo ...")
        return 0


def _play_once(console: Console, fleet: DemoFleet) -> int:
    """Play to the end, do what an operator would do on the way, and show where everything arrived."""
    deadline = time.monotonic() + fleet.duration_s + _SETTLE_S
    waiting = list(ACTS)
    running: list[tuple[Act, subprocess.Popen[bytes]]] = []
    while True:
        views = fleet.views()
        states = {view["loopId"]: view.get("state") for view in views}
        for act in [act for act in waiting if states.get(act.loop_id) == act.waits_in]:
            waiting.remove(act)
            running.append((act, fleet.control(act)))
        ended = not waiting and all(process.poll() is not None for _, process in running)
        told = fleet.told()
        settled = ended and fleet.played_out() and fleet.settled(views) and fleet.autonomy_settled(told)
        if settled or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    confirmed = [_outcome(console, act, process) for act, process in running]
    title = "fleet at the end of the demo"
    console.print(fleet_table(views, now=time.time(), title=title, width=console.width, told=told))
    console.print(f"alerts received: {fleet.desk.total}")
    for line in fleet.desk.lines(_ALERTS_AT_THE_END):
        console.print(line)
    if not settled or not all(confirmed) or len(confirmed) != len(ACTS):
        console.print("error: not every loop arrived where it has to end", style="bold red")
        return 1
    console.print(f"all {len(views)} loops arrived where they had to end; every intent was confirmed", style="green")
    console.print("of the loops in trouble the manager cancelled one within its rails; the others wait for a person")
    return 0


def _outcome(console: Console, act: Act, process: subprocess.Popen[bytes]) -> bool:
    """Tell how an intent ended; True when it was confirmed."""
    process.kill()  # one that has ended already is not touched by it
    out, _ = process.communicate()
    row = json.loads(out) if out.strip() else {}
    evidence = get(row, "confirm", "reason")
    console.print(f"{act.intent} {act.loop_id}: {row.get('status', 'no answer')} ({evidence})")
    return row.get("status") == "confirmed"


def _invite(console: Console, fleet: DemoFleet) -> None:
    """What an operator can do in another terminal."""
    called = Path(sys.argv[0]).resolve()
    program = [sys.executable, "-m", "opsd"] if called.name == "__main__.py" else [str(called)]
    lines = [f"export {TOKEN_VARIABLE}=$(cat {shlex.quote(str(fleet.token_file))})"]
    lines += [shlex.join(fleet.control_command(act, program=program)) for act in ACTS]
    console.print("three runs wait for an operator, and some loops get into trouble; from another terminal:")
    lines.append(shlex.join([*program, "fleet", "status", "--repo", str(fleet.manager)]))
    lines.append(shlex.join([*program, "watch", "--server", fleet.url]))
    for line in lines:
        console.print(f"  {line}", soft_wrap=True, markup=False, highlight=False)


def _follow(console: Console, fleet: DemoFleet) -> None:
    title = f"opsd demo, {fleet.url}/metrics, Ctrl-C ends it"
    with Live(console=console, refresh_per_second=4) as live:
        while True:
            table = fleet_table(fleet.views(), now=time.time(), title=title, width=console.width, told=fleet.told())
            live.update(Group(table, f"alerts received: {fleet.desk.total}", *fleet.desk.lines(_ALERTS_SHOWN)))
            time.sleep(0.5)
