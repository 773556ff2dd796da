"""How targets stand: who may send now, shared by all processes, and what status shows of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from opsd.alerts.model import RateRules
from opsd.alerts.targets.breaker import Breaker, Span
from opsd.alerts.targets.sink_health import SinkHealth, sink_views
from opsd.alerts.targets.target_codec import from_json, to_json
from opsd.alerts.targets.target_state import Admission, LastError, Refusal, TargetState, admit, record, target_of, view
from opsd.alerts.targets.throttle import Bucket
from opsd.contract.errors import ManagerFileError
from opsd.contract.jsoncodec import JsonObject
from opsd.storage.fleet_parts import FleetDocument
from opsd.storage.fleet_store import FileFleetStore
from opsd.storage.shared_document import Answer, SharedDocument
from tests.alerts.factories import SUCCESS, http_error, sink

T = 1_795_507_200.0
ROOT = Path(__file__).parents[2]
RATE = RateRules(per_second=1, burst=3)
TARGET = target_of(sink(), "https://hooks.example/secret")


def document(repo: Path) -> SharedDocument:
    return FileFleetStore(str(repo)).shared(FleetDocument.SINK_HEALTH, durable=False)


def file_of(repo: Path) -> Path:
    return repo / ".superloop/ops-manager/fleet/alert-sink-health.json"


def asked(health: SinkHealth, now: float, times: int = 1) -> list[Admission]:
    return [health.admit(TARGET, RATE, now, lease_s=10) for _ in range(times)]


# -- the target ----------------------------------------------------------------------------------------------------


def test_sinks_with_the_same_secret_are_one_target_and_nothing_gives_the_secret_away() -> None:
    same = target_of(sink("other", headers={"A": "b"}), "https://hooks.example/secret")
    assert same.key == TARGET.key
    assert same.digest != TARGET.digest
    assert target_of(sink(), "https://hooks.example/other").key != TARGET.key
    assert "secret" not in repr(TARGET)


# -- the decision --------------------------------------------------------------------------------------------------


def test_every_refusal_has_a_name_and_a_time_to_come_back() -> None:
    state = TargetState()
    for _ in range(3):
        state, admission = admit(state, TARGET, RATE, T, lease_s=10)
        assert admission == Admission(True)
    assert admit(state, TARGET, RATE, T, lease_s=10) == (state, Admission(False, Refusal.RATE_LIMITED, 1.0))

    paused = record(state, TARGET, http_error(429, pause_s=2.0), T, probe=False)
    assert admit(paused, TARGET, RATE, T, lease_s=10)[1] == Admission(False, Refusal.RATE_LIMITED, 2.0)
    assert admit(paused, TARGET, RATE, T + 2, lease_s=10)[1].admitted

    for _ in range(5):
        state = record(state, TARGET, http_error(), T, probe=False)
    assert admit(state, TARGET, RATE, T + 10, lease_s=10)[1] == Admission(False, Refusal.CIRCUIT_OPEN, 20.0)
    probing, admission = admit(state, TARGET, RATE, T + 30, lease_s=10)
    assert admission == Admission(True, probe=True)
    assert admit(probing, TARGET, RATE, T + 30, lease_s=10)[1] == Admission(False, Refusal.CIRCUIT_OPEN, 10.0)


def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    state = record(TargetState(), TARGET, http_error(429, pause_s=60.0), T, probe=False)
    state = record(state, TARGET, http_error(429, pause_s=1.0), T, probe=False)
    assert state.pause == Span(T, T + 60)


def test_a_target_that_refused_the_configuration_waits_for_another_one() -> None:
    state = record(TargetState(), TARGET, http_error(404, closes=True), T, probe=False)
    assert admit(state, TARGET, RATE, T + 1e6, lease_s=10)[1] == Admission(False, Refusal.CIRCUIT_OPEN, None)
    changed = target_of(sink(channel="#new"), "https://hooks.example/secret")
    assert admit(state, changed, RATE, T, lease_s=10)[1].admitted


# -- its form ------------------------------------------------------------------------------------------------------

FULL = TargetState(
    sink_type="webhook",
    digests=(("wh", "d"),),
    bucket=Bucket(1.5, T),
    pause=Span(T, T + 7.5),
    breaker=Breaker(6, Span(T, T + 60), Span(T + 60, T + 70), ("x",)),
    used_at=T,
    succeeded_at=T - 5,
    last_error=LastError(T, "http_error", 500, "why"),
)


@pytest.mark.parametrize("state", [FULL, TargetState()])
def test_a_state_reads_as_it_was_written(state: TargetState) -> None:
    assert from_json(json.loads(json.dumps(to_json(state)))) == state


@pytest.mark.parametrize("key", list(to_json(FULL)))
@pytest.mark.parametrize("value", [None, True, "x", -1, 1e308, [], {}, [1], {"at": "x", "open": 1, "since": []}])
def test_whatever_a_file_says_is_some_state(key: str, value: object) -> None:
    state = from_json(to_json(FULL) | {key: value})
    admission = admit(state, TARGET, RATE, T, lease_s=10)[1]
    assert admission.wait_s is None or admission.wait_s <= 3600
    view(state, "wh", T)


def test_no_file_keeps_a_target_closed_for_longer_than_the_rules_allow() -> None:
    forged = to_json(FULL) | {"pause": {"since": T, "until": T * 9}}
    forged["breaker"] = {"failures": 5, "open": {"since": T, "until": T * 9}}
    assert (from_json(forged).breaker.wait_s(T), from_json(forged).pause) == (900.0, Span(T, T + 3600))


# -- shared by processes -------------------------------------------------------------------------------------------


def test_two_who_share_a_repo_share_the_bucket_and_the_pause(tmp_path: Path) -> None:
    one, other = SinkHealth(document(tmp_path)), SinkHealth(document(tmp_path))
    assert [admission.admitted for admission in asked(one, T, 2) + asked(other, T, 2)] == [True, True, True, False]
    one.record(TARGET, http_error(429, pause_s=2.0), T + 10)
    assert asked(other, T + 11) == [Admission(False, Refusal.RATE_LIMITED, 1.0)]
    assert asked(other, T + 12) == [Admission(True)]


def test_processes_that_ask_at_the_same_time_get_no_more_than_one_would(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from tests.alerts.test_sink_health import *\n"
        "health = SinkHealth(document(Path(sys.argv[1])), lock_wait_s=60)\n"
        "print(sum(one.admitted for one in asked(health, T, 20)), health.problem)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(4)]
    answers = [process.communicate()[0].split() for process in running]
    assert sum(int(count) for count, _ in answers) == 3
    assert {problem for _, problem in answers} == {"None"}


def test_a_refusal_writes_nothing(tmp_path: Path) -> None:
    health = SinkHealth(document(tmp_path))
    asked(health, T, 3)
    before = file_of(tmp_path).stat()
    asked(health, T, 3)
    assert file_of(tmp_path).stat() == before


def test_a_damaged_file_is_begun_anew(tmp_path: Path) -> None:
    file_of(tmp_path).parent.mkdir(parents=True)
    for damage in (b"", b"{", b"[]", b'{"targets":[]}', b'{"targets":{"a":1}}'):
        file_of(tmp_path).write_bytes(damage)
        assert asked(SinkHealth(document(tmp_path)), T)[0].admitted
    assert list(json.loads(file_of(tmp_path).read_bytes())["targets"]) == [TARGET.key]


class Unwritable:
    """A document on a full disk."""

    location = "somewhere"

    def read(self) -> bytes | None:
        return None

    def update(self, change: Callable[[bytes | None], tuple[JsonObject | None, Answer]], *, wait_s: float) -> Answer:
        raise ManagerFileError("cannot write somewhere: No space left on device")


def test_while_the_file_cannot_be_used_alerts_go_and_the_rules_still_hold() -> None:
    health = SinkHealth(Unwritable())
    assert [admission.admitted for admission in asked(health, T, 4)] == [True, True, True, False]
    for _ in range(5):
        health.record(TARGET, http_error(), T)
    assert asked(health, T + 5)[0].reason is Refusal.CIRCUIT_OPEN
    assert health.problem == "cannot write somewhere: No space left on device"


def test_targets_that_nobody_uses_any_more_are_forgotten(tmp_path: Path) -> None:
    health = SinkHealth(document(tmp_path))
    old = target_of(sink("old"), "https://old.example/")
    health.admit(old, RATE, T, lease_s=10)
    asked(health, T + 31 * 86400)
    assert list(json.loads(file_of(tmp_path).read_bytes())["targets"]) == [TARGET.key]


# -- what status shows ---------------------------------------------------------------------------------------------


def test_status_shows_each_sink_with_its_state_and_last_error(tmp_path: Path) -> None:
    health = SinkHealth(document(tmp_path))
    assert health.views(T) == []
    asked(health, T)
    health.record(TARGET, SUCCESS, T)
    assert health.views(T) == [
        {
            "id": "wh",
            "type": "webhook",
            "state": "closed",
            "consecutiveFailures": 0,
            "lastSuccessAt": "2026-11-24T08:00:00Z",
        }
    ]
    for _ in range(5):
        health.record(TARGET, http_error(503, pause_s=40), T + 1)
    (shown,) = health.views(T + 2)
    assert shown == {
        "id": "wh",
        "type": "webhook",
        "state": "open",
        "openUntil": "2026-11-24T08:00:31Z",
        "pausedUntil": "2026-11-24T08:00:41Z",
        "consecutiveFailures": 5,
        "lastSuccessAt": "2026-11-24T08:00:00Z",
        "lastError": {
            "timestamp": "2026-11-24T08:00:01Z",
            "reasonCode": "http_error",
            "httpStatus": 503,
            "message": "why",
        },
    }
    assert health.views(T + 60)[0]["state"] == "half_open"


def test_a_sink_whose_secret_changed_is_shown_with_its_new_target(tmp_path: Path) -> None:
    health = SinkHealth(document(tmp_path))
    asked(health, T)
    health.record(TARGET, http_error(404, closes=True), T)
    assert health.views(T)[0]["state"] == "blocked"
    health.admit(target_of(sink(), "https://hooks.example/new"), RATE, T + 1, lease_s=10)
    assert [shown["state"] for shown in sink_views(file_of(tmp_path).read_bytes(), T + 1)] == ["closed"]


def test_no_secret_is_in_the_file(tmp_path: Path) -> None:
    asked(SinkHealth(document(tmp_path)), T)
    assert b"secret" not in file_of(tmp_path).read_bytes()
    assert b"hooks.example" not in file_of(tmp_path).read_bytes()
