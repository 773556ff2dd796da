"""Builds of the manager with one guarded behaviour taken out: a ``sitecustomize`` for the drilled processes."""

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


def sabotaged(folder: Path, name: str, env: dict[str, str] | None = None) -> dict[str, str]:
    """An environment in which every interpreter begins with that sabotage."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SABOTAGE[name])
    base = dict(os.environ if env is None else env)
    base["PYTHONPATH"] = os.pathsep.join(filter(None, (str(folder), base.get("PYTHONPATH", ""))))
    return base
