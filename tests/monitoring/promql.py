"""What a PromQL expression names: metrics with the labels of their selectors, and labels that it groups by.

No parser: strings are emptied first, and what stands in parentheses after ``by`` and its like is a list of labels; what
is left of names, without functions and operators, are metrics.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'')
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_SELECTOR = re.compile(r"(?<![\w:.$])([a-zA-Z_:][\w:]*)\s*(?:\{([^}]*)\})?(?!\s*\(|[\w:])")
_RANGE = re.compile(r"\[[^\]]*\]")
_WORDS = {"and", "or", "unless", "bool", "offset", "by", "without", "on", "ignoring", "group_left", "group_right"}


@dataclass(frozen=True, slots=True)
class Selector:
    """One metric with the labels that are asked of it."""

    metric: str
    labels: frozenset[str]


def parse(expr: str) -> tuple[list[Selector], frozenset[str]]:
    """The selectors, and every label that something is grouped or matched by."""
    text = _RANGE.sub("", _STRING.sub('""', expr))
    grouped = {label.strip() for labels in _GROUPING.findall(text) for label in labels.split(",")} - {""}
    text = _GROUPING.sub(" ", text)
    selectors = [
        Selector(name, frozenset(re.findall(r"([a-zA-Z_]\w*)\s*[=!]", labels)))
        for name, labels in _SELECTOR.findall(text)
        if name not in _WORDS
    ]
    return selectors, frozenset(grouped)
