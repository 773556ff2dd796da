"""Reloads that come close upon each other: the newest settings are in force behind the last of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from opsd.supervisor import logs
from opsd.supervisor.daemon import Daemon
from opsd.supervisor.settings.load import LoadedSettings, load_settings
from opsd.supervisor.tasks.heartbeat import Heartbeat


def _settings(repo: Path, resync_s: float) -> LoadedSettings:
    none = repo / "no.toml"
    return load_settings({"repo": str(repo), "reconcile.resync_seconds": resync_s}, {}, default_file=none)


async def test_a_reload_begins_when_the_one_before_it_is_in_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "configure", lambda *_form: None)
    in_force: list[float] = []

    def reload() -> LoadedSettings:
        in_force.append(daemon._parts.settings.reconcile.resync_seconds)
        return _settings(tmp_path, 10.0 + len(in_force))

    daemon = Daemon(_settings(tmp_path, 10.0), {}, reload, cast(Any, None))
    parts = daemon._parts
    watch = asyncio.create_task(parts.fleet.watch(Heartbeat(None, lambda: 0.0)))
    try:
        await asyncio.gather(*(daemon._reload_all() for _ in range(3)))
    finally:
        watch.cancel()
        if parts.alerts is not None:
            await parts.alerts.close()
        await parts.client.close()
        parts.timer.close()
        parts.jobs.close()
        parts.host.close()
        parts.threads.shutdown()
    assert in_force == [10.0, 11.0]  # the second stands for the third, too: it had not begun
    assert parts.settings.reconcile.resync_seconds == 12.0
