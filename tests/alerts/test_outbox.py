"""The journal: whatever its end, it loses nothing that is owed and brings nothing back that was told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from opsd.alerts.model import AttemptResult
from opsd.alerts.records.outbox import (
    Delivery,
    DeliveryState,
    Entry,
    Origin,
    attempt_line,
    compacted,
    fold,
    has_told,
    reported_line,
)
from opsd.alerts.records.rows import Escalation, read_line
from opsd.storage.alert_store import AlertPaths, AlertStore
from tests.alerts.builders import NOW, delivery, entry, row, settled

_OVER = (DeliveryState.DELIVERED, DeliveryState.DEAD, DeliveryState.CANCELLED)


@st.composite
def journals(draw: st.DrawFn) -> list[dict[str, Any]]:
    """The lines of a run: intents, attempts at them in any order, rows that were reported."""
    lines: list[dict[str, Any]] = []
    open_deliveries: list[Delivery] = []
    entries: list[Entry] = []
    for _ in range(draw(st.integers(1, 25))):
        step = draw(st.sampled_from(["intent", "attempt", "reported"]))
        if step == "intent" or not open_deliveries:
            number = len(entries) + 1
            made = [delivery(f"omd_{number}_{sink}", f"sink{sink}") for sink in range(draw(st.integers(0, 3)))]
            escalation = row(number=number, text=draw(st.text(max_size=5)))
            entries.append(entry(f"e{number}", *made, escalation=escalation))
            open_deliveries += made
            lines.append(entries[-1].as_json())
        elif step == "attempt":
            one = draw(st.sampled_from(open_deliveries))
            state = draw(st.sampled_from(list(DeliveryState)))
            lines.append(attempt_line(settled(one, state, attempts=one.attempts + 1, maybe=draw(st.booleans()))))
            if state in _OVER:
                open_deliveries.remove(one)
        else:
            lines.append(reported_line(draw(st.sampled_from(entries))))
    return lines


def _states(lines: list[dict[str, Any]]) -> dict[str, DeliveryState]:
    """Where every delivery stands by the plain reading of its lines: the last one that names it."""
    states = {}
    for line in lines:
        if line["kind"] == "entry":
            states |= {one["deliveryId"]: DeliveryState.PENDING for one in line["deliveries"]}
        elif line["kind"] == "attempt":
            states[line["deliveryId"]] = DeliveryState(line["state"])
    return states


def _folded(lines: list[dict[str, Any]]) -> dict[str, DeliveryState]:
    return {one.id: one.state for found in fold(lines).values() for one in found.deliveries}


@given(journals())
def test_no_prefix_of_a_journal_loses_what_is_owed_or_brings_back_what_is_over(lines: list[dict[str, Any]]) -> None:
    before: dict[str, DeliveryState] = {}
    for length in range(len(lines) + 1):
        found = _folded(lines[:length])
        assert found == _states(lines[:length])
        assert all(found[identity] is state for identity, state in before.items() if state in _OVER)
        before = found


@given(journals())
def test_a_compacted_journal_says_what_the_long_one_said(lines: list[dict[str, Any]]) -> None:
    long = fold(lines)
    short = fold(compacted(long.values()))
    assert [one.as_json() for one in short.values()] == [one.as_json() for one in long.values()]


@given(journals(), st.data())
def test_lines_that_make_no_sense_change_nothing(lines: list[dict[str, Any]], data: st.DataObject) -> None:
    nonsense = st.sampled_from(
        [
            {},
            {"kind": "attempt", "deliveryId": "nobody's"},
            {"kind": "attempt"},
            {"kind": "reported", "entry": ["x"]},
            {"kind": "entry", "entry": "half"},
            {"kind": 5},
        ]
    )
    spoilt = list(lines)
    for _ in range(data.draw(st.integers(1, 4))):
        spoilt.insert(data.draw(st.integers(0, len(spoilt))), data.draw(nonsense))
    assert _folded(spoilt) == _folded(lines)


@given(journals(), st.data())
def test_a_journal_that_was_torn_at_any_byte_holds_its_whole_lines(
    tmp_path_factory: Any, lines: list[dict[str, Any]], data: st.DataObject
) -> None:
    folder: Path = tmp_path_factory.mktemp("torn")
    store = AlertStore(AlertPaths("rows", str(folder / "state.json"), str(folder / "alerts.jsonl"), {}))
    store.append_outbox(lines, durable=False)
    path = Path(store.outbox_file)
    whole = path.read_bytes()
    kept = whole[: data.draw(st.integers(0, len(whole)))]
    path.write_bytes(kept)
    left = kept.count(b"\n")
    assert _folded(store.read_outbox()) == _folded(lines[:left])
    store.append_outbox(lines[left:], durable=False)  # a run that goes on closes the torn line first
    assert _folded(store.read_outbox()) == _folded(lines)


def test_a_row_keeps_its_exact_text() -> None:
    text = b' {"category":"c","big":12345678901234567890,"one":1.0}\r'
    exact = read_line(3, text, loop_id="demo", trace_id="tr")
    assert isinstance(exact, Escalation)
    (back,) = fold([entry("e", escalation=exact).as_json()]).values()
    assert (back.escalation.raw, back.escalation.exact) == (exact.raw, exact.exact)


def test_who_was_told_is_who_got_it_or_may_have() -> None:
    def told(state: DeliveryState, *, maybe: bool = False, **more: Any) -> bool:
        return has_told(entry("e", **more), settled(delivery("d"), state, maybe=maybe))

    assert told(DeliveryState.DELIVERED)
    assert told(DeliveryState.DEAD, maybe=True)
    assert not told(DeliveryState.DEAD)
    assert not told(DeliveryState.PENDING, maybe=True)
    assert not told(DeliveryState.DELIVERED, origin=Origin.RESOLVE, resolved_at="2026-11-24T12:00:00Z")


def test_attempts_are_counted_from_the_first() -> None:
    one = delivery("d")
    one.note(AttemptResult(False, "http_error", 500, "no", True), now=NOW)
    one.note(AttemptResult(True, None, 200), now=NOW + 5)
    assert (one.attempts, one.first_attempt_at, one.last_attempt_at) == (2, NOW, NOW + 5)
    assert one.last == {"status": "success", "httpStatus": 200, "reasonCode": None, "message": None}
