"""A policy state, or some of its candidates, as a readable page: who is in trouble, why, and what policy proposes."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from opsd.cli.page import SHOWN, aligned, autonomy_reasons, cells, counted, line, more, span, table
from opsd.cli.reasons import fleet as reasons
from opsd.cli.reasons.told import legend
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import compact_text, get, list_of, printable
from opsd.fleet.policy.explain import verdict_of

_STYLES = {"critical": "bold red", "warning": "yellow", "eligible": "bold green", "manual": "bold yellow"}
_PROPOSALS = {
    "eligible": "{intent}, by itself",
    "manual": "{intent}, by a person",
    "suppressed": "nothing now",
}
_ORDER = {"eligible": 0, "manual": 1, "suppressed": 2}


def policy_page(state: JsonObject, flags: Sequence[str]) -> list[RenderableType]:
    """The page; ``flags`` (the repo and path flags as typed) are repeated in the command that it shows."""
    judged = (
        f"{counted(state['candidateCount'], 'candidate')}: {state['autoEligibleCount']} the manager may act on, "
        f"{state['manualOnlyCount']} for a person, {state['suppressedCount']} suppressed"
    )
    head = [
        line(f"fleet {state['fleetId']}", state["fleetStatus"], f"mode {state['mode']}"),
        *aligned([line(counted(state["evaluatedLoopCount"], "loop"), judged), *_pause(state), *_warnings(state)]),
    ]
    candidates = sorted(state["candidates"], key=lambda one: _ORDER[verdict_of(one)])
    if not candidates:
        return [*head, Text("nobody is in trouble", style="green")]
    return [*head, "", *_table(candidates, flags, "policy-state.json holds them all")]


def candidates_page(document: JsonObject, flags: Sequence[str]) -> list[RenderableType]:
    """Candidates of the newest policy that a daemon was asked for; ``flags`` name the daemon."""
    candidates = sorted(document["candidates"], key=lambda one: _ORDER[verdict_of(one)])
    count = counted(len(candidates), "candidate")
    head = line(count, f"decided at {document['decidedAt']}", f"mode {document['mode']}")
    if not candidates:
        return [head, Text("no such candidates", style="green")]
    return [head, "", *_table(candidates, flags, "--pretty shows them all")]


def _table(candidates: Sequence[JsonObject], flags: Sequence[str], where: str) -> list[RenderableType]:
    """A row for each, and the command that tells the grounds of the first; ``where`` all of them can be seen."""
    made = table("loop", "trouble", "proposal", "held back by")
    for candidate in candidates[:SHOWN]:
        made.add_row(*_cells(candidate))
    explain = printable(shlex.join(["opsd", "fleet", "explain", *flags, candidates[0]["candidateId"]]))
    codes = [code for candidate in candidates[:SHOWN] for code in _codes(candidate)]
    meanings = legend(codes, reasons.AUTONOMY, reasons.SUPPRESSED, prefix="autonomous_")
    return [made, *more(len(candidates), where), *meanings, "", line("the grounds", explain, style="cyan")]


def _cells(candidate: JsonObject) -> list[Text]:
    verdict = verdict_of(candidate)
    proposal = _PROPOSALS[verdict].format(intent=candidate["recommendedIntent"] or "look at it")
    return [
        *cells(candidate["loopId"]),
        *cells(candidate["category"], style=_STYLES.get(str(candidate["severity"]), "")),
        *cells(proposal, style=_STYLES.get(verdict, "dim")),
        *cells(_held_back(candidate)),
    ]


def _codes(candidate: JsonObject) -> list[JsonValue]:
    reason = candidate["suppressionReason"]
    return list_of(get(candidate, "autonomous", "reasons")) if reason is None else [reason]


def _held_back(candidate: JsonObject) -> list[JsonValue]:
    """The reasons; a suppressed candidate's are that it is suppressed, and for how long."""
    reason = candidate["suppressionReason"]
    if reason is None:
        return autonomy_reasons(candidate["autonomous"]["reasons"])
    left = get(candidate, "cooldown", "remainingSeconds")
    return [f"{reason} ({span(left)} left)" if candidate["suppressionScope"] == "cooldown" else str(reason)]


def _pause(state: JsonObject) -> list[Text]:
    observed = get(state, "autonomous", "rollout", "pauseObserved")
    why = [*(get(observed, "reasons") or []), *(get(observed, "auto", "reasons") or [])]
    kill = get(state, "autonomous", "controls", "safety", "killSwitch") is True
    said = [line("kill switch", "on: nothing is dispatched autonomously", style="bold red")] if kill else []
    return said + ([line("paused", *why, style="bold red")] if why else [])


def _warnings(state: JsonObject) -> list[Text]:
    return [line("warning", f"{one['message']}{_named(one)}", style="yellow") for one in state["warnings"]]


def _named(warning: JsonObject) -> str:
    names = warning.get("loopIds") or warning.get("candidateIds") or warning.get("changed") or []
    return f" ({', '.join(map(compact_text, names))})" if names else ""
