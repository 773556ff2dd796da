"""A no-op pass over files against the bare writes that it must make."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.measure import Figure, cpu_s, paired
from opsd.compose import known_profiles, local_transport, loop_store, pass_settings, threshold_profile
from opsd.contract.ids import LoopId, parse_loop_id
from opsd.contract.reasons import TransportKind
from opsd.demo.replay import Player, load_recording
from opsd.loop.outcome import PassSettings
from opsd.loop.profile_drift import DriftSettings
from opsd.loop.reconcile import Reconciler
from opsd.loop.thresholds import from_profile
from opsd.loop.tuning import TuningSettings
from opsd.storage.model import Document, RowLog
from opsd.storage.store import FileLoopStore

_PASSES = 500


def bare_writes(folder: Path) -> tuple[list[tuple[str, bytes]], list[tuple[str, bytes]]]:
    """What one no-op pass writes: documents to replace and rows to append, with their contents."""
    store = loop_store(str(folder), parse_loop_id(load_recording("long_run").loop_id))
    documents = [
        (path, Path(path).read_bytes()) for path in (store.location(part) for part in Document) if os.path.exists(path)
    ]
    rows = []
    for log in (RowLog.RECONCILE, RowLog.SEQUENCE, RowLog.DRIFT):
        path = store.location(log)
        rows.append((path, Path(path).read_bytes().splitlines(keepends=True)[-1]))
    return documents, rows


def write_bare(documents: list[tuple[str, bytes]], rows: list[tuple[str, bytes]]) -> None:
    """The same writes with nothing around them."""
    for path, data in documents:
        temporary = f"{path}.bare"
        with open(temporary, "wb", buffering=0) as file:
            file.write(data)
        os.rename(temporary, path)
    for path, data in rows:
        with open(path, "ab", buffering=0) as file:
            file.write(data)


def local_reconciler(folder: Path) -> Reconciler:
    """A reconciler over the long recording, replayed into ``folder``."""
    recording = load_recording("long_run")
    Player(folder, recording, duration_s=0.0, started_at=1795521600).play(lambda _seconds: False)
    loop_id = parse_loop_id(recording.loop_id)
    store = loop_store(str(folder), loop_id)
    return Reconciler(store, daemon_settings(folder, loop_id, TransportKind.LOCAL, store))


def daemon_settings(folder: Path, loop_id: LoopId, kind: TransportKind, store: FileLoopStore) -> PassSettings:
    """How the daemon judges a loop by default."""
    tuning = TuningSettings(DriftSettings(), known_profiles(None))
    thresholds = from_profile(threshold_profile(None, None))
    return pass_settings(str(folder), loop_id, kind, thresholds, store, tuning=tuning, judge_liveness=True)


def noop_local() -> Iterator[Figure]:
    """CPU of one no-op pass over files."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        reconciler = local_reconciler(folder)
        transport = local_transport(name, parse_loop_id(reconciler.settings.loop_id))
        for trace in ("first", "second"):
            reconciler.run(transport, trace)
        documents, rows = bare_writes(folder)

        def ours() -> None:
            for _ in range(_PASSES):
                reconciler.run(transport, "0" * 36)

        def bare() -> None:
            for _ in range(_PASSES):
                write_bare(documents, rows)

        mine, theirs, ratio = paired(ours, bare, clock=cpu_s)
        yield Figure(
            "CPU of a no-op reconcile (local) against its bare writes",
            ratio,
            "<= 2",
            f"{mine / _PASSES * 1e6:.0f} us against {theirs / _PASSES * 1e6:.0f} us",
        )
