"""A normalized registry as a readable page for a terminal: what the fleet is, and what it lets the manager do."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from opsd.cli.page import SHOWN, aligned, cells, counted, line, more, span, table
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.values import get

_BAD = "bold red"


def registry_page(document: JsonObject) -> list[RenderableType]:
    """The page; ``document`` may hold one loop only, as ``--loop`` makes it."""
    loops = document["loops"]
    made = table("loop", "enabled", "reached at", "token from")
    for loop in loops[:SHOWN]:
        at = get(loop, "service", "baseUrl") or loop["transport"]
        made.add_row(*cells(loop["loopId"], "yes" if loop["enabled"] else "no", at, get(loop, "service", "tokenEnv")))
    enabled = sum(loop["enabled"] is True for loop in loops)
    return [
        line(f"fleet {document['fleetId']}", counted(len(loops), "loop"), f"{enabled} enabled", document["sourceFile"]),
        *aligned(_policy(document["policy"])),
        "",
        made,
        *more(len(loops)),
    ]


def _policy(policy: JsonObject) -> list[Text]:
    autonomous = policy["autonomous"]
    silent = [f"{loop}: {', '.join(categories)}" for loop, categories in policy["suppressions"].items()]
    window = f"shown again after {span(get(policy, 'noiseControls', 'dedupeWindowSeconds'))}"
    page = [line(f"policy {policy['mode']}", window)]
    if silent:
        page.append(line("suppressed", *silent))
    if not autonomous["enabled"]:
        return [*page, line("autonomy", "off: every action waits for a person")]
    safety, rollout, governance = autonomous["safety"], autonomous["rollout"], autonomous["governance"]
    allow = autonomous["allow"]
    if safety["killSwitch"]:
        page.append(line("kill switch", "on: nothing is dispatched autonomously", style=_BAD))
    if rollout["pause"]["manual"]:
        page.append(line("paused", "by hand: nothing is dispatched autonomously", style=_BAD))
    page += [
        line("autonomy", f"may {', '.join(allow['intents'])} for {', '.join(allow['categories'])}"),
        line(
            "limits",
            f"{safety['maxActionsPerRun']} a run",
            f"{safety['maxActionsPerLoop']} a loop",
            f"{span(safety['cooldownSeconds'])} apart",
        ),
        line("rollout", f"{rollout['canaryPercent']} % of {_scope(rollout['scope']['loopIds'])}"),
        line(
            "governance",
            governance.get("actor"),
            governance.get("approvalRef"),
            f"review by {governance['reviewBy']}" if "reviewBy" in governance else "no review deadline",
        ),
    ]
    return page


def _scope(loop_ids: list[str]) -> str:
    return ", ".join(loop_ids) if loop_ids else "all loops"
