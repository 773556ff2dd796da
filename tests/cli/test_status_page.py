"""``opsd status`` for a person: a page with what matters, of whatever the files hold."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console

from opsd.cli.status_page import status_page
from opsd.loop.status import StatusInputs, status
from tests.cli.support import Repo, Shell

NOW = "2026-11-24T12:00:00Z"


def page(document: dict[str, Any]) -> str:
    out = io.StringIO()
    Console(file=out, width=100).print(status_page(document))
    return out.getvalue()


def test_a_page_tells_what_an_operator_asks_first(opsd: Shell, repo: Repo) -> None:
    repo.append("loop_start", "role_end")
    assert opsd("reconcile", *repo.flags, "--trace-id", "t-77").exit == 0
    document = opsd("status", *repo.flags).json
    text = page(document)
    for wanted in ("lifecycle", "2 of 2 taken in", "ingest_stale", "success local", "balanced", "t-77"):
        assert wanted in text
    assert "None" not in text
    assert document["age"]["lastReconcileAgeSeconds"] >= 0


@pytest.mark.parametrize(
    "state", [{}, {"health": {"status": "[red]x", "reasons": [5, {"code": "\x1b[31m"}]}}, {"run": []}]
)
def test_any_files_make_a_page_and_what_they_say_is_text(state: dict[str, Any]) -> None:
    inputs = StatusInputs("/r", "demo", NOW, 200, {}, state=state, health={"status": "critical"})
    text = page(json.loads(json.dumps(status(inputs))))
    assert "demo" in text
    assert "\x1b" not in text
