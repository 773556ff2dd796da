"""What the metrics of a query mean, by the help text of their declarations; a recorded one by what it is made of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from tools.declared_metrics import daemon_metrics, sprite_metrics

_RECORDING = Path(__file__).resolve().parents[2] / "deploy" / "prometheus" / "opsd.recording.yml"
_NAME = re.compile(r"[a-zA-Z_:][\w:]*")
#: Prometheus' own.
_UP = {"up": "1 when the last scrape succeeded, else 0."}


def meaning(expressions: Iterable[str]) -> list[str]:
    """One line of Markdown for each metric that is named, in order, once."""
    helps, names = _helps(), dict.fromkeys(name for expr in expressions for name in _names(expr))
    return [f"`{name}`: {helps[name]}" for name in names]


def _names(expr: str) -> Iterable[str]:
    """The declared metrics behind an expression."""
    for word in _NAME.findall(re.sub(r'"[^"]*"', "", expr)):
        family = re.sub(r"_(bucket|sum|count)$", "", word)
        if word in _recorded():
            yield from _names(_recorded()[word])
        elif word in _helps() or family in _helps():
            yield word if word in _helps() else family


@cache
def _helps() -> Mapping[str, str]:
    return _UP | {metric.name: metric.text for metric in (*daemon_metrics(), *sprite_metrics())}


@cache
def _recorded() -> Mapping[str, str]:
    rules = re.split(r"^ *- record: ", _RECORDING.read_text(), flags=re.MULTILINE)[1:]
    return {name: expr for name, _, expr in (rule.partition("\n") for rule in rules)}
