"""Routes of the levers that stop autonomy, and of their release."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from opsd.access.model import Scope
from opsd.api.failure import ErrorCode
from opsd.api.models import fleet as models
from opsd.api.route import Answer, Call, Route
from opsd.api.schemas import OBJECT
from opsd.promotion.rollout.levers import Lever, pull


async def _pull(call: Call, lever: Lever, *, stop: bool) -> Answer:
    found: Mapping[str, object] = await call.host.in_thread(partial(pull, call.host.fleet_store(), lever, stop=stop))
    return Answer({"lever": found})


async def pause(call: Call) -> Answer:
    """Set the manual pause of the rollout."""
    return await _pull(call, Lever.PAUSE, stop=True)


async def resume(call: Call) -> Answer:
    """Take the manual pause back."""
    return await _pull(call, Lever.PAUSE, stop=False)


async def kill_switch(call: Call) -> Answer:
    """Engage or release the kill switch."""
    body: models.KillSwitch = call.body
    return await _pull(call, Lever.KILL_SWITCH, stop=body.engaged)


_LEVER = {"lever": OBJECT}
_LEVER_ERRORS = (ErrorCode.CONFLICT, ErrorCode.REGISTRY_UNUSABLE)

ROUTES = (
    Route(
        "POST",
        "/fleet/pause",
        "pauseFleet",
        "Pause all autonomous dispatch",
        "fleet",
        pause,
        scope=Scope.POLICY,
        urgent=True,
        body=models.Lever,
        members=_LEVER,
        errors=_LEVER_ERRORS,
    ),
    Route(
        "POST",
        "/fleet/resume",
        "resumeFleet",
        "End the pause",
        "fleet",
        resume,
        scope=Scope.POLICY,
        body=models.Lever,
        members=_LEVER,
        errors=_LEVER_ERRORS,
    ),
    Route(
        "POST",
        "/fleet/kill-switch",
        "setKillSwitch",
        "Engage or release the kill switch",
        "fleet",
        kill_switch,
        scope=Scope.POLICY,
        urgent=True,
        body=models.KillSwitch,
        members=_LEVER,
        errors=_LEVER_ERRORS,
    ),
)
