"""Routes about promotion: what its steps have published, and the steps themselves."""

from __future__ import annotations

from collections.abc import Sequence

from opsd.api import promotion_models as models
from opsd.api.command_route import command_route
from opsd.api.failure import ApiError, ErrorCode
from opsd.api.operations import promotion
from opsd.api.route import Answer, Call, Route
from opsd.storage.fleet_parts import FleetDocument
from opsd.storage.fleet_store import FileFleetStore

_OBJECT = {"type": "object"}
_HOLD = frozenset({0, 2})


async def state(call: Call) -> Answer:
    """The newest documents of the gates, of apply and of the controller."""
    return Answer({"promotion": await call.host.in_thread(promotion.states, call.host.fleet_store())})


def usual_registry(call: Call) -> Sequence[str]:
    """No flags; promotion steps and drills know a registry in its usual place only.

    Raises:
        ApiError: it is somewhere else.
    """
    usual = FileFleetStore(call.host.repo).location(FleetDocument.REGISTRY)
    if call.host.fleet_store().location(FleetDocument.REGISTRY) != usual:
        raise ApiError(ErrorCode.CONFLICT, "this needs the registry in its usual place, and registry.file is set")
    return ()


def _governed(call: Call) -> Sequence[str]:
    """Who asks answers for it; a key is the command's too, so that it holds across both."""
    key = ("--idempotency-key", call.key_below) if call.key_below else ()
    return [*usual_registry(call), "--by", call.by, *key]


def _controlled(call: Call) -> Sequence[str]:
    """The freeze windows of the daemon's settings hold for everybody."""
    windows = call.host.freeze_windows_file()
    return [*_governed(call), *(("--freeze-windows-file", windows) if windows else ())]


ROUTES = (
    Route(
        "GET",
        "/promotion",
        "promotionState",
        "How far the rollout has come",
        "promotion",
        state,
        members={"promotion": _OBJECT},
        errors=(ErrorCode.MANAGER_FILE,),
    ),
    command_route(
        "/promotion/gates",
        "evaluateGates",
        "promotion gates",
        "May the fleet go beyond dogfood: promote or hold, recorded",
        "promotion",
        models.PromotionGates,
        good_exits=_HOLD,
        more=usual_registry,
    ),
    command_route(
        "/promotion/ci",
        "evaluateForPipeline",
        "promotion ci",
        "The gates for a pipeline: result and summary",
        "promotion",
        models.PromotionCi,
        good_exits=_HOLD,
        more=usual_registry,
    ),
    command_route(
        "/promotion/apply",
        "applyPromotion",
        "promotion apply",
        "Change the rollout as a promotion decision permits",
        "promotion",
        models.PromotionApply,
        keyed=True,
        more=_governed,
    ),
    command_route(
        "/promotion/orchestrate",
        "orchestratePromotion",
        "promotion orchestrate",
        "Evaluate, then preview, apply or roll back",
        "promotion",
        models.PromotionOrchestrate,
        good_exits=_HOLD,
        keyed=True,
        more=_governed,
    ),
    command_route(
        "/promotion/controller",
        "runController",
        "promotion controller",
        "One guarded pass: propose, hold, or apply and verify",
        "promotion",
        models.PromotionController,
        keyed=True,
        more=_controlled,
    ),
)
