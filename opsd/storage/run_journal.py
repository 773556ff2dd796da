"""Write-ahead journals of runs that change something and record it elsewhere (contract 95, weaknesses 5 and 6).

A run's first row is on disk before it changes anything; its last one says that its record stands, or that nothing came
of it. A run without a last row is *open*: its process lives and holds the lock under which it runs, or it died. Whoever
holds that lock therefore knows that every open run is abandoned.
"""

from __future__ import annotations

from opsd.contract import jsoncodec
from opsd.contract.jsoncodec import JsonObject
from opsd.storage import files, row_files
from opsd.storage.store import parse_row

#: The last row of a run whose record stands, and of one that changed nothing.
RECORDED, ABANDONED = "recorded", "abandoned"

#: The journal is put aside beyond so many bytes, when no run is open.
_ROTATE_OVER = 1024 * 1024


class RunJournal:
    """One journal. Its callers hold a lock of their own."""

    def __init__(self, path: str) -> None:
        self.path = path

    def begin(self, run_id: str, phase: str, fields: JsonObject) -> None:
        """Write the first row of a run; it is on disk when this returns.

        Raises:
            ManagerFileError: it cannot be written. Nothing may be changed then.
        """
        self._append(run_id, phase, fields, rotate_over=0 if self.open_runs() else _ROTATE_OVER)

    def append(self, run_id: str, phase: str, fields: JsonObject | None = None) -> None:
        """Add a row that survives a power loss.

        Raises:
            ManagerFileError: it cannot be written.
        """
        self._append(run_id, phase, fields or {}, rotate_over=0)

    def open_runs(self) -> dict[str, list[JsonObject]]:
        """The rows of every open run by its id, oldest first. A line that a crash tore is none."""
        found: dict[str, list[JsonObject]] = {}
        for line in (files.read_bytes(self.path) or b"").split(b"\n")[:-1]:
            row = parse_row(line)
            run_id = row.get("runId")
            if not isinstance(run_id, str):
                continue
            if row.get("phase") in (RECORDED, ABANDONED):
                found.pop(run_id, None)
            else:
                found.setdefault(run_id, []).append(row)
        return found

    def _append(self, run_id: str, phase: str, fields: JsonObject, *, rotate_over: int) -> None:
        row = jsoncodec.dumps({"runId": run_id, "phase": phase, **fields}) + b"\n"
        row_files.append_lines(self.path, row, durable=True, rotate_over=rotate_over)
