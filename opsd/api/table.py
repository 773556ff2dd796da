"""The table of routes: everything that the API offers, in the order of its document."""

from __future__ import annotations

from typing import Any

from opsd.api.application import Api
from opsd.api.ports import Gate, Host
from opsd.api.route import Route
from opsd.api.routes import (
    alerts,
    configuration,
    fleet,
    fleet_levers,
    fleet_steps,
    loop_actions,
    loop_alerts,
    loops,
    principals,
    promotion,
    steps,
    system,
)

ROUTES: tuple[Route, ...] = (
    *loops.ROUTES,
    *loop_actions.ROUTES,
    *loop_alerts.ROUTES,
    *fleet.ROUTES,
    *fleet_steps.ROUTES,
    *fleet_levers.ROUTES,
    *alerts.ROUTES,
    *promotion.ROUTES,
    *steps.ROUTES,
    *configuration.ROUTES,
    *principals.ROUTES,
    *system.ROUTES,
)


def control_api(host: Host, gate: Gate, *, max_requests: int = 64, max_streams: int = 1024) -> Api:
    """The API over ``host``; so many requests are answered at a time, and so many streams may be open."""
    document: dict[str, Any] = {}
    api = Api((*ROUTES, system.openapi_route(document)), host, gate, max_requests=max_requests, max_streams=max_streams)
    document.update(api.document)
    return api
