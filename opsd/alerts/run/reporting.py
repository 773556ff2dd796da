"""What telemetry says of deliveries: one row for each escalation when its sinks are done or the budget ends, and one
for each delivery that ends later (contract 50, section 6 and R3)."""

from __future__ import annotations

from collections.abc import Iterable

from opsd.alerts.model import AttemptResult
from opsd.alerts.records import telemetry
from opsd.alerts.records.outbox import Delivery, DeliveryState, Entry, Origin, reported_line
from opsd.alerts.run.dispatch_run import DispatchRun
from opsd.contract.jsoncodec import JsonObject

#: Of a delivery whose turn did not come within the budget.
NOT_TRIED = {"status": "failed", "reasonCode": "budget_exhausted", "httpStatus": None, "message": None}
_KINDS = {Origin.ROW: "retry"}


def delivery_ended(run: DispatchRun, entry: Entry, delivery: Delivery) -> None:
    """A delivery is over: its entry's row may be due, or it gets a row of its own."""
    run.means.observer.ended(entry, delivery)
    if entry.reported:
        _report_alone(run, entry, delivery)
    if not entry.pending:
        report(run, entry)


def report(run: DispatchRun, entry: Entry) -> None:
    """The entry's row, and those of the rows that it tells too."""
    told = [each for each in run.told_by(entry) if not each.reported]
    if not told:
        return
    rows = []
    for each in told:
        each.reported = True
        rows.append(_row(run, each, entry.deliveries, _kind(each)))
        if each.origin is Origin.ROW and not each.backlog:
            count_report(run, each, entry.deliveries)
        elif each is entry:
            _count_backlog(run, entry.deliveries)
    if not run.rows.fill(entry, rows, told):
        _write(run, rows, told)
    flush(run)


def flush(run: DispatchRun) -> None:
    """Write the telemetry of new rows, as far as none overtakes another."""
    ready = run.rows.ready()
    _write(run, [row for place in ready for row in place.rows or ()], [each for place in ready for each in place.told])


def _write(run: DispatchRun, rows: list[JsonObject], told: list[Entry]) -> None:
    run.means.store.append_telemetry(rows)
    run.means.store.append_outbox([reported_line(each) for each in told], durable=False)


def report_late(run: DispatchRun, *, all_of_them: bool) -> None:
    """Rows whose budget has ended say so now; ``all_of_them``: the run ends. One that waits for its group has time."""
    now = run.means.clock()
    for entry in list(run.entries.values()):
        if entry.reported or entry.leader or entry.release_at > now or entry.origin is Origin.REFRESH:
            continue
        if all_of_them or entry.report_by <= now or not entry.pending:
            report(run, entry)


def count_report(run: DispatchRun, entry: Entry, deliveries: Iterable[Delivery] | None = None) -> None:
    """Count a new row by its deliveries (50, 4.4, step 9)."""
    told = list(entry.deliveries if deliveries is None else deliveries)
    bad = [delivery for delivery in told if delivery.state is not DeliveryState.DELIVERED]
    run.counters.dispatched += len(bad) < len(told)
    run.counters.failed += bool(bad)
    for delivery in bad:
        run.counters.codes.add(_result(run, delivery).get("reasonCode") or "sink_dispatch_failed")


def _report_alone(run: DispatchRun, entry: Entry, delivery: Delivery) -> None:
    """What became of one delivery after the rows of what it tells were written (R3, R11)."""
    if entry.origin is Origin.REFRESH:
        return
    extra: JsonObject = {"deliveryKind": _KINDS.get(entry.origin, entry.origin.value), "deliveryId": delivery.id}
    if delivery.state is DeliveryState.DEAD:
        extra["reasonCode"] = "dead_lettered"
    elif delivery.state is DeliveryState.CANCELLED:
        extra |= {"status": "skipped", "reasonCode": delivery.last.get("reasonCode")}
    late = [each for each in run.told_by(entry) if each.reported]
    run.means.store.append_telemetry([_row(run, each, [delivery], extra) for each in late])
    _count_backlog(run, [delivery])


def _count_backlog(run: DispatchRun, deliveries: Iterable[Delivery]) -> None:
    run.counters.from_backlog += sum(delivery.state is DeliveryState.DELIVERED for delivery in deliveries)


def _kind(entry: Entry) -> JsonObject:
    if entry.origin is Origin.ROW and not entry.backlog:
        return {}
    return {"deliveryKind": _KINDS.get(entry.origin, entry.origin.value)}


def _row(run: DispatchRun, entry: Entry, deliveries: Iterable[Delivery], extra: JsonObject) -> JsonObject:
    group: JsonObject = {"groupKey": entry.group} if entry.group else {}
    sinks = [_sink(run, delivery) for delivery in deliveries]
    severity = entry.severity.value
    return telemetry.sent(run.telemetry(), entry.escalation, severity, entry.route, sinks, {**group, **extra})


def _sink(run: DispatchRun, delivery: Delivery) -> JsonObject:
    kind = delivery.view.get("type")
    shown: JsonObject = {"id": delivery.sink_id, "type": kind if isinstance(kind, str) and kind else "unknown"}
    shown |= _result(run, delivery)
    if delivery.state is DeliveryState.PENDING:
        shown |= {"retryPending": True, "attempts": delivery.attempts, "deliveryId": delivery.id}
    return shown


def _result(run: DispatchRun, delivery: Delivery) -> JsonObject:
    """What is known of a delivery. One whose target is left alone says why, with what its last attempt heard (R9, R10).

    That is not kept: a dead letter names the last attempt.
    """
    refusal = run.refusal(delivery) if delivery.state is DeliveryState.PENDING else None
    if refusal is not None:
        return AttemptResult(False, refusal, message=delivery.last.get("message")).as_json()
    return delivery.last or NOT_TRIED
