"""The recorded runs under ``tests/data/recordings`` as test data: one entry per loop and step."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent / "data" / "recordings"


@dataclass(frozen=True)
class Recorded:
    """One loop at one moment of a recorded case."""

    case: str
    step: str
    loop_id: str
    expected_state: str | None
    lines: int
    invalid_lines: tuple[int, ...]

    @property
    def repo(self) -> Path:
        return ROOT / self.case / self.step

    @property
    def journal(self) -> Path:
        return self.repo / ".superloop" / "loops" / self.loop_id / "events.jsonl"

    def __str__(self) -> str:
        return f"{self.case}-{self.step}-{self.loop_id}"


def _load() -> tuple[list[Recorded], list[Recorded]]:
    finals: list[Recorded] = []
    steps: list[Recorded] = []
    for file in sorted(ROOT.glob("*/case.json")):
        case = json.loads(file.read_text())
        for step in [*case.get("series", []), case["final"]]:
            for loop_id, facts in step["loops"].items():
                recorded = Recorded(
                    case=case["case"],
                    step=step["dir"],
                    loop_id=loop_id,
                    expected_state=facts["expectedState"],
                    lines=facts["completeEventLines"],
                    invalid_lines=tuple(facts.get("invalidLines") or ()),
                )
                (finals if step["dir"] == "." else steps).append(recorded)
    return finals, steps


FINALS, STEPS = _load()


def install(recorded: Recorded, repo: Path) -> None:
    """Make ``repo`` look as the recorded one did: absent files are removed, the journal only grows."""
    target = repo / ".superloop"
    source = recorded.repo / ".superloop"
    wanted = {path.relative_to(source) for path in source.rglob("*") if path.is_file()}
    for path in sorted(target.rglob("*")):
        if path.is_file() and "ops-manager" not in path.parts and path.relative_to(target) not in wanted:
            path.unlink()
    for relative in sorted(wanted):
        copy_into_place(source / relative, target / relative)


def copy_into_place(source: Path, target: Path) -> None:
    """Copy a file; a journal that is a prefix of the new one is appended to, as the runtime does it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    data = source.read_bytes()
    if target.name == "events.jsonl" and target.exists() and data.startswith(old := target.read_bytes()):
        with target.open("ab") as file:
            file.write(data[len(old) :])
        return
    temporary = target.with_name(f".{target.name}.new")
    temporary.write_bytes(data)
    shutil.copymode(source, temporary)
    os.replace(temporary, target)
