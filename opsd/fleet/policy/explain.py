"""Why a candidate was decided on as it was, from what was recorded, and the same decision derived again (contract 70).

The policy state holds both the decision and the inputs it was made of. :func:`explain` runs the same pure function over
those inputs, offline, and compares: what does not agree was edited, or decided by another version.
"""

from __future__ import annotations

from dataclasses import dataclass

from opsd.contract import jsoncodec
from opsd.contract.errors import OpsError
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import get
from opsd.fleet.policy.decisions import Decision, Decisions, decide
from opsd.fleet.policy.evaluate import digest, policy_state
from opsd.fleet.policy.inputs import PolicyInputs, from_record
from opsd.fleet.policy.rails import RAILS

#: Says of the state what the evaluation before it was, which the inputs do not hold.
_NOT_DERIVED = ("warnings",)


@dataclass(frozen=True, slots=True)
class _Derived:
    """The decisions run again; ``error`` says why that was not possible."""

    inputs: PolicyInputs | None = None
    decisions: Decisions | None = None
    state: JsonObject | None = None
    error: str | None = None


def explain(state: JsonObject, name: str) -> JsonObject:
    """The explanation of the candidate ``name``, or of all candidates of the loop ``name``.

    Raises:
        OpsError: the state knows no such candidate.
    """
    candidates = state.get("candidates")
    known = [one for one in candidates if isinstance(one, dict)] if isinstance(candidates, list) else []
    wanted = [one for one in known if one.get("candidateId") == name] or [
        one for one in known if one.get("loopId") == name
    ]
    if not wanted:
        raise OpsError(f"no such candidate in the policy state: {name}")
    derived = _derive(state)
    return {
        "schemaVersion": "v1",
        "name": name,
        "fleetId": state.get("fleetId"),
        "traceId": state.get("traceId"),
        "decidedAt": state.get("updatedAt"),
        "mode": state.get("mode"),
        "source": state.get("source"),
        "derivation": _comparison(state, derived),
        "candidates": [_candidate(one, derived) for one in wanted],
    }


def _derive(state: JsonObject) -> _Derived:
    recorded = get(state, "evaluation", "inputs")
    if recorded is None:
        return _Derived(error="the state was published without its inputs")
    try:
        inputs = from_record(recorded)
        decisions = decide(inputs)
        again = policy_state(inputs, decisions)
    except OpsError as error:
        return _Derived(error=f"the recorded inputs cannot be used: {error.message}")
    except ValueError as error:
        return _Derived(error=str(error))
    except (TypeError, KeyError, AttributeError):  # edited by hand: whatever is in there, it is not what was recorded
        return _Derived(error="the recorded inputs are damaged")
    # Through JSON and back, so that both sides are plain values.
    return _Derived(inputs, decisions, jsoncodec.loads(jsoncodec.dumps(again)))


def _comparison(state: JsonObject, derived: _Derived) -> JsonObject:
    if derived.state is None:
        return {"possible": False, "matches": None, "reason": derived.error}
    names = [name for name in {**state, **derived.state} if name not in _NOT_DERIVED]
    differing = [name for name in names if state.get(name) != derived.state.get(name)]
    recorded = get(state, "evaluation")
    return {
        "possible": True,
        "matches": not differing,
        "differing": differing,
        "inputsSha256": digest(get(recorded, "inputs")),
        "inputsAsRecorded": get(recorded, "inputsSha256") == digest(get(recorded, "inputs")),
        "candidatesAsRecorded": get(recorded, "candidatesSha256") == digest(state.get("candidates")),
    }


def _candidate(recorded: JsonObject, derived: _Derived) -> JsonObject:
    autonomous = recorded.get("autonomous")
    explained: JsonObject = {
        "candidateId": recorded.get("candidateId"),
        "loopId": recorded.get("loopId"),
        "category": recorded.get("category"),
        "severity": recorded.get("severity"),
        "confidence": recorded.get("confidence"),
        "rationale": recorded.get("rationale"),
        "traceId": recorded.get("traceId"),
        "recommendedIntent": recorded.get("recommendedIntent"),
        "decision": verdict_of(recorded),
        "reasons": get(autonomous, "reasons"),
        "recordedGates": get(autonomous, "gates"),
        "recordedSafety": get(autonomous, "safety"),
    }
    decision = next(
        (
            one
            for one in (derived.decisions.each if derived.decisions else ())
            if one.candidate.id == recorded.get("candidateId")
        ),
        None,
    )
    if decision is not None and derived.state is not None:
        again = next(one for one in derived.state["candidates"] if one["candidateId"] == decision.candidate.id)
        explained |= {
            "derivedDecision": verdict_of(again),
            "derivedReasons": again["autonomous"]["reasons"],
            "matches": again == recorded,
            "dedupe": again["cooldown"],
            "gates": [
                {
                    "gate": gate.name,
                    "passed": verdict.passed,
                    "reasons": list(verdict.reasons),
                    "inputs": verdict.evidence,
                }
                for gate, verdict in decision.verdicts
            ],
            "rails": _rails(decision),
        }
    return explained


def _rails(decision: Decision) -> list[JsonObject]:
    """Every rail up to the one that holds; behind a closed gate, none is asked."""
    if decision.gating_reasons:
        return []
    asked: list[JsonObject] = []
    for rail in RAILS:
        holds = rail.holds(decision.load)
        asked.append(
            {
                "rail": rail.reason,
                "passed": not holds,
                "reasons": [rail.reason] if holds else [],
                "inputs": rail.evidence(decision.load),
            }
        )
        if holds:
            break
    return asked


def verdict_of(candidate: JsonValue) -> str:
    """``suppressed``, ``eligible`` (the manager may act) or ``manual`` (a person has to)."""
    if get(candidate, "suppressed") is True:
        return "suppressed"
    return "eligible" if get(candidate, "autonomous", "eligible") is True else "manual"
