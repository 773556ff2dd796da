"""The alerts of one loop: a run of the dispatcher, and the deliveries that were given up."""

from __future__ import annotations

from collections.abc import Sequence

from opsd.access.model import Scope
from opsd.api.command_route import command_route
from opsd.api.failure import FILES, ErrorCode
from opsd.api.models import alerts as models
from opsd.api.operations import alerts
from opsd.api.route import Answer, Call, Route
from opsd.api.schemas import OBJECT
from opsd.runtime.threads import in_own_thread


async def dead_letters(call: Call) -> Answer:
    """What ``opsd alerts dispatch --list-dead-letters`` prints."""
    host, loop = call.host, call.entry().loop_id
    return Answer({"deadLetters": await host.in_thread(alerts.dead_letters, alerts.means(host), loop, call.trace_id)})


async def replay_dead_letters(call: Call) -> Answer:
    """What ``opsd alerts dispatch --replay-dead-letters`` does."""
    body: models.Replay = call.body
    host, loop = call.host, call.entry().loop_id
    means = alerts.means(host)
    state = await in_own_thread(lambda: alerts.replay(means, loop, call.trace_id, body.deliveryId or "all"))
    return Answer({"dispatch": state})


def _as_the_daemon_delivers(call: Call) -> Sequence[str]:
    """Catalog and delivery file of the daemon's settings."""
    options = call.host.alert_options()
    files = {"--alert-config-file": options.config_file, "--delivery-config-file": options.delivery_file}
    return [word for flag, file in files.items() if file is not None for word in (flag, file)]


ROUTES = (
    command_route(
        "/loops/{loop}/alerts/dispatch",
        "dispatchAlerts",
        "alerts dispatch",
        "Deliver what the loop has escalated and nobody was told yet, beside what the daemon does by itself",
        "alerts",
        models.AlertsDispatch,
        scope=Scope.CONTROL,
        good_exits=frozenset({0, 2}),
        more=_as_the_daemon_delivers,
    ),
    Route(
        "GET",
        "/loops/{loop}/dead-letters",
        "loopDeadLetters",
        "Deliveries of alerts that were given up",
        "alerts",
        dead_letters,
        members={"deadLetters": OBJECT},
        errors=FILES,
    ),
    Route(
        "POST",
        "/loops/{loop}/dead-letters/replay",
        "replayDeadLetters",
        "Tell dead letters again, with the same ids",
        "alerts",
        replay_dead_letters,
        scope=Scope.CONTROL,
        body=models.Replay,
        members={"dispatch": OBJECT},
        errors=(ErrorCode.CONFLICT,),
    ),
)
