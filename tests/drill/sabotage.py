"""Builds of the manager without one guarded behaviour, or with quick drills: a ``sitecustomize`` for its processes."""

from __future__ import annotations

import os
from pathlib import Path

#: name -> what every drilled interpreter runs before anything else.
SABOTAGE = {
    "policy ignores the kill switch": """
from opsd.fleet.policy import rails
real = rails.first_rail
rails.first_rail = lambda load: None if (found := real(load)) == "autonomous_kill_switch_enabled" else found
""",
    "dispatch does not look at the brakes": """
from opsd.fleet.handoff import safety
safety.brakes = lambda registry: []
""",
    "bad executions pause nothing": """
from opsd.fleet.policy import autopause
real = autopause.judge_pause
autopause.judge_pause = lambda controls, executions: real(controls, ())
""",
    "an unreachable loop is no trouble": """
from opsd.fleet.policy import candidates
real = candidates.candidates_of
candidates.candidates_of = lambda results: [one for one in real(results) if one.category != "reconcile_failed"]
""",
    "what ended ambiguous is not guarded": """
from opsd.fleet.handoff import guard
guard.guarded = lambda intents, guards: list(intents)
""",
    "an answer counts as a success": """
from opsd.fleet.handoff import dispatch
real = dispatch.outcome_of
dispatch.outcome_of = lambda answer: real(answer._replace(exit_code=0))
""",
    "guards do not survive a restart": """
from opsd.fleet.handoff import guard
real = guard.remembered
guard.remembered = lambda prior, seen=[]: real(prior) if seen else seen.append(1) or {}
""",
}


#: For the processes of ``opsd drill run``: a drill in a sandbox holds at once, and everything around it is real.
QUICK = """
import sys
if "drill" in sys.orig_argv:
    from opsd.drill import evidence, run
    held = [evidence.Observed("the drill was called", True, None)]
    run.DRILLS = {name: (drill, lambda folder: held) for name, (drill, _body) in run.DRILLS.items()}
"""


def sabotaged(folder: Path, name: str) -> dict[str, str]:
    """An environment in which every interpreter begins with that sabotage."""
    return {**os.environ, **beginning_with(folder, SABOTAGE[name])}


def beginning_with(folder: Path, program: str) -> dict[str, str]:
    """What to add to an environment in which every interpreter runs that program first; it is kept in ``folder``."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(program)
    paths = (str(folder), os.environ.get("PYTHONPATH", ""))
    return {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
