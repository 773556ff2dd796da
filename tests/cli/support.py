"""A small managed repo and a way to call commands in this process."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, RenderableType

from opsd.cli.main import main
from opsd.cli.page import show


@dataclass(frozen=True)
class Result:
    """What one command answered."""

    exit: int
    out: bytes
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


class Shell:
    """Calls ``opsd`` and captures what it prints."""

    def __init__(self, capture: pytest.CaptureFixture[bytes]) -> None:
        self._capture = capture

    def __call__(self, *argv: object) -> Result:
        self._capture.readouterr()
        try:
            code = main([str(part) for part in argv])
        except SystemExit as ended:
            code = int(ended.code or 0)
        out, err = self._capture.readouterr()
        return Result(code, out, err.decode())


class Repo:
    """One repo with one loop."""

    def __init__(self, root: Path, loop_id: str = "demo") -> None:
        self.root = root
        self.loop_id = loop_id
        self.loop_dir = root / ".superloop" / "loops" / loop_id
        self.ops = root / ".superloop" / "ops-manager" / loop_id
        self.journal = self.loop_dir / "events.jsonl"
        self.loop_dir.mkdir(parents=True)
        self.journal.touch()

    @property
    def flags(self) -> tuple[str, ...]:
        return ("--repo", str(self.root), "--loop", self.loop_id)

    def append(self, *names: str) -> None:
        """Append one event per name."""
        with self.journal.open("a") as file:
            for name in names:
                file.write(json.dumps({"timestamp": "2026-11-24T08:00:00Z", "event": name, "run_id": "r"}) + "\n")

    def append_text(self, text: str) -> None:
        """Append a text as it is."""
        with self.journal.open("a") as file:
            file.write(text)


def printed(page: Sequence[RenderableType], width: int = 100) -> str:
    """A page as a terminal of ``width`` columns shows it."""
    paper = io.StringIO()
    show(page, Console(file=paper, width=width))
    return paper.getvalue()
