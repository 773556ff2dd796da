"""The telemetry summary of two files, read from their ends (contract 40, 4.2)."""

from __future__ import annotations

import time

from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import format_utc
from opsd.loop.telemetry_summary import summarize
from opsd.storage.model import tail_row
from opsd.storage.tail import tail_rows


def summary_of(repo: str, loop_id: str, reconcile_file: str, control_file: str, window: int) -> JsonObject:
    """The summary of the newest rows of two files.

    Raises:
        ManagerFileError: a bad row inside the window.
    """
    return summarize(
        [tail_row(row) for row in tail_rows(reconcile_file, window)],
        [tail_row(row) for row in tail_rows(control_file, window)],
        repo=repo,
        loop_id=loop_id,
        reconcile_file=reconcile_file,
        control_file=control_file,
        window=window,
        now=format_utc(time.time()),
    )
