"""``docs/reference/reasons.md``: every reason code with its meaning and the places where it is seen."""

from __future__ import annotations

from pathlib import Path

from tools.reference.markdown import code, page, table
from tools.reference.meanings import GROUPS, Codes

_ROOT = Path(__file__).resolve().parents[2]

_INTRO = """Codes are for machines and stay as they are; new ones may come. A program that stands in for a step may
answer codes of its own, which are handed on as they are. The [runbook](../runbook.md) says what to do."""


class MeaningError(Exception):
    """A code without a meaning, or a meaning without a code."""


def document() -> str:
    """The page.

    Raises:
        MeaningError: meanings and code do not match.
    """
    parts = [_INTRO]
    for group in GROUPS:
        parts.append(f"## {group.title}\n\n{group.where}")
        parts.append(table(("code", "meaning"), [(code(word), group.meanings[word]) for word in _words(group)]))
    return page("Reason codes", *parts)


def _words(group: Codes) -> list[str]:
    if isinstance(group.source, str):
        text = (_ROOT / group.source).read_text()
        words = [word for word in group.meanings if f'"{word}"' in text]
    else:
        words = [member.value for member in group.source]
    if set(words) != set(group.meanings):
        raise MeaningError(f"{group.title}: {sorted(set(words) ^ set(group.meanings))}")
    return words
