"""Routes about what is known of the fleet, and what its policy proposes."""

from __future__ import annotations

from opsd.api.failure import FLEET_FILES, ApiError, ErrorCode
from opsd.api.models import fleet as models
from opsd.api.operations import fleet
from opsd.api.route import Answer, Call, Handler, Route
from opsd.api.schemas import OBJECT, OBJECTS, TEXT_OR_NULL
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.values import get
from opsd.fleet.policy.explain import explain


def _document(name: str) -> Handler:
    async def show(call: Call) -> Answer:
        return Answer({name: await call.host.fleet_document(name)})

    return show


async def _policy(call: Call) -> JsonObject:
    return dict(await call.host.fleet_document("policy"))


async def registry(call: Call) -> Answer:
    """What ``opsd fleet registry`` prints."""
    return Answer({"registry": await call.host.in_thread(fleet.registry, call.host.fleet_store())})


async def candidates(call: Call) -> Answer:
    """The policy's candidates, filtered."""
    query: models.CandidatesQuery = call.query
    policy = await _policy(call)
    found = fleet.candidates_of(policy, loop=query.loop, category=query.category, eligible=query.eligible)
    return Answer({"candidates": found, "decidedAt": get(policy, "updatedAt"), "mode": get(policy, "mode")})


async def explanation(call: Call) -> Answer:
    """What ``opsd fleet explain`` prints."""
    query: models.ExplainQuery = call.query
    policy = await _policy(call)
    if not fleet.knows_candidate(policy, query.candidate):
        raise ApiError(ErrorCode.NOT_FOUND, "no such candidate in the policy state")
    return Answer({"explanation": explain(policy, query.candidate)})


ROUTES = (
    *(
        Route(
            "GET",
            f"/fleet/{name}",
            f"fleet{name.capitalize()}",
            summary,
            "fleet",
            _document(name),
            members={name: OBJECT},
            errors=FLEET_FILES,
        )
        for name, summary in (
            ("status", "The fleet in one document, as `opsd fleet status` prints it"),
            ("policy", "The policy's newest state"),
            ("handoff", "The newest handoff plan and execution"),
        )
    ),
    Route(
        "GET",
        "/fleet/registry",
        "fleetRegistry",
        "The registry with every default",
        "fleet",
        registry,
        members={"registry": OBJECT},
        errors=FLEET_FILES,
    ),
    Route(
        "GET",
        "/fleet/candidates",
        "fleetCandidates",
        "Who is in trouble, and what may be done",
        "fleet",
        candidates,
        query=models.CandidatesQuery,
        errors=FLEET_FILES,
        members={"candidates": OBJECTS, "decidedAt": TEXT_OR_NULL, "mode": TEXT_OR_NULL},
    ),
    Route(
        "GET",
        "/fleet/explain",
        "fleetExplain",
        "Why the policy decided on a candidate as it did",
        "fleet",
        explanation,
        query=models.ExplainQuery,
        members={"explanation": OBJECT},
        errors=FLEET_FILES,
    ),
)
