"""Every recorded run ends, under the daemon, in the state that its recording ended in: over HTTP, and from files."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.daemon.support import TOKEN, Daemon, daemon, remote, sprite, write_registry
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
_DAMAGED = [one for one in FINALS if one.invalid_lines]
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


async def step_over(running: Daemon, recorded: Recorded, manager: Path, *flags: str) -> None:
    """The daemon says which line holds a loop up; the operator steps over it, and the daemon goes on."""
    (bad,) = recorded.invalid_lines

    async def held_up() -> bool:
        failure = (await running.view(recorded.loop_id)).get("lastFailure")
        return failure is not None and f"invalid JSON event at line {bad} " in failure["message"]

    await running.until(held_up)
    command = ["reconcile", "--repo", str(manager), "--loop", recorded.loop_id, "--skip-bad-line", str(bad), *flags]
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", "opsd", *command], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["transition"]["currentState"] == recorded.expected_state
    await running.until_state(recorded.loop_id, recorded.expected_state, recorded.lines)


@pytest.mark.parametrize("recorded", _DAMAGED, ids=str)
async def test_a_damaged_line_is_stepped_over_by_an_operator_over_http(recorded: Recorded, tmp_path: Path) -> None:
    manager, vm = tmp_path / "manager", tmp_path / "vm"
    install(recorded, vm)
    async with sprite(vm) as service:
        write_registry(manager, remote(recorded.loop_id, service.url))
        async with daemon(
            manager, "--reconcile-backoff-base-seconds", "0.1", "--reconcile-backoff-cap-seconds", "0.2"
        ) as running:
            flags = ["--transport", "sprite_service", "--service-base-url", service.url, "--service-token", TOKEN]
            await step_over(running, recorded, manager, *flags)


@pytest.mark.parametrize("recorded", _DAMAGED, ids=str)
async def test_a_damaged_line_is_stepped_over_by_an_operator_in_files(recorded: Recorded, tmp_path: Path) -> None:
    install(recorded, tmp_path / "repo")
    async with daemon(
        tmp_path / "repo", "--reconcile-backoff-base-seconds", "0.1", "--reconcile-backoff-cap-seconds", "0.2"
    ) as running:
        await step_over(running, recorded, tmp_path / "repo")
