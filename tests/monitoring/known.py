"""What queries may name: the declared metrics, and what the recording rules make of them."""

from __future__ import annotations

import os
import re
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring.promql import parse
from tools.declared_metrics import daemon_metrics, sprite_metrics

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
#: Labels that Prometheus adds itself.
_TARGET = frozenset({"job", "instance"})


@cache
def groups(file: str) -> list[dict[str, Any]]:
    """The groups of a rule file."""
    found: list[dict[str, Any]] = yaml.safe_load((PROMETHEUS / file).read_text())["groups"]
    return found


def rules(file: str) -> list[dict[str, Any]]:
    """The rules of a file, in order."""
    return [rule for group in groups(file) for rule in group["rules"]]


@cache
def known_series() -> dict[str, frozenset[str]]:
    """Labels by the name of every series that a query may use."""
    series = {"up": _TARGET}
    for metric in (*daemon_metrics(), *sprite_metrics()):
        for name in metric.series:
            bucket = {"le"} if name.endswith("_bucket") else set()
            series[name] = _TARGET | frozenset(metric.labels) | bucket
    for rule in rules("opsd.recording.yml"):
        _selectors, grouped = parse(rule["expr"])
        series[rule["record"]] = (grouped - {"le"}) | _TARGET
    return series


def unknown(expr: str) -> set[str]:
    """What an expression names and nobody exports: metrics, or ``metric{label}``."""
    selectors, grouped = parse(expr)
    series = known_series()
    wrong = {one.metric for one in selectors if one.metric not in series}
    asked: set[str] = set()
    for one in selectors:
        labels = series.get(one.metric, frozenset())
        asked |= labels
        wrong |= {f"{one.metric}{{{label}}}" for label in one.labels - labels if one.metric in series}
    return wrong | {f"by ({label})" for label in grouped - asked}


def labels_of_template(text: str) -> set[str]:
    """The labels that an annotation shows."""
    return set(re.findall(r"\$labels\.(\w+)", text))


def promtool() -> str:
    """Path of promtool; the test is skipped where it is missing, except in CI."""
    found = shutil.which("promtool")
    if found is None:
        assert os.environ.get("CI") != "true", "promtool is missing: install Debian's package prometheus"
        pytest.skip("promtool is missing: install Debian's package prometheus")
    return found
