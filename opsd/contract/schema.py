"""``schema/*.json``, generated from the TypedDicts of this package.

The only module of the contract that imports pydantic, and nothing imports it at run time.
``python -m opsd.contract.schema --write`` renews the files, ``--check`` compares them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from opsd.contract import alert_schemas, artifacts, envelopes, tuning_artifacts
from opsd.contract.registry_schema import registry_schema

SCHEMA_FOLDER = Path(__file__).resolve().parents[2] / "schema"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_RUN_STATUSES = ["running", "awaiting_approval", "complete", "stopped", "failed", "idle", "unknown"]

_ARTIFACTS: dict[str, Any] = {
    "cursor": artifacts.CursorFile,
    "state": artifacts.StateFile,
    "health": artifacts.HealthFile,
    "heartbeat": artifacts.HeartbeatFile,
    "sequence-state": artifacts.SequenceStateFile,
    "transport-health": artifacts.TransportHealthFile,
    "profile-drift": tuning_artifacts.DriftFile,
    "telemetry-summary": tuning_artifacts.TelemetrySummary,
    "reconcile-telemetry": artifacts.ReconcileRow,
    "escalation": artifacts.EscalationRow,
}


def generate() -> dict[str, dict[str, Any]]:
    """File name to schema document, for every file in ``schema/``."""
    files = {
        "ops-manager.contract.schema.json": _contract_schema(),
        "ops-manager-fleet.registry.schema.json": {
            "$schema": _DIALECT,
            "$id": "https://superloop.sh/schemas/ops-manager-fleet-registry-v1.json",
            **registry_schema(),
        },
        **alert_schemas.generate(),
    }
    for name, model in _ARTIFACTS.items():
        schema = TypeAdapter(model).json_schema()
        files[f"ops-manager.{name}.schema.json"] = {
            "$schema": _DIALECT,
            "$id": f"https://superloop.sh/schemas/ops-manager-{name}-v1.json",
            **_tidy(schema),
        }
    return files


def _contract_schema() -> dict[str, Any]:
    """Both envelopes, closed and with the constraints of contract 10, part 6."""
    definitions: dict[str, Any] = {}
    for name, model in (
        ("loopRunSnapshotEnvelope", envelopes.SnapshotEnvelope),
        ("loopRunEventEnvelope", envelopes.EventEnvelope),
    ):
        schema = _tidy(TypeAdapter(model).json_schema())
        for inner, definition in schema.pop("$defs").items():
            definitions[_camel(inner)] = definition
        definitions[name] = schema
    _constrain(definitions)
    return {
        "$schema": _DIALECT,
        "$id": "https://superloop.sh/schemas/ops-manager-contract-v1.json",
        "title": "OpsManagerContractV1",
        "oneOf": [{"$ref": "#/$defs/loopRunSnapshotEnvelope"}, {"$ref": "#/$defs/loopRunEventEnvelope"}],
        "$defs": dict(sorted(definitions.items())),
    }


def _constrain(definitions: dict[str, Any]) -> None:
    """What Python types do not say: closed objects, lengths, minima, the status enum, optional newcomers."""
    text1 = {"type": "string", "minLength": 1}
    count = {"type": "integer", "minimum": 0}
    nullable_object = {"anyOf": [{"type": "object"}, {"type": "null"}]}
    gate_names = ("tests", "validation", "prerequisites", "checklist", "evidence", "approval")
    definitions["gates"] = {
        # The runtime of today writes a seventh gate, "lifecycle": further text gates are welcome.
        "type": "object",
        "properties": {name: {"type": "string"} for name in gate_names},
        "required": list(gate_names),
        "additionalProperties": {"type": "string"},
    }
    definitions["stuck"] = {
        "type": "object",
        "properties": {"streak": count, "threshold": count},
        "required": ["streak", "threshold"],
        "additionalProperties": False,
    }
    for definition in definitions.values():
        definition.setdefault("additionalProperties", False)
        for name in definition["properties"]:
            if name in ("repoPath", "loopId", "runId"):
                definition["properties"][name] = dict(text1)
            if name in (
                "value",
                "sizeBytes",
                "lineCount",
                "eventLineOffset",
                "eventLineCount",
                "iteration",
                "eventCount",
            ):
                definition["properties"][name] = dict(count)
            if name == "emittedAt":
                definition["properties"][name] = {"type": "string", "format": "date-time"}
    definitions["snapshotRun"]["properties"]["status"] = {"$ref": "#/$defs/runStatus"}
    definitions["sequence"]["properties"]["source"] = dict(text1)
    for name in ("timestamp", "name"):
        definitions["event"]["properties"][name] = dict(text1)
    definitions["event"]["properties"]["payload"] = nullable_object
    for name in ("superloopState", "activeRun", "approval", "heartbeat"):
        definitions["snapshotRuntime"]["properties"][name] = nullable_object
    for name in ("gates", "stuck"):
        definitions["snapshotHealth"]["properties"][name] = {"oneOf": [{"$ref": f"#/$defs/{name}"}, {"type": "null"}]}
    definitions["runStatus"] = {"type": "string", "enum": _RUN_STATUSES}
    for envelope in ("loopRunSnapshotEnvelope", "loopRunEventEnvelope"):
        definitions[envelope]["required"].remove("traceId")
    for section in ("snapshotRuntime", "snapshotArtifacts"):
        definitions[section]["required"].remove("heartbeat")
    definitions["liveness"]["properties"]["pid"] = {}


def _tidy(value: Any) -> Any:
    """Without pydantic's titles, and with references in our spelling."""
    if isinstance(value, dict):
        tidy: dict[str, Any] = {}
        for key, item in value.items():
            if key == "title" and isinstance(item, str):
                continue
            if key == "$ref":
                prefix, _, name = item.rpartition("/")
                tidy[key] = f"{prefix}/{_camel(name)}"
            elif key == "$defs":
                tidy[key] = {_camel(name): _tidy(definition) for name, definition in item.items()}
            else:
                tidy[key] = _tidy(item)
        return tidy
    return [_tidy(item) for item in value] if isinstance(value, list) else value


def _camel(name: str) -> str:
    """The name of a definition in contract 10, part 6."""
    return {"CursorPosition": "cursor", "EventRun": "run"}.get(name, name[:1].lower() + name[1:])


def encode(schema: dict[str, Any]) -> str:
    """A schema file's text."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def main(argv: list[str]) -> int:
    """``--write`` renews ``schema/``; ``--check`` (default) exits 1 when a file differs."""
    different = []
    for name, schema in generate().items():
        path = SCHEMA_FOLDER / name
        if "--write" in argv:
            path.parent.mkdir(exist_ok=True)
            path.write_text(encode(schema), encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != encode(schema):
            different.append(name)
    for name in different:
        print(f"error: schema/{name} is not what the contract's types say; run make schema", file=sys.stderr)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
