"""``opsd drill run``: carries out the drills that the promotion gates ask for, and records them (contract 90, A3.5).

In a sandbox, unless a fleet in use is named. On a terminal each drill is told line by line, elsewhere (and with
``--pretty``) everything is one document at the end.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from opsd.cli.arguments import CommandSpec, Flag
from opsd.cli.output import write_json
from opsd.contract.errors import OpsError, UsageError
from opsd.contract.values import printable
from opsd.runtime.layout import absolute_repo

if TYPE_CHECKING:
    from opsd.drill.evidence import DrillResult

_NAMES = ("kill-switch", "sprite-outage", "ambiguous-retry-guard")
_OPERAND = "|".join((*_NAMES, "all"))

SPEC = CommandSpec(
    "opsd drill run",
    "Carries out a drill against a simulated fleet in a sandbox, and records what happened as promotion evidence.",
    (
        Flag("--repo", "the repo whose evidence file is written (required); its fleet is not touched", "<path>"),
        Flag("--drill-state-file", "default <repo>/.superloop/ops-manager/fleet/drills/promotion.v1.json", "<path>"),
        Flag(
            "--sandbox", "an empty or new folder for the sandboxes, which are kept; default: a temporary one", "<path>"
        ),
        Flag("--commit", "of the manager, for the evidence; default $GITHUB_SHA, else that of its checkout", "<id>"),
        Flag("--fleet", "sandbox (default); live drills the fleet of --repo itself, and needs --confirm", "<which>"),
        Flag("--confirm", "an operator confirms what --fleet live is going to do"),
        Flag("--pretty", "the document, indented by two spaces"),
    ),
    operand=f"<{_OPERAND}>",
    exits={1: "a drill did not hold, or an error"},
)


def main(argv: Sequence[str]) -> int:
    """Carry out; 0 when every drill held, else 1.

    Raises:
        OpsError: bad arguments, or evidence that cannot be recorded.
    """
    arguments = SPEC.parse(argv)
    asked = arguments.operand()
    if asked not in (*_NAMES, "all"):
        raise UsageError(f"a drill is required: one of {', '.join((*_NAMES, 'all'))}")
    names = _NAMES if asked == "all" else (asked,)
    repo = absolute_repo(arguments.required("--repo"))
    fleet = arguments.choice("--fleet", "sandbox", ("sandbox", "live"), "--fleet must be one of sandbox, live")

    from opsd.drill import live
    from opsd.drill.run import DrillRun, known_commit
    from opsd.storage.fleet_store import FileFleetStore, FleetDocument

    path = arguments.optional("--drill-state-file")
    store = FileFleetStore(repo, {FleetDocument.DRILLS: path} if path else None)
    body = None
    if fleet == "live":
        live.check(names, store, confirmed=arguments.switch("--confirm"))
        body = live.LiveKillSwitch(store)
    given = arguments.optional("--sandbox")
    commit = arguments.optional("--commit") or known_commit(os.environ)
    tell = _teller() if sys.stdout.isatty() and not arguments.switch("--pretty") else None
    signal.signal(signal.SIGTERM, _terminate)
    folder = _empty_folder(given) if given else Path(tempfile.mkdtemp(prefix="opsd-drill-")).resolve()
    try:
        run = DrillRun(store, folder, bool(given), commit, fleet)
        run.check()
        results = []
        for name in names:
            if tell is not None:
                tell(name, None)
            results.append(run.carry_out(name, body))
            if tell is not None:
                tell(name, results[-1])
    finally:
        if not given and not any(folder.iterdir()):
            folder.rmdir()
    passed = all(result.passed for result in results)
    if tell is None:
        write_json(
            {
                "schemaVersion": "v1",
                "drillStateFile": store.location(FleetDocument.DRILLS),
                "passed": passed,
                "drills": [result.document() for result in results],
            },
            pretty=arguments.switch("--pretty"),
        )
    else:
        sys.stdout.write(f"recorded in {store.location(FleetDocument.DRILLS)}\n")
    return 0 if passed else 1


def _terminate(_number: int, _frame: object) -> None:
    raise SystemExit(143)  # everything that was started ends on the way out


def _empty_folder(given: str) -> Path:
    folder = Path(given)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OpsError(f"{folder} is not empty")
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


def _teller() -> Callable[[str, DrillResult | None], None]:
    """Prints a drill's name when it begins (None), and what was observed when it is over."""
    from rich.console import Console
    from rich.text import Text

    console = Console()

    def tell(name: str, result: DrillResult | None) -> None:
        if result is None:
            console.print(Text(f"{name} ...", style="bold"))
            return
        for one in result.observed:
            console.print(
                Text("  held    " if one.held else "  FAILED  ", style="green" if one.held else "bold red"), end=""
            )
            console.print(Text(printable(one.claim)))
            if not one.held:
                console.print(Text(f"          {printable(one.found)}", style="dim"))
        if result.error:
            console.print(Text(f"  FAILED  {printable(result.error)}", style="bold red"))
        if result.sandbox:
            console.print(Text(f"          everything it left is in {printable(result.sandbox)}", style="dim"))
        verdict = "passed" if result.passed else "failed"
        console.print(Text(f"  {verdict} after {result.ended_at - result.started_at:.1f} s", style="bold"))

    return tell
