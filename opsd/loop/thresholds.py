"""Threshold profiles: the catalog, its resolver, and the thresholds that a pass works with (contract 40, 2 and 3)."""

from __future__ import annotations

from dataclasses import dataclass

from opsd.contract.errors import UsageError
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import drop_null, first_present, get

#: Contract 40, 2. ``config/ops-manager-threshold-profiles.v1.json`` is this document.
EMBEDDED_CATALOG: JsonObject = {
    "schemaVersion": "v1",
    "defaultProfile": "balanced",
    "profiles": {
        "strict": {
            "description": "Fast detection for short-feedback loops with high signal confidence",
            "degradedIngestLagSeconds": 120,
            "criticalIngestLagSeconds": 300,
            "degradedTransportFailureStreak": 1,
            "criticalTransportFailureStreak": 2,
        },
        "balanced": {
            "description": "Default dogfood profile balancing alert timeliness and noise",
            "degradedIngestLagSeconds": 300,
            "criticalIngestLagSeconds": 900,
            "degradedTransportFailureStreak": 2,
            "criticalTransportFailureStreak": 4,
        },
        "relaxed": {
            "description": "Noise-reduction profile for unstable environments or heavy churn",
            "degradedIngestLagSeconds": 600,
            "criticalIngestLagSeconds": 1800,
            "degradedTransportFailureStreak": 3,
            "criticalTransportFailureStreak": 6,
        },
    },
}

_VALUE_KEYS = (
    "degradedIngestLagSeconds",
    "criticalIngestLagSeconds",
    "degradedTransportFailureStreak",
    "criticalTransportFailureStreak",
)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The six limits of health: lags in seconds, streaks in passes; ``profile`` is only their label."""

    degraded_ingest_lag_s: int = 300
    critical_ingest_lag_s: int = 900
    degraded_heartbeat_lag_s: int = 120
    critical_heartbeat_lag_s: int = 300
    degraded_transport_failure_streak: int = 2
    critical_transport_failure_streak: int = 4
    profile: str | None = None

    def check(self) -> None:
        """Critical may not lie below degraded.

        Raises:
            UsageError: contract 20, 2.4 step 8.
        """
        pairs = (
            ("ingest lag", self.degraded_ingest_lag_s, self.critical_ingest_lag_s),
            ("heartbeat lag", self.degraded_heartbeat_lag_s, self.critical_heartbeat_lag_s),
            ("transport failure", self.degraded_transport_failure_streak, self.critical_transport_failure_streak),
        )
        for name, degraded, critical in pairs:
            if critical < degraded:
                raise UsageError(f"critical {name} threshold must be >= degraded threshold")


def check_catalog(catalog: JsonValue) -> JsonObject:
    """The catalog's ``profiles``.

    Raises:
        UsageError: ``threshold profiles file has invalid shape``.
    """
    profiles = get(catalog, "profiles")
    if get(catalog, "schemaVersion") != "v1" or not isinstance(profiles, dict) or not profiles:
        raise UsageError("threshold profiles file has invalid shape")
    return profiles


def resolve_profile(catalog: JsonValue, name: str | None, *, source_file: str) -> JsonObject:
    """The resolver's answer for one profile (contract 40, 3.2 and 3.3).

    Raises:
        UsageError: shape, name or values are not usable.
    """
    profiles = check_catalog(catalog)
    chosen = name or first_present(get(catalog, "defaultProfile"), None)
    if not isinstance(chosen, str) or not chosen:
        raise UsageError("profile name is required and defaultProfile is missing")
    profile = profiles.get(chosen)
    if profile is None:
        raise UsageError(f"unknown threshold profile: {chosen}")
    values = {key: get(profile, key) for key in _VALUE_KEYS}
    numbers = [value for value in values.values() if type(value) is int and value >= 0]
    if len(numbers) != len(_VALUE_KEYS) or numbers[1] < numbers[0] or numbers[3] < numbers[2]:
        raise UsageError(f"threshold profile values are invalid: {chosen}")
    return drop_null(
        {
            "schemaVersion": "v1",
            "sourceFile": source_file,
            "profile": chosen,
            "values": values,
            "description": first_present(get(profile, "description"), None) or None,
        }
    )


def from_profile(
    resolved: JsonObject,
    *,
    degraded_ingest_lag_s: int | None = None,
    critical_ingest_lag_s: int | None = None,
    degraded_heartbeat_lag_s: int | None = None,
    critical_heartbeat_lag_s: int | None = None,
    degraded_transport_failure_streak: int | None = None,
    critical_transport_failure_streak: int | None = None,
) -> Thresholds:
    """Explicit limits over those of the resolved profile, each decided on its own (contract 20, 2.2).

    Raises:
        UsageError: a critical limit below its degraded one.
    """

    def pick(explicit: int | None, default: int) -> int:
        return default if explicit is None else explicit

    values = resolved["values"]
    thresholds = Thresholds(
        degraded_ingest_lag_s=pick(degraded_ingest_lag_s, values["degradedIngestLagSeconds"]),
        critical_ingest_lag_s=pick(critical_ingest_lag_s, values["criticalIngestLagSeconds"]),
        degraded_heartbeat_lag_s=pick(degraded_heartbeat_lag_s, 120),
        critical_heartbeat_lag_s=pick(critical_heartbeat_lag_s, 300),
        degraded_transport_failure_streak=pick(
            degraded_transport_failure_streak, values["degradedTransportFailureStreak"]
        ),
        critical_transport_failure_streak=pick(
            critical_transport_failure_streak, values["criticalTransportFailureStreak"]
        ),
        profile=resolved["profile"],
    )
    thresholds.check()
    return thresholds
