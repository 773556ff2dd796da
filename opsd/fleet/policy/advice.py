"""What an operator should look at although the run succeeded: the state's additive ``warnings``.

A successful command writes nothing to stderr, so warnings travel in the state and in its telemetry row
(contract 70, weaknesses 9, 11, 12, 17, 19).
"""

from __future__ import annotations

from collections.abc import Iterator

from opsd.contract.jsoncodec import JsonObject
from opsd.contract.values import as_object, first_present, get
from opsd.fleet.policy.decisions import Decisions, state_age_s
from opsd.fleet.policy.governance import current_posture, posture_of
from opsd.fleet.policy.inputs import PolicyInputs
from opsd.fleet.policy.words import Mode, WarningCode

#: More names than anybody reads in one warning; ``count`` tells how many there are.
_NAMED = 20


def warnings_of(inputs: PolicyInputs, decisions: Decisions) -> list[JsonObject]:
    """The warnings of one evaluation, in a fixed order."""
    return [
        *_autopause_ended(inputs, decisions),
        *_unregistered(inputs, decisions),
        *_state_too_old(inputs),
        *_clock_skew(inputs, decisions),
        *_no_new_approval(inputs),
        *_fleet_id(inputs),
    ]


def _autopause_ended(inputs: PolicyInputs, decisions: Decisions) -> Iterator[JsonObject]:
    rollout = get(inputs.prior, "autonomous", "rollout")
    pause = first_present(get(rollout, "pauseObserved"), get(rollout, "pause"))
    was_active = get(pause, "auto", "active") is True
    if was_active and not decisions.pause.auto_reasons and decisions.pause.metrics.attempted <= 0:
        yield _warning(
            WarningCode.AUTOPAUSE_ENDED,
            "the automatic pause ended because newer executions attempted nothing, not because any succeeded",
        )


def _unregistered(inputs: PolicyInputs, decisions: Decisions) -> Iterator[JsonObject]:
    loops = inputs.controls.loops
    unknown = sorted({one.candidate.loop_id for one in decisions.each} - {name for name in loops if loops[name]})
    if unknown:
        yield _warning(
            WarningCode.UNREGISTERED,
            "the fleet state still holds results of loops that are not registered or not enabled",
            count=len(unknown),
            loopIds=unknown[:_NAMED],
        )


def _state_too_old(inputs: PolicyInputs) -> Iterator[JsonObject]:
    limit, age = inputs.settings.max_fleet_state_age_s, state_age_s(inputs)
    if limit is not None and (age is None or age > limit):
        yield _warning(
            WarningCode.STATE_TOO_OLD,
            "the fleet state is older than allowed, or does not tell its age: nothing is eligible",
            ageSeconds=age,
            maximumSeconds=limit,
        )


def _clock_skew(inputs: PolicyInputs, decisions: Decisions) -> Iterator[JsonObject]:
    ahead = [
        one.candidate.id
        for one in decisions.each
        if max(one.subject.suppression.last_shown or 0, one.last_eligible or 0) > inputs.now
    ]
    if ahead:
        yield _warning(
            WarningCode.CLOCK_SKEW,
            "history rows are dated in the future; their cooldowns are counted from now",
            count=len(ahead),
            candidateIds=ahead[:_NAMED],
        )


def _no_new_approval(inputs: PolicyInputs) -> Iterator[JsonObject]:
    if inputs.prior is None or inputs.controls.mode is not Mode.GUARDED_AUTO:
        return
    previous, current = posture_of(inputs.prior), current_posture(inputs.controls)
    before, after = as_object(previous.controls), as_object(current.controls)
    changed = sorted(name for name in {*before, *after} - {"governance"} if before.get(name) != after.get(name))
    if changed and previous.governance == current.governance:
        yield _warning(
            WarningCode.NO_NEW_APPROVAL,
            "autonomous controls changed while the governance block (actor, approval, rationale) did not",
            changed=changed,
        )


def _fleet_id(inputs: PolicyInputs) -> Iterator[JsonObject]:
    if inputs.fleet.fleet_id != inputs.controls.fleet_id:
        yield _warning(
            WarningCode.FLEET_ID,
            "the fleet state names another fleet than the registry; rows carry the state's name",
            fleetStateFleetId=inputs.fleet.fleet_id,
            registryFleetId=inputs.controls.fleet_id,
        )


def _warning(code: WarningCode, message: str, **fields: object) -> JsonObject:
    return {"code": code, "message": message, **fields}
