"""The schema of the fleet registry, a reference document: no command loads it (contract 60, 2.2).

It is written out and not generated from types, because the registry is an input with rules of its own, and closed
where the contract says so. It refuses null, which the command takes for absent.
"""

from __future__ import annotations

from typing import Any

from opsd.contract.fleet_words import CATEGORIES, CONFIDENCES, INTENTS, SEVERITIES, PolicyMode
from opsd.contract.reasons import TransportKind

Schema = dict[str, Any]

_TEXT = {"type": "string", "minLength": 1}
_BOOLEAN = {"type": "boolean"}
_OBJECT = {"type": "object"}
_RATE = {"type": "number", "minimum": 0, "maximum": 1}
_COUNT = {"type": "integer", "minimum": 0}
_COUNT_FROM_1 = {"type": "integer", "minimum": 1}
_CATEGORIES = {"type": "array", "items": {"type": "string", "enum": list(CATEGORIES)}}


def registry_schema() -> Schema:
    """The schema's body."""
    return {
        "title": "OpsManagerFleetRegistryV1",
        **_closed(
            {
                "schemaVersion": {"const": "v1"},
                "fleetId": _TEXT,
                "loops": {"type": "array", "minItems": 1, "items": _loop()},
                "policy": _policy(),
            }
        ),
        "required": ["schemaVersion", "loops"],
    }


def _loop() -> Schema:
    properties = {
        "loopId": _TEXT,
        "enabled": _BOOLEAN,
        "transport": _one_of(*TransportKind),
        "sprite": _OBJECT,
        "service": _OBJECT,
        "metadata": _OBJECT,
    }
    return {"type": "object", "additionalProperties": True, "properties": properties, "required": ["loopId"]}


def _policy() -> Schema:
    properties = {
        "mode": _one_of(*PolicyMode),
        "suppressions": {"type": "object", "additionalProperties": _CATEGORIES},
        "noiseControls": _closed({"dedupeWindowSeconds": _COUNT}),
        "autonomous": _closed(
            {
                "allow": _closed({"categories": _CATEGORIES, "intents": {"type": "array", "items": _one_of(*INTENTS)}}),
                "thresholds": _closed({"minSeverity": _one_of(*SEVERITIES), "minConfidence": _one_of(*CONFIDENCES)}),
                "safety": _closed(
                    {
                        "maxActionsPerRun": _COUNT,
                        "maxActionsPerLoop": _COUNT,
                        "cooldownSeconds": _COUNT,
                        "killSwitch": _BOOLEAN,
                    }
                ),
                "governance": _closed(
                    dict.fromkeys(("actor", "approvalRef", "rationale", "changedAt", "reviewBy"), _TEXT)
                ),
                "rollout": _rollout(),
            }
        ),
    }
    return {"type": "object", "additionalProperties": True, "properties": properties}


def _rollout() -> Schema:
    return _closed(
        {
            "canaryPercent": {"type": "integer", "minimum": 0, "maximum": 100},
            "scope": _closed({"loopIds": {"type": "array", "items": _TEXT}}),
            "selector": _closed({"salt": _TEXT}),
            "pause": _closed({"manual": _BOOLEAN}),
            "autoPause": _closed(
                {
                    "enabled": _BOOLEAN,
                    "lookbackExecutions": _COUNT_FROM_1,
                    "minSampleSize": _COUNT_FROM_1,
                    "ambiguityRateThreshold": _RATE,
                    "failureRateThreshold": _RATE,
                }
            ),
        }
    )


def _closed(properties: Schema) -> Schema:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _one_of(*words: str) -> Schema:
    return {"type": "string", "enum": [str(word) for word in words]}
