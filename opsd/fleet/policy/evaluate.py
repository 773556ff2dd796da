"""One policy evaluation as a pure function: inputs in, the state and all rows out (contract 70, 10 to 13).

Nothing here reads a clock or a file; :mod:`.run` reads the inputs and writes what the :class:`PolicyOutcome` says, in
the order of its fields: a change of governance is on disk before anything is published on its strength (weakness 1).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass

from opsd.contract import jsoncodec
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.timestamps import format_utc
from opsd.fleet.policy.advice import warnings_of
from opsd.fleet.policy.autopause import nothing_observed
from opsd.fleet.policy.candidate_document import candidate_document, history_row
from opsd.fleet.policy.decisions import Decisions, decide, state_age_s
from opsd.fleet.policy.governance import change_rows, governance_document, governance_rows
from opsd.fleet.policy.inputs import PolicyInputs, record
from opsd.fleet.policy.summary import counts, state_reasons, summary
from opsd.fleet.policy.words import TAXONOMY, TAXONOMY_VERSION, Category, Mode

#: Copied from the state into the telemetry row, in this order.
_TOLD = (
    "candidateCount",
    "unsuppressedCount",
    "suppressedCount",
    "cooldownSuppressedCount",
    "autoEligibleCount",
    "manualOnlyCount",
    "reasonCodes",
    "summary",
    "noiseControls",
    "autonomous",
)


@dataclass(frozen=True, slots=True)
class PolicyOutcome:
    """What an evaluation leaves behind, in the order in which it has to reach the disk."""

    governance_rows: list[JsonObject]
    change_rows: list[JsonObject]
    history_rows: list[JsonObject]
    telemetry_row: JsonObject
    state: JsonObject


def evaluate_policy(inputs: PolicyInputs) -> PolicyOutcome:
    """Judge one fleet state; see the module's docstring."""
    decisions = decide(inputs)
    state = policy_state(inputs, decisions)
    common = {
        "timestamp": state["updatedAt"],
        "fleetId": state["fleetId"],
        "traceId": inputs.trace_id,
        "mode": inputs.controls.mode,
    }
    return PolicyOutcome(
        governance_rows=governance_rows(inputs),
        change_rows=change_rows(inputs),
        history_rows=[history_row(one, _with_category(common, "fleet_policy_candidate")) for one in decisions.each],
        telemetry_row={
            **_with_category(common, "fleet_policy"),
            "summary": {name: state[name] for name in _TOLD},
            "warnings": state["warnings"],
        },
        state=state,
    )


def policy_state(inputs: PolicyInputs, decisions: Decisions) -> JsonObject:
    """The policy state; ours beside the contract's are ``evaluation`` and ``warnings``, and names in ``source`` and
    ``rollout``."""
    pause = decisions.pause.document()
    documents = [candidate_document(one, pause) for one in decisions.each]
    recorded = record(inputs, [one.candidate.id for one in decisions.each])
    controls, provenance = inputs.controls, inputs.provenance
    return {
        "schemaVersion": "v1",
        "updatedAt": format_utc(inputs.now),
        "fleetId": inputs.fleet.fleet_id,
        "traceId": inputs.trace_id,
        "mode": controls.mode,
        "fleetStatus": inputs.fleet.status,
        "source": {
            "fleetStateFile": inputs.places.fleet_state,
            "registryFile": inputs.places.registry,
            "fleetStateUpdatedAt": inputs.fleet.updated_at,
            "fleetStateAgeSeconds": state_age_s(inputs),
            "fleetStateSha256": provenance.fleet_state_sha256,
        },
        "taxonomy": {
            "version": TAXONOMY_VERSION,
            "categories": [
                {"category": category, "severity": facts.severity, "confidence": facts.confidence}
                for category, facts in TAXONOMY.items()
            ],
        },
        "noiseControls": {
            "dedupeWindowSeconds": inputs.settings.dedupe_window_s,
            "policyHistoryFile": inputs.places.policy_history,
            "handoffTelemetryFile": inputs.places.handoff_telemetry,
        },
        "autonomous": {
            "enabled": controls.mode is Mode.GUARDED_AUTO,
            "governanceAuditFile": inputs.places.governance_audit,
            "governance": governance_document(controls),
            "controls": controls.document,
            "rollout": _rollout(inputs, decisions, pause),
        },
        "evaluatedLoopCount": inputs.fleet.result_count,
        **counts(decisions),
        "candidates": documents,
        "summary": summary(decisions),
        "suppressionState": {
            "suppressions": controls.suppressions,
            "precedence": ["loop", "global", "cooldown"],
            "allowedCategories": list(Category),
        },
        "warnings": warnings_of(inputs, decisions),
        "evaluation": {
            "inputs": recorded,
            "inputsSha256": digest(recorded),
            "candidatesSha256": digest(documents),
        },
        "reasonCodes": state_reasons(controls.mode, decisions),
    }


def digest(value: JsonValue) -> str:
    """SHA-256 of a value's compact JSON, in the order of its keys."""
    return hashlib.sha256(jsoncodec.dumps(value)).hexdigest()


def _rollout(inputs: PolicyInputs, decisions: Decisions, pause: JsonObject) -> JsonObject:
    cohorts = [one.subject.cohort for one in decisions.each]
    where = Counter((cohort.in_scope, cohort.in_cohort) for cohort in cohorts)
    return {
        "canaryPercent": inputs.controls.canary_percent,
        "scopeLoopIds": list(inputs.controls.scope),
        "selectorSalt": inputs.controls.salt,
        "candidateBuckets": {
            "inScopeCount": where[True, True] + where[True, False],
            "inCohortCount": where[True, True],
            "outOfCohortCount": where[True, False],
        },
        "pause": pause if decisions.each else nothing_observed(inputs.controls),
        # The pause as it really is, also where the wire hides it (weakness 10).
        "pauseObserved": pause,
    }


def _with_category(common: JsonObject, category: str) -> JsonObject:
    """Timestamp first, then the category, then the rest."""
    return {"timestamp": common["timestamp"], "category": category, **common}
