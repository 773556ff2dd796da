"""Who allowed autonomy, and every change of what is allowed (contract 70, 10.1 *governance*, 11; weaknesses 1, 17, 18).

Rows are decided here; that they form a chain and are on disk before the state is published is the store's and the
shell's business. What the contract does not audit, suppressions and the dedupe window, gets rows of its own
in a separate log.
"""

from __future__ import annotations

from typing import NamedTuple

from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.timestamps import format_utc
from opsd.contract.values import as_object, drop_null, first_present, get
from opsd.fleet.policy.controls import Controls
from opsd.fleet.policy.inputs import PolicyInputs
from opsd.fleet.policy.words import AuditEvent, Mode

_AUTHORITY = ("actor", "approvalRef", "rationale", "changedAt", "reviewBy")


class Posture(NamedTuple):
    """What the audit compares of two policy states."""

    mode: JsonValue
    controls: JsonValue
    governance: JsonValue


def governance_document(controls: Controls) -> JsonObject:
    """The state's ``autonomous.governance``: the registry's claim, and whether it is complete."""
    given = as_object(controls.document.get("governance"))
    claim = {name: first_present(given.get(name), None) for name in (*_AUTHORITY, "reviewWindowDays")}
    complete = all(claim[name] is not None for name in _AUTHORITY)
    return {
        **drop_null(claim),
        "requiredForGuardedAuto": True,
        "authorityContextPresent": controls.mode is Mode.ADVISORY or complete,
    }


def posture_of(state: JsonObject) -> Posture:
    """The posture that a policy state was published with."""
    return Posture(
        first_present(state.get("mode"), "advisory"),
        first_present(get(state, "autonomous", "controls"), {}),
        first_present(get(state, "autonomous", "governance"), {}),
    )


def current_posture(controls: Controls) -> Posture:
    """The posture that the registry asks for."""
    return Posture(controls.mode.value, controls.document, governance_document(controls))


def governance_rows(inputs: PolicyInputs) -> list[JsonObject]:
    """The audit row that is due: one when the posture changed or nothing is known before, else none.

    A crash between the audit and the state leaves a row whose state was never published; the run after it finds the
    same change once more and recognises that row (weakness 1). Where there is no prior state, a row always is due.
    """
    current = current_posture(inputs.controls)
    if inputs.prior is None:
        return [_row(inputs, AuditEvent.INITIALIZED, current, None)]
    previous = posture_of(inputs.prior)
    if current == previous:
        return []
    if inputs.last_audit_row is not None and _recorded(inputs.last_audit_row) == (current, previous):
        return []
    event = AuditEvent.TOGGLED if current.mode != previous.mode else AuditEvent.MUTATED
    return [_row(inputs, event, current, previous)]


def _recorded(row: JsonObject) -> tuple[Posture, Posture]:
    return (
        Posture(row.get("mode"), row.get("controls"), row.get("governance")),
        Posture(row.get("previousMode"), row.get("previousControls"), row.get("previousGovernance")),
    )


def _row(inputs: PolicyInputs, event: AuditEvent, current: Posture, previous: Posture | None) -> JsonObject:
    before = previous or Posture(None, None, None)
    source: JsonObject = {
        "registryFile": inputs.places.registry,
        "policyStateFile": inputs.places.policy_state,
        "governanceAuditFile": inputs.places.governance_audit,
        "registryFileOwner": inputs.provenance.registry_owner,
        "registryFileModifiedAt": inputs.provenance.registry_modified_at,
    }
    row: JsonObject = {
        "timestamp": format_utc(inputs.now),
        "category": "fleet_policy_governance",
        "eventType": event,
        "fleetId": inputs.fleet.fleet_id,
        "traceId": inputs.trace_id,
        "mode": current.mode,
        "previousMode": before.mode,
        "governance": current.governance,
        "previousGovernance": before.governance,
        "controls": current.controls,
        "previousControls": before.controls,
        "source": drop_null(source),
    }
    return drop_null(row)


def change_rows(inputs: PolicyInputs) -> list[JsonObject]:
    """A row when suppressions or the dedupe window differ from those of the run before (weakness 17)."""
    if inputs.prior is None:
        return []
    previous = {
        "suppressions": as_object(get(inputs.prior, "suppressionState", "suppressions")),
        "dedupeWindowSeconds": get(inputs.prior, "noiseControls", "dedupeWindowSeconds"),
    }
    current = {
        "suppressions": inputs.controls.suppressions,
        "dedupeWindowSeconds": inputs.settings.dedupe_window_s,
    }
    changed = [name for name, value in current.items() if value != previous[name]]
    if not changed:
        return []
    row: JsonObject = {
        "timestamp": format_utc(inputs.now),
        "category": "fleet_policy_change",
        "fleetId": inputs.fleet.fleet_id,
        "traceId": inputs.trace_id,
        "mode": inputs.controls.mode,
        "changed": changed,
        "current": current,
        "previous": previous,
        "registryFile": inputs.places.registry,
        "registryFileOwner": inputs.provenance.registry_owner,
        "registryFileModifiedAt": inputs.provenance.registry_modified_at,
    }
    return [drop_null(row)]
