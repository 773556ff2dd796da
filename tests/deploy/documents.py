"""The commands that docs/install.md and docs/deployment.md print, as a reader would paste them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def blocks(document: str, heading: str) -> list[str]:
    """The shell commands below a heading of a document, block by block."""
    text = _without_comments((ROOT / "docs" / document).read_text())
    section = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    assert section is not None, heading
    found = re.findall(r"^```sh\n(.*?)^```$", section[1], re.MULTILINE | re.DOTALL)
    return [block.replace("\\#", "#") for block in found]


def _without_comments(text: str) -> str:
    """A ``#`` that begins a line inside a block is no heading."""
    inside, lines = False, []
    for line in text.splitlines(keepends=True):
        if line.startswith("```"):
            inside = not inside
        lines.append("\\" + line if inside and line.startswith("#") else line)
    return "".join(lines)
