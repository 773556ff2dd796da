"""Fixtures of the command tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.support import Repo, Shell


@pytest.fixture(autouse=True)
def no_inherited_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("OPS_MANAGER_", "OPSD_"))]:
        monkeypatch.delenv(name)


@pytest.fixture
def opsd(capfdbinary: pytest.CaptureFixture[bytes]) -> Shell:
    return Shell(capfdbinary)


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path)
