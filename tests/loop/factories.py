"""Small builders for what the loop's pure functions take."""

from __future__ import annotations

from typing import Any

from opsd.contract.ids import LoopId
from opsd.contract.reasons import TransportKind
from opsd.loop.outcome import PassSettings
from opsd.loop.reconcile import Reconciler
from opsd.loop.thresholds import EMBEDDED_CATALOG, from_profile, resolve_profile
from opsd.runtime.reader import LoopReader
from opsd.storage.model import Document, RowLog
from opsd.storage.store import FileLoopStore
from opsd.transport.local import LocalTransport

NOW = "2026-11-24T12:00:00Z"
NOW_EPOCH = 1795521600.0


def thresholds(**explicit: int) -> Any:
    return from_profile(resolve_profile(EMBEDDED_CATALOG, None, source_file="embedded"), **explicit)


def pass_settings(repo: str, loop_id: str, **changes: Any) -> PassSettings:
    store = FileLoopStore(repo, LoopId(loop_id))
    values: dict[str, Any] = {
        "repo": repo,
        "loop_id": loop_id,
        "transport": TransportKind.LOCAL,
        "thresholds": thresholds(),
        "locations": {part: store.location(part) for part in (*Document, *RowLog)},
    }
    return PassSettings(**{**values, **changes})


def reconciler(repo: str, loop_id: str, **changes: Any) -> tuple[Reconciler, LocalTransport]:
    """A fresh process's view of one local loop."""
    transport = LocalTransport(LoopReader(repo, LoopId(loop_id), sleep=lambda _s: None), clock=lambda: NOW_EPOCH)
    return (
        Reconciler(
            FileLoopStore(repo, LoopId(loop_id)),
            pass_settings(repo, loop_id, **changes),
            clock=lambda: NOW_EPOCH,
            lock_wait_s=1.0,
        ),
        transport,
    )


def snapshot(loop_id: str = "demo", **run: Any) -> dict[str, Any]:
    return {
        "schemaVersion": "v1",
        "envelopeType": "loop_run_snapshot",
        "source": {"repoPath": "/vm", "loopId": loop_id},
        "run": {"runId": "r", "iteration": 1, "status": "running", **run},
        "runtime": {"superloopState": {"active": True}},
        "sequence": {"value": 2},
        "cursor": {"eventLineOffset": 2, "eventLineCount": 2},
        "health": {"lastEventAt": NOW, "lastEventName": "role_end"},
    }


def event(number: int, name: str = "role_end", loop_id: str = "demo") -> dict[str, Any]:
    return {
        "schemaVersion": "v1",
        "envelopeType": "loop_run_event",
        "source": {"repoPath": "/vm", "loopId": loop_id},
        "sequence": {"value": number},
        "event": {"name": name, "timestamp": NOW},
    }
