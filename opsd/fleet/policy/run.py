"""One policy run: reads the inputs, evaluates, records, publishes (contract 70, 2; weaknesses 1, 4 to 7).

The caller holds the fleet's lock from before it reads the registry until this returns. Everything is read and checked
before the first byte is written. Then: audit (synced), history (synced), telemetry, and only then the state, by
rename. A crash in between repeats rows at most; it never publishes a decision that is not recorded, and never loses a
change of governance.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from opsd.contract import jsoncodec
from opsd.contract.errors import ManagerFileError, UsageError
from opsd.contract.ids import new_trace_id
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import digits
from opsd.fleet.policy.autopause import window
from opsd.fleet.policy.candidates import candidates_of
from opsd.fleet.policy.controls import Controls, parse_controls
from opsd.fleet.policy.evaluate import evaluate_policy
from opsd.fleet.policy.inputs import Places, PolicyInputs, PolicySettings, Provenance
from opsd.fleet.policy.memory import PolicyMemory
from opsd.fleet.policy.report import parse_report
from opsd.fleet.policy.retention import CarriedRows, begins_anew_over
from opsd.storage.fleet_parts import FleetDocument, FleetLog
from opsd.storage.fleet_port import FleetStore

_WINDOW_MESSAGE = "--dedupe-window-seconds must be a non-negative integer"
#: From here on the reference prints a number of the registry with an exponent, which are no digits (step 7).
_MAX_WINDOW_S = 10**17

_ROTATE_TELEMETRY_OVER_BYTES = 64 * 1024 * 1024

_WRITTEN = (FleetDocument.POLICY, FleetLog.GOVERNANCE, FleetLog.POLICY, FleetLog.POLICY_HISTORY)


@dataclass(frozen=True, slots=True)
class PolicyRequest:
    """What a caller asks for; None and "" where it leaves it to the registry, the fleet state or chance.

    ``dedupe_window_s`` as given, unchecked: its complaint has its place among the others.
    """

    trace_id: str = ""
    fallback_trace_id: str = ""
    dedupe_window_s: str | None = None
    max_fleet_state_age_s: int | None = None
    skip_empty_executions: bool = False
    require_review: bool = False


def run_policy(
    store: FleetStore,
    registry: JsonValue,
    request: PolicyRequest,
    *,
    clock: Callable[[], float],
    memory: PolicyMemory | None = None,
) -> JsonObject:
    """Evaluate the fleet state in ``store`` under a normalized registry; the policy state as published.

    Args:
        clock: seconds since 1970; read once, when all is read.
        memory: what an earlier run of this process has read of the logs; None reads them anew.

    Raises:
        OpsError: an input is missing or unusable; nothing is written then. Or a write failed; the state is not
            published then.
    """
    state_path = store.location(FleetDocument.STATE)
    data = store.read(FleetDocument.STATE)
    if data is None:
        raise ManagerFileError(f"fleet state file not found: {state_path}")
    fleet = parse_report(data, state_path)
    trace_id = request.trace_id or fleet.trace_id or request.fallback_trace_id or new_trace_id()
    controls = parse_controls(registry)
    settings = PolicySettings(
        _window_s(request, controls),
        request.max_fleet_state_age_s,
        request.skip_empty_executions,
        request.require_review,
    )
    prior = _prior(store)
    known = memory or PolicyMemory(store)
    known.catch_up_history()
    lookback = controls.auto_pause.lookback_executions
    executions = known.catch_up_executions(lookback, skip_empty=settings.skip_empty_executions)
    try:
        in_window = window(executions, lookback, skip_empty=settings.skip_empty_executions)
    except ValueError:
        raise ManagerFileError(f"invalid handoff telemetry JSONL: {store.location(FleetLog.HANDOFF)}") from None
    owner, modified = store.origin(FleetDocument.REGISTRY)
    now = int(clock())
    outcome = evaluate_policy(
        PolicyInputs(
            now=now,
            trace_id=trace_id,
            fleet=fleet,
            controls=controls,
            settings=settings,
            places=_places(store),
            history={one.id: known.history.seen(one.id) for one in candidates_of(fleet.results)},
            executions=in_window,
            provenance=Provenance(hashlib.sha256(data).hexdigest(), owner, modified),
            prior=prior,
            last_audit_row=store.newest_row(FleetLog.GOVERNANCE),
        )
    )
    store.prepare(*_WRITTEN)
    store.append_audited(FleetLog.GOVERNANCE, outcome.governance_rows)
    if outcome.change_rows:
        store.append_audited(FleetLog.POLICY_CHANGES, outcome.change_rows)
    store.drop_torn_row(FleetLog.POLICY_HISTORY)
    _bound_history(store, controls, now=now, needed_s=max(settings.dedupe_window_s, controls.cooldown_s))
    store.append(FleetLog.POLICY_HISTORY, outcome.history_rows, durable=True)
    store.append(FleetLog.POLICY, [outcome.telemetry_row], rotate_over=_ROTATE_TELEMETRY_OVER_BYTES)
    store.replace(FleetDocument.POLICY, outcome.state)
    return outcome.state


def _bound_history(store: FleetStore, controls: Controls, *, now: int, needed_s: float) -> None:
    if store.size(FleetLog.POLICY_HISTORY) > begins_anew_over(len(controls.loops)):
        carried = CarriedRows(controls.loops, now=now, needed_s=needed_s)
        store.follower(FleetLog.POLICY_HISTORY, carried, what="policy history").catch_up()
        store.begin_anew(FleetLog.POLICY_HISTORY, carried.rows())


def _window_s(request: PolicyRequest, controls: Controls) -> int:
    if request.dedupe_window_s is not None:
        given = digits(request.dedupe_window_s)
    else:
        given = digits(controls.dedupe_window)
        given = None if given is not None and given >= _MAX_WINDOW_S else given
    if given is None:
        raise UsageError(_WINDOW_MESSAGE)
    return given


def _prior(store: FleetStore) -> JsonObject | None:
    """The policy state of the run before.

    Raises:
        ManagerFileError: ``invalid existing policy state JSON: <path>``.
    """
    data = store.read(FleetDocument.POLICY)
    if data is None:
        return None
    try:
        prior = jsoncodec.loads(data)
    except ValueError:
        prior = False
    if prior is not None and not isinstance(prior, dict):
        raise ManagerFileError(f"invalid existing policy state JSON: {store.location(FleetDocument.POLICY)}")
    return prior


def _places(store: FleetStore) -> Places:
    return Places(
        fleet_state=store.location(FleetDocument.STATE),
        registry=store.location(FleetDocument.REGISTRY),
        policy_state=store.location(FleetDocument.POLICY),
        governance_audit=store.location(FleetLog.GOVERNANCE),
        handoff_telemetry=store.location(FleetLog.HANDOFF),
        policy_history=store.location(FleetLog.POLICY_HISTORY),
    )
