"""Routes that are commands about the manager itself: its drills, and a pass of the Horizon bridge."""

from __future__ import annotations

from collections.abc import Sequence

from opsd.api.command_route import command_route
from opsd.api.models.steps import BridgeRun, DrillRun
from opsd.api.route import Call
from opsd.api.routes.promotion import usual_registry

#: The live drill waits for the manager's next evaluation, three in a sandbox take half a minute; all within what a
#: client waits for an answer, in seconds.
_DRILL_S = 600.0


def _drill(call: Call) -> Sequence[str]:
    """Who asks is in the evidence.

    Raises:
        ApiError: the fleet in use is meant, and its registry is not where the drill looks for it.
    """
    body: DrillRun = call.body
    return [*(usual_registry(call) if body.fleet == "live" else ()), "--by", call.by]


def _bridge(call: Call) -> Sequence[str]:
    """The outbox is that of the daemon's settings."""
    outbox = call.host.configured().horizon_outbox
    return ("--outbox-dir", outbox) if outbox else ()


ROUTES = (
    command_route(
        "/drills",
        "runDrill",
        "drill run",
        "Carry out a drill and record it as promotion evidence; exit code 1: one did not hold",
        "promotion",
        DrillRun,
        good_exits=frozenset({0, 1}),
        deadline_s=_DRILL_S,
        alone=True,
        more=_drill,
    ),
    command_route(
        "/horizon/bridge",
        "runHorizonBridge",
        "horizon-bridge",
        "Move what a Horizon producer left into the operator's queue; exit code 2: an envelope was rejected",
        "horizon",
        BridgeRun,
        good_exits=frozenset({0, 2}),
        more=_bridge,
    ),
)
