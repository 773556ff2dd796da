"""Routes about the API itself, the audit, and the stream of everything that changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opsd import __version__
from opsd.access.authenticate import Extent
from opsd.access.document import in_order
from opsd.access.keeper import PrincipalsKeeper
from opsd.api.failure import ErrorCode
from opsd.api.models.stream import StreamQuery
from opsd.api.route import Answer, Call, Route
from opsd.api.schemas import OBJECT, TEXT
from opsd.api.stream import serve_stream
from opsd.contract.jsoncodec import JsonObject
from opsd.runtime.threads import in_own_thread
from opsd.storage.audit_report import audit_report


async def identity(call: Call) -> Answer:
    """Who asks."""
    who = call.identity
    told: dict[str, Any] = {"name": who.name, "scopes": in_order(who.scopes), "loops": list(who.loops)}
    return Answer({"identity": told | {"credential": who.credential or None}})


async def version(call: Call) -> Answer:
    """What ``opsd version`` prints, and since when the daemon runs."""
    return Answer({"version": __version__, "startedAt": call.host.started_at})


async def audit(call: Call) -> Answer:
    """What ``opsd audit verify`` prints, with the log beside the principals file that is in force."""
    store, principals = call.host.fleet_store(), call.host.principals

    def report() -> JsonObject:
        return audit_report(store, also=[] if principals is None else [PrincipalsKeeper(principals.path).audit_log])

    return Answer({"audit": await in_own_thread(report)})


def openapi_route(document: dict[str, Any]) -> Route:
    """The route that shows ``document``, which is filled in once the table is complete."""

    async def show(_call: Call) -> Answer:
        return Answer({"document": document})

    return Route(
        "GET",
        "/openapi.json",
        "openapi",
        "This document",
        "api",
        show,
        scope=None,
        members={"document": OBJECT},
        bare="document",
    )


ROUTES: Sequence[Route] = (
    Route(
        "GET",
        "/identity",
        "showIdentity",
        "Who asks, and what they may",
        "api",
        identity,
        reach=Extent.LISTING,
        members={"identity": OBJECT},
    ),
    Route(
        "GET",
        "/version",
        "showVersion",
        "The daemon's version, and since when it runs",
        "api",
        version,
        reach=Extent.LISTING,
        members={"version": TEXT, "startedAt": TEXT},
    ),
    Route(
        "GET",
        "/audit",
        "verifyAudit",
        "Whether the audit logs are what was written",
        "audit",
        audit,
        members={"audit": OBJECT},
        errors=(ErrorCode.MANAGER_FILE,),
    ),
    Route(
        "GET",
        "/stream",
        "stream",
        "Every change of loops, fleet and alerts, as it happens",
        "api",
        serve_stream,
        reach=Extent.LISTING,
        query=StreamQuery,
        media="text/event-stream",
    ),
)
