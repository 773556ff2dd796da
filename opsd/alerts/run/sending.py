"""One lane of deliveries: what may start now, and what follows from an attempt (contract 50, R1 to R5, R9 to R11).

A sink's deliveries start one after the other in their order; one that is not due yet holds up none behind it. Whatever
an attempt brings is in the journal before anything else happens.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from opsd.alerts.model import AttemptResult, HttpAnswer, Member, Notification, ResolvedSink, SinkRequest
from opsd.alerts.records.dead_letters import dead_letter
from opsd.alerts.records.incidents import record_told
from opsd.alerts.records.outbox import Delivery, DeliveryState, Entry, Origin, attempt_line, has_told
from opsd.alerts.run.dispatch_run import MAX_ATTEMPTS_IN_RUN, DispatchRun
from opsd.alerts.run.overtaking import ends_behind, keeps_its_end
from opsd.alerts.run.reporting import delivery_ended
from opsd.alerts.run.row_order import ORDER_GRACE_S
from opsd.alerts.sinks import SINK_TYPES
from opsd.alerts.sinks.base import MissingSecretError, SinkType
from opsd.alerts.targets import retry
from opsd.alerts.targets.target_state import Target, target_of
from opsd.contract.timestamps import format_utc

#: With less time left an attempt is not begun: it could only fail.
_SHORTEST_ATTEMPT_S = 0.05
#: A request is given up this much behind its own limit, for the lease of a breaker's probe.
LEASE_MARGIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Send:
    """A request that may leave now."""

    entry: Entry
    delivery: Delivery
    sink: ResolvedSink
    kind: SinkType
    request: SinkRequest
    target: Target
    probe: bool
    timeout_s: float


def outlook(run: DispatchRun, sink_id: str) -> float | None:
    """Seconds until the lane's next delivery may start, 0 for now; None: not within this run."""
    found = _first_due(run, sink_id)
    return None if found is None else found[0]


def pick(run: DispatchRun, sink_id: str) -> Send | float | None:
    """The lane's next request; or the seconds until there may be one; or None: not within this run."""
    while True:
        found = _first_due(run, sink_id)
        if found is None:
            return None
        wait_s, entry, delivery = found
        if wait_s > 0:
            return wait_s
        picked = _prepare(run, entry, delivery)
        if picked is not None:
            return picked


def settle(run: DispatchRun, send: Send, answer: HttpAnswer) -> None:
    """Take in what came of a request.

    Raises:
        ManagerFileError: it could not be written down.
    """
    now = run.means.clock()
    run.in_flight.pop(send.delivery.id, None)
    result = retry.judge(answer, send.kind)
    send.delivery.maybe = send.delivery.maybe or (answer.status is None and answer.sent)
    run.means.health.record(send.target, result, now, probe=send.probe)
    _conclude(run, send.entry, send.delivery, send.sink, result, answer.duration_s)


def _first_due(run: DispatchRun, sink_id: str) -> tuple[float, Entry, Delivery] | None:
    """Which delivery of the lane starts next, and in how many seconds."""
    now = run.means.clock()
    latest = run.latest_start(now) - _SHORTEST_ATTEMPT_S
    most = sys.maxsize if run.means.long_lived else MAX_ATTEMPTS_IN_RUN
    not_before = run.lane_waits.get(sink_id, 0.0)
    best: tuple[float, Entry, Delivery] | None = None
    for entry, delivery in run.lanes.get(sink_id, ()):
        if entry.parked or delivery.attempts_in_run >= most or delivery.id in run.in_flight:
            continue
        at = max(delivery.next_at, entry.release_at, not_before)
        if not (run.means.long_lived or delivery.attempts or run.may_begin(entry, now)):
            at = max(at, now + ORDER_GRACE_S)
        if max(at, now) <= latest and (best is None or at < best[0]):
            best = (at, entry, delivery)
            if at <= now:
                break
    return None if best is None else (max(0.0, best[0] - now), best[1], best[2])


def _prepare(run: DispatchRun, entry: Entry, delivery: Delivery) -> Send | None:
    """The request of a delivery whose turn it is; None when there is none now: its end or its wait is noted."""
    means, now = run.means, run.means.clock()
    sink = means.current_sink(delivery.view)
    if sink is None:
        delivery.last = AttemptResult(False, "sink_removed", message="the sink is gone or switched off").as_json()
        _end_without_request(run, entry, delivery)
        return None
    if retry.is_too_old(sink.rules.retry, delivery.first_attempt_at or entry.received_at, now):
        delivery.last = delivery.last or AttemptResult(False, "age_limit", message="too old").as_json()
        _end_without_request(run, entry, delivery)
        return None
    kind = SINK_TYPES.get(sink.type)
    if kind is None:
        refused = AttemptResult(False, "unsupported_sink_type", message=f"unsupported sink type: {sink.type}")
        _conclude(run, entry, delivery, sink, refused, 0.0)
        return None
    close_group(run, entry)
    try:
        request = kind.request(notification_of(run, entry, delivery, now), sink, means.env, now=now)
    except MissingSecretError as error:
        delivery.attempts_in_run = sys.maxsize - 1  # no variable is set while a process runs
        _conclude(run, entry, delivery, sink, retry.missing_secret(error.message), 0.0)
        return None
    timeout_s = sink.timeout_s if means.long_lived else min(sink.timeout_s, run.deadline - now)
    target = target_of(sink, kind.target(sink, means.env) or "")
    admission = means.health.admit(target, sink.rules.rate, now, lease_s=timeout_s + LEASE_MARGIN_S)
    if not admission.admitted:
        wait_s = admission.wait_s if admission.wait_s is not None else sink.rules.retry.cap_s
        run.lane_waits[delivery.sink_id] = now + wait_s
        run.lane_refusals[delivery.sink_id] = str(admission.reason)
        return None
    run.in_flight[delivery.id] = now
    return Send(entry, delivery, sink, kind, request, target, admission.probe, timeout_s)


def notification_of(run: DispatchRun, entry: Entry, delivery: Delivery, now: float) -> Notification:
    row = entry.escalation
    ends_at = entry.resolved_at
    if ends_at is None and not run.means.long_lived:
        ends_at = format_utc(now + 3 * run.means.expected_interval_s)
    return Notification(
        action=entry.action,
        delivery_id=delivery.id,
        dedup_key=delivery.dedup_key,
        repo=run.repo,
        loop_id=row.loop_id,
        trace_id=row.trace_id,
        category=row.category,
        severity=entry.severity,
        row=row.exact,
        row_timestamp=row.timestamp,
        reason_codes=row.reason_codes,
        starts_at=row.starts_at,
        ends_at=ends_at,
        members=tuple(_member(one) for one in run.members(entry)),
    )


def _member(entry: Entry) -> Member:
    row = entry.escalation
    return Member(
        loop_id=row.loop_id,
        trace_id=row.trace_id,
        category=row.category,
        severity=entry.severity,
        row=row.exact,
        reason_codes=row.reason_codes,
        starts_at=row.starts_at,
    )


def close_group(run: DispatchRun, leader: Entry) -> None:
    """A group's notification is about to leave for the first time: it tells every row that waits for it (R15)."""
    if not leader.group or run.members(leader) or any(delivery.attempts for delivery in leader.deliveries):
        return
    run.ledger.group_told_at[leader.group] = run.means.clock()
    followers = [
        entry
        for entry in run.entries.values()
        if entry.group == leader.group
        and entry is not leader
        and not entry.leader
        and entry.pending
        and not any(delivery.attempts for delivery in entry.deliveries)
    ]
    for follower in followers:
        for delivery in follower.deliveries:
            leave_lane(run, delivery)
        follower.leader, follower.deliveries = leader.id, []
    run.means.store.append_outbox([follower.as_json() for follower in followers])


def _conclude(
    run: DispatchRun, entry: Entry, delivery: Delivery, sink: ResolvedSink, result: AttemptResult, duration_s: float
) -> None:
    """What an attempt means for its delivery, written down."""
    means, now = run.means, run.means.clock()
    delivery.note(result, now=now)
    if result.succeeded:
        delivery.state = DeliveryState.DELIVERED
    elif entry.origin is Origin.REFRESH:
        delivery.state = DeliveryState.CANCELLED
    else:
        ends = ends_behind(run, entry, delivery)
        following = retry.next_attempt(
            sink.rules.retry,
            result,
            sink_type=sink.type,
            attempts=delivery.attempts,
            first_attempt_at=delivery.first_attempt_at or now,
            now=now,
            rand=means.rand(),
        )
        if following.at is None:
            delivery.state = DeliveryState.DEAD
        else:
            delivery.next_at = following.at
            if ends:
                delivery.state = DeliveryState.CANCELLED
        if ends and not keeps_its_end(run, entry, delivery):
            for other, end in ends:
                _cancel(run, other, end)
    means.observer.attempted(delivery, duration_s)
    means.store.append_attempts(
        [
            {
                "timestamp": format_utc(now),
                "loopId": run.loop_id,
                "deliveryId": delivery.id,
                "sinkId": delivery.sink_id,
                "attempt": delivery.attempts,
                "status": "success" if result.succeeded else "failed",
                "httpStatus": result.http_status,
                "reasonCode": result.reason_code,
                "durationMs": round(duration_s * 1000),
                "nextAttemptAt": format_utc(delivery.next_at) if delivery.state is DeliveryState.PENDING else None,
            }
        ]
    )
    _written_down(run, entry, delivery)


def _end_without_request(run: DispatchRun, entry: Entry, delivery: Delivery) -> None:
    delivery.state = DeliveryState.DEAD
    _written_down(run, entry, delivery)


def _written_down(run: DispatchRun, entry: Entry, delivery: Delivery) -> None:
    """Dead letter first, then the journal: nothing is over before it stands where it is looked for."""
    store, now = run.means.store, run.means.clock()
    if delivery.state is DeliveryState.DEAD:
        store.append_dead_letters([dead_letter(entry, delivery, now=now)])
        run.counters.dead_lettered += 1
    if entry.origin is not Origin.REFRESH:
        store.append_outbox([attempt_line(delivery)])
    if has_told(entry, delivery):
        for each in run.told_by(entry):
            record_told(run.ledger, each.incident, delivery.view, delivery.dedup_key, delivery.id, now=now)
    if delivery.state is not DeliveryState.PENDING:
        leave_lane(run, delivery)
        delivery_ended(run, entry, delivery)


def _cancel(run: DispatchRun, entry: Entry, delivery: Delivery) -> None:
    """There is nothing to tell any more."""
    delivery.state = DeliveryState.CANCELLED
    delivery.last = AttemptResult(False, "resolved_before_delivery").as_json()
    _written_down(run, entry, delivery)


def leave_lane(run: DispatchRun, delivery: Delivery) -> None:
    lane = run.lanes.get(delivery.sink_id, [])
    run.lanes[delivery.sink_id] = [item for item in lane if item[1] is not delivery]
