"""The rollup of a supervisor's own passes: one result for every loop, and each says where it comes from."""

from __future__ import annotations

from typing import Any

from opsd.fleet.loop_answer import LoopAnswer
from opsd.fleet.loop_result import LoopTime
from opsd.fleet.observed import LoopPass, Observation, observed_state
from opsd.fleet.rollup import FleetOptions

NOW = 1_780_000_000.0
HEALTHY = LoopAnswer(
    True, {"health": {"status": "healthy", "reasonCodes": []}, "transition": {"currentState": "running"}}
)


def _state(observations: dict[str, Observation], *items: dict[str, Any]) -> Any:
    registry = {"fleetId": "yard", "loops": [*items]}
    time = LoopTime(NOW - 1, NOW, 1.0)
    return observed_state("/r", registry, FleetOptions("fleet-trace"), observations, time, env={})


def test_a_result_is_that_of_the_pass_and_leads_to_its_rows() -> None:
    last = LoopPass(HEALTHY, LoopTime(NOW - 32, NOW - 30, 2.0), "pass-trace")
    state = _state({"a": Observation(last), "b": Observation(last, requested=True)}, {"loopId": "a"}, {"loopId": "b"})
    a, b = state["results"]
    assert (state["status"], state["traceId"], state["updatedAt"]) == ("success", "fleet-trace", "2026-05-28T20:26:40Z")
    assert (a["passSource"], a["passAgeSeconds"], b["passSource"]) == ("latest_pass", 30, "requested_pass")
    assert (a["traceId"], a["startedAt"], a["timestamp"], a["durationSeconds"]) == (
        "pass-trace",
        "2026-05-28T20:26:08Z",
        "2026-05-28T20:26:10Z",
        2,
    )
    assert (a["healthStatus"], a["transitionState"]) == ("healthy", "running")


def test_every_loop_has_its_result_whatever_is_known_of_it() -> None:
    state = _state(
        {"c": Observation(missing="no address")},
        {"loopId": "off", "enabled": False},
        {"loopId": "lost"},
        {"loopId": "c"},
        {"loopId": "secret", "service": {"tokenEnv": "NOT_SET"}},
    )
    off, lost, told, secret = state["results"]
    assert (off["status"], off["reasonCode"]) == ("skipped", "loop_disabled")
    assert (lost["status"], lost["outputExcerpt"]) == ("failed", "error: no pass over this loop has ended yet ")
    assert told["outputExcerpt"] == "error: no address "
    assert secret["reasonCode"] == "missing_service_token_env"
    assert {one["passSource"] for one in state["results"]} == {"no_pass"}
    assert (state["loopCount"], state["failedCount"], state["skippedCount"]) == (4, 3, 1)
