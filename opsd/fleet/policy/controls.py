"""The controls of a normalized registry, typed once at the border (contract 70, 6; 60, 2.3).

The registry may come from an operator's own program (``OPS_MANAGER_FLEET_REGISTRY_SCRIPT``), so defaults are applied
again, and a value that no rule could compare is refused rather than guessed at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from opsd.contract.errors import UsageError
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import as_object, first_present, get
from opsd.fleet.policy.words import Mode


@dataclass(frozen=True, slots=True)
class AutoPauseControls:
    """When a bad record of autonomous executions pauses the rollout; rates are fractions of what was attempted."""

    enabled: bool
    lookback_executions: int
    min_sample_size: int | float
    ambiguity_rate_threshold: int | float
    failure_rate_threshold: int | float


@dataclass(frozen=True, slots=True)
class Controls:
    """What the registry says of policy.

    ``policy`` is its policy block as it stands, ``dedupe_window`` an unchecked value of it. ``loops`` maps declared
    loop ids to whether they are enabled.
    """

    fleet_id: JsonValue
    mode: Mode
    loops: Mapping[str, bool]
    suppressions: JsonObject
    dedupe_window: JsonValue
    policy: JsonObject
    allowed_categories: tuple[str, ...]
    allowed_intents: tuple[str, ...]
    min_severity: str
    min_confidence: str
    max_actions_per_run: int | float
    max_actions_per_loop: int | float
    cooldown_s: int | float
    kill_switch: bool
    canary_percent: int | float
    scope: tuple[str, ...]
    salt: str
    paused_manually: bool
    auto_pause: AutoPauseControls

    @property
    def document(self) -> JsonObject:
        """The registry's ``policy.autonomous``, whole."""
        return as_object(self.policy.get("autonomous"))


def parse_controls(registry: JsonValue) -> Controls:
    """The controls of a normalized registry.

    Raises:
        UsageError: ``unsupported policy mode: <mode>``, or a value that cannot be compared.
    """
    policy = as_object(get(registry, "policy"))
    mode = first_present(policy.get("mode"), "advisory")
    if mode not in tuple(Mode):
        raise UsageError(f"unsupported policy mode: {mode}")
    document = as_object(policy.get("autonomous"))
    safety, rollout = as_object(document.get("safety")), as_object(document.get("rollout"))
    auto_pause = as_object(rollout.get("autoPause"))
    allow, thresholds = as_object(document.get("allow")), as_object(document.get("thresholds"))
    return Controls(
        fleet_id=first_present(get(registry, "fleetId"), "default"),
        mode=Mode(mode),
        loops=_loops(get(registry, "loops")),
        suppressions=as_object(policy.get("suppressions")),
        dedupe_window=first_present(get(policy.get("noiseControls"), "dedupeWindowSeconds"), 300),
        policy=policy,
        allowed_categories=_texts(allow.get("categories"), "allow.categories"),
        allowed_intents=_texts(allow.get("intents"), "allow.intents"),
        min_severity=_text(thresholds.get("minSeverity"), "critical", "thresholds.minSeverity"),
        min_confidence=_text(thresholds.get("minConfidence"), "high", "thresholds.minConfidence"),
        max_actions_per_run=_number(safety.get("maxActionsPerRun"), 1, "safety.maxActionsPerRun"),
        max_actions_per_loop=_number(safety.get("maxActionsPerLoop"), 1, "safety.maxActionsPerLoop"),
        cooldown_s=_number(safety.get("cooldownSeconds"), 300, "safety.cooldownSeconds"),
        kill_switch=_switch(safety.get("killSwitch"), "safety.killSwitch"),
        canary_percent=_number(rollout.get("canaryPercent"), 100, "rollout.canaryPercent"),
        scope=_texts(get(rollout.get("scope"), "loopIds"), "rollout.scope.loopIds"),
        salt=_text(get(rollout.get("selector"), "salt"), "fleet-autonomous-rollout-v1", "rollout.selector.salt"),
        paused_manually=_switch(get(rollout.get("pause"), "manual"), "rollout.pause.manual"),
        auto_pause=AutoPauseControls(
            enabled=auto_pause.get("enabled") is not False,
            lookback_executions=int(
                _number(auto_pause.get("lookbackExecutions"), 5, "rollout.autoPause.lookbackExecutions")
            ),
            min_sample_size=_number(auto_pause.get("minSampleSize"), 3, "rollout.autoPause.minSampleSize"),
            ambiguity_rate_threshold=_number(
                auto_pause.get("ambiguityRateThreshold"), 0.4, "rollout.autoPause.ambiguityRateThreshold"
            ),
            failure_rate_threshold=_number(
                auto_pause.get("failureRateThreshold"), 0.4, "rollout.autoPause.failureRateThreshold"
            ),
        ),
    )


def _loops(value: JsonValue) -> dict[str, bool]:
    entries = value if isinstance(value, list) else []
    return {
        entry["loopId"]: entry.get("enabled") is not False
        for entry in entries
        if isinstance(entry, dict) and isinstance(entry.get("loopId"), str)
    }


def _number(value: JsonValue, default: int | float, name: str) -> int | float:
    found = first_present(value, default)
    if isinstance(found, bool) or not isinstance(found, (int, float)) or found < 0:
        raise UsageError(f"policy.autonomous.{name} must be a number >= 0")
    return found


def _text(value: JsonValue, default: str, name: str) -> str:
    found = first_present(value, default)
    if not isinstance(found, str):
        raise UsageError(f"policy.autonomous.{name} must be a string")
    return found


def _texts(value: JsonValue, name: str) -> tuple[str, ...]:
    found = first_present(value, [])
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise UsageError(f"policy.autonomous.{name} must be an array of strings")
    return tuple(found)


def _switch(value: JsonValue, name: str) -> bool:
    # A kill switch that is not readable must not read as released.
    if value is not None and not isinstance(value, bool):
        raise UsageError(f"policy.autonomous.{name} must be boolean")
    return value is True
