"""How alert delivery stands, for whoever only looks: the sinks of the repo and a loop's dead letters (50, R10 and R11).

Reads two files and nothing else; one-shot commands import what that takes only where a file is there.
"""

from __future__ import annotations

import os

from opsd.contract.jsoncodec import JsonObject
from opsd.storage.files import read_bytes, signature
from opsd.storage.fleet_parts import FleetDocument
from opsd.storage.fleet_store import FileFleetStore


def delivery_standing(repo: str, dispatch_state_file: str, now: float) -> JsonObject:
    """``deadLetterCount`` and ``sinks`` as status shows them; ``now`` in seconds since 1970. Blocking."""
    return {
        "deadLetterCount": _dead_letters(os.path.join(os.path.dirname(dispatch_state_file), "alert-dead-letter.jsonl")),
        "sinks": _sinks(repo, now),
    }


def _dead_letters(path: str) -> int:
    if signature(path) is None:
        return 0
    from opsd.alerts.records.dead_letters import outstanding
    from opsd.storage.store import parse_row

    lines = (read_bytes(path) or b"").split(b"\n")[:-1]
    return len(outstanding(row for line in lines if (row := parse_row(line))))


def _sinks(repo: str, now: float) -> list[JsonObject]:
    data = FileFleetStore(repo).read(FleetDocument.SINK_HEALTH)
    if data is None:
        return []
    from opsd.alerts.targets.sink_health import sink_views

    return sink_views(data, now)
