"""Whatever kind of value a sprite sends in whatever place, a pass has an outcome."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from opsd.contract import jsoncodec
from opsd.contract.reasons import TransportKind
from opsd.loop.evaluate import evaluate
from opsd.loop.outcome import PassTime
from opsd.storage.model import LoopMemory
from opsd.transport.base import EnvelopeBatch, Observation
from tests.loop.factories import NOW, NOW_EPOCH, event, pass_settings, snapshot

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=5
)

SNAPSHOT = snapshot(summary={"completion_ok": False, "gates": {"tests": "ok"}})
SNAPSHOT["runtime"] |= {
    "approval": {"status": "pending"},
    "heartbeat": {"timestamp": NOW, "status": "ok", "source": "x", "stage": "y"},
    "liveness": {"verdict": "alive", "reason": "process_found", "pid": 7, "lastEventAgeSeconds": 3},
}
SNAPSHOT["health"] |= {"gates": {"tests": "ok"}, "stuck": {"streak": 0, "threshold": 1}}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside ``value``."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [place for key, child in children for place in places(child, (*path, key))]


def put(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(document)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed


def outcome(snapshot: Any, envelopes: list[Any]) -> Any:
    return evaluate(
        LoopMemory(),
        Observation(snapshot, EnvelopeBatch(envelopes)),
        pass_settings("/r", "demo", transport=TransportKind.SPRITE_SERVICE, judge_liveness=True),
        trace_id="t",
        time=PassTime(NOW_EPOCH, NOW_EPOCH, 0.0),
    )


@given(st.sampled_from(places(SNAPSHOT)), values)
def test_any_value_in_a_snapshot(place: tuple[Any, ...], value: Any) -> None:
    found = outcome(put(SNAPSHOT, place, value), [event(1), event(2)])
    assert jsoncodec.dumps([document for _, document in found.commit.documents])


@given(st.sampled_from(places([event(1), event(2)])), values)
def test_any_value_in_an_event(place: tuple[Any, ...], value: Any) -> None:
    found = outcome(SNAPSHOT, put([event(1), event(2)], place, value))
    assert jsoncodec.dumps([document for _, document in found.commit.documents])


def test_a_liveness_verdict_that_is_a_list_counts_as_none() -> None:
    found = outcome(put(SNAPSHOT, ("runtime", "liveness", "verdict"), []), [])
    assert found.failure is None
    assert "liveness" not in found.health["evidence"]
