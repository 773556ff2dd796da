"""The fleet status as a readable page: who is in trouble, why, what the policy proposes, what waits for a person."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from opsd.cli.fleet.handoff_page import brake_lines, waiting
from opsd.cli.page import SHOWN, ago, aligned, autonomy_reasons, cells, counted, line, more, table
from opsd.cli.reasons import fleet as reasons
from opsd.cli.reasons import loop as loop_reasons
from opsd.cli.reasons.told import command_line, legend
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import compact_text, get, list_of
from opsd.fleet.handoff.intents import candidate_id_of

if TYPE_CHECKING:
    from opsd.fleet.documents import Document

_STYLES = {"success": "green", "healthy": "green", "degraded": "yellow", "partial_failure": "yellow"}
_BAD = "bold red"
_WORST = {"critical": 0, "degraded": 1, "unknown": 2}
_GATED = "autonomous_suppression_"


def fleet_status_page(
    document: JsonObject, policy: Document | None, handoff: Document | None, flags: Sequence[str]
) -> list[RenderableType]:
    """The page; ``flags`` (the repo and path flags as typed) are repeated in the commands that it shows."""
    parts: list[RenderableType] = [*_summary(document), "", *_trouble(document["loops"], flags)]
    parts += ["", *_proposals(document, policy, flags)]
    parts += ["", *aligned(_autonomy(document["autonomous"]))]
    if policy is not None:
        parts += _waiting(policy, handoff, flags)
    return parts


def _waiting(policy: Document, handoff: Document | None, flags: Sequence[str]) -> list[RenderableType]:
    """What the last plan left for a person, as far as the policy still asks for it: nothing else can be confirmed."""
    if handoff is None:
        return [_next("no intents are planned yet", "handoff", flags)]
    asking = (one for one in policy.objects("candidates") if one["suppressed"] is None)
    asked = {compact_text(candidate_id_of(candidate)) for candidate in asking}
    planned = (intent.root for intent in handoff.objects("intents"))
    intents = [intent for intent in planned if compact_text(intent.get("candidateId")) in asked]
    parts: list[RenderableType] = [*brake_lines(handoff.root)]
    if handoff["policyTraceId"] != policy["traceId"] or _text(handoff["generatedAt"]) < _text(policy["updatedAt"]):
        parts.append(_next("the policy was evaluated after this plan", "handoff", flags))
    return [*parts, "", *waiting(intents, flags)]


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else ""


def _summary(document: JsonObject) -> list[Text]:
    fleet, health = document["fleet"], document["healthRollup"]
    age = get(document, "freshness", "fleetStateAgeSeconds")
    counts = [f"{fleet[f'{word}Count']} {word}" for word in ("success", "failed", "skipped") if fleet[f"{word}Count"]]
    worst_first = sorted(health.items(), key=lambda pair: _WORST.get(pair[0], len(_WORST)))
    return [
        line(
            f"fleet {document['source']['fleetId']}",
            fleet["status"],
            counted(fleet["loopCount"], "loop"),
            *counts,
            ago(age),
            style=_STYLES.get(fleet["status"], _BAD),
        ),
        line("health", *(f"{count} {word}" for word, count in worst_first if count)),
    ]


def _trouble(loops: Sequence[JsonObject], flags: Sequence[str]) -> list[RenderableType]:
    """The loops that failed or are not healthy, the worst first."""
    rank = {"critical": 1, "degraded": 2}
    troubled = [loop for loop in loops if loop["status"] == "failed" or loop["healthStatus"] in rank]
    if not troubled:
        return [Text("no loop is in trouble", style="green")]
    troubled.sort(key=lambda loop: 0 if loop["status"] == "failed" else rank.get(loop["healthStatus"], 3))
    page = table("in trouble", "pass", "health", "why")
    codes: list[JsonValue] = []
    for loop in troubled[:SHOWN]:
        found = list_of(loop["healthReasonCodes"])
        why = [loop["reasonCode"]] if loop.get("reasonCode") not in (None, *found) else []
        codes += [*why, *found]
        _row(page, loop.get("loopId"), loop["status"], loop["healthStatus"], [*why, *found])
    meanings = legend(codes, loop_reasons.HEALTH, loop_reasons.FAILED_PASS, loop_reasons.NOT_LOOKED_AT)
    # A loop's own command knows the repo only by this flag.
    closer = command_line(
        "more of one", "status", place=[*flags[:2], "--loop", compact_text(troubled[0].get("loopId"))]
    )
    return [page, *more(len(troubled)), *meanings, "", closer]


def _proposals(document: JsonObject, policy: Document | None, flags: Sequence[str]) -> list[RenderableType]:
    section = document["policy"]
    if policy is None or section is None:
        return [_next("the policy was not evaluated yet", "policy", flags)]
    head = line(
        f"policy {section['mode']}",
        counted(section["candidateCount"], "candidate"),
        f"{section['suppressedCount']} suppressed",
        ago(document["freshness"]["policyStateAgeSeconds"]),
    )
    if not section["topCandidates"]:
        return [head]
    page = table("candidate", "severity", "proposes", "autonomy")
    codes: list[JsonValue] = []
    for candidate in section["topCandidates"]:
        if candidate.get("suppressed") not in (None, False):
            autonomy: JsonValue = ["suppressed", candidate.get("suppressionReason")]
            codes.append(candidate.get("suppressionReason"))
        elif get(candidate, "autonomous", "eligible") is True:
            autonomy = "eligible"
        else:
            held_back = list_of(get(candidate, "autonomous", "reasons"))
            codes += held_back
            autonomy = autonomy_reasons(held_back) or "by hand"
        proposal = candidate.get("recommendedIntent") or "nothing"
        _row(page, candidate.get("candidateId"), candidate.get("severity"), proposal, autonomy)
    left = section["candidateCount"] - len(section["topCandidates"])
    meanings = legend(codes, reasons.AUTONOMY, reasons.SUPPRESSED, prefix="autonomous_")
    return [head, page, *([Text(f"and {left} more", style="dim")] if left > 0 else []), *meanings]


def _autonomy(autonomous: JsonValue) -> list[Text]:
    if autonomous is None:
        return []
    governance, rollout = autonomous.get("governance"), autonomous.get("rollout")
    decisions = autonomous["safetyGateDecisions"]
    gated = [compact_text(code).removeprefix(_GATED).replace("_", " ") for code in decisions["suppressionReasonCodes"]]
    killed = decisions["killSwitchActive"]
    paused = rollout is not None and rollout["state"]["active"] is True
    expired = governance is not None and governance["posture"] == "review_expired"
    # Enabled is what the registry's mode says; each of these stands over it.
    stopped = autonomous["enabled"] and (killed or paused or expired)
    state = "stopped" if stopped else "on" if autonomous["enabled"] else "off"
    found = [line("autonomy", state, *gated, style=_BAD if stopped else "")]
    if killed:
        found.append(line("kill switch", "on when the policy was evaluated", style=_BAD))
    if governance is not None and governance["posture"] != "not_required":
        until = governance.get("until")
        style = "" if governance["posture"] == "active" else _BAD
        found.append(
            line(
                "governance",
                governance["posture"],
                governance.get("changedBy"),
                None if until is None else f"until {until}",
                style=style,
            )
        )
    if paused:
        found.append(line("rollout", "paused", *rollout["state"]["reasonCodes"], style=_BAD))
    elif rollout is not None and "canaryPercent" in rollout:
        found.append(line("rollout", f"{rollout['canaryPercent']} % of the loops"))
    outcomes = autonomous["outcomeRollup"]
    if outcomes["attempted"]:
        found.append(line("last autonomous run", *(f"{outcomes[word]} {word}" for word in outcomes)))
    return found


def _next(said: str, command: str, flags: Sequence[str]) -> Text:
    # The other steps know the repo only by this flag.
    return line(said, shlex.join(["opsd", "fleet", command, *flags[:2]]), style="cyan")


def _row(page: Table, *values: JsonValue) -> None:
    shown = cells(*values)
    for cell in shown:
        cell.stylize(_BAD if cell.plain in ("failed", "critical") else _STYLES.get(cell.plain, ""))
    page.add_row(*shown)
