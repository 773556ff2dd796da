"""Registries, requests and stores for the tests of apply, orchestrate and the controller."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import format_utc
from opsd.fleet.registry import load_registry, parse_registry
from opsd.promotion.rollout.apply import Apply
from opsd.promotion.rollout.apply_record import ApplyRequest
from opsd.promotion.rollout.context import Governance, Seam
from opsd.promotion.rollout.words import Intent
from opsd.storage.fleet_parts import FleetDocument
from opsd.storage.fleet_store import FileFleetStore

NOW = 1_795_000_000
GOVERNANCE = Governance("ines", "CHG-204", "widen after review", format_utc(NOW + 30 * 86400))


def registry(percent: int = 40, *, paused: bool = False, mode: str = "guarded_auto", **policy: Any) -> JsonObject:
    """A registry as an operator writes it, with keys that nobody knows and a loop that is off."""
    return {
        "schemaVersion": "v1",
        "owner": "dock team",
        "fleetId": "harbour",
        "loops": [{"runbook": "wiki/quay", "loopId": "quay", "enabled": False}, {"loopId": "crane"}],
        "policy": {
            "mode": mode,
            "autonomous": {
                "governance": {
                    "actor": "tomas",
                    "approvalRef": "CHG-001",
                    "rationale": "first canary",
                    "changedAt": format_utc(NOW - 9 * 86400),
                    "reviewBy": format_utc(NOW + 5 * 86400),
                    "ticket": "T-1",
                },
                "rollout": {"autoPause": {"enabled": False}, "canaryPercent": percent, "pause": {"manual": paused}},
            },
            **policy,
        },
    }


class Rules:
    """The fleet-registry command, at a fixed time."""

    def normalized(self, data: bytes | None) -> JsonObject:
        return load_registry(data, source="R", now=NOW).document

    def revalidated(self, document: JsonObject) -> JsonObject:
        return parse_registry(document, source="R", now=NOW).document


def apply_request(intent: Intent = Intent.EXPAND, step: int = 25, *, key: str = "", **more: Any) -> ApplyRequest:
    return ApplyRequest(
        **{
            "intent": intent,
            "expand_step": step,
            "governance": GOVERNANCE,
            "seam": Seam(),
            "trace_id": "t",
            "idempotency_key": key,
            **more,
        }
    )


class Fleet:
    """The fleet folder of one repo, and applies to it."""

    def __init__(self, root: Path, document: JsonObject | None = None, decision: str | None = "promote") -> None:
        self.root = root
        self.store = FileFleetStore(str(root))
        self.folder = Path(self.store.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.registry_file = self.folder / "registry.v1.json"
        self.write(registry() if document is None else document)
        if decision is not None:
            state = {"generatedAt": format_utc(NOW - 60), "summary": {"decision": decision}}
            Path(self.store.location(FleetDocument.PROMOTION)).write_text(json.dumps(state))

    def write(self, document: JsonObject, indent: int | None = None) -> None:
        self.registry_file.write_text(json.dumps(document, indent=indent) + "\n")

    def read(self) -> Any:
        return json.loads(self.registry_file.read_text())

    def apply(self, request: ApplyRequest) -> JsonObject:
        return Apply(self.store, Rules(), clock=lambda: NOW, lock_wait_s=5.0).run(request)

    @property
    def rollout(self) -> tuple[int, bool]:
        found = self.read()["policy"]["autonomous"]["rollout"]
        return found["canaryPercent"], found["pause"]["manual"]

    def rows(self, name: str = "promotion-apply") -> list[Any]:
        path = self.folder / "telemetry" / f"{name}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
