"""Every recorded run ends, under the daemon, in the state that its recording ended in: over HTTP, and from files."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.daemon.support import daemon, remote, sprite, write_registry
from tests.recordings import FINALS, Recorded, install

#: Loops of different cases may have one name, and one daemon knows each name once.
_GROUPS: list[list[Recorded]] = []
for _recorded in FINALS:
    _free = (group for group in _GROUPS if all(one.loop_id != _recorded.loop_id for one in group))
    _group = next(_free, None)
    if _group is None:
        _GROUPS.append([_recorded])
    else:
        _group.append(_recorded)
_USABLE = [one for one in FINALS if not one.invalid_lines]


@pytest.mark.parametrize("group", _GROUPS, ids=lambda group: f"{len(group)}-loops")
async def test_over_http(group: list[Recorded], tmp_path: Path) -> None:
    manager = tmp_path / "manager"
    async with AsyncExitStack() as stack:
        urls: dict[str, str] = {}
        for recorded in group:
            if recorded.case not in urls:
                install(recorded, tmp_path / recorded.case)
                urls[recorded.case] = (await stack.enter_async_context(sprite(tmp_path / recorded.case))).url
        write_registry(manager, *(remote(one.loop_id, urls[one.case]) for one in group))
        running = await stack.enter_async_context(daemon(manager, "--reconcile-backoff-base-seconds", "0.1"))
        for recorded in group:
            if not recorded.invalid_lines:
                await running.until_state(recorded.loop_id, recorded.expected_state, recorded.lines)


@pytest.mark.parametrize("recorded", _USABLE, ids=str)
async def test_from_files(recorded: Recorded, tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    install(recorded, repo)
    async with daemon(repo) as running:
        view = await running.until_state(recorded.loop_id, recorded.expected_state, recorded.lines)
        assert view["transport"] == "local"
        assert view["lastFailure"] is None
    state = json.loads((repo / ".superloop" / "ops-manager" / recorded.loop_id / "state.json").read_bytes())
    assert state["transition"]["currentState"] == recorded.expected_state
