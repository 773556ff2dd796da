"""What a pass of ``opsd reconcile`` judges by: its flags and environment (contract 20, 2.1 to 2.4).

A daemon's settings are such flags in another form (:func:`judging_flags`), so that command and daemon judge alike.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from opsd.cli.arguments import Arguments, Flag, require_positive_int
from opsd.cli.loop.health import explicit_limits
from opsd.contract.errors import UsageError

if TYPE_CHECKING:
    from opsd.loop.health import Judge
    from opsd.loop.outcome import PassSettings
    from opsd.loop.thresholds import Thresholds
    from opsd.loop.tuning import Tuner, TuningSettings

CONFIG = Flag("--config", "judge as a daemon with these settings does; by default as the contract says", "<file>")

_POSITIVE = "{} must be an integer >= 1"
_CONFIDENCES = ("low", "medium", "high")
_CONFIDENCE_MESSAGE = "--drift-min-confidence must be one of: low, medium, high"


def judging_flags(arguments: Arguments) -> list[str]:
    """The flags of ``opsd reconcile`` that mean what the settings in ``--config`` say; none without it.

    Raises:
        UsageError: the settings cannot be used.
    """
    config_file = arguments.optional(CONFIG.name)
    if config_file is None:
        return []
    # The settings are much to import: only where they are asked for.
    from opsd.runtime.credentials import CredentialEnvironment
    from opsd.supervisor.settings.load import load_settings

    settings = load_settings({}, CredentialEnvironment(os.environ), config_file).settings
    thresholds, drift = settings.thresholds, settings.drift
    values: Mapping[str, object | None] = {
        "--threshold-profile": thresholds.profile,
        "--thresholds-file": thresholds.profiles_file,
        "--degraded-heartbeat-lag-seconds": thresholds.degraded_heartbeat_lag_seconds,
        "--critical-heartbeat-lag-seconds": thresholds.critical_heartbeat_lag_seconds,
        "--drift-min-confidence": drift.min_confidence,
        "--drift-required-streak": drift.required_streak,
        "--drift-summary-window": drift.summary_window,
    }
    switches = {"--liveness": thresholds.liveness, "--spare-finished": thresholds.spare_finished}
    flags = [part for flag, value in values.items() if value is not None for part in (flag, str(value))]
    return [*flags, *(flag for flag, wanted in switches.items() if wanted)]


def check_drift_numbers(arguments: Arguments, env: Mapping[str, str]) -> tuple[int, int]:
    """Streak and window of the drift settings: the flag, else the variable in ``env`` (contract 20, 2.2).

    Raises:
        UsageError: one of them is no number >= 1.
    """
    found = []
    for flag, variable, default in (
        ("--drift-required-streak", "OPS_MANAGER_DRIFT_REQUIRED_STREAK", 3),
        ("--drift-summary-window", "OPS_MANAGER_DRIFT_SUMMARY_WINDOW", 200),
    ):
        value = arguments.given(flag)
        if value is None:
            value = env.get(variable) or None
        found.append(default if value is None else require_positive_int(value, _POSITIVE.format(flag)))
    return found[0], found[1]


def _catalog_file(arguments: Arguments, env: Mapping[str, str]) -> str | None:
    from opsd import compose

    given = arguments.optional("--thresholds-file", "OPS_MANAGER_THRESHOLD_PROFILES_FILE")
    return given or compose.threshold_catalog_file(env)


def thresholds(arguments: Arguments, env: Mapping[str, str]) -> tuple[Thresholds, TuningSettings]:
    """The limits of health, and when they count as no longer fitting (steps 5 to 8 of contract 20, 2.4, in order).

    Raises:
        OpsError: a profile, a number or a pair of limits that cannot be used.
    """
    from opsd import compose
    from opsd.loop.profile_drift import Confidence, DriftSettings
    from opsd.loop.thresholds import from_profile
    from opsd.loop.tuning import TuningSettings

    catalog = _catalog_file(arguments, env)
    profile = arguments.optional("--threshold-profile", "OPS_MANAGER_THRESHOLD_PROFILE")
    program = env.get("OPS_MANAGER_THRESHOLD_PROFILE_SCRIPT")
    if program:
        from opsd.cli.loop.replaced_steps import replaced_profile

        resolved = replaced_profile(program, catalog or "", profile)
    else:
        resolved = compose.threshold_profile(catalog, profile)
    confidence = arguments.given("--drift-min-confidence")
    if confidence is None:
        confidence = env.get("OPS_MANAGER_DRIFT_MIN_CONFIDENCE") or "medium"
    if confidence not in _CONFIDENCES:
        raise UsageError(_CONFIDENCE_MESSAGE)
    drift = DriftSettings(Confidence(confidence), *check_drift_numbers(arguments, env))
    profiles = compose.known_profiles(catalog)
    return from_profile(resolved, **explicit_limits(arguments)), TuningSettings(drift, profiles)


def tuner(arguments: Arguments, settings: PassSettings, env: Mapping[str, str]) -> Tuner | None:
    """The operator's programs in place of the summary or drift step (2.3); None where there are none."""
    summary, drift = (
        env.get(name) for name in ("OPS_MANAGER_TELEMETRY_SUMMARY_SCRIPT", "OPS_MANAGER_PROFILE_DRIFT_SCRIPT")
    )
    if not summary and not drift:
        return None
    from opsd.cli.loop.replaced_steps import TuningPrograms

    return TuningPrograms(summary or "", drift or "", _catalog_file(arguments, env) or "", settings.locations)


def judge_of(intents_file: str, env: Mapping[str, str]) -> Judge:
    """The operator's health program (2.3), else our own judgement."""
    program = env.get("OPS_MANAGER_HEALTH_SCRIPT")
    if program:
        from opsd.cli.loop.replaced_steps import HealthProgram

        return HealthProgram(program, intents_file)
    from opsd.loop.health import judge

    return judge
