"""What becomes of one escalation: a pipeline of small questions, each with a named answer (contract 50, 4.4, R13-R16).

Route, severity, sinks, inhibition, silence, repetition, grouping, in this order; the first one that ends the row's way
names the reason that telemetry shows. Pure: what is asked of is handed over in :class:`Surroundings`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256

from opsd.alerts.model import AlertSeverity, ResolvedSink
from opsd.alerts.muting.inhibition import InhibitRule, inhibiting
from opsd.alerts.muting.matchers import Labels
from opsd.alerts.muting.silences import Silence, silencing
from opsd.alerts.records.incidents import Ledger, fingerprint, incident_key
from opsd.alerts.records.rows import Escalation
from opsd.alerts.routing.delivery_settings import CategoryRules, GroupRules
from opsd.contract import jsoncodec
from opsd.contract.jsoncodec import JsonObject


class Reason(StrEnum):
    """Why nobody is told of a row."""

    SEVERITY_BELOW_MIN = "severity_below_min"
    NO_SINKS = "no_dispatchable_sinks"
    INHIBITED = "inhibited"
    SILENCED = "silenced"
    COALESCED = "coalesced"


@dataclass(frozen=True, slots=True)
class Routed:
    """What the resolver said of a row; ``route`` is its whole answer."""

    severity: AlertSeverity
    should_dispatch: bool
    sinks: tuple[ResolvedSink, ...]
    route: JsonObject


@dataclass(frozen=True, slots=True)
class Unrouted:
    """The resolver failed (``message`` is what it said; it may work later), or its ``output`` is no route."""

    message: str = ""
    output: str | None = None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a decision looks at beside the row."""

    now: float
    ledger: Ledger
    silences: Sequence[Silence] = ()
    inhibit_rules: Sequence[InhibitRule] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """``reason`` None: tell ``sinks``. ``details`` are what telemetry adds; ``group`` is set when the row waits."""

    reason: Reason | None
    sinks: tuple[ResolvedSink, ...] = ()
    details: JsonObject = field(default_factory=dict)
    group: str = ""
    release_at: float = 0.0

    @property
    def held(self) -> bool:
        """The row is told later, if its incident is still open then."""
        return self.reason in (Reason.INHIBITED, Reason.SILENCED)


def decide(row: Escalation, routed: Routed, rules: CategoryRules, around: Surroundings) -> Decision:
    """Whom to tell of a row, or why nobody."""
    if not routed.should_dispatch:
        return Decision(Reason.SEVERITY_BELOW_MIN)
    if not routed.sinks:
        return Decision(Reason.NO_SINKS)
    decision = muted(row, routed, around)
    if decision is not None:
        return decision
    sinks = tuple(
        sink for sink in routed.sinks if not silencing(around.silences, labels_of(row, routed, sink), around.now)
    )
    incident = around.ledger.open.get(incident_key(row))
    if (
        rules.coalesce_s > 0
        and incident is not None
        and incident.told_at
        and around.now - incident.told_at < rules.coalesce_s
        and incident.fingerprint == fingerprint(row)
    ):
        return Decision(Reason.COALESCED)
    if rules.group is None:
        return Decision(None, sinks)
    group = group_key(row, routed.severity, sinks, rules.group)
    last = around.ledger.group_told_at.get(group)
    release_at = around.now + rules.group.wait_s
    if last is not None:
        release_at = max(release_at, last + rules.group.interval_s)
    return Decision(None, sinks, {"groupKey": group}, group, release_at)


def muted(row: Escalation, routed: Routed, around: Surroundings) -> Decision | None:
    """Inhibition, then silences: a row is silenced when every sink of its route is."""
    labels = labels_of(row, routed, None)
    source = inhibiting(around.inhibit_rules, labels, incident_labels(around.ledger))
    if source is not None:
        return Decision(Reason.INHIBITED, details={"inhibitedBy": source})
    found = [silencing(around.silences, labels_of(row, routed, sink), around.now) for sink in routed.sinks]
    if found and all(found):
        return Decision(Reason.SILENCED, details={"silenceIds": sorted({one for ids in found for one in ids})})
    return None


def labels_of(row: Escalation, routed: Routed, sink: ResolvedSink | None) -> Labels:
    """The labels that matchers look at."""
    named = {} if sink is None else {"sinkId": (sink.id,)}
    return {**row.labels, "severity": (routed.severity.value,), **named}


def incident_labels(ledger: Ledger) -> Mapping[str, Labels]:
    """The labels of every open incident, by its key."""
    return {
        key: {**incident.escalation.labels, "severity": (incident.severity.value,)}
        for key, incident in ledger.open.items()
    }


def group_key(row: Escalation, severity: AlertSeverity, sinks: Sequence[ResolvedSink], rules: GroupRules) -> str:
    """Rows with equal values of the labels in ``by``, told to the same sinks, share a notification (R15)."""
    labels = {**row.labels, "severity": (severity.value,)}
    parts = [[name, list(labels.get(name, ()))] for name in rules.by] + [["sinks", sorted(sink.id for sink in sinks)]]
    return sha256(jsoncodec.dumps(parts)).hexdigest()[:32]
