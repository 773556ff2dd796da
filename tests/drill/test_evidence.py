"""The evidence file: what is recorded, what is kept, what is refused."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.contract.errors import ManagerFileError
from opsd.drill.evidence import DrillResult, Observed, parse_evidence, with_result
from opsd.promotion.evidence import parse_drills
from opsd.promotion.inputs import DrillRecords
from opsd.promotion.words import Drill

NOW = 1_795_680_000.0  # 2026-11-26T08:00:00Z
HELD, BROKEN = Observed("it holds", True, "seen"), Observed("it holds", False, "not seen")

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
entries = st.fixed_dictionaries({"id": st.sampled_from([*Drill, "other"])}, optional={"note": json_values})
documents = st.fixed_dictionaries({"drills": st.lists(entries | json_values, max_size=6)}, optional={"x": json_values})


def result(*observed: Observed, drill: Drill = Drill.KILL_SWITCH, **changes: Any) -> DrillResult:
    given = {"started_at": NOW - 9.04, "ended_at": NOW, "fleet": "sandbox", "version": "1.2.3", **changes}
    return DrillResult(drill, observed=observed, **given)


def test_an_entry_tells_what_was_observed() -> None:
    assert result(HELD, commit="abc", sandbox="/s").document() == {
        "id": "kill_switch",
        "status": "pass",
        "completedAt": "2026-11-26T08:00:00Z",
        "startedAt": "2026-11-26T07:59:50Z",
        "durationSeconds": 9.0,
        "fleet": "sandbox",
        "version": "1.2.3",
        "commit": "abc",
        "sandbox": "/s",
        "observed": [{"claim": "it holds", "held": True, "found": "seen"}],
    }


@pytest.mark.parametrize(
    "one",
    [result(), result(HELD, BROKEN), result(HELD, error="the daemon ended at its start")],
    ids=["nothing was looked at", "one claim did not hold", "it was not carried out to its end"],
)
def test_a_drill_passes_only_when_all_of_it_was_seen_to_hold(one: DrillResult) -> None:
    assert one.document()["status"] == "fail"


@given(documents, st.sampled_from(list(Drill)))
def test_recording_a_drill_changes_nothing_else(document: dict[str, Any], drill: Drill) -> None:
    before = copy.deepcopy(document)
    after = with_result(document, result(HELD, drill=drill))
    assert document == before
    assert {key: value for key, value in after.items() if key not in ("drills", "updatedAt")} == {
        key: value for key, value in before.items() if key not in ("drills", "updatedAt")
    }
    first = next((one for one in after["drills"] if isinstance(one, dict) and one.get("id") == drill), None)
    assert first is not None
    assert (first["status"], first["completedAt"]) == ("pass", "2026-11-26T08:00:00Z")
    others = [one for one in after["drills"] if one is not first]
    left = list(before["drills"])
    if len(after["drills"]) == len(left):
        left.pop(after["drills"].index(first))
    assert others == left


@pytest.mark.parametrize("data", [None, b"null", b"{}", b'{"drills": null}', b'{"drills": false}'])
def test_a_file_without_drills_begins_anew(data: bytes | None) -> None:
    document = with_result(parse_evidence(data, "f"), result(HELD))
    assert parse_drills(json.dumps(document).encode()) == DrillRecords([result(HELD).document()])


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"7", b'{"drills": {}}', b"{} {}"])
def test_what_the_gates_would_call_invalid_is_not_written_over(data: bytes) -> None:
    with pytest.raises(ManagerFileError, match=r"invalid drill state JSON: f;"):
        parse_evidence(data, "f")
