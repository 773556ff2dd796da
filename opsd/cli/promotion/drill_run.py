"""``opsd drill run``: carries out the drills that the promotion gates ask for, and records them (contract 90, A3.5).

In a sandbox, unless a fleet in use is named. On a terminal each drill is told line by line, elsewhere (and with
``--pretty``) everything is one document at the end.
"""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from opsd.cli.arguments import Arguments, CommandSpec, Flag
from opsd.cli.output import write_json
from opsd.cli.page import for_a_person
from opsd.contract import jsoncodec
from opsd.contract.errors import OpsError, UsageError
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.values import printable
from opsd.runtime.layout import absolute_repo

if TYPE_CHECKING:
    from opsd.drill.evidence import Observed

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
        Flag("--by", "who wants it, for the evidence; default $USER", "<name>"),
        Flag("--trace-id", "default $OPS_MANAGER_TRACE_ID, else generated", "<id>"),
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

    from opsd.contract.ids import new_trace_id
    from opsd.drill import live
    from opsd.drill.run import DrillRun, known_commit
    from opsd.storage.fleet_parts import FleetDocument
    from opsd.storage.fleet_store import FileFleetStore

    path = arguments.optional("--drill-state-file")
    store = FileFleetStore(repo, {FleetDocument.DRILLS: path} if path else None)
    body = None
    if fleet == "live":
        live.check(names, store, confirmed=arguments.switch("--confirm"))
        body = live.LiveKillSwitch(store)
    given = arguments.optional("--sandbox")
    commit = arguments.optional("--commit") or known_commit(os.environ)
    by = arguments.optional("--by", env="USER")
    trace_id = arguments.optional("--trace-id", env="OPS_MANAGER_TRACE_ID") or new_trace_id()
    teller = Teller() if for_a_person(arguments) else None
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end_in_order)
    folder = _empty_folder(given) if given else Path(tempfile.mkdtemp(prefix="opsd-drill-")).resolve()
    results = []
    try:
        run = DrillRun(store, folder, bool(given), commit, fleet, requested_by=by, trace_id=trace_id)
        if teller is not None:
            run = replace(run, tell=teller.observed)
        run.check()
        for name in names:
            if teller is not None:
                teller.begins(name)
            results.append(run.carry_out(name, body))
            if teller is not None:
                teller.ends(results[-1].document())
    finally:
        if not given and not any(folder.iterdir()):
            folder.rmdir()
    passed = all(result.passed for result in results)
    document: JsonObject = {
        "schemaVersion": "v1",
        "drillStateFile": store.location(FleetDocument.DRILLS),
        "passed": passed,
        "drills": [result.document() for result in results],
    }
    if teller is None:
        write_json(document, pretty=arguments.switch("--pretty"))
    else:
        teller.recorded(document)
    return 0 if passed else 1


def present(arguments: Arguments, document: JsonObject, _place: Sequence[str] = ()) -> None:
    """Print drills that are over, as they are told while they go on."""
    if not for_a_person(arguments):
        write_json(document, pretty=arguments.switch("--pretty"))
        return
    from opsd.drill.evidence import Observed

    teller = Teller()
    for drill in document["drills"]:
        teller.begins(str(drill["id"]).replace("_", "-"))
        for one in drill["observed"]:
            teller.observed(Observed(str(one["claim"]), one["held"] is True, one["found"]))
        teller.ends(drill)
    teller.recorded(document)


def _end_in_order(_number: int, _frame: object) -> None:
    """Everything that was started ends on the way out, which a second signal does not cut short."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    raise SystemExit(143)


def _empty_folder(given: str) -> Path:
    folder = Path(given)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OpsError(f"{folder} is not empty")
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


class Teller:
    """Tells a person what is going on, line by line."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(highlight=False, markup=False)

    def begins(self, name: str) -> None:
        """A drill begins."""
        self._console.print(f"{printable(name)} ...", style="bold")

    def observed(self, one: Observed) -> None:
        """Something held, or did not: then what was seen instead."""
        mark, style = ("held", "green") if one.held else ("FAILED", "bold red")
        self._line(mark, one.claim, style)
        if not one.held:
            self._line("", jsoncodec.dumps(one.found).decode("utf-8", "replace"), "dim")

    def ends(self, entry: JsonObject) -> None:
        """A drill is over and recorded; ``entry`` is its evidence."""
        if entry.get("error"):
            self._line("FAILED", str(entry["error"]), "bold red")
        if entry.get("sandbox"):
            self._line("", f"everything it left is in {entry['sandbox']}", "dim")
        verdict = "passed" if entry["status"] == "pass" else "failed"
        self._console.print(f"  {verdict} after {float(entry['durationSeconds']):.1f} s", style="bold")

    def recorded(self, document: JsonObject) -> None:
        """All are over."""
        from rich.text import Text

        self._console.print(Text(printable(f"recorded in {document['drillStateFile']}")), soft_wrap=True)

    def _line(self, mark: str, text: str, style: str) -> None:
        from rich.padding import Padding
        from rich.text import Text

        line = Text(printable(text), style="" if mark == "held" else style)
        if mark:
            self._console.print(Text(f"  {mark:<8}", style=style), end="")
            self._console.print(line, soft_wrap=True)
        else:
            self._console.print(Padding(line, (0, 0, 0, 10)))
