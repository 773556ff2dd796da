"""A policy state as a readable page for a terminal: who is in trouble, why, and what policy proposes."""

from __future__ import annotations

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import get, printable
from opsd.fleet.policy.explain import verdict_of

_STYLES = {"critical": "bold red", "warning": "yellow", "eligible": "bold green", "manual": "bold yellow"}
_PROPOSALS = {
    "eligible": "{intent}, by itself",
    "manual": "{intent}, by a person",
    "suppressed": "nothing now",
}
_ORDER = {"eligible": 0, "manual": 1, "suppressed": 2}


def policy_page(state: JsonObject) -> Group:
    """The page. What comes from a sprite is shown as text, never as markup."""
    head = Text.assemble(
        ("fleet ", "bold"),
        _shown(state["fleetId"]),
        f"  {_shown(state['fleetStatus'])}  mode ",
        (str(state["mode"]), "bold green" if state["mode"] == "guarded_auto" else "bold"),
        f"\n{state['evaluatedLoopCount']} loops, {state['candidateCount']} candidates: "
        f"{state['autoEligibleCount']} the manager may act on, {state['manualOnlyCount']} for a person, "
        f"{state['suppressedCount']} suppressed",
        *_pause(state),
        *_warnings(state),
    )
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("loop", overflow="fold", ratio=3)
    table.add_column("trouble", no_wrap=True)
    table.add_column("proposal", no_wrap=True)
    table.add_column("held back by", overflow="fold", ratio=4)
    candidates = sorted(state["candidates"], key=lambda one: _ORDER[verdict_of(one)])
    for candidate in candidates:
        table.add_row(*_cells(candidate))
    if not candidates:
        return Group(head, Text("nobody is in trouble", style="green"))
    explain = Text(f"\nopsd fleet explain {_shown(candidates[0]['candidateId'])} --repo ... shows the grounds", "dim")
    return Group(head, table, explain)


def _cells(candidate: JsonObject) -> list[Text]:
    verdict = verdict_of(candidate)
    proposal = _PROPOSALS[verdict].format(intent=candidate["recommendedIntent"] or "look at it")
    return [
        Text(_shown(candidate["loopId"])),
        Text(_shown(candidate["category"]), style=_STYLES.get(str(candidate["severity"]), "")),
        Text(proposal, style=_STYLES.get(verdict, "dim")),
        Text("\n".join(_held_back(candidate))),
    ]


def _held_back(candidate: JsonObject) -> list[str]:
    """The reasons; a suppressed candidate's are that it is suppressed, and for how long."""
    reason = candidate["suppressionReason"]
    if reason is None:
        return [str(one) for one in candidate["autonomous"]["reasons"]]
    left = get(candidate, "cooldown", "remainingSeconds")
    return [f"{reason} ({left} s left)" if candidate["suppressionScope"] == "cooldown" else str(reason)]


def _pause(state: JsonObject) -> list[tuple[str, str]]:
    observed = get(state, "autonomous", "rollout", "pauseObserved")
    reasons = [*(get(observed, "reasons") or []), *(get(observed, "auto", "reasons") or [])]
    kill = get(state, "autonomous", "controls", "safety", "killSwitch") is True
    said = [("\nthe kill switch is on", "bold red")] if kill else []
    return said + ([(f"\nthe rollout is paused: {', '.join(reasons)}", "bold red")] if reasons else [])


def _warnings(state: JsonObject) -> list[tuple[str, str]]:
    return [(f"\nwarning: {_shown(one['message'])}{_named(one)}", "yellow") for one in state["warnings"]]


def _named(warning: JsonObject) -> str:
    names = warning.get("loopIds") or warning.get("candidateIds") or warning.get("changed") or []
    return f" ({', '.join(_shown(name) for name in names)})" if names else ""


def _shown(value: JsonValue) -> str:
    return printable(str(value))
