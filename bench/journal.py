"""Reading the journal: ingest against bare decoding, and a warm poll far down a long journal against a short one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import orjson

from bench.measure import Figure, paired
from opsd.contract.ids import parse_loop_id
from opsd.demo.replay import load_recording
from opsd.runtime.reader import LoopReader

_LOOP = parse_loop_id("bench")
_NOW = "2026-11-24T12:00:00Z"


def journal(folder: Path, lines: int) -> LoopReader:
    """A reader over a journal of ``lines`` recorded lines."""
    recorded = load_recording("long_run").lines
    path = folder / ".superloop" / "loops" / _LOOP / "events.jsonl"
    path.parent.mkdir(parents=True)
    whole, rest = divmod(lines, len(recorded))
    block = b"".join(line + b"\n" for line in recorded)
    with path.open("wb") as file:
        for _ in range(whole):
            file.write(block)
        file.writelines(line + b"\n" for line in recorded[:rest])
    return LoopReader(str(folder), _LOOP)


def ingest() -> Iterator[Figure]:
    """Events a second from the file to checked events (counted, hashed, in pages as the daemon reads them)."""
    with tempfile.TemporaryDirectory() as folder:
        journal(Path(folder), 100_000)
        lines = (Path(folder) / ".superloop/loops/bench/events.jsonl").read_bytes().split(b"\n")[:-1]

        def ours() -> None:
            reader, offset, seen = LoopReader(folder, _LOOP), 0, 0
            while True:
                page = reader.ingest(offset=offset, max_events=10_000, now=_NOW, trace_id=None)
                seen += len(page.numbers)
                if page.offset == offset:
                    break
                offset = page.offset
            assert seen == len(lines)

        def bare() -> None:
            for line in lines:
                orjson.loads(line)

        mine, theirs, ratio = paired(ours, bare)
        yield Figure(
            "journal ingest, events/s against bare orjson.loads",
            1 / ratio,
            ">= 0.5",
            f"{len(lines) / mine:,.0f} events/s against {len(lines) / theirs:,.0f}",
        )


def warm_poll() -> Iterator[Figure]:
    """One appended line, polled: the length of the journal before it must not matter."""
    with tempfile.TemporaryDirectory() as long_folder, tempfile.TemporaryDirectory() as short_folder:
        polls = []
        for folder, lines in ((long_folder, 1_000_000), (short_folder, 1_000)):
            reader = journal(Path(folder), lines)
            path = Path(folder) / ".superloop/loops/bench/events.jsonl"
            line = load_recording("long_run").lines[0] + b"\n"
            state = {"offset": reader.line_count()}
            reader.poll(offset=state["offset"], max_events=0, now=_NOW, trace_id=None)

            def poll(
                reader: LoopReader = reader, path: Path = path, line: bytes = line, state: dict[str, int] = state
            ) -> None:
                for _ in range(200):
                    with path.open("ab") as file:
                        file.write(line)
                    found = reader.poll(offset=state["offset"], max_events=0, now=_NOW, trace_id=None)
                    assert len(found.events) == 1
                    state["offset"] = found.offset

            polls.append(poll)
        long_s, short_s, ratio = paired(polls[0], polls[1])
        yield Figure(
            "warm poll at the end of 1,000,000 lines against 1,000",
            ratio,
            "<= 1.5",
            f"{long_s / 200 * 1e6:.0f} us against {short_s / 200 * 1e6:.0f} us",
        )
