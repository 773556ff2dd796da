"""A recorded run as a plan of writes, and the player that carries it out.

The plan is pure: a recording and a speed in, moments and file contents out. The player writes as the runtime does
(contract 05, section 3): journal lines are appended, ``state.json`` is truncated and rewritten in place,
``run-summary.json`` is replaced by a rename. Times in the data become the time of the replay, so that freshness can
be judged.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from opsd.contract import jsoncodec
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import format_utc, parse_epoch

DATA = Path(__file__).parent / "data"
_STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@dataclass(frozen=True, slots=True)
class Recording:
    """One loop of a recorded case: its complete journal lines and the files that stood at the end."""

    case: str
    loop_id: str
    lines: tuple[bytes, ...]
    state: JsonObject | None
    summary: JsonObject | None
    approval: JsonObject | None
    expected_state: str


@dataclass(frozen=True, slots=True)
class Write:
    """At ``at_s`` seconds after the start, put ``content`` into ``file`` (None removes it)."""

    at_s: float
    file: str
    content: bytes | None
    how: str  # append | rewrite | replace | remove


def list_cases() -> list[str]:
    """The recorded cases in the package."""
    return sorted(entry.name for entry in DATA.iterdir() if (entry / "case.json").is_file())


def load_recording(case: str) -> Recording:
    """The primary loop of a packaged case."""
    folder = DATA / case
    facts = jsoncodec.loads((folder / "case.json").read_bytes())
    loop_id = facts["primaryLoopId"]
    root = folder / "superloop"

    def read(path: Path) -> JsonObject | None:
        return jsoncodec.loads(path.read_bytes()) if path.is_file() else None

    journal = (root / "loops" / loop_id / "events.jsonl").read_bytes()
    return Recording(
        case=case,
        loop_id=loop_id,
        lines=tuple(journal[: journal.rfind(b"\n")].split(b"\n")),
        state=read(root / "state.json"),
        summary=read(root / "loops" / loop_id / "run-summary.json"),
        approval=read(root / "loops" / loop_id / "approval.json"),
        expected_state=facts["final"]["loops"][loop_id]["expectedState"],
    )


def plan_writes(recording: Recording, *, duration_s: float) -> Iterator[Write]:
    """Every write of the replay, in order, spread over ``duration_s`` seconds.

    The pace follows the recorded timestamps; lines of one second are spread over it.
    """
    loop = f"loops/{recording.loop_id}"
    events = [jsoncodec.loads(line) for line in recording.lines]
    moments = _moments(events, duration_s)
    entries = list((recording.summary or {}).get("entries", []))
    shown = 0
    for line, event, at in zip(recording.lines, events, moments, strict=True):
        if event["event"] == "iteration_start":
            active = {
                "active": True,
                "loop_index": 0,
                "iteration": event["iteration"],
                "current_loop_id": recording.loop_id,
                "updated_at": event["timestamp"],
            }
            yield Write(at, "state.json", _document(active), "rewrite")
        yield Write(at, f"{loop}/events.jsonl", line + b"\n", "append")
        if event["event"] == "iteration_end" and shown < len(entries) - 1:
            shown += 1
            part = {**(recording.summary or {}), "entries": entries[:shown]}
            yield Write(at, f"{loop}/run-summary.json", _document(part), "replace")
    if recording.summary is not None:
        yield Write(duration_s, f"{loop}/run-summary.json", _document(recording.summary), "replace")
    if recording.approval is not None:
        yield Write(duration_s, f"{loop}/approval.json", _document(recording.approval), "rewrite")
    if recording.state is None:
        yield Write(duration_s, "state.json", None, "remove")
    else:
        yield Write(duration_s, "state.json", _document(recording.state), "rewrite")


def _moments(events: list[JsonObject], duration_s: float) -> list[float]:
    stamps = [parse_epoch(event["timestamp"]) or 0 for event in events]
    spread: list[float] = []
    for index, stamp in enumerate(stamps):
        same = [other for other, value in enumerate(stamps) if value == stamp]
        spread.append(stamp - stamps[0] + (index - same[0]) / len(same))
    return [moment * duration_s / (stamps[-1] - stamps[0] + 1) for moment in spread]


def _document(value: JsonObject) -> bytes:
    return jsoncodec.dumps_pretty(value) + b"\n"


class Player:
    """Carries out the replay of one recording below ``repo``.

    Every timestamp in the data, the run id among them, is moved to the time of the replay: the first event becomes
    ``started_at``, and the rest follow at the replay's pace.
    """

    def __init__(self, repo: Path, recording: Recording, *, duration_s: float, started_at: float) -> None:
        self._root = repo / ".superloop"
        self._recording = recording
        self._duration_s = duration_s
        self._started_at = started_at
        stamps = [parse_epoch(jsoncodec.loads(line)["timestamp"]) or 0 for line in recording.lines]
        self._origin = stamps[0]
        self._scale = duration_s / (stamps[-1] - stamps[0] + 1)

    def _moved(self, found: re.Match[bytes]) -> bytes:
        recorded = parse_epoch(found.group().decode()) or self._origin
        return format_utc(self._started_at + (recorded - self._origin) * self._scale).encode()

    def write(self, step: Write) -> None:
        """One write, in the runtime's own manner."""
        path = self._root / step.file
        if step.content is None:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        content = _STAMP.sub(self._moved, step.content)
        if step.how == "append":
            with path.open("ab") as file:
                file.write(content)
        elif step.how == "rewrite":
            with path.open("wb") as file:
                file.write(content)
        else:
            temporary = path.with_name(f"{path.name}.tmp")
            temporary.write_bytes(content)
            os.replace(temporary, path)

    def play(self, stopped: Callable[[float], bool]) -> bool:
        """The whole replay; ``stopped(seconds)`` waits and tells whether to end early. True when it was played out."""
        started = time.monotonic()
        for step in plan_writes(self._recording, duration_s=self._duration_s):
            if stopped(max(0.0, started + step.at_s - time.monotonic())):
                return False
            self.write(step)
        return True
