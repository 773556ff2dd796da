"""A managed repo with a runtime command that counts its runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from opsd.contract.ids import LoopId
from opsd.control.verdict import ControlRequest, Intent


class Repo:
    """One repo; ``superloop`` notes every run and does what a test says."""

    def __init__(self, root: Path, body: str = "") -> None:
        self.root = root
        self.loop = root / ".superloop" / "loops" / "demo"
        self.loop.mkdir(parents=True)
        (self.loop / "events.jsonl").write_text('{"timestamp":"2026-02-01T10:00:00Z","event":"loop_start"}\n')
        self.ops = root / ".superloop" / "ops-manager" / "demo"
        self.superloop = root / "superloop"
        self.superloop.write_text(f'#!/bin/sh\necho "$@" >> "{root}/calls"\n{body}\n')
        self.superloop.chmod(0o755)
        self.env = {"SUPERLOOP_BIN": str(self.superloop)}

    @property
    def calls(self) -> list[str]:
        """The runs of the command."""
        path = self.root / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def rows(self, name: str) -> list[dict[str, Any]]:
        """The rows of a manager file."""
        path = self.ops / name
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def all_rows(self) -> list[list[dict[str, Any]]]:
        """Intents, telemetry and audit."""
        names = ("intents.jsonl", "telemetry/control.jsonl", "telemetry/control-invocations.jsonl")
        return [self.rows(name) for name in names]

    @property
    def pending(self) -> list[str]:
        """The intents that the journal still holds open."""
        found: dict[str, None] = {}
        for row in self.rows("intent-journal.jsonl"):
            if row["phase"] == "started":
                found[row["controlId"]] = None
            elif row["phase"] in ("recorded", "unusable"):
                del found[row["controlId"]]
        return list(found)

    @property
    def locks(self) -> list[Path]:
        """The locks of running intents."""
        return sorted(self.ops.glob(".intent-*.lock"))

    def request(self, intent: str = "cancel", **changes: Any) -> ControlRequest:
        """A request for the one loop."""
        values: dict[str, Any] = {
            "repo": str(self.root),
            "loop_id": LoopId("demo"),
            "intent": Intent(intent),
            "by": "tester",
            "note": "",
            "trace_id": "t-1",
            "idempotency_key": "key-1",
            "timeout_s": 0,
        }
        return ControlRequest(**{**values, **changes})
