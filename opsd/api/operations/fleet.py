"""The fleet's steps, as its commands run them. Blocking; a step that works on the fleet holds its lock."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

from opsd import compose
from opsd.api.failure import ApiError, ErrorCode, NotBegunError
from opsd.contract.errors import LockTimeoutError
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.values import get
from opsd.fleet.handoff.dispatch import Dispatch, Order
from opsd.fleet.handoff.run import DEFAULT_PREFIX, Handoff, HandoffRequest
from opsd.fleet.policy import run as policy
from opsd.fleet.registry import load_registry
from opsd.storage.fleet_parts import FleetDocument
from opsd.storage.fleet_port import FleetStore


def registry(store: FleetStore) -> JsonObject:
    """The normalized registry.

    Raises:
        ApiError: there is none.
        RegistryError: it is invalid.
    """
    data = store.read(FleetDocument.REGISTRY)
    if data is None:
        raise ApiError(ErrorCode.NOT_FOUND, "there is no fleet registry")
    return load_registry(data, source=store.location(FleetDocument.REGISTRY), now=time.time()).document


def candidates_of(
    state: JsonObject, *, loop: str | None, category: str | None, eligible: bool | None
) -> list[JsonObject]:
    """The candidates of a policy state that fit. Pure."""

    def fits(one: JsonObject) -> bool:
        return (
            (loop is None or one.get("loopId") == loop)
            and (category is None or one.get("category") == category)
            and (eligible is None or (get(one, "autonomous", "eligible") is True) is eligible)
        )

    return [one for one in _candidates(state) if fits(one)]


def knows_candidate(state: JsonObject, name: str) -> bool:
    """Whether ``name`` is a candidate, or a loop that has some. Pure."""
    return any(name in (one.get("candidateId"), one.get("loopId")) for one in _candidates(state))


def _candidates(state: JsonObject) -> list[JsonObject]:
    found = state.get("candidates")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def run_policy(
    store: FleetStore,
    trace_id: str,
    *,
    dedupe_window_s: int | None,
    max_age_s: int | None,
    skip_empty: bool,
    lock_wait_s: float,
) -> JsonObject:
    """Evaluate the policy over the newest fleet state; the policy state.

    Raises:
        ApiError: there is no fleet state yet.
        OpsError: the registry or a document cannot be used.
    """
    if not store.exists(FleetDocument.STATE):
        raise ApiError(ErrorCode.NOT_FOUND, "there is no fleet state yet")
    request = policy.PolicyRequest(
        trace_id=trace_id,
        dedupe_window_s=None if dedupe_window_s is None else str(dedupe_window_s),
        max_fleet_state_age_s=max_age_s,
        skip_empty_executions=skip_empty,
    )
    with store.lock(wait_s=lock_wait_s):
        return policy.run_policy(store, registry(store), request, clock=time.time)


def handoff(
    repo: str,
    store: FleetStore,
    dispatch: Dispatch,
    trace_id: str,
    *,
    lock_wait_s: float,
    prefix: str | None = None,
    order: Order | None = None,
    loops: Sequence[str] = (),
    intent_ids: Sequence[str] = (),
    anew: bool = False,
) -> JsonObject:
    """Plan, and with an order carry out; the handoff state.

    Args:
        prefix: first part of every key, None for the usual one.
        anew: the keys are made of ``trace_id``, which was never used, and not of the policy's.

    Raises:
        ApiError: there is no policy state yet, or another run holds the fleet.
        OpsError: a filter that matches nothing, a registry or a document that cannot be used.
    """
    if not store.exists(FleetDocument.POLICY):
        raise ApiError(ErrorCode.NOT_FOUND, "there is no policy state of the fleet yet")
    is_busy = partial(compose.loop_is_controlled, repo)
    runner = Handoff(store, partial(registry, store), dispatch, is_busy)
    request = HandoffRequest(
        prefix=prefix or DEFAULT_PREFIX,
        trace_id=trace_id if anew else "",
        fallback_trace_id=trace_id,
        order=order,
        loops=loops,
        intent_ids=intent_ids,
    )
    with ExitStack() as stack:
        try:
            stack.enter_context(store.lock(wait_s=lock_wait_s))
        except LockTimeoutError as error:
            raise NotBegunError(error.message) from None
        return runner.run_locked(request)
