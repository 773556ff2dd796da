"""The history begins anew when it has grown, and nothing that an evaluation could want to know is lost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.contract.timestamps import format_utc
from opsd.fleet.policy import retention
from opsd.fleet.policy.memory import HistoryFold, PolicyMemory
from opsd.fleet.policy.retention import CarriedRows, begins_anew_over
from opsd.fleet.policy.run import PolicyRequest, run_policy
from opsd.storage.fleet_parts import FleetDocument, FleetLog
from opsd.storage.fleet_store import FileFleetStore
from tests.fleet.policy.factories import NOW, registry, result

NAMES = ("a:health_critical", "a:reconcile_failed", "b:health_critical", "gone:health_critical")
#: More than is kept in any case.
DAYS = 8 * 24 * 3600
ROWS = st.lists(
    st.fixed_dictionaries(
        {"candidateId": st.sampled_from(NAMES)},
        optional={
            "timestamp": st.integers(NOW - 500, NOW + 50).map(format_utc) | st.sampled_from(["soon", None, 7]),
            "suppressed": st.sampled_from([True, False, None]),
            "autonomousEligible": st.booleans(),
        },
    ),
    max_size=40,
)


def _seen(rows: Any) -> dict[str, Any]:
    fold = HistoryFold()
    for row in rows:
        fold.add(row)
    return {name: fold.seen(name) for name in NAMES}


@given(ROWS)
def test_what_is_carried_over_tells_the_same_two_moments_of_every_candidate(rows: list[Any]) -> None:
    carried = CarriedRows({"a", "b", "gone"}, now=NOW, needed_s=0)
    for row in rows:
        carried.add(row)
    kept = carried.rows()
    assert _seen(kept) == _seen(rows)
    assert len(kept) <= 2 * len(NAMES)
    assert [row for row in rows if any(row is one for one in kept)] == kept


@given(ROWS)
def test_of_a_loop_that_was_removed_only_what_is_young_is_carried_over(rows: list[Any]) -> None:
    carried = CarriedRows({"a", "b"}, now=NOW + DAYS, needed_s=DAYS + 100)
    for row in rows:
        carried.add(row)
    before, after = _seen(rows), _seen(carried.rows())
    gone = "gone:health_critical"
    assert {name: after[name] for name in NAMES[:3]} == {name: before[name] for name in NAMES[:3]}
    for known, kept in zip(before[gone], after[gone], strict=True):
        assert kept == (known if known is not None and known >= NOW - 100 else None)


def test_a_large_fleet_is_put_aside_later() -> None:
    assert begins_anew_over(10) == begins_anew_over(1000) < begins_anew_over(10_000)


@pytest.mark.parametrize("dies", [False, True])
def test_no_decision_depends_on_whether_the_history_was_put_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies: bool
) -> None:
    """Two fleets with one past; one of them begins its history anew, and may die while it does."""
    plain, bounded = FileFleetStore(str(tmp_path / "plain")), FileFleetStore(str(tmp_path / "bounded"))

    def run(store: FileFleetStore, at: int, memory: PolicyMemory | None = None) -> Any:
        request = PolicyRequest(trace_id=f"t{at}")
        return run_policy(store, registry(), request, clock=lambda: at, memory=memory)

    results = [result("a"), result("b", "success", "critical")]
    state = {"fleetId": "harbor", "traceId": "fl-7", "status": "x", "results": results}
    plain.replace(FleetDocument.STATE, state)
    memory = PolicyMemory(bounded)
    for at in (NOW, NOW + 5):
        run(plain, at)
    shutil.copytree(tmp_path / "plain", tmp_path / "bounded")
    monkeypatch.setattr(retention, "_OVER_BYTES", 1)
    monkeypatch.setattr(retention, "_LOOP_BYTES", 0)
    if dies:
        with monkeypatch.context() as patch:
            patch.setattr("opsd.storage.files.replace_file", _die)
            with pytest.raises(KeyboardInterrupt):
                run(bounded, NOW + 9, memory)
        assert Path(bounded.location(FleetLog.POLICY_HISTORY)).read_bytes()
    ours = run(bounded, NOW + 10, memory)
    aside = Path(f"{bounded.location(FleetLog.POLICY_HISTORY)}.1")
    assert len(aside.read_text().splitlines()) == 4
    monkeypatch.undo()
    theirs = run(plain, NOW + 10)
    keys = ("candidateId", "suppressed", "suppressionReason", "cooldown", "autonomous")
    assert [[one[key] for key in keys] for one in ours["candidates"]] == [
        [one[key] for key in keys] for one in theirs["candidates"]
    ]
    rows = [json.loads(line) for line in Path(bounded.location(FleetLog.POLICY_HISTORY)).read_text().splitlines()]
    assert [row["traceId"] for row in rows] == [f"t{NOW}"] * 2 + [f"t{NOW + 10}"] * 2
    assert run(bounded, NOW + 11, memory)["candidates"] == run(bounded, NOW + 11)["candidates"]


def _die(*_args: Any, **_named: Any) -> None:
    raise KeyboardInterrupt
