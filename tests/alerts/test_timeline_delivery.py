"""How deliveries get through, on a timeline: real processes, real receivers.

| requirement | test |
| --- | --- |
| R1 retry | ``test_r1_*`` |
| R2 Retry-After | ``test_r2_*`` |
| R3 budget, order, late outcomes | ``test_r3_*`` |
| R4 stable ids | ``test_r4_*`` |
| R5 at least once | ``test_r5_*``, and ``test_crashes.py`` |
| R6 single writer | ``test_r6_*`` |
| R9 rate limit | ``test_r9_*`` |
| R10 circuit breaker | ``test_r10_*`` |
| R11 dead letters | ``test_r11_*`` |
| R12 signature | ``test_r12_*`` |
| R18 size limits | ``test_r18_*`` |
| R19 endpoint override | ``test_r19_*`` |
| R20 attempts, exit code, dry run | ``test_r20_*`` |
| R21 test message | ``test_r21_*`` |

R7, R8 and R13 to R17 are in ``test_timeline_incidents.py``; metrics and the delivery worker are the daemon's.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time

import pytest
from standardwebhooks import Webhook

from tests.alerts.timeline import HANG, LATE, QUICK, RESET, Answer, Timeline

# -- R1: retry -----------------------------------------------------------------------------------------------------


async def test_r1_a_receiver_that_answers_500_500_200_gets_three_attempts_of_one_delivery(line: Timeline) -> None:
    desk = await line.receiver("desk", 500, 500, 200)
    line.push(at=0)
    line.dispatch(at=0)
    desk.want(3, between=(0, LATE))
    await line.play()
    assert len(set(desk.ids)) == 1
    assert [row["status"] for row in line.telemetry] == ["dispatched"]
    assert (line.state["status"], line.state["delivery"]["pendingCount"]) == ("success", 0)
    assert [(row["attempt"], row["status"], row["httpStatus"]) for row in line.attempts] == [
        (1, "failed", 500),
        (2, "failed", 500),
        (3, "success", 200),
    ]


@pytest.mark.parametrize("refusal", [408, 425, 429, 503, RESET], ids=["408", "425", "429", "503", "reset"])
async def test_r1_what_may_pass_is_tried_again(line: Timeline, refusal: int | Answer) -> None:
    desk = await line.receiver("desk", refusal, 200)
    line.push(at=0)
    line.dispatch(at=0)
    desk.want(2, between=(0, LATE))
    await line.play()
    assert line.telemetry[0]["sinks"][0]["status"] == "success"


@pytest.mark.parametrize("refusal", [302, 400, 404])
async def test_r1_what_cannot_pass_is_a_dead_letter_without_a_retry(line: Timeline, refusal: int) -> None:
    desk = await line.receiver("desk", Answer(refusal, {"Location": "http://127.0.0.1:1/"}, "no such hook"))
    line.push(at=0)
    line.dispatch(at=0)
    line.dispatch(at=0)
    desk.want(1, between=(0, LATE))
    await line.play()
    (letter,) = line.dead
    assert (letter["reasonCode"], letter["lastHttpStatus"], letter["lastMessage"], letter["attempts"]) == (
        "http_error",
        refusal,
        "no such hook",
        1,
    )
    assert line.done[0].json["delivery"]["deadLetteredCount"] == 1
    assert line.telemetry[0]["sinks"][0] == {
        "id": "desk",
        "type": "webhook",
        "status": "failed",
        "reasonCode": "http_error",
        "httpStatus": refusal,
        "message": "no such hook",
    }


async def test_r1_an_unset_secret_and_a_broken_catalog_park_rows_until_they_are_mended(line: Timeline) -> None:
    desk = await line.receiver("desk")
    secret = line.env.pop("SECRET_DESK")
    line.push("health_critical", at=0)
    line.dispatch(at=0)  # the variable is unset
    line.push("health_degraded", at=0)
    line.at(0, lambda: (line.root / "sinks.json").write_text("{broken"))
    line.dispatch(at=0)
    line.push("divergence_detected", at=0)
    line.dispatch(at=0)
    line.at(0, line.write_settings)
    line.at(0, lambda: line.env.update(SECRET_DESK=secret))
    line.dispatch(at=0)
    desk.want(3, between=(0, LATE))
    await line.play()
    assert [category for category, _ in desk.told] == ["health_critical", "health_degraded", "divergence_detected"]
    assert [done.json["status"] for done in line.done] == ["failed", "failed", "failed", "no_new_escalations"]
    assert [done.json["delivery"]["pendingCount"] for done in line.done] == [1, 2, 3, 0]
    assert line.state["delivery"]["deliveredFromBacklogCount"] == 3
    kinds = [(row["status"], row.get("deliveryKind")) for row in line.telemetry]
    assert kinds == [("failed", None)] * 3 + [("dispatched", "retry")] * 3


# -- R2: Retry-After -----------------------------------------------------------------------------------------------


async def test_r2_a_receiver_that_asks_for_a_pause_has_it_whichever_loop_sends(line: Timeline) -> None:
    pause_s = 30  # longer than it takes to start a command, and than the command may take
    answers = {f"desk{status}": Answer(status, {"Retry-After": str(pause_s)}) for status in (429, 503)}
    desks = [await line.receiver(name, answer, 200) for name, answer in answers.items()]
    line.push(at=0)
    line.dispatch("--delivery-budget-seconds", "12", at=0)
    line.run("alerts", "dispatch", *_other_loop(line), "--delivery-budget-seconds", "12", at=0)
    line.dispatch(at=25, until=line.nothing_pending)
    line.run("alerts", "dispatch", *_other_loop(line), at=25)
    for desk in desks:
        desk.want(1, between=(0, LATE))
        desk.want(2, between=(pause_s, LATE))
    await line.play()
    for desk in desks:
        first, *later = [arrival.at for arrival in desk.arrivals]
        assert all(at - first >= pause_s for at in later)
    refused = line.done[1].json
    assert refused["failureReasonCodes"] == ["rate_limited"]


def _other_loop(line: Timeline) -> tuple[str, ...]:
    folder = line.ops.parent / "other"
    folder.mkdir(exist_ok=True)
    (folder / "escalations.jsonl").write_text('{"category":"health_critical"}\n')
    return ("--repo", str(line.root), "--loop", "other")


# -- R3: bounded work ----------------------------------------------------------------------------------------------


async def test_r3_a_hanging_receiver_ends_with_the_budget_and_holds_up_no_other(line: Timeline) -> None:
    stuck = await line.receiver("stuck", HANG, timeoutSeconds=120)
    desk = await line.receiver("desk")
    for _ in range(3):
        line.push(at=0)
    line.dispatch("--delivery-budget-seconds", "8", at=0)
    desk.want(3, between=(0, LATE))
    stuck.want(1, between=(0, LATE))
    began = time.monotonic()
    await line.play()
    assert time.monotonic() - began < 100, "the budget, not the sink's own limit, ended the run"
    assert [row["status"] for row in line.telemetry] == ["partial"] * 3
    for row in line.telemetry:
        waits, good = row["sinks"]
        assert (good["id"], good["status"]) == ("desk", "success")
        assert (waits["id"], waits["status"], waits["retryPending"]) == ("stuck", "failed", True)
        assert waits["deliveryId"].startswith("omd_")
    assert line.state["delivery"]["pendingCount"] == 3


async def test_r3_three_attempts_in_a_run_then_the_next_one_says_how_it_ended(line: Timeline) -> None:
    desk = await line.receiver("desk", 500, 500, 500, 200)
    line.push(at=0)
    line.dispatch(at=0)
    line.dispatch(at=0, until=line.nothing_pending)
    desk.want(4, between=(0, LATE))
    await line.play()
    early, late = line.telemetry
    (waits,) = early["sinks"]
    assert (early["status"], early["reasonCode"]) == ("failed", "dispatch_failed")
    assert (waits["reasonCode"], waits["retryPending"], waits["attempts"]) == ("http_error", True, 3)
    assert waits["deliveryId"] == desk.ids[0]
    assert (late["status"], late["deliveryKind"], late["escalation"]) == ("dispatched", "retry", early["escalation"])
    assert line.done[0].json["failedCount"] == 1
    assert line.state["status"] == "no_new_escalations"
    assert line.state["delivery"]["deliveredFromBacklogCount"] == 1


async def test_r3_a_reconcile_delivers_what_it_escalates_and_does_not_depend_on_it(line: Timeline) -> None:
    desk = await line.receiver("desk", 500)
    loop = line.root / ".superloop" / "loops" / line.loop_id
    loop.mkdir(parents=True)
    event = {"timestamp": "2026-01-01T00:00:00Z", "event": "iteration_start", "run_id": "r"}
    (loop / "events.jsonl").write_text(json.dumps(event) + "\n")
    line.run("reconcile", *line.target, "--trace-id", "tr-pass", at=0)
    await line.play_only()
    assert line.done[0].exit == 0
    assert len(desk.arrivals) >= 3
    assert {row["traceId"] for row in line.telemetry} == {"tr-pass"}
    assert line.state["traceId"] == "tr-pass"
    assert line.state["delivery"]["pendingCount"] >= 1


async def test_r3_backlog_goes_before_new_rows_and_rows_in_their_order(line: Timeline) -> None:
    desk = await line.receiver("desk", 500, 500, 500, 200)
    line.push("c1", at=0)
    line.dispatch(at=0)
    line.push("c2", at=0)
    line.push("c3", at=0)
    line.dispatch(at=0, until=line.nothing_pending)
    desk.want(6, between=(0, LATE))
    await line.play()
    assert [category for category, _ in desk.told[3:]] == ["c1", "c2", "c3"]


# -- R4: stable ids ------------------------------------------------------------------------------------------------


async def test_r4_the_id_is_the_hash_of_loop_sink_line_and_row_also_after_a_replay(line: Timeline) -> None:
    desk = await line.receiver("desk")
    line.push(at=0, loopId="of-the-row")
    line.dispatch(at=0)
    line.at(0, (line.ops / "alert-dispatch-state.json").unlink)
    line.dispatch(at=0)
    desk.want(2, between=(0, LATE))
    await line.play()
    row = line.escalations.read_bytes().splitlines()[0]
    expected = "omd_" + hashlib.sha256(b"\n".join([b"demo", b"desk", b"1", row])).hexdigest()[:32]
    assert desk.ids == [expected, expected]


async def test_r4_a_sink_that_is_named_twice_is_told_twice_with_two_ids(line: Timeline) -> None:
    desk = await line.receiver("desk")
    line.routes = [{"category": "health_critical", "sinks": ["desk", "desk"]}]
    line.push(at=0)
    line.dispatch(at=0)
    desk.want(2, between=(0, LATE))
    await line.play()
    assert len(set(desk.ids)) == 2
    assert line.telemetry[0]["dispatchedSinkCount"] == 2


async def test_r4_pagerduty_keys_are_per_row_or_per_incident_as_the_sink_says(line: Timeline) -> None:
    rows = await line.receiver("rows", 202, kind="pagerduty_events")
    incidents = await line.receiver("incidents", 202, kind="pagerduty_events", dedupKeyMode="incident")
    line.push(at=0, timestamp="2026-11-24T08:00:00Z")
    line.push(at=0, timestamp="2026-11-24T08:01:00Z")
    line.push("long" * 100, at=0, timestamp="2026-11-24T08:02:00Z")
    line.dispatch(at=0)
    rows.want(3, between=(0, LATE))
    incidents.want(3, between=(0, LATE))
    await line.play()
    *short, long = [body["dedup_key"] for body in rows.bodies]
    whole = f"demo:{'long' * 100}:2026-11-24T08:02:00Z"
    assert short == ["demo:health_critical:2026-11-24T08:00:00Z", "demo:health_critical:2026-11-24T08:01:00Z"]
    assert long == whole[:190] + ":" + hashlib.sha256(whole.encode()).hexdigest()
    assert [body["dedup_key"] for body in incidents.bodies[:2]] == ["demo:health_critical"] * 2


# -- R5 and W4 to W6: at least once --------------------------------------------------------------------------------


async def test_r5_a_torn_last_line_is_told_once_when_it_is_complete(line: Timeline) -> None:
    desk = await line.receiver("desk")
    line.push("c1", at=0)
    line.at(0, lambda: _append(line, b'{"category":"c2","time'))
    line.dispatch(at=0)
    line.dispatch(at=0)
    line.at(0, lambda: _append(line, b'stamp":"2026-11-24T08:00:00Z"}\n'))
    line.dispatch(at=0)
    line.dispatch(at=0)
    desk.want(2, between=(0, LATE))
    await line.play()
    assert [category for category, _ in desk.told] == ["c1", "c2"]
    assert [done.json["escalationsLineOffset"] for done in line.done] == [1, 1, 2, 2]


def _append(line: Timeline, data: bytes) -> None:
    with line.escalations.open("ab") as file:
        file.write(data)


async def test_r5_nothing_is_left_in_the_journal_when_all_is_told(line: Timeline) -> None:
    desk = await line.receiver("desk")
    for number in range(20):
        line.push(f"c{number}", at=0)
    line.dispatch("--delivery-budget-seconds", "60", at=0)
    desk.want(20, between=(0, LATE))
    await line.play()
    assert line.journal == []


async def test_r5_an_emptied_state_is_reported_and_not_taken_for_the_beginning(line: Timeline) -> None:
    desk = await line.receiver("desk")
    line.push(at=0)
    line.dispatch(at=0)
    desk.want(1, between=(0, LATE))
    await line.play()
    (line.ops / "alert-dispatch-state.json").write_bytes(b"")
    done = await line.command("alerts", "dispatch", *line.target, check=False)
    assert done.exit == 1
    assert done.err.startswith("error: dispatch state file is empty, but 1 escalation lines were read already")
    assert len(desk.arrivals) == 1


# -- R6: single writer ---------------------------------------------------------------------------------------------


async def test_r6_ten_dispatchers_at_once_tell_every_row_once(line: Timeline) -> None:
    desk = await line.receiver("desk", rateLimit={"perSecond": 1000, "burst": 1000})
    for number in range(40):
        line.push(f"c{number}", at=0)
    line.at(0, line.write_settings)
    await line.play_only()
    command = ("alerts", "dispatch", *line.target, "--delivery-budget-seconds", "60")
    together = [line.command(*command) for _ in range(10)]
    answers = [done.json for done in await asyncio.gather(*together)]
    assert sorted(category for category, _ in desk.told) == sorted(f"c{number}" for number in range(40))
    working = [answer for answer in answers if not answer.get("lockBusy")]
    assert sum(answer["processedCount"] for answer in working) == 40
    assert len(line.telemetry) == 40


async def test_r6_a_run_that_may_not_begin_says_so_and_writes_nothing(line: Timeline) -> None:
    desk = await line.receiver("desk", HANG, timeoutSeconds=120)
    line.push(at=0)
    await line.play_only()
    first = await line.start("alerts", "dispatch", *line.target, "--delivery-budget-seconds", "120")
    try:
        async with asyncio.timeout(LATE):
            while not desk.arrivals:
                await asyncio.sleep(0.01)
        busy = await line.command("alerts", "dispatch", *line.target, "--trace-id", "tr-second")
    finally:
        first.kill()
        await first.communicate()
    assert (busy.json["lockBusy"], busy.json["status"], busy.json["traceId"]) == (
        True,
        "no_new_escalations",
        "tr-second",
    )
    assert not (line.ops / "alert-dispatch-state.json").exists()
    assert len(desk.arrivals) == 1


# -- R9: rate limit ------------------------------------------------------------------------------------------------


async def test_r9_a_burst_goes_at_once_and_the_rest_in_the_rate_of_its_target(line: Timeline) -> None:
    desk = await line.receiver("desk", rateLimit={"perSecond": 1, "burst": 3})
    for number in range(6):
        line.push(f"c{number}", at=0)
    line.dispatch(at=0)
    desk.want(6, between=(0, LATE))
    await line.play()
    times = [arrival.at for arrival in desk.arrivals]
    assert times[5] - times[2] >= 1.0, "three more at one a second, of which a slow receiver may take the first late"


async def test_r9_what_does_not_fit_into_the_budget_is_deferred_with_its_reason(line: Timeline) -> None:
    desk = await line.receiver("desk", rateLimit={"perSecond": 0.01, "burst": 1})
    for number in range(3):
        line.push(f"c{number}", at=0)
    line.dispatch(at=0)
    desk.want(1, between=(0, LATE))
    await line.play()
    codes = [row["sinks"][0]["reasonCode"] for row in line.telemetry]
    assert codes == [None, "rate_limited", "rate_limited"]
    assert line.state["failureReasonCodes"] == ["rate_limited"]
    assert line.state["delivery"]["pendingCount"] == 2


async def test_r9_two_sinks_of_one_address_share_its_bucket(line: Timeline) -> None:
    desk = await line.receiver("desk", rateLimit={"perSecond": 0.01, "burst": 1})
    line.sinks["same"] = {**line.sinks["desk"]}
    line.push(at=0)
    line.dispatch(at=0)
    desk.want(1, between=(0, LATE))
    await line.play()
    assert line.telemetry[0]["dispatchedSinkCount"] == 1


# -- R10: circuit breaker ------------------------------------------------------------------------------------------


async def test_r10_five_failures_open_the_circuit_for_every_delivery_to_the_target(line: Timeline) -> None:
    desk = await line.receiver("desk", 500)
    for number in range(4):
        line.push(f"c{number}", at=0)
    line.dispatch(at=0)
    line.push("later", at=0)
    line.dispatch(at=0)
    desk.want(5, between=(0, LATE))
    await line.play()
    (waits,) = line.telemetry[-1]["sinks"]
    assert (waits["reasonCode"], waits["retryPending"], waits["attempts"]) == ("circuit_open", True, 0)
    assert line.state["failureReasonCodes"] == ["circuit_open"]
    (target,) = line.sink_health["targets"].values()
    assert (target["breaker"]["failures"], target["lastError"]["httpStatus"]) == (5, 500)


async def test_r10_a_hook_that_is_gone_is_left_alone_until_its_address_changes(line: Timeline) -> None:
    gone = await line.receiver("gone", Answer(404, body="no_service"), kind="slack")
    line.push("c1", at=0)
    line.dispatch(at=0)
    line.push("c2", at=0)
    line.dispatch(at=0)
    line.at(0, lambda: line.env.update(SECRET_GONE=f"{gone.url}/a-new-hook"))
    line.at(0, lambda: gone.answers.append(Answer(200)))
    line.dispatch(at=0, until=line.nothing_pending)
    gone.want(2, between=(0, LATE))
    await line.play()
    assert [arrival.path for arrival in gone.arrivals] == ["/hook-gone", "/a-new-hook"]
    assert line.done[1].json["failureReasonCodes"] == ["circuit_open"]


# -- R11: dead letters ---------------------------------------------------------------------------------------------


async def test_r11_the_attempt_limit_ends_a_delivery_which_a_replay_brings_with_the_same_id(line: Timeline) -> None:
    desk = await line.receiver("desk", 500, 500, 500, 500, 200, retry={**QUICK, "maxAttempts": 4})
    line.push(at=0)
    line.dispatch(at=0)
    line.dispatch(at=0, until=line.nothing_pending)
    line.dispatch("--list-dead-letters", at=0)
    line.dispatch("--replay-dead-letters", at=0)
    line.dispatch("--list-dead-letters", at=0)
    desk.want(5, between=(0, LATE))
    await line.play()
    assert len(set(desk.ids)) == 1
    listed, _, after = [done.json for done in line.done[-3:]]
    assert (listed["count"], after["count"]) == (1, 0)
    (letter,) = listed["deadLetters"]
    assert list(letter) == [
        "timestamp",
        "deliveryId",
        "loopId",
        "sinkId",
        "sinkType",
        "category",
        "severity",
        "escalation",
        "attempts",
        "firstAttemptAt",
        "lastAttemptAt",
        "reasonCode",
        "lastHttpStatus",
        "lastMessage",
    ]
    assert (letter["attempts"], letter["reasonCode"], letter["lastHttpStatus"]) == (4, "http_error", 500)
    assert [row.get("replayed") for row in line.dead] == [None, True]
    assert [(row["status"], row.get("reasonCode"), row.get("deliveryKind")) for row in line.telemetry] == [
        ("failed", "dispatch_failed", None),
        ("failed", "dead_lettered", "retry"),
        ("dispatched", None, "replay"),
    ]
    assert desk.url not in (line.ops / "alert-dead-letter.jsonl").read_text()


async def test_r11_age_ends_a_delivery_that_could_only_wait(line: Timeline) -> None:
    desk = await line.receiver("desk", 500, retry={**QUICK, "maxAgeSeconds": 0})
    line.push(at=0)
    line.dispatch(at=0)
    desk.want(0, between=(0, LATE))
    await line.play_only()
    assert len(desk.arrivals) <= 1
    assert [letter["deliveryId"] for letter in line.dead] != []
    assert line.state["delivery"]["pendingCount"] == 0


# -- R12: signature ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("secret", ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2VjcmV0LXNlY3JldA=="])
async def test_r12_an_independent_implementation_verifies_the_raw_body(line: Timeline, secret: str) -> None:
    desk = await line.receiver("desk", 500, 200, signingSecretEnv="SIGN", signingSecretPreviousEnv="SIGN_BEFORE")
    before = "whsec_b2xkLW9sZC1vbGQtb2xk"
    line.env |= {"SIGN": secret, "SIGN_BEFORE": before}
    line.push(at=0, note="größe ☃", exact=1.0)
    line.dispatch(at=0)
    desk.want(2, between=(0, LATE))
    await line.play()
    for arrival in desk.arrivals:
        headers = {name.lower(): value for name, value in arrival.headers.items()}
        assert headers["webhook-id"] == arrival.id
        for one in (secret, before):
            assert Webhook(one).verify(arrival.raw, headers) == arrival.body
    for path in line.ops.rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes(), path


# -- R18: size limits ----------------------------------------------------------------------------------------------


async def test_r18_a_row_of_five_megabytes_is_told_by_its_size_and_hash(line: Timeline) -> None:
    desk = await line.receiver("desk")
    pager = await line.receiver("pager", 202, kind="pagerduty_events")
    chat = await line.receiver("chat", kind="slack")
    line.push(at=0, evidence="x" * 5_000_000)
    line.push("next", at=0)
    line.dispatch("--delivery-budget-seconds", "60", at=0)
    for receiver in (desk, pager, chat):
        receiver.want(2, between=(0, LATE))
    await line.play()
    row = line.escalations.read_bytes().splitlines()[0]
    shown = desk.bodies[0]["escalation"]
    assert (shown["truncated"], shown["bytes"], shown["sha256"]) == (True, len(row), hashlib.sha256(row).hexdigest())
    assert all(0 < len(arrival.raw) <= 1024 * 1024 for arrival in desk.arrivals)
    assert all(0 < len(arrival.raw) <= 512_000 for arrival in pager.arrivals)
    assert all(len(block["text"]["text"]) <= 3000 for block in chat.bodies[0]["blocks"][:1])
    assert [row["status"] for row in line.telemetry] == ["dispatched"] * 2
    assert all(json.loads(text) for text in (line.ops / "telemetry/alerts.jsonl").read_bytes().splitlines())


# -- R19: endpoint override ----------------------------------------------------------------------------------------


async def test_r19_pagerduty_is_reached_where_the_sink_says(line: Timeline) -> None:
    pager = await line.receiver("pager", 202, kind="pagerduty_events")
    line.push(at=0)
    line.dispatch(at=0)
    pager.want(1, between=(0, LATE))
    await line.play()
    assert pager.arrivals[0].path == "/v2/enqueue"
    (view,) = line.telemetry[0]["route"]["dispatchableSinks"]
    assert view["config"]["apiUrl"] == f"{pager.url}/v2/enqueue"


async def test_r19_plain_http_to_another_host_is_no_catalog(line: Timeline) -> None:
    await line.receiver("pager", kind="pagerduty_events", apiUrl="http://events.example/v2/enqueue")
    line.push(at=0)
    line.dispatch(at=0)
    await line.play()
    assert line.telemetry[0]["message"] == "error: alert sink config sink definitions are invalid"


# -- R20: observability --------------------------------------------------------------------------------------------


async def test_r20_every_attempt_has_a_row_and_a_failed_run_can_fail_the_command(line: Timeline) -> None:
    desk = await line.receiver("desk", 500)
    line.push(at=0)
    desk.want(3, between=(0, LATE))
    await line.play_only()
    done = await line.command("alerts", "dispatch", *line.target, "--fail-on-delivery-failure", check=False)
    assert (done.exit, done.json["status"]) == (2, "failed")
    desk.check()
    for row in line.attempts:
        assert {"timestamp", "deliveryId", "sinkId", "attempt", "status", "httpStatus", "reasonCode", "durationMs"} <= {
            *row
        }
        assert row["nextAttemptAt"] is not None


async def test_r20_a_dry_run_shows_bodies_with_secrets_masked_and_does_nothing(line: Timeline) -> None:
    desk = await line.receiver("desk")
    pager = await line.receiver("pager", kind="pagerduty_events")
    line.push(at=0)
    line.dispatch("--dry-run", at=0)
    desk.want(0, between=(0, LATE))
    pager.want(0, between=(0, LATE))
    await line.play()
    text = line.done[0].out.decode()
    assert "/hook-desk" not in text
    assert line.env["SECRET_PAGER"] not in text
    ((to_desk, to_pager),) = [row["requests"] for row in line.done[0].json["rows"]]
    assert to_desk["body"]["event"]["category"] == "health_critical"
    assert to_pager["body"]["routing_key"] == "[redacted]"
    assert [path.name for path in line.ops.iterdir() if path.is_file()] == ["escalations.jsonl"]


# -- R21: test message ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "verdict"), [(200, "success"), (500, "failed")])
async def test_r21_a_test_message_goes_the_full_way_and_touches_nothing(
    line: Timeline, status: int, verdict: str
) -> None:
    desk = await line.receiver("desk", status)
    line.push(at=0)
    line.dispatch("--test-sink", "desk", at=0)
    desk.want(1, between=(0, LATE))
    await line.play()
    assert (line.done[0].json["status"], line.done[0].json["httpStatus"]) == (verdict, status)
    assert desk.bodies[0]["event"]["severity"] == "info"
    assert not (line.ops / "alert-dispatch-state.json").exists()
    assert not (line.ops / "alert-incidents.json").exists()
