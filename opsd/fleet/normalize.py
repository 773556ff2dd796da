"""The normalized registry: every default filled in, unknown keys dropped (contract 60, 2.3).

The input has passed every rule of 2.2. Where the contract's note says so, ``false`` is honoured and not taken for
absent (weakness 1).
"""

from __future__ import annotations

from opsd.contract.fleet_words import PolicyMode
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.reasons import TransportKind
from opsd.contract.timestamps import parse_epoch
from opsd.contract.values import absent, as_object, drop_null, first_present

_DAY_S = 86400


def normalized(registry: JsonObject, *, source: str) -> JsonObject:
    """The normalized document of a valid registry that was read from ``source``."""
    loops = [normalized_loop(item) for item in registry["loops"]]
    return {
        "schemaVersion": "v1",
        "sourceFile": source,
        "fleetId": first_present(registry.get("fleetId"), "default"),
        "loops": loops,
        "policy": _policy(as_object(registry.get("policy"))),
        "loopCount": len(loops),
    }


def only_loop(document: JsonObject, loop_id: str) -> JsonObject | None:
    """The normalized document with one loop left; None when it knows none of that id. The policy stays whole."""
    loops = [item for item in document["loops"] if item["loopId"] == loop_id]
    return {**document, "loops": loops, "loopCount": len(loops)} if loops else None


def normalized_loop(item: JsonObject) -> JsonObject:
    """One loop item. ``observe``, which is not the contract's, stands last and only where it was given."""
    sprite, service = as_object(item.get("sprite")), as_object(item.get("service"))
    loop: JsonObject = {
        "loopId": item["loopId"],
        "enabled": item.get("enabled") is not False,
        "transport": first_present(item.get("transport"), TransportKind.LOCAL.value),
        "sprite": _present(
            id=sprite.get("id"),
            assignment=sprite.get("assignment"),
            serviceBaseUrl=first_present(sprite.get("serviceBaseUrl"), service.get("baseUrl")),
        ),
        "service": {
            **_present(
                baseUrl=first_present(service.get("baseUrl"), sprite.get("serviceBaseUrl")),
                tokenEnv=service.get("tokenEnv"),
            ),
            "retryAttempts": first_present(service.get("retryAttempts"), 3),
            "retryBackoffSeconds": first_present(service.get("retryBackoffSeconds"), 1),
        },
        "metadata": first_present(item.get("metadata"), {}),
    }
    return {**loop, **_present(observe=item.get("observe"))}


def _policy(policy: JsonObject) -> JsonObject:
    autonomous = as_object(policy.get("autonomous"))
    mode = first_present(policy.get("mode"), PolicyMode.ADVISORY.value)
    return {
        "mode": mode,
        "suppressions": first_present(policy.get("suppressions"), {}),
        "noiseControls": _filled(policy.get("noiseControls"), dedupeWindowSeconds=300),
        "autonomous": {
            "enabled": mode == PolicyMode.GUARDED_AUTO,
            "allow": _filled(
                autonomous.get("allow"), categories=["reconcile_failed", "health_critical"], intents=["cancel"]
            ),
            "thresholds": _filled(autonomous.get("thresholds"), minSeverity="critical", minConfidence="high"),
            "safety": _filled(
                autonomous.get("safety"), maxActionsPerRun=1, maxActionsPerLoop=1, cooldownSeconds=300, killSwitch=False
            ),
            "governance": _governance(as_object(autonomous.get("governance"))),
            "rollout": _rollout(as_object(autonomous.get("rollout"))),
        },
    }


def _governance(governance: JsonObject) -> JsonObject:
    keys = ("actor", "approvalRef", "rationale", "changedAt", "reviewBy")
    changed_at, review_by = parse_epoch(governance.get("changedAt")), parse_epoch(governance.get("reviewBy"))
    window_days = None if changed_at is None or review_by is None else (review_by - changed_at) // _DAY_S
    return {**_present(**{key: governance.get(key) for key in keys}), **drop_null({"reviewWindowDays": window_days})}


def _rollout(rollout: JsonObject) -> JsonObject:
    auto_pause = as_object(rollout.get("autoPause"))
    return {
        **_filled(rollout, canaryPercent=100),
        "scope": _filled(rollout.get("scope"), loopIds=[]),
        "selector": _filled(rollout.get("selector"), salt="fleet-autonomous-rollout-v1"),
        "pause": _filled(rollout.get("pause"), manual=False),
        "autoPause": {
            "enabled": auto_pause.get("enabled") is not False,
            **_filled(
                auto_pause,
                lookbackExecutions=5,
                minSampleSize=3,
                ambiguityRateThreshold=0.4,
                failureRateThreshold=0.4,
            ),
        },
    }


def _filled(container: JsonValue, **defaults: JsonValue) -> JsonObject:
    """The values of a container that may be missing, each with its default, in the order of the defaults."""
    given = as_object(container)
    return {key: first_present(given.get(key), default) for key, default in defaults.items()}


def _present(**values: JsonValue) -> JsonObject:
    """The values that are neither null nor false."""
    return {key: value for key, value in values.items() if not absent(value)}
