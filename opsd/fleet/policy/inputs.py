"""Everything a policy evaluation depends on, as one value, and its recorded form (contract 70; its *explain*).

The recorded form stands in the policy state (``evaluation.inputs``), so that the same pure function can be run again
on it. It holds what can change the decision and nothing else: results that yield no candidate are only counted,
of the history there are two moments per candidate, of the handoff telemetry the rows of the window.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.fleet.policy.autopause import Execution
from opsd.fleet.policy.controls import Controls, parse_controls
from opsd.fleet.policy.report import FleetReport, LoopResult, is_trouble


class Seen(NamedTuple):
    """When a candidate was last recorded unsuppressed and last eligible, in seconds since 1970."""

    unsuppressed_at: int | None = None
    eligible_at: int | None = None


@dataclass(frozen=True, slots=True)
class Places:
    """The files as they were named; shown in documents."""

    fleet_state: str
    registry: str
    policy_state: str
    governance_audit: str
    handoff_telemetry: str
    policy_history: str


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """What a run is told beside the registry.

    ``dedupe_window_s``: seconds, 0 switches the dedupe off. ``max_fleet_state_age_s``: seconds, None for any age.
    ``skip_empty_executions``: executions that attempted nothing do not count for auto-pause. ``require_review``: a
    review deadline that has passed holds autonomy back.
    """

    dedupe_window_s: int
    max_fleet_state_age_s: int | None = None
    skip_empty_executions: bool = False
    require_review: bool = False


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the inputs came from, as far as the system can tell; None where it cannot (weakness 18)."""

    fleet_state_sha256: str | None = None
    registry_owner: str | None = None
    registry_modified_at: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyInputs:
    """The inputs of one evaluation; ``now`` in seconds since 1970.

    ``executions`` is the window already (:func:`.autopause.window`). ``prior`` is the policy state of the run before,
    ``last_audit_row`` the newest row of the governance audit; both change only what is recorded, never the decision.
    """

    now: int
    trace_id: str
    fleet: FleetReport
    controls: Controls
    settings: PolicySettings
    places: Places
    history: Mapping[str, Seen] = field(default_factory=dict)
    executions: tuple[Execution, ...] = ()
    provenance: Provenance = Provenance()
    prior: JsonObject | None = None
    last_audit_row: JsonObject | None = None


def record(inputs: PolicyInputs, candidate_ids: list[str]) -> JsonObject:
    """The recorded form; ``candidate_ids`` are those whose history counts."""
    fleet = inputs.fleet
    seen = {name: inputs.history[name] for name in candidate_ids if name in inputs.history}
    return {
        "now": inputs.now,
        "traceId": inputs.trace_id,
        "fleet": {
            "fleetId": fleet.fleet_id,
            "status": fleet.status,
            "updatedAt": fleet.updated_at,
            "resultCount": fleet.result_count,
            "troubledResults": [list(result) for result in fleet.results if is_trouble(result)],
        },
        "registry": {"fleetId": inputs.controls.fleet_id, "policy": inputs.controls.policy},
        "settings": asdict(inputs.settings),
        "places": asdict(inputs.places),
        "provenance": asdict(inputs.provenance),
        "history": {name: list(one) for name, one in seen.items()},
        "executions": [list(one) for one in inputs.executions],
    }


def from_record(recorded: JsonValue) -> PolicyInputs:
    """The inputs in their recorded form, without what changes only what is recorded.

    Raises:
        ValueError: it is not a recorded form of this version.
    """
    try:
        fleet, registry = recorded["fleet"], recorded["registry"]
        return PolicyInputs(
            now=recorded["now"],
            trace_id=recorded["traceId"],
            fleet=FleetReport(
                fleet_id=fleet["fleetId"],
                status=fleet["status"],
                trace_id=None,
                updated_at=fleet["updatedAt"],
                results=tuple(LoopResult(*result) for result in fleet["troubledResults"]),
                result_count=fleet["resultCount"],
            ),
            controls=parse_controls(registry),
            settings=PolicySettings(**recorded["settings"]),
            places=Places(**recorded["places"]),
            provenance=Provenance(**recorded["provenance"]),
            history={name: Seen(*seen) for name, seen in recorded["history"].items()},
            executions=tuple(Execution(*one) for one in recorded["executions"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("the inputs are not recorded in a form that this version reads") from error
