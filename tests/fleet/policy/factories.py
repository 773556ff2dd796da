"""Small builders of what policy's pure functions take."""

from __future__ import annotations

from typing import Any

from opsd.contract import jsoncodec
from opsd.contract.timestamps import parse_epoch
from opsd.fleet.policy.autopause import Execution
from opsd.fleet.policy.controls import Controls, parse_controls
from opsd.fleet.policy.evaluate import evaluate_policy
from opsd.fleet.policy.inputs import Places, PolicyInputs, PolicySettings, Seen
from opsd.fleet.policy.report import FleetReport, parse_report

NOW_TEXT = "2026-11-24T12:00:00Z"
NOW = parse_epoch(NOW_TEXT) or 0
PLACES = Places("/f/state.json", "/f/registry", "/f/policy", "/f/audit", "/f/handoff", "/f/history")
GOVERNANCE = {
    "actor": "duty-lead",
    "approvalRef": "CHG-88",
    "rationale": "night cover",
    "changedAt": "2026-11-01T00:00:00Z",
    "reviewBy": "2026-12-31T00:00:00Z",
    "reviewWindowDays": 60,
}


def registry(
    mode: str = "guarded_auto",
    loops: tuple[str, ...] = ("a", "b", "c"),
    *,
    suppressions: dict[str, Any] | None = None,
    safety: dict[str, Any] | None = None,
    rollout: dict[str, Any] | None = None,
    allow: dict[str, Any] | None = None,
    thresholds: dict[str, Any] | None = None,
    governance: dict[str, Any] | None = None,
    fleet_id: str = "harbor",
) -> dict[str, Any]:
    """A normalized registry."""
    return {
        "schemaVersion": "v1",
        "fleetId": fleet_id,
        "loops": [{"loopId": name, "enabled": True} for name in loops],
        "policy": {
            "mode": mode,
            "suppressions": suppressions or {},
            "noiseControls": {"dedupeWindowSeconds": 300},
            "autonomous": {
                "enabled": mode == "guarded_auto",
                "allow": {
                    "categories": ["reconcile_failed", "health_critical"],
                    "intents": ["cancel"],
                    **(allow or {}),
                },
                "thresholds": {"minSeverity": "critical", "minConfidence": "high", **(thresholds or {})},
                "safety": {
                    "maxActionsPerRun": 1,
                    "maxActionsPerLoop": 1,
                    "cooldownSeconds": 300,
                    "killSwitch": False,
                    **(safety or {}),
                },
                "governance": GOVERNANCE if governance is None else governance,
                "rollout": {
                    "canaryPercent": 100,
                    "scope": {"loopIds": []},
                    "selector": {"salt": "fleet-autonomous-rollout-v1"},
                    "pause": {"manual": False},
                    "autoPause": {
                        "enabled": True,
                        "lookbackExecutions": 5,
                        "minSampleSize": 3,
                        "ambiguityRateThreshold": 0.4,
                        "failureRateThreshold": 0.4,
                    },
                    **(rollout or {}),
                },
            },
        },
    }


def controls(mode: str = "guarded_auto", **changes: Any) -> Controls:
    return parse_controls(registry(mode, **changes))


def result(loop_id: str, status: str = "failed", health: str = "healthy", **more: Any) -> dict[str, Any]:
    return {"loopId": loop_id, "status": status, "healthStatus": health, **more}


def report(*results: dict[str, Any], **top: Any) -> FleetReport:
    state = {"fleetId": "harbor", "traceId": "fl-7", "status": "partial_failure", "results": list(results), **top}
    return parse_report(jsoncodec.dumps(state), "state.json")


def inputs(
    *results: dict[str, Any],
    window_s: int = 300,
    history: dict[str, Seen] | None = None,
    executions: tuple[Execution, ...] = (),
    now: int = NOW,
    prior: dict[str, Any] | None = None,
    last_audit_row: dict[str, Any] | None = None,
    policy: Controls | None = None,
    settings: PolicySettings | None = None,
    **changes: Any,
) -> PolicyInputs:
    """Inputs of one evaluation; further names are those of :func:`registry`."""
    return PolicyInputs(
        now=now,
        trace_id="t",
        fleet=report(*results),
        controls=policy or controls(**changes),
        settings=settings or PolicySettings(window_s),
        places=PLACES,
        history=history or {},
        executions=executions,
        prior=prior,
        last_audit_row=last_audit_row,
    )


def state_of(found: PolicyInputs) -> Any:
    """The policy state as it would be read back."""
    return jsoncodec.loads(jsoncodec.dumps(evaluate_policy(found).state))


def verdicts(found: PolicyInputs) -> dict[str, list[str]]:
    """Every candidate's reasons."""
    return {one["candidateId"]: one["autonomous"]["reasons"] for one in state_of(found)["candidates"]}
