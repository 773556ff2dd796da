"""The ledger of incidents, and when an incident is over."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.alerts.model import AlertSeverity
from opsd.alerts.records.incidents import (
    MAX_KEYS,
    RESEND_RESOLVED_S,
    Ledger,
    fingerprint,
    forget_old,
    ledger_json,
    parse_ledger,
    record_resolved,
    record_row,
    record_told,
)
from opsd.alerts.recovery import EVIDENCE, has_recovered
from opsd.contract import jsoncodec
from opsd.contract.timestamps import format_utc
from tests.alerts.builders import NOW, row

VIEW = {"id": "desk", "type": "webhook"}
KEY = "demo:health_critical"


def ledger(*told: str, at: float = NOW) -> Ledger:
    """One open incident that a sink was told of."""
    found = Ledger(last_line=7)
    record_row(found, row(), AlertSeverity.CRITICAL, {"a": 1}, now=at)
    for number, key in enumerate(told):
        record_told(found, KEY, VIEW, key, f"omd_{number}", now=at + number)
    return found


def stored(found: Ledger) -> Any:
    """As a later run reads it."""
    return jsoncodec.loads(jsoncodec.dumps(ledger_json(found, now=NOW)))


def test_a_ledger_is_read_as_it_was_written() -> None:
    found = ledger("k1", "k2", at=NOW + 0.125)
    record_row(found, row("other", 2, timestamp="2026-11-24T12:00:09Z"), AlertSeverity.INFO, None, now=NOW, held="why")
    record_resolved(found, found.open[KEY], now=NOW + 9.5)
    found.group_told_at = {"g": NOW}
    assert ledger_json(parse_ledger(stored(found)), now=NOW) == ledger_json(found, now=NOW)


@pytest.mark.parametrize("damage", [None, 5, [], {}, {"row": {}}, {"row": {"line": 1, "exact": "[]", "traceId": ""}}])
def test_an_incident_that_makes_no_sense_takes_no_other_with_it(damage: Any) -> None:
    document = stored(ledger("k"))
    document["incidents"] = {"broken": damage, **document["incidents"]}
    document["resolved"] = {"broken": damage}
    document["groups"] = {"broken": [], "g": 5.0}
    found = parse_ledger(document)
    assert (list(found.open), found.resolved, found.group_told_at, found.last_line) == ([KEY], {}, {"g": 5.0}, 7)


@pytest.mark.parametrize("document", [{}, {"incidents": 5}, {"lastLine": "x", "groups": []}])
def test_a_ledger_that_makes_no_sense_is_an_empty_one(document: Any) -> None:
    assert parse_ledger(document) == Ledger()


def test_telling_the_same_twice_changes_nothing() -> None:
    found = ledger("k1")
    before = ledger_json(found, now=NOW)
    record_told(found, KEY, VIEW, "k1", "omd_0", now=NOW)
    assert ledger_json(found, now=NOW) == before
    record_told(found, "nobody:knows", VIEW, "k1", "omd_0", now=NOW)
    assert ledger_json(found, now=NOW) == before


def test_the_newest_keys_of_a_sink_are_kept() -> None:
    found = ledger(*(f"k{number}" for number in range(MAX_KEYS + 3)))
    keys = list(found.open[KEY].told["desk"].keys)
    assert (len(keys), keys[0], keys[-1]) == (MAX_KEYS, "k3", f"k{MAX_KEYS + 2}")


def test_a_new_row_moves_the_incident_on_and_never_back() -> None:
    found = ledger()
    later, earlier = row(number=2, timestamp=format_utc(NOW + 60)), row(number=3, timestamp=format_utc(NOW + 30))
    for one in (later, earlier):
        record_row(found, one, AlertSeverity.WARNING, None, now=NOW)
    incident = found.open[KEY]
    assert (incident.opened_at, incident.last_row_at, incident.escalation) == (NOW, NOW + 60, earlier)


def test_what_was_resolved_is_remembered_for_as_long_as_it_is_told_again() -> None:
    found = ledger("k")
    record_resolved(found, found.open[KEY], now=NOW)
    forget_old(found, now=NOW + RESEND_RESOLVED_S - 1)
    assert list(found.resolved) == [KEY]
    forget_old(found, now=NOW + RESEND_RESOLVED_S)
    assert found.resolved == {}


def test_rows_are_equal_but_for_their_time_trace_and_evidence() -> None:
    first = row("divergence_detected", 1, divergenceFlags={"a": True}, timestamp="t1", traceId="x", state={"n": 1})
    again = row("divergence_detected", 2, divergenceFlags={"a": True}, timestamp="t2", traceId="y", state={"n": 2})
    other = row("divergence_detected", 3, divergenceFlags={"a": False})
    assert fingerprint(first) == fingerprint(again) != fingerprint(other)
    assert fingerprint(row(loop_id="a")) != fingerprint(row(loop_id="b"))


SHOWS: dict[str, Any] = {
    "health_critical": {"status": "healthy"},
    "health_degraded": {"status": "critical"},
    "divergence_detected": {"divergence": {"any": False}},
    "ordering_drift_detected": {"driftActive": False},
    "profile_drift_detected": {"driftActive": False},
}


def recovered(category: str, document: Any, *, last_row_at: float = NOW, **more: Any) -> bool:
    values = {"own_loop": True, "resolve_after_s": None, "now": NOW + 1000, **more}
    return has_recovered(category, last_row_at, lambda _name: document, **values)


@pytest.mark.parametrize("category", EVIDENCE)
@given(behind=st.integers(-100, 100))
def test_only_a_newer_document_shows_a_recovery(category: str, behind: int) -> None:
    document = {**SHOWS[category], EVIDENCE[category].time_key: format_utc(NOW + behind)}
    assert recovered(category, document) is (behind > 0)


@pytest.mark.parametrize("category", EVIDENCE)
@given(
    document=st.dictionaries(
        st.sampled_from(["status", "divergence", "driftActive"]),
        st.none() | st.text() | st.integers() | st.dictionaries(st.just("any"), st.none() | st.text() | st.just(True)),
    )
)
def test_a_document_of_another_form_is_no_recovery(category: str, document: Any) -> None:
    later = {**document, "updatedAt": format_utc(NOW + 9), "generatedAt": format_utc(NOW + 9)}
    known = {"health_critical": ("healthy", "degraded"), "health_degraded": ("healthy", "critical")}
    if document.get("status") not in known.get(category, ()):
        assert not recovered(category, later)


def test_other_categories_and_other_loops_end_by_quiet_alone() -> None:
    assert not recovered("mine", {})
    assert recovered("mine", {}, resolve_after_s=1000)
    assert not recovered("mine", {}, resolve_after_s=1001)
    healthy = {"status": "healthy", "updatedAt": format_utc(NOW + 9)}
    assert not recovered("health_critical", healthy, own_loop=False)
