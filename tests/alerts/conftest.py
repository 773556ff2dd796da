"""Fixtures of the alert tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.alerts.timeline import Timeline, timeline


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Timeline]:
    async with timeline(tmp_path) as found:
        yield found
