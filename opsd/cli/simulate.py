"""``opsd simulate``: a runtime to try the manager against, without an agent and without cost.

``run`` plays one run, ``cancel`` and ``approve`` are the runtime's commands; ``SUPERLOOP_BIN`` set to a script that
calls ``opsd simulate "$@"`` makes it the runtime of ``opsd control`` and of a sprite service.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from opsd.contract.errors import UsageError
from opsd.contract.ids import parse_loop_id
from opsd.simulate.commands import approve, cancel
from opsd.simulate.files import read_object
from opsd.simulate.run import Ending, Plan, SimulatedRun

_LOOK_S = 0.2


def main(argv: Sequence[str]) -> int:
    """Run, cancel or approve; the runtime's exit codes.

    Raises:
        OpsError: what the real runtime would refuse too.
    """
    parser = argparse.ArgumentParser(prog="opsd simulate", description="Plays a Superloop run, and obeys its commands.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="play one run in this process")
    run.add_argument("--iterations", type=int, default=3, help="default 3")
    run.add_argument("--seconds", type=float, default=10.0, help="how long each iteration takes; default 10")
    endings = [ending.value for ending in Ending]
    run.add_argument("--ending", choices=endings, default="complete", help="default complete")
    run.add_argument("--approval", action="store_true", help="ask for an approval before it completes")
    run.add_argument("--torn", action="store_true", help="write lines in two pieces, as long ones are")
    run.add_argument(
        "--resume-after", type=float, metavar="S", help="after a decision wait so long, then run again by itself"
    )
    stop = commands.add_parser("cancel", help="stop whatever runs in the repo")
    decide = commands.add_parser("approve", help="approve, or reject, a pending request")
    decide.add_argument("--by", default=os.environ.get("USER") or "unknown", help="who decides; default $USER")
    decide.add_argument("--note", default="", help="why")
    decide.add_argument("--reject", action="store_true", help="reject instead")
    for command in (run, stop, decide):
        command.add_argument("--repo", type=Path, default=Path(), help="default the working directory")
        command.add_argument("--loop", default="", help="the loop's id")
    options = parser.parse_args(argv)
    if not options.repo.is_dir():
        raise UsageError(f"{options.repo}: No such file or directory")
    repo = options.repo.resolve()
    if options.command == "cancel":
        sys.stdout.write("".join(f"{line}\n" for line in cancel(repo)))
        return 0
    if options.command == "approve":
        line = approve(repo, options.loop, by=options.by, note=options.note, reject=options.reject)
        sys.stdout.write(f"{line}\n")
        return 0
    return _run(options, repo)


def _run(options: argparse.Namespace, repo: Path) -> int:
    loop_id = parse_loop_id(options.loop)
    if options.iterations < 1 or not 0 <= options.seconds < 1e9:
        raise UsageError("--iterations must be at least 1, --seconds not negative")
    plan = Plan(options.iterations, options.seconds, Ending(options.ending), options.approval, options.torn)
    code = SimulatedRun(repo, loop_id, plan).play()
    while options.resume_after is not None:
        run = SimulatedRun(repo, loop_id, plan)
        if not run.files.approval.exists():
            return code
        if read_object(run.files.approval).get("status", "pending") == "pending":
            time.sleep(_LOOK_S)
            continue
        time.sleep(options.resume_after)
        code = SimulatedRun(repo, loop_id, plan).play()
    return code
