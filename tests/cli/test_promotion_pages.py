"""Promotion, levers and the Horizon bridge on a terminal: what was changed, what holds, and what to do about it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opsd.cli.fleet.levers_page import lever_page
from opsd.cli.horizon_page import bridge_page
from opsd.cli.promotion.gates_page import gates_page
from opsd.cli.promotion.rollout_page import apply_page, controller_page, orchestrate_page
from opsd.cli.promotion.state_page import promotion_state_page
from opsd.promotion.decision import evaluate_gates
from tests.cli.process import on_a_terminal, opsd
from tests.cli.spoiled import check, spoiled
from tests.cli.support import Repo, printed
from tests.cli.test_horizon_bridge import ENVELOPE
from tests.cli.test_promotion_rollout import GOVERNANCE, GUARDED, Yard
from tests.promotion.factories import inputs

PLACE = ("--repo", "/srv/my repo")
CONTROLLER = {
    "timestamp": "2026-11-26T08:00:00Z",
    "mode": "guarded_auto_apply",
    "status": "rolled_back",
    "decision": {
        "promotionDecision": "promote",
        "promotionReasonCodes": ["promotion_drill_stale_kill_switch"],
        "failedGates": ["drill_recency"],
        "budget": {
            "windowHours": 24,
            "applyCountInWindow": 1,
            "maxAppliesPerWindow": 1,
            "expandStepInWindow": 25,
            "maxExpandStepPerWindow": 25,
            "cooldownRemainingSeconds": 1800,
            "rolledBackCountInWindow": 2,
            "freezeWindowsMatched": [{"start": "a", "end": "2026-12-01T00:00:00Z", "reason": "holidays"}],
        },
        "reasonCodes": ["controller_budget_freeze_window_active", "controller_rollback_triggered"],
    },
    "execution": {
        "applyExecuted": True,
        "rollbackExecuted": True,
        "applyIntent": "expand",
        "expandStep": 25,
        "governance": {"actor": "ines", "approvalRef": "C-2", "rationale": "wider", "reviewBy": "2026-12-20T00:00:00Z"},
    },
    "verification": {"ran": True, "status": "failed", "decision": "hold", "reasonCodes": []},
    "error": {"stage": "rollback", "exitCode": 3, "stderr": "line one\nerror: no registry\n"},
    "context": {"traceId": "t"},
}
APPLY = {
    "timestamp": "2026-11-26T08:00:00Z",
    "fleetId": "demo",
    "traceId": "t",
    "status": "applied",
    "intent": "rollback",
    "decision": "hold",
    "decisionAgeSeconds": 7260,
    "governance": {"actor": "ines", "approvalRef": "C-2", "rationale": "wider", "reviewBy": "2026-12-20T00:00:00Z"},
    "rollout": {
        "before": {"canaryPercent": 10, "manualPause": False},
        "after": {"canaryPercent": 35, "manualPause": True},
    },
    "emergency": {"because": ["the evidence cannot be used"]},
    "replayed": True,
}
ORCHESTRATION = {
    "timestamp": "2026-11-26T08:00:00Z",
    "mode": "rollback",
    "status": "rolled_back",
    "decision": "hold",
    "summary": {"failedGates": ["manual_backlog"], "reasonCodes": ["promotion_manual_backlog_exceeded"]},
    "apply": {"executed": True, "record": APPLY},
    "files": {"summaryFile": "/srv/my repo/summary.md"},
}
BRIDGE = {
    "status": "failed_contract_validation",
    "updatedAt": "2026-11-26T08:00:00Z",
    "traceId": "t",
    "files": {"queueFile": "/q.json", "telemetryFile": "/t.jsonl", "rejected": ["bad.jsonl"]},
    "summary": {
        "claimedFileCount": 2,
        "queuedEnvelopeCount": 1,
        "duplicateEnvelopeCount": 1,
        "rejectedFileCount": 1,
        "pendingConfirmationCount": 3,
        "recoveredFileCount": 1,
    },
    "reasonCodes": ["horizon_bridge_claimed_files", "horizon_bridge_contract_validation_failed"],
    "ignored": {"unreadable": 1},
}
LEVER = {"lever": "pause", "before": False, "after": True, "changed": True, "changedAt": "2026-11-26T08:00:00Z"}
STATE = {"decision": evaluate_gates(inputs()), "apply": APPLY, "controller": CONTROLLER}
PAGES = {
    "gates": (lambda document: gates_page(document, PLACE), STATE["decision"]),
    "state": (lambda document: promotion_state_page(document, PLACE), STATE),
    "apply": (lambda document: apply_page(document, PLACE), APPLY),
    "orchestrate": (lambda document: orchestrate_page(document, PLACE), ORCHESTRATION),
    "controller": (lambda document: controller_page(document, PLACE), CONTROLLER),
    "lever": (lambda document: lever_page(document, PLACE), LEVER),
    "bridge": (bridge_page, BRIDGE),
}


@pytest.mark.parametrize("name", PAGES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_a_document_holds_makes_a_page_that_commands_no_terminal(name: str, data: st.DataObject) -> None:
    page, document = PAGES[name]
    check(page, data.draw(spoiled(document)))


def shown(name: str, **changes: Any) -> str:
    page, document = PAGES[name]
    return printed(page({**document, **changes}), width=300)


def test_a_pass_that_took_its_change_back_says_so_first_and_why() -> None:
    page = shown("controller")
    assert page.splitlines()[0].startswith("controller  rolled_back · the rollout was changed, and taken back")
    for words in (
        "failed  rollback · exit 3",
        "it said  error: no registry",
        "controller_rollback_triggered           the change was taken back",
        "the drill kill switch: it was carried out too long ago",
        "expand by 25 %, then rolled back",
        "in 24 h: 1 of 1 changes · 25 of 25 % · 2 rolled back",
        "30 min left",
        "holidays · until 2026-12-01T00:00:00Z",
        "opsd fleet resume --repo '/srv/my repo'",
        "OpsdPromotionRolledBack · Drills",
    ):
        assert words in page


def test_a_change_says_what_was_and_is_and_who_answers_for_it() -> None:
    page = shown("apply")
    for words in (
        "rollout of demo  rollback · applied · answered from the record of its key",
        "10 % → 35 %",
        "yes: nothing is dispatched autonomously",
        "ines · C-2 · wider · until 2026-12-20T00:00:00Z",
        "hold · 2 h 1 min old",
        "the evidence cannot be used",
        "opsd fleet resume --repo '/srv/my repo'",
    ):
        assert words in page
    stays = {"before": {"canaryPercent": 10, "manualPause": True}, "after": {"canaryPercent": 10, "manualPause": False}}
    resumed = shown("apply", rollout=stays)
    assert "10 %, as before" in resumed
    assert "fleet resume" not in resumed


def test_a_lever_says_whether_autonomy_stands_still_and_how_to_end_it() -> None:
    assert shown("lever").splitlines()[0].startswith("pause  on: nothing is dispatched autonomously · 2026-")
    assert "opsd fleet resume --repo '/srv/my repo'" in shown("lever")
    released = shown("lever", lever="kill_switch", after=False, changed=False)
    assert released.startswith("kill switch  off · as it was before: nothing was changed")
    assert "opsd fleet kill-switch '--release'" not in released
    assert "opsd fleet kill-switch --repo '/srv/my repo' --release" in shown("lever", lever="kill_switch")


def test_the_bridge_says_what_came_in_what_was_refused_and_what_waits() -> None:
    page = shown("bridge")
    for words in (
        "refused  bad.jsonl",
        "which lines    /t.jsonl",
        "2 files · 1 new intent · 1 known already",
        "3 intents in /q.json",
        "1 unreadable",
        "OpsdHorizonFilesRejected · OpsdHorizonIntentsWaiting",
    ):
        assert words in page


async def test_every_step_of_a_promotion_is_a_page_for_a_person(tmp_path: Path) -> None:
    yard = Yard(tmp_path)
    code, page = await on_a_terminal("promotion", "controller", *yard.flags, *GUARDED, *yard.evidence)
    assert (code, page.splitlines()[0].split(" · ")[0]) == (0, "controller  applied"), page
    assert "gates  promote" in page
    again = "promotion", "orchestrate", *yard.flags, "--mode", "dry_run", *yard.evidence
    code, page = await on_a_terminal(*again)
    assert (code, page.splitlines()[0].split(" · ")[:2]) == (0, ["promotion  preview", "nothing was changed"]), page
    code, page = await on_a_terminal("promotion", "apply", *yard.flags, "--intent", "rollback", *GOVERNANCE)
    assert (code, page.splitlines()[0].split(" · ")[:2]) == (0, ["rollout of default  rollback", "applied"]), page
    assert "35 %, as before" in page
    code, page = await on_a_terminal("fleet", "resume", *yard.flags)
    assert (code, page.splitlines()[0].split(" · ")[0]) == (0, "pause  off"), page
    assert "{" not in page
    for argv in (again, ("fleet", "pause", *yard.flags)):
        assert json.loads((await opsd(*argv)).stdout)["schemaVersion"] == "v1"
        code, document = await on_a_terminal(*argv, "--pretty")
        assert (code, document[:2]) == (0, "{\n")


async def test_a_controller_whose_step_failed_shows_what_the_step_said(tmp_path: Path) -> None:
    yard = Yard(tmp_path)
    ci = yard.program("ci", "echo 'error: no such gate' >&2", "exit 7")
    env = {"OPS_MANAGER_PROMOTION_CI_SCRIPT": str(ci)}
    code, page = await on_a_terminal("promotion", "controller", *yard.flags, *yard.evidence, env=env)
    assert code == 7, page
    assert "controller  failed · a step failed" in page
    assert "it said  error: no such gate" in page
    assert "controller_evaluate_command_failed  the gates could not be asked" in page


async def test_a_refused_envelope_is_told_with_the_file(repo: Repo) -> None:
    outbox = repo.root / ".superloop" / "horizons" / "outbox"
    outbox.mkdir(parents=True)
    (outbox / "a.jsonl").write_text(json.dumps(ENVELOPE))
    (outbox / "b.jsonl").write_text("{}\n")
    code, page = await on_a_terminal("horizon-bridge", "--repo", str(repo.root))
    assert (code, page.splitlines()[0].split(" · ")[0]) == (2, "horizon bridge  failed_contract_validation"), page
    refused = [line for line in page.splitlines() if line.startswith("refused")]
    assert len(refused) == 1
    assert shlex.split(refused[0])[1].startswith("b.jsonl")
    assert "1 new intent" in page
