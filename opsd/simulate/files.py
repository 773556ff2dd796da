"""The files of a simulated run, with the runtime's own write patterns (contract 05, sections 2 and 3)."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

#: How long the runtime leaves a file empty before its content arrives, in seconds.
REWRITE_GAP_S = 0.02


def stamp() -> str:
    """Now, as the runtime writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def read_object(path: Path) -> dict[str, Any]:
    """A document, empty when it is absent or no object."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


class RunFiles:
    """The artifacts of one loop of one repo.

    Args:
        pause: waits so many seconds; the gap of a file that is rewritten in place goes through it.
        torn: long lines leave in two writes with a gap between them.
    """

    def __init__(
        self, repo: Path, loop_id: str, *, pause: Callable[[float], None] = time.sleep, torn: bool = False
    ) -> None:
        self.repo = repo
        self.loop_id = loop_id
        self.root = repo / ".superloop"
        self.folder = self.root / "loops" / loop_id
        self.journal = self.folder / "events.jsonl"
        self.state = self.root / "state.json"
        self.active_run = self.root / "active-run.json"
        self.approval = self.folder / "approval.json"
        self.summary = self.folder / "run-summary.json"
        self._pause = pause
        self._torn = torn

    def event(
        self,
        name: str,
        run_id: str,
        iteration: int,
        data: Mapping[str, Any],
        *,
        role: str | None = None,
        status: str | None = None,
    ) -> None:
        """Append one event; a torn last line of an earlier writer stays in front of it, as in real life."""
        line = {"timestamp": stamp(), "event": name, "loop_id": self.loop_id, "run_id": run_id, "iteration": iteration}
        line |= {key: value for key, value in (("role", role), ("status", status)) if value is not None}
        encoded = json.dumps({**line, "data": dict(data)}, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        with self.journal.open("ab", buffering=0) as file:
            if self._torn:
                half = len(encoded) // 2
                file.write(encoded[:half])
                self._pause(REWRITE_GAP_S)
                encoded = encoded[half:]
            file.write(encoded)

    def tear(self) -> None:
        """Leave half a line, as a kill or a full disk does."""
        with self.journal.open("ab", buffering=0) as file:
            file.write(b'{"timestamp":"' + stamp().encode() + b'","event":"role_en')

    def rewrite(self, path: Path, document: Mapping[str, Any]) -> None:
        """Truncate first, write after a moment."""
        with path.open("wb", buffering=0) as file:
            self._pause(REWRITE_GAP_S)
            file.write(_pretty(document))

    def replace(self, path: Path, document: Mapping[str, Any]) -> None:
        """Write beside and rename."""
        temporary = path.with_name(f"{path.name}.tmp")
        temporary.write_bytes(_pretty(document))
        temporary.replace(path)

    def write_state(self, *, active: bool, iteration: int) -> None:
        """``state.json``."""
        self.rewrite(
            self.state,
            {
                "active": active,
                "loop_index": 0,
                "iteration": iteration,
                "current_loop_id": self.loop_id,
                "updated_at": stamp(),
            },
        )

    def write_active_run(self, stage: str) -> None:
        """``active-run.json`` of this process."""
        named = self.loop_id if stage == "loop_start" else None
        self.rewrite(
            self.active_run,
            {
                "repo": str(self.repo),
                "pid": os.getpid(),
                "pgid": os.getpgid(0),
                "loop_id": named,
                "iteration": 1,
                "stage": stage,
                "updated_at": stamp(),
            },
        )

    def add_summary(self, entry: Mapping[str, Any]) -> None:
        """Append an entry to ``run-summary.json``."""
        entries = read_object(self.summary).get("entries", [])
        document = {"version": 1, "loop_id": self.loop_id, "updated_at": stamp(), "entries": [*entries, dict(entry)]}
        self.replace(self.summary, document)

    def reference(self, name: str) -> dict[str, Any]:
        """An artifact reference of the run summary."""
        path = self.folder / name
        found: dict[str, Any] = {"path": f".superloop/loops/{self.loop_id}/{name}", "exists": path.is_file()}
        if path.is_file():
            found |= {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "mtime": int(path.stat().st_mtime)}
        return found


def _pretty(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"
