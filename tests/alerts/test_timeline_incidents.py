"""Incidents on a timeline: real processes, real receivers.

| requirement | test |
| --- | --- |
| R7 resolve | ``test_r7_*`` |
| R8 resolve payloads | ``test_r8_*`` |
| R13 silences | ``test_r13_*`` |
| R14 inhibition | ``test_r14_*`` |
| R15 grouping | ``test_r15_*`` |
| R16 repeat, coalescing | ``test_r16_*`` |
| R17 Alertmanager | ``test_r17_*``, and ``test_real_alertmanager.py`` |

The others are in ``test_timeline_delivery.py``.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.alerts.timeline import LATE, QUICK, RESET, Answer, Timeline, stamp, wall

# -- R7, R8: resolve -----------------------------------------------------------------------------------------------

RECOVERIES: list[tuple[str, str, Any]] = [
    ("health_critical", "health.json", {"status": "healthy", "updatedAt": stamp(9)}),
    ("health_critical", "health.json", {"status": "degraded", "updatedAt": stamp(9)}),
    ("health_degraded", "health.json", {"status": "healthy", "updatedAt": stamp(9)}),
    ("health_degraded", "health.json", {"status": "critical", "updatedAt": stamp(9)}),
    ("divergence_detected", "state.json", {"divergence": {"any": False}, "generatedAt": stamp(9)}),
    ("ordering_drift_detected", "sequence-state.json", {"driftActive": False, "updatedAt": stamp(9)}),
    ("profile_drift_detected", "profile-drift.json", {"driftActive": False, "updatedAt": stamp(9)}),
]


@pytest.mark.parametrize(("category", "document", "value"), RECOVERIES)
async def test_r7_a_recovery_after_a_delivered_trigger_is_told_exactly_once(
    line: Timeline, category: str, document: str, value: Any
) -> None:
    desk = await line.receiver("desk")
    line.push(category, at=0)
    line.dispatch(at=0)
    line.document(document, value, at=0)
    for _ in range(3):
        line.dispatch(at=0)
    desk.want(2, between=(0, LATE))
    await line.play()
    assert desk.told == [(category, False), (category, True)]
    trigger, resolve = desk.bodies
    assert "action" not in trigger["event"]
    assert list(resolve["event"]) == ["category", "severity", "action", "resolvedAt"]
    assert resolve["escalation"] == trigger["escalation"]
    assert desk.ids[0] != desk.ids[1]
    assert [done.json["delivery"]["resolvedCount"] for done in line.done] == [0, 1, 0, 0]
    assert [(row["status"], row.get("deliveryKind")) for row in line.telemetry] == [
        ("dispatched", None),
        ("dispatched", "resolve"),
    ]
    assert line.escalations.read_bytes().count(b"\n") == 1
    assert line.incidents == {}


@pytest.mark.parametrize(
    ("document", "value"),
    [
        ("health.json", {"status": "healthy", "updatedAt": stamp(0)}),
        ("health.json", {"status": "critical", "updatedAt": stamp(9)}),
        ("health.json", {"status": "healthy"}),
        ("health.json", ["no", "document"]),
        ("other.json", {}),
    ],
    ids=["not newer", "still so", "without a time", "unreadable", "missing"],
)
async def test_r7_what_shows_no_recovery_resolves_nothing(line: Timeline, document: str, value: Any) -> None:
    desk = await line.receiver("desk")
    line.push("health_critical", at=0)
    line.document(document, value, at=0)
    line.dispatch(at=0)
    line.dispatch(at=0)
    desk.want(1, between=(0, LATE))
    await line.play()
    assert list(line.incidents) == ["demo:health_critical"]


async def test_r7_any_other_category_ends_when_it_has_been_quiet_for_long_enough(line: Timeline) -> None:
    desk = await line.receiver("desk")
    line.delivery = {"routes": {"of_its_own": {"resolveAfterSeconds": 1}}}
    line.at(0, lambda: line.write_row("of_its_own", timestamp=wall()))
    line.at(0, lambda: line.write_row("never", timestamp=wall(-1000)))
    line.dispatch(at=0)
    line.dispatch(at=0, until=lambda: "demo:of_its_own" not in line.incidents)
    desk.want(3, between=(0, LATE))
    await line.play()
    assert desk.told == [("of_its_own", False), ("never", False), ("of_its_own", True)]


async def test_r8_a_trigger_that_nobody_got_is_cancelled_and_its_end_is_not_told(line: Timeline) -> None:
    desk = await line.receiver("desk", 500)
    line.push("health_critical", at=0)
    line.dispatch(at=0)
    line.health("healthy", at=1)
    line.dispatch(at=1)
    line.dispatch(at=1)
    await line.play_only()
    assert not any(arrival.resolves for arrival in desk.arrivals)
    assert line.state["delivery"]["pendingCount"] == 0
    assert line.telemetry[-1]["reasonCode"] == "resolved_before_delivery"
    assert line.dead == []


async def test_r8_a_receiver_that_may_have_got_the_trigger_is_told_the_end(line: Timeline) -> None:
    desk = await line.receiver("desk", RESET, RESET, RESET, 200)
    line.push("health_critical", at=0)
    line.dispatch(at=0)
    line.health("healthy", at=1)
    line.dispatch(at=1)
    line.dispatch(at=1)
    desk.want(4, between=(0, LATE))
    await line.play()
    assert [resolves for _, resolves in desk.told] == [False, False, False, True]


async def test_r8_a_dead_letter_that_may_have_arrived_has_its_end_told(line: Timeline) -> None:
    desk = await line.receiver("desk", RESET, 200, retry={**QUICK, "maxAttempts": 1})
    line.push("health_critical", at=0)
    line.dispatch(at=0)
    line.health("healthy", at=1)
    line.dispatch(at=1)
    line.dispatch(at=1)
    desk.want(2, between=(0, LATE))
    await line.play()
    assert [resolves for _, resolves in desk.told] == [False, True]


async def test_r8_each_kind_is_told_the_end_in_its_own_form_and_only_if_it_wants_it(line: Timeline) -> None:
    pager = await line.receiver("pager", 202, kind="pagerduty_events")
    chat = await line.receiver("chat", kind="slack")
    deaf = await line.receiver("deaf", sendResolved=False)
    line.push("health_critical", at=0, timestamp=stamp(0))
    line.push("health_critical", at=0, timestamp=stamp(1))
    line.dispatch(at=0)
    line.health("healthy", at=2)
    line.dispatch(at=2)
    line.dispatch(at=2)
    pager.want(4, between=(0, LATE))
    chat.want(3, between=(0, LATE))
    deaf.want(2, between=(0, LATE))
    await line.play()
    keys = [f"demo:health_critical:{stamp(0)}", f"demo:health_critical:{stamp(1)}"]
    assert [(body["event_action"], body["dedup_key"]) for body in pager.bodies] == [
        ("trigger", keys[0]),
        ("trigger", keys[1]),
        ("resolve", keys[0]),
        ("resolve", keys[1]),
    ]
    assert len({body["routing_key"] for body in pager.bodies}) == 1
    assert chat.bodies[2]["text"] == "[ops-manager][resolved] health_critical loop=demo trace=tr-row"


async def test_r8_a_resolve_that_fails_is_tried_again_with_its_id(line: Timeline) -> None:
    desk = await line.receiver("desk", 200, 500, 500, 500, 200)
    line.push("health_critical", at=0)
    line.dispatch(at=0)
    line.health("healthy", at=1)
    line.dispatch(at=1, until=line.nothing_pending)
    desk.want(5, between=(0, LATE))
    await line.play()
    assert len(set(desk.ids[1:])) == 1


async def test_r8_an_incident_that_comes_back_has_an_end_of_its_own(line: Timeline) -> None:
    desk = await line.receiver("desk")
    for moment in (0, 2):
        line.push("health_critical", at=0, timestamp=stamp(moment))
        line.dispatch(at=0)
        line.document("health.json", {"status": "healthy", "updatedAt": stamp(moment + 1)}, at=0)
        line.dispatch(at=0)
    desk.want(4, between=(0, LATE))
    await line.play()
    assert [resolves for _, resolves in desk.told] == [False, True, False, True]
    assert len(set(desk.ids)) == 4


# -- R13: silences -------------------------------------------------------------------------------------------------


async def test_r13_a_silenced_row_is_told_when_the_silence_ends_while_it_is_still_open(line: Timeline) -> None:
    desk = await line.receiver("desk")
    silence = ("--repo", str(line.root), "--created-by", "tester", "--matcher", "category=health_critical")
    line.run("alerts", "silence", "add", *silence, "--duration", "1h", at=0)
    line.push("health_critical", at=0)
    line.push("divergence_detected", at=0)
    line.dispatch(at=0)
    desk.want(1, between=(0, LATE))
    await line.play_only()
    silence_id = line.done[0].json["id"]
    silenced = line.telemetry[0]
    assert (silenced["status"], silenced["reasonCode"], silenced["silenceIds"]) == ("skipped", "silenced", [silence_id])
    assert line.state["delivery"]["silencedCount"] == 1
    desk.check()
    line.run("alerts", "silence", "expire", "--repo", str(line.root), "--id", silence_id, at=0)
    line.dispatch(at=0)
    line.dispatch(at=0)
    desk.want(1, between=(0, LATE))
    await line.play()
    assert desk.told == [("divergence_detected", False), ("health_critical", False)]
    line.document("health.json", {"status": "healthy", "updatedAt": stamp(9)})
    line.dispatch()
    desk.want(1, between=(0, LATE))
    await line.play()
    assert desk.told[-1] == ("health_critical", True)


async def test_r13_a_silence_in_the_middle_of_an_incident_keeps_its_rows_back_but_not_its_end(line: Timeline) -> None:
    desk = await line.receiver("desk")
    line.push("health_critical", at=0)
    line.dispatch(at=0)
    silence = ("--repo", str(line.root), "--created-by", "tester", "--matcher", "category=~health_.*")
    line.run("alerts", "silence", "add", *silence, "--duration", "1h", at=0)
    line.push("health_critical", at=0, timestamp=stamp(1))
    line.dispatch(at=0)
    line.document("health.json", {"status": "healthy", "updatedAt": stamp(2)}, at=0)
    line.dispatch(at=0)
    desk.want(2, between=(0, LATE))
    await line.play()
    assert [resolves for _, resolves in desk.told] == [False, True]


async def test_r13_what_ended_under_a_silence_was_never_told_and_is_not(line: Timeline) -> None:
    desk = await line.receiver("desk")
    silence = ("--repo", str(line.root), "--created-by", "tester", "--matcher", "loopId=demo", "--duration", "1h")
    line.run("alerts", "silence", "add", *silence, at=0)
    line.push("health_critical", at=0)
    line.dispatch(at=0)
    line.health("healthy", at=1)
    line.dispatch(at=1)
    desk.want(0, between=(0, LATE))
    await line.play()
    assert line.incidents == {}


async def test_r13_an_invalid_file_silences_nothing(line: Timeline) -> None:
    desk = await line.receiver("desk")
    fleet = line.ops.parent / "fleet"
    fleet.mkdir()
    (fleet / "alert-silences.v1.json").write_text('{"schemaVersion":"v1","silences":[{"id":"x"}]}')
    line.push("health_critical", at=0)
    line.dispatch(at=0)
    desk.want(1, between=(0, LATE))
    await line.play()


# -- R14: inhibition -----------------------------------------------------------------------------------------------

CRITICAL_MUTES_DEGRADED = {
    "source": [{"name": "category", "value": "health_critical", "isRegex": False, "isEqual": True}],
    "target": [{"name": "category", "value": "health_degraded", "isRegex": False, "isEqual": True}],
    "equal": ["loopId"],
}


async def test_r14_an_open_critical_mutes_degraded_of_the_same_loop(line: Timeline) -> None:
    desk = await line.receiver("desk")
    line.delivery = {"inhibitRules": [CRITICAL_MUTES_DEGRADED]}
    line.push("health_critical", at=0)
    line.push("health_degraded", at=0)
    line.push("health_degraded", at=0, loopId="another")
    line.dispatch(at=0)
    desk.want(2, between=(0, LATE))
    await line.play()
    assert [body["source"]["loopId"] for body in desk.bodies] == ["demo", "another"]
    assert line.telemetry[1]["reasonCode"] == "inhibited"


async def test_r14_what_was_muted_is_told_when_its_source_is_over(line: Timeline) -> None:
    desk = await line.receiver("desk")
    line.delivery = {"inhibitRules": [CRITICAL_MUTES_DEGRADED]}
    line.push("health_critical", at=0)
    line.push("health_degraded", at=0)
    line.dispatch(at=0)
    line.health("degraded", at=1)
    line.dispatch(at=1)
    line.dispatch(at=1)
    desk.want(3, between=(0, LATE))
    await line.play()
    assert sorted(desk.told[1:]) == [("health_critical", True), ("health_degraded", False)]


# -- R15: grouping -------------------------------------------------------------------------------------------------


async def test_r15_rows_of_a_group_are_told_together_after_its_wait(line: Timeline) -> None:
    desk = await line.receiver("desk")
    line.delivery = {"routes": {"burst": {"group": {"by": ["loopId"], "waitSeconds": 5, "intervalSeconds": 300}}}}
    for number in range(25):
        line.push("burst", at=0, number=number)
    line.dispatch("--delivery-budget-seconds", "1", at=0)
    line.push("alone", at=0)
    line.dispatch(at=0, until=line.nothing_pending)
    desk.want(2, between=(0, LATE))
    await line.play()
    (told,) = [arrival for arrival in desk.arrivals if arrival.category == "burst"]
    grouped = told.body
    assert told.at >= 5
    assert (len(grouped["members"]), grouped["truncatedCount"]) == (20, 5)
    assert [member["escalation"]["number"] for member in grouped["members"]] == list(range(20))
    rows = [row for row in line.telemetry if row["escalationCategory"] == "burst"][-25:]
    assert [row["escalation"]["number"] for row in rows] == list(range(25))
    assert len({row["groupKey"] for row in rows}) == 1
    assert {row["status"] for row in rows} == {"dispatched"}


async def test_r15_the_ends_of_all_that_a_group_told_are_told(line: Timeline) -> None:
    desk = await line.receiver("desk")
    pager = await line.receiver("pager", 202, kind="pagerduty_events")
    group = {"group": {"by": ["loopId"], "waitSeconds": 0, "intervalSeconds": 0}}
    line.delivery = {"routes": {"health_critical": group, "ordering_drift_detected": group}}
    line.push("health_critical", at=0)
    line.push("ordering_drift_detected", at=0)
    line.dispatch(at=0)
    line.health("healthy", at=1)
    line.dispatch(at=1)
    line.document("sequence-state.json", {"driftActive": False, "updatedAt": stamp(2)}, at=1)
    line.dispatch(at=1)
    desk.want(3, between=(0, LATE))
    pager.want(2, between=(0, LATE))
    await line.play()
    assert desk.told[1:] == [("health_critical", True), ("ordering_drift_detected", True)]
    trigger, resolve = pager.bodies
    assert (trigger["event_action"], resolve["event_action"]) == ("trigger", "resolve")
    assert trigger["dedup_key"] == resolve["dedup_key"], "one alert there, over when all of its incidents are"


# -- R16: repeat, coalescing ---------------------------------------------------------------------------------------


async def test_r16_an_open_incident_is_told_again_when_its_interval_has_passed(line: Timeline) -> None:
    desk = await line.receiver("desk")
    line.delivery = {"repeatIntervalSeconds": 1.5}
    line.push("health_critical", at=0)
    line.dispatch(at=0)
    line.dispatch(at=0, until=lambda: len(desk.arrivals) >= 2)
    await line.play_only()
    first, again, *_ = desk.arrivals
    assert again.at - first.at >= 1.4
    assert first.body["escalation"] == again.body["escalation"]
    assert first.id != again.id
    assert line.telemetry[-1]["deliveryKind"] == "repeat"


async def test_r16_an_equal_row_of_an_open_incident_is_coalesced_and_another_one_is_not(line: Timeline) -> None:
    desk = await line.receiver("desk")
    line.delivery = {"routes": {"divergence_detected": {"coalesceSeconds": 3600}}}
    flags = {"transition": True, "projection": False}
    line.push("divergence_detected", at=0, divergenceFlags=flags)
    line.dispatch(at=0)
    line.push("divergence_detected", at=0, divergenceFlags=flags, timestamp=stamp(1))
    line.push("divergence_detected", at=0, divergenceFlags={**flags, "projection": True}, timestamp=stamp(2))
    line.dispatch(at=0)
    desk.want(2, between=(0, LATE))
    await line.play()
    assert [row.get("reasonCode") for row in line.telemetry] == [None, "coalesced", None]


# -- R17: Alertmanager ---------------------------------------------------------------------------------------------


async def test_r17_an_alert_is_told_again_while_it_is_open_and_when_it_is_over(line: Timeline) -> None:
    manager = await line.receiver("manager", Answer(200), kind="alertmanager", resendSeconds=1, labels={"team": "ops"})
    line.push("health_critical", at=0, reasonCodes=["a", "b"])
    line.dispatch(at=0)
    line.dispatch(at=1.5, until=lambda: len(manager.arrivals) >= 2)
    line.document("health.json", {"status": "healthy", "updatedAt": stamp(9)}, at=1.5)
    line.dispatch(at=1.5)
    line.dispatch(at=1.5, until=lambda: len(manager.arrivals) >= 4)
    await line.play_only()
    alerts = [alert for body in manager.bodies for alert in body]
    assert {arrival.path for arrival in manager.arrivals} == {"/hook-manager/api/v2/alerts"}
    labels = {
        "alertname": "health_critical",
        "loop_id": "demo",
        "severity": "info",
        "source": "superloop-ops-manager",
        "team": "ops",
    }
    assert all(alert["labels"] == labels for alert in alerts)
    assert alerts[0]["startsAt"] == stamp(0)
    assert alerts[0]["annotations"]["reason_codes"] == "a,b"
    assert alerts[0]["endsAt"] > wall(600), "three expected intervals ahead: no daemon tells it again"
    assert alerts[-1]["endsAt"] <= wall()


async def test_r17_the_members_of_a_group_are_alerts_with_their_own_start_and_codes(line: Timeline) -> None:
    manager = await line.receiver("manager", kind="alertmanager")
    group = {"group": {"by": [], "waitSeconds": 0, "intervalSeconds": 0}}
    line.delivery = {"routes": {"c1": group, "c2": group}}
    line.push("c1", at=0, timestamp=stamp(3), reasonCodes=["one"])
    line.push("c2", at=0, timestamp=stamp(4), reasonCodes=["two"])
    line.dispatch(at=0)
    manager.want(1, between=(0, LATE))
    await line.play()
    first, second = manager.bodies[0]
    assert (first["startsAt"], first["annotations"]["reason_codes"]) == (stamp(3), "one")
    assert (second["startsAt"], second["annotations"]["reason_codes"]) == (stamp(4), "two")
