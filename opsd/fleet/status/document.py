"""The fleet status document (contract 75, section 5)."""

from __future__ import annotations

from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import parse_epoch
from opsd.contract.values import drop_null, first_present, present
from opsd.fleet.documents import Document
from opsd.fleet.status import rollup
from opsd.fleet.status.autonomy import autonomous_section
from opsd.fleet.status.inputs import FleetStatusInputs
from opsd.fleet.status.outcomes import handoff_section, latest_handoff_row, outcome_rollup

_TOP = 5
_SEVERITY_RANK = {"critical": 0, "warning": 1}


def fleet_status(inputs: FleetStatusInputs) -> JsonObject:
    """The whole document. ``freshness``, the last key, is ours: how old each document is.

    Raises:
        ManagerFileError: a document is of a wrong shape; the message names its file.
    """
    fleet, policy, handoff = inputs.fleet, inputs.policy, inputs.handoff
    results = fleet.objects("results")
    health = rollup.health_rollup(results)
    fleet_section = rollup.fleet_section(fleet, results, health)
    policy_section = None if policy is None else _policy_section(policy)
    outcomes = outcome_rollup(policy, handoff)
    return {
        "schemaVersion": "v1",
        "generatedAt": inputs.now,
        "source": {
            "repoPath": inputs.repo,
            "fleetId": first_present(fleet["fleetId"], inputs.registry_fleet_id, "default"),
        },
        "fleet": fleet_section,
        "healthRollup": health,
        "exceptions": rollup.exceptions(results),
        "policy": policy_section,
        "handoff": None if handoff is None else handoff_section(handoff, outcomes),
        "autonomous": autonomous_section(policy, handoff, outcomes, inputs.now),
        "loops": [rollup.loop_entry(result) for result in results],
        "traceLinkage": rollup.trace_linkage(fleet, results, policy),
        "latestTelemetry": None if inputs.reconcile_row is None else _latest_row(inputs.reconcile_row),
        "latestHandoffTelemetry": (
            None if inputs.handoff_row is None else latest_handoff_row(inputs.handoff_row, outcomes)
        ),
        "files": dict(inputs.files),
        "freshness": {
            "fleetStateAgeSeconds": _age_s(fleet, inputs.now),
            "policyStateAgeSeconds": _age_s(policy, inputs.now),
            "handoffStateAgeSeconds": _age_s(handoff, inputs.now),
        },
    }


def _policy_section(policy: Document) -> JsonObject:
    candidates = policy.objects("candidates")
    candidates.sort(key=_severity_rank)
    return drop_null(
        {
            "mode": first_present(policy["mode"], "advisory"),
            **{
                key: first_present(policy.number(key), 0)
                for key in ("candidateCount", "unsuppressedCount", "suppressedCount")
            },
            "reasonCodes": policy.items("reasonCodes"),
            "topCandidates": [candidate.root for candidate in candidates[:_TOP]],
            "traceId": policy["traceId"],
            "updatedAt": policy["updatedAt"],
        }
    )


def _severity_rank(candidate: Document) -> int:
    severity = candidate["severity"]
    return _SEVERITY_RANK.get(severity, 2) if isinstance(severity, str) else 2


def _latest_row(row: JsonObject) -> JsonObject:
    return drop_null(
        {
            "timestamp": present(row.get("timestamp")),
            "status": present(row.get("status")),
            "reasonCodes": first_present(row.get("reasonCodes"), []),
        }
    )


def _age_s(document: Document | None, now: str) -> int | None:
    """Seconds since a document's ``updatedAt``, 0 when that lies ahead; None when unknown."""
    written, read = parse_epoch(None if document is None else document["updatedAt"]), parse_epoch(now)
    return None if written is None or read is None else max(0, read - written)
