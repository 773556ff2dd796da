"""What a person sees of the fleet on a terminal."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from opsd.cli.fleet.handoff_page import confirm_command, handoff_page
from opsd.cli.fleet.status_page import fleet_status_page
from opsd.fleet.documents import Document
from opsd.fleet.status.document import fleet_status
from opsd.fleet.status.inputs import FleetStatusInputs
from opsd.storage.fleet_store import FileFleetStore
from tests.cli.process import on_a_terminal
from tests.cli.support import Shell, printed
from tests.fleet.handoff_support import AUTONOMOUS, Fleet, candidate, policy, registry

FLAGS = ("--repo", "/srv/my repo")
EVIL = "\x1b[2Jred [bold]alert[/bold]"


def _status_page(fleet: Any, policy_state: Any = None, handoff: Any = None, width: int = 100) -> str:
    documents = [None if value is None else Document(value, "") for value in (fleet, policy_state, handoff)]
    inputs = FleetStatusInputs(
        "/r",
        "yard",
        documents[0] or Document({}, ""),
        documents[1],
        documents[2],
        None,
        None,
        {},
        "2026-11-26T08:00:00Z",
    )
    return printed(fleet_status_page(fleet_status(inputs), inputs.policy, inputs.handoff, FLAGS), width)


def test_the_command_that_confirms_an_intent_is_shown_whole() -> None:
    state = Fleet(policy(candidate("a" * 80, autonomous={})), registry("a" * 80)).run()
    lines = [line.strip() for line in printed(handoff_page(state, FLAGS)).splitlines()]
    command = next(line for line in lines if line.startswith("opsd fleet handoff"))
    assert shlex.split(command) == [
        *("opsd", "fleet", "handoff", *FLAGS, "--execute", "--confirm"),
        *("--intent-id", f"{'a' * 80}:health_critical:cancel"),
    ]


def test_a_guarded_intent_is_confirmed_under_a_trace_id_of_its_own() -> None:
    fleet = Fleet(policy(candidate("a")), registry("a"), {"a": 2})
    for state in (fleet.run(AUTONOMOUS), fleet.run()):
        command = confirm_command(state["intents"][0], FLAGS)
        assert "--trace-id" in command
        assert confirm_command(state["intents"][0], FLAGS) != command


def test_a_page_of_a_large_fleet_stays_readable() -> None:
    names = [f"l{number:03}" for number in range(300)]
    handoff = Fleet(policy(*map(candidate, names)), registry(*names)).run()
    results = [{"loopId": name, "status": "failed"} for name in names]
    planned_from = policy(*map(candidate, names))
    for shown in (printed(handoff_page(handoff, FLAGS)), _status_page({"results": results}, planned_from, handoff)):
        assert shown.count("and 275 more") == 2
        assert "l024" in shown
        assert "l025" not in shown


def test_brakes_are_told_first() -> None:
    state = Fleet(policy(candidate("a")), registry("a", kill=True, pause=True)).run(AUTONOMOUS)
    shown = printed(handoff_page(state, FLAGS))
    assert shown.index("kill switch") < shown.index("paused") < shown.index("autonomous run")


def test_the_status_page_tells_who_is_in_trouble_why_and_what_waits() -> None:
    fleet = {
        "results": [
            {"loopId": "red", "healthStatus": "critical", "healthReasonCodes": ["ingest_stale"], "status": "success"}
        ]
    }
    policy_state = policy(candidate("red", autonomous={"reasons": ["category_not_allowlisted"]}))
    handoff = Fleet(policy_state, registry("red")).run()
    shown = _status_page(fleet, policy_state, handoff)
    for word in ("red", "ingest_stale", "category_not_allowlisted", "--intent-id red:health_critical:cancel"):
        assert word in shown
    assert "no new event for longer than the threshold" in shown
    assert "its category is not among policy.autonomous.allow.categories" in shown
    assert "opsd status --repo '/srv/my repo' --loop red" in shown


_AUTHORITY = {
    "actor": "alex",
    "approvalRef": "CHANGE-815",
    "rationale": "reviewed",
    "changedAt": "2026-11-25T08:00:00Z",
    "reviewBy": "2026-12-25T08:00:00Z",
}


@pytest.mark.parametrize(
    ("mode", "kill", "pause", "authority", "told"),
    [
        ("guarded_auto", False, False, _AUTHORITY, "on"),
        ("guarded_auto", True, False, _AUTHORITY, "stopped"),
        ("guarded_auto", False, True, _AUTHORITY, "stopped"),
        ("guarded_auto", False, False, {**_AUTHORITY, "reviewBy": "2026-11-26T07:00:00Z"}, "stopped"),
        ("guarded_auto", False, False, {**_AUTHORITY, "reviewBy": "2026-11-27T08:00:00Z"}, "on"),
        ("advisory", True, False, {}, "off"),
    ],
)
def test_autonomy_under_a_brake_is_not_told_to_be_on(
    mode: str, kill: bool, pause: bool, authority: dict[str, str], told: str
) -> None:
    rollout = {"pause": {"active": pause, "manual": pause}}
    autonomous = {"controls": {"safety": {"killSwitch": kill}}, "governance": authority, "rollout": rollout}
    shown = _status_page({}, policy(mode=mode, autonomous=autonomous))
    assert re.search(rf"^autonomy +{told}$", shown, re.MULTILINE), shown
    assert f"policy {mode}  0 candidates · 0 suppressed · 0 s ago" in shown


def test_no_reason_is_broken_on_80_columns() -> None:
    reasons = ["autonomous_rollout_canary_excluded", "category_not_allowlisted"]
    policy_state = policy(candidate("image-resize", autonomous={"reasons": reasons}))
    handoff = Fleet(policy_state, registry("image-resize")).run()
    for page in (_status_page({}, policy_state, handoff, width=80), printed(handoff_page(handoff, FLAGS), width=80)):
        words = page.split()
        assert "rollout_canary_excluded" in words
        assert "category_not_allowlisted" in words
        assert "image-resize," in words
        assert "health_critical" in words  # what of several troubles of the loop the command is about


def test_an_intent_that_the_policy_no_longer_asks_for_does_not_wait_for_anybody() -> None:
    handoff = Fleet(policy(candidate("red")), registry("red")).run()
    shown = _status_page({}, policy(candidate("red", suppressed=True), updatedAt="2027-01-01T00:00:00Z"), handoff)
    assert "nothing waits for you" in shown
    assert "the policy was evaluated after this plan" in shown


def test_the_status_page_names_the_next_step_where_a_document_is_missing() -> None:
    assert "opsd fleet policy --repo '/srv/my repo'" in _status_page({})
    assert "opsd fleet handoff --repo '/srv/my repo'" in _status_page({}, policy())


def test_nothing_that_a_document_says_is_obeyed() -> None:
    hostile = policy(candidate(EVIL, rationale=EVIL, category=EVIL, recommendedIntent=EVIL))
    handoff = Fleet(hostile, registry(EVIL)).run()
    results = [{"loopId": EVIL, "status": "failed", "reasonCode": EVIL, "healthReasonCodes": [EVIL]}]
    for shown in (
        printed(handoff_page(handoff, FLAGS)),
        _status_page({"fleetId": EVIL, "results": results}, hostile, handoff),
    ):
        assert "\x1b" not in shown
        assert "[bold]" in shown


@pytest.fixture
def fleet_repo(tmp_path: Path) -> Path:
    fleet = tmp_path / ".superloop/ops-manager/fleet"
    fleet.mkdir(parents=True)
    documents = {
        "registry.v1.json": {"schemaVersion": "v1", "loops": [{"loopId": "a"}]},
        "policy-state.json": policy(candidate("a")),
        "state.json": {},
    }
    for name, document in documents.items():
        (fleet / name).write_text(json.dumps(document))
    return tmp_path


@pytest.mark.parametrize("command", ["handoff", "status"])
async def test_the_page_is_for_terminals_and_the_document_for_everybody_else(
    opsd: Shell, fleet_repo: Path, command: str
) -> None:
    argv = ["fleet", command, "--repo", str(fleet_repo)]
    assert opsd(*argv).json["schemaVersion"] == "v1"
    code, shown = await on_a_terminal(*argv)
    assert code == 0
    assert "fleet" in shown
    assert "schemaVersion" not in shown


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--execute"], "--execute requires --confirm to enforce explicit operator confirmation"),
        (["--loop", "a", "--loop", ""], "--loop requires a non-empty value"),
        (["--autonomous-execute", "--loop", "x"], "loop filter not found in autonomous execution intents: x"),
    ],
)
def test_a_refused_handoff_writes_nothing(opsd: Shell, fleet_repo: Path, argv: list[str], message: str) -> None:
    done = opsd("fleet", "handoff", "--repo", fleet_repo, *argv)
    assert (done.exit, done.out, done.err) == (1, b"", f"error: {message}\n")
    assert not list(fleet_repo.rglob("handoff*"))


def test_a_second_run_gives_up_while_the_fleet_is_held(fleet_repo: Path) -> None:
    from opsd.contract.errors import LockTimeoutError
    from opsd.fleet.handoff.dispatch import ControlAnswer
    from opsd.fleet.handoff.run import Handoff, HandoffRequest

    store = FileFleetStore(str(fleet_repo))
    handoff = Handoff(store, lambda: registry("a"), lambda _request: ControlAnswer(0), lock_wait_s=0)
    with store.lock(wait_s=0), pytest.raises(LockTimeoutError, match="works on this fleet"):
        handoff.run(HandoffRequest())


def test_a_person_says_how_long_to_wait_for_another_run(opsd: Shell, fleet_repo: Path) -> None:
    with FileFleetStore(str(fleet_repo)).lock(wait_s=0):
        done = opsd("fleet", "handoff", "--repo", fleet_repo, "--lock-wait-seconds", 0)
    assert done.exit == 1
    assert done.err.endswith("gave up after 0 s\n")
