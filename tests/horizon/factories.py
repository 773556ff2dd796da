"""Envelopes, outboxes, and what a bridge made of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from opsd.contract.ids import TraceId
from opsd.horizon.bridge import BridgeOptions, BridgeResult, run_bridge
from opsd.storage.bridge_store import BridgeStore

IMPATIENT = BridgeOptions(patience_s=0.0)


def envelope(packet_id: str = "p", trace_id: str = "t", **fields: Any) -> dict[str, Any]:
    """A valid envelope; ``fields`` replace its top-level fields or those of its packet, None removes them."""
    packet = {"packetId": packet_id, "recipient": {"type": "agent", "id": "w1"}, "intent": "inspect"}
    whole: dict[str, Any] = {"schemaVersion": "v1", "traceId": trace_id, "packet": packet, "evidenceRefs": []}
    for name, value in fields.items():
        owner = packet if name in ("recipient", "intent") else whole
        owner[name] = value
    return whole


def line(*args: str, **fields: Any) -> bytes:
    """One line of an outbox file."""
    return json.dumps(envelope(*args, **fields)).encode() + b"\n"


class World:
    """A repo with an outbox and the bridge's files."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.outbox = root / ".superloop" / "horizons" / "outbox"
        self.fleet = root / ".superloop" / "ops-manager" / "fleet"
        self.claims = self.fleet / "horizon-bridge-claims"
        self.queue_file = self.fleet / "horizon-bridge-queue.json"
        self.state_file = self.fleet / "horizon-bridge-state.json"
        self.telemetry_file = self.fleet / "telemetry" / "horizon-bridge.jsonl"
        self.outbox.mkdir(parents=True, exist_ok=True)

    def put(self, name: str, *lines: bytes) -> Path:
        """Append lines to an outbox file."""
        path = self.outbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(b"".join(lines))
        return path

    def leave_in_flight(self, claim_name: str, *lines: bytes) -> None:
        """A claim that a dead run left."""
        path = self.claims / "inflight" / claim_name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(lines))

    def run(self, options: BridgeOptions = IMPATIENT) -> BridgeResult:
        """One pass."""
        return run_bridge(BridgeStore(str(self.root)), TraceId("run"), options)

    def files(self, folder: str) -> dict[str, bytes]:
        """The files in a sub-folder of the claims, by claim name."""
        root = self.claims / folder
        return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}

    @property
    def intents(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.queue_file.read_bytes())["intents"]
        return found

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """What identifies each intent of the queue, sorted."""
        return sorted((intent["packetId"], intent["traceId"]) for intent in self.intents)

    @property
    def telemetry(self) -> list[dict[str, Any]]:
        return [json.loads(row) for row in self.telemetry_file.read_bytes().splitlines() if row]
