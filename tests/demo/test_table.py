"""The fleet's table fits the terminal and takes what a sprite says as data."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from opsd.demo.table import age, fleet_table

_VIEWS = [
    {
        "loopId": "image-sync",
        "state": "awaiting_approval",
        "healthStatus": "degraded",
        "reasonCodes": ["ingest_stale", "transport_unreachable"],
        "lastEventName": "[red]approval",
        "lastEventAt": "2026-11-24T10:00:00Z",
        "cursor": {"eventLineOffset": 5},
    },
    {"loopId": "new", "lastFailure": {"code": "deadline_exceeded"}},
]


@pytest.mark.parametrize(("width", "following"), [(80, False), (170, True)])
def test_the_most_important_columns_fit_every_terminal(width: int, following: bool) -> None:
    out = io.StringIO()
    console = Console(file=out, width=width)
    console.print(fleet_table(_VIEWS, now=1795515300.0, title="fleet", width=width))
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= width
    for wanted in (
        "awaiting_approval",
        "ingest_stale",
        "transport_unreachable",
        "15m",
        "deadline_exceeded",
        "not seen",
    ):
        assert wanted in text
    assert ("following" in text) is following
    assert ("[red]" in text) is following  # text, not markup


@pytest.mark.parametrize(("seconds", "text"), [(-5, "0s"), (59.9, "59s"), (60, "1m"), (7300, "2h"), (90_000, "1d")])
def test_an_age_is_told_in_its_largest_unit(seconds: float, text: str) -> None:
    assert age(seconds) == text
