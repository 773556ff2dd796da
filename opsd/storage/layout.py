"""Where the manager keeps what it knows of one loop (contract 00, *Manager Persistence Paths*; 20, 2.1)."""

from __future__ import annotations

from collections.abc import Mapping

from opsd.contract.ids import LoopId
from opsd.storage.model import Document, RowLog

Part = Document | RowLog

_NAMES: dict[Part, str] = {
    Document.STATE: "state.json",
    Document.CURSOR: "cursor.json",
    Document.HEALTH: "health.json",
    Document.HEARTBEAT: "heartbeat.json",
    Document.SEQUENCE: "sequence-state.json",
    Document.TRANSPORT_HEALTH: "telemetry/transport-health.json",
    Document.DRIFT: "profile-drift.json",
    Document.ALERT_DISPATCH: "alert-dispatch-state.json",
    RowLog.ESCALATIONS: "escalations.jsonl",
    RowLog.INTENTS: "intents.jsonl",
    RowLog.RECONCILE: "telemetry/reconcile.jsonl",
    RowLog.CONTROL: "telemetry/control.jsonl",
    RowLog.HEARTBEAT: "telemetry/heartbeat.jsonl",
    RowLog.SEQUENCE: "telemetry/sequence.jsonl",
    RowLog.ALERTS: "telemetry/alerts.jsonl",
    RowLog.DRIFT: "telemetry/profile-drift.jsonl",
    RowLog.INVOCATIONS: "telemetry/control-invocations.jsonl",
}


class ManagerLayout:
    """Paths of one loop's manager artifacts; ``overrides`` are path flags, kept exactly as given."""

    __slots__ = ("_paths", "folder", "idempotency_file", "intent_journal_file", "lock_file", "telemetry_folder")

    def __init__(self, repo: str, loop_id: LoopId, overrides: Mapping[Part, str] | None = None) -> None:
        self.folder = f"{repo.rstrip('/')}/.superloop/ops-manager/{loop_id}"
        self.telemetry_folder = f"{self.folder}/telemetry"
        self.lock_file = f"{self.folder}/.lock"
        self.idempotency_file = f"{self.folder}/service-idempotency.json"
        self.intent_journal_file = f"{self.folder}/intent-journal.jsonl"
        self._paths: dict[Part, str] = {part: f"{self.folder}/{name}" for part, name in _NAMES.items()}
        if overrides:
            self._paths.update(overrides)

    def path(self, part: Part) -> str:
        """The file that holds ``part``."""
        return self._paths[part]


def control_lock_file(repo: str) -> str:
    """Held while a runtime command runs in the repo."""
    return f"{repo.rstrip('/')}/.superloop/ops-manager/.control.lock"


def fleet_registry_file(repo: str) -> str:
    """Default place of the fleet registry (contract 60, 2)."""
    return f"{repo.rstrip('/')}/.superloop/ops-manager/fleet/registry.v1.json"
