"""What an operator may look at and try without touching offset, journal or ledger (contract 50, R11, R20, R21)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from opsd.alerts.decide import Unrouted, decide
from opsd.alerts.model import AlertSeverity, HttpAnswer, ResolvedSink
from opsd.alerts.records.dead_letters import outstanding, shown
from opsd.alerts.records.outbox import Delivery, Entry, Origin
from opsd.alerts.records.rows import Escalation, UnusableLine, derived_delivery_id, read_line
from opsd.alerts.records.state import previous_offset, previous_position
from opsd.alerts.run.dispatch_run import DispatchRun
from opsd.alerts.run.intake import deliveries_of
from opsd.alerts.run.sending import LEASE_MARGIN_S, notification_of
from opsd.alerts.sinks import SINK_TYPES
from opsd.alerts.sinks.base import MissingSecretError
from opsd.alerts.targets import retry
from opsd.alerts.targets.target_state import target_of
from opsd.contract import jsoncodec
from opsd.contract.errors import UsageError
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.secrets import MASK
from opsd.contract.timestamps import format_utc
from opsd.net.addresses import shown_url

if TYPE_CHECKING:
    from opsd.alerts.run.drive import Sender


def dead_letters(run: DispatchRun) -> JsonObject:
    """The deliveries that were given up and not told again since."""
    letters = outstanding(run.means.store.read_dead_letters())
    return {
        "schemaVersion": "v1",
        "loopId": run.loop_id,
        "count": len(letters),
        "deadLetters": [shown(letter) for letter in letters.values()],
    }


def dry_run(run: DispatchRun) -> JsonObject:
    """What the next run would send for new rows, secrets masked; nothing is sent or written.

    Raises:
        ManagerFileError: the state is no JSON object.
    """
    state = run.means.store.read_state() or {}
    start = previous_position(state)
    found = run.means.store.read_rows(start, run.max_rows or 1000)
    run.offset = previous_offset(state)
    rows = []
    for number, raw in enumerate(found.lines if found is not None else [], run.offset + 1):
        row = read_line(number, raw, loop_id=run.loop_id, trace_id=run.trace_id)
        rows.append({"line": number, **_rehearse(run, row)})
    return {"schemaVersion": "v1", "loopId": run.loop_id, "dryRun": True, "rows": rows}


def _rehearse(run: DispatchRun, row: Escalation | UnusableLine) -> JsonObject:
    if isinstance(row, UnusableLine):
        return {"verdict": "unusable", "reasonCode": row.why.value}
    routed = run.means.resolve(row.category, row.severity)
    if isinstance(routed, Unrouted):
        return {"verdict": "unrouted", "category": row.category, "message": routed.message or routed.output}
    decision = decide(row, routed, run.means.settings.of(row.category), run.surroundings())
    if decision.reason is not None:
        reason = str(decision.reason)
        return {"verdict": "skipped", "category": row.category, "reasonCode": reason, **decision.details}
    now = run.means.clock()
    deliveries = deliveries_of(run, row, decision.sinks, decision.group)
    entry = Entry("", Origin.ROW, row, now, routed.severity, routed.route, deliveries)
    requests = [
        _shown_request(run, entry, delivery, sink, now)
        for delivery, sink in zip(deliveries, decision.sinks, strict=True)
    ]
    return {"verdict": "send", "category": row.category, "severity": routed.severity.value, "requests": requests}


def _shown_request(run: DispatchRun, entry: Entry, delivery: Delivery, sink: ResolvedSink, now: float) -> JsonObject:
    """A request without what is secret of it: the address by scheme and host, secret values masked."""
    head: JsonObject = {"deliveryId": delivery.id, "sinkId": sink.id, "type": sink.type}
    kind = SINK_TYPES.get(sink.type)
    if kind is None:
        return {**head, "reasonCode": "unsupported_sink_type"}
    try:
        request = kind.request(notification_of(run, entry, delivery, now), sink, run.means.env, now=now)
    except MissingSecretError as error:
        return {**head, "reasonCode": "missing_secret", "message": error.message}
    body = request.body
    secrets = [run.means.env.secret(name) for name in sink.secret_refs.values()]
    for secret in sorted({secret for secret in secrets if secret}, key=len, reverse=True):
        body = body.replace(jsoncodec.dumps(secret)[1:-1], MASK.encode())
    return {
        **head,
        "url": shown_url(request.url),
        "headers": [name for name, _ in request.headers],
        "body": _json(body),
    }


def _json(body: bytes) -> object:
    try:
        return jsoncodec.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")


def test_sink(run: DispatchRun, sink_id: str, open_sender: Callable[[], Sender]) -> JsonObject:
    """Send a synthetic ``info`` event to one sink, and say what came back (R21).

    Raises:
        UsageError: there is no such sink, or it is switched off.
    """
    import asyncio

    sink = run.means.current_sink({"id": sink_id})
    if sink is None or sink.type not in SINK_TYPES:
        raise UsageError(f"no enabled sink with id: {sink_id}")
    now = run.means.clock()
    text: JsonObject = {
        "timestamp": format_utc(now),
        "loopId": run.loop_id,
        "traceId": run.trace_id,
        "category": "alert_sink_test",
        "severity": "info",
        "message": "a test of this alert sink; nothing is wrong",
    }
    row = read_line(0, jsoncodec.dumps(text), loop_id=run.loop_id, trace_id=run.trace_id)
    if isinstance(row, UnusableLine):
        raise UsageError("the test event cannot be made")
    delivery = Delivery(derived_delivery_id("test", run.trace_id, sink_id), sink.view, f"test:{run.trace_id}")
    entry = Entry("test", Origin.ROW, row, now, AlertSeverity.INFO, None, [delivery])

    async def send() -> HttpAnswer | str:
        kind = SINK_TYPES[sink.type]
        try:
            request = kind.request(notification_of(run, entry, delivery, now), sink, run.means.env, now=now)
        except MissingSecretError as error:
            return error.message
        target = target_of(sink, kind.target(sink, run.means.env) or "")
        lease_s = sink.timeout_s + LEASE_MARGIN_S
        admission = run.means.health.admit(target, sink.rules.rate, now, lease_s=lease_s)
        if not admission.admitted:
            return str(admission.reason)
        sender = open_sender()
        try:
            answer = await sender.send(request, sink.timeout_s)
        finally:
            await sender.close()
        result = retry.judge(answer, kind)
        run.means.health.record(target, result, run.means.clock(), probe=admission.probe)
        return answer

    answer = asyncio.run(send())
    head: JsonObject = {"schemaVersion": "v1", "sinkId": sink_id, "type": sink.type, "deliveryId": delivery.id}
    if isinstance(answer, str):
        code = answer if answer in ("rate_limited", "circuit_open") else "missing_secret"
        return {**head, "status": "failed", "reasonCode": code, "httpStatus": None, "message": answer}
    return {**head, **retry.judge(answer, SINK_TYPES[sink.type]).as_json()}
