"""Changes are noticed, by inotify and by polling, also in folders that come later or are replaced."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from opsd.contract.ids import parse_loop_id
from opsd.runtime.watcher import JournalWatcher, WatchMode

LOOP = parse_loop_id("demo")


@contextlib.asynccontextmanager
async def watching(mode: WatchMode) -> AsyncIterator[JournalWatcher]:
    watcher = JournalWatcher(mode, poll_s=0.01)
    watcher.open()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(watcher.run())
        yield watcher
        task.cancel()


@pytest.mark.parametrize("mode", [WatchMode.INOTIFY, WatchMode.POLL])
async def test_an_appended_line_is_noticed(mode: WatchMode, tmp_path: Path) -> None:
    folder = tmp_path / ".superloop" / "loops" / LOOP
    folder.mkdir(parents=True)
    async with watching(mode) as watcher:
        subscription = watcher.subscribe(str(tmp_path), LOOP)
        assert not await subscription.wait(0.03)
        for _ in range(3):
            with (folder / "events.jsonl").open("a") as file:
                file.write("{}\n")
            assert await subscription.wait(60)
        (tmp_path / ".superloop" / "state.json").write_text("{}")
        assert await subscription.wait(60)


@pytest.mark.parametrize("mode", [WatchMode.INOTIFY, WatchMode.POLL])
async def test_a_folder_that_comes_later_or_is_replaced_is_watched(mode: WatchMode, tmp_path: Path) -> None:
    folder = tmp_path / ".superloop" / "loops" / LOOP
    async with watching(mode) as watcher:
        subscription = watcher.subscribe(str(tmp_path), LOOP)
        for _ in range(2):
            folder.mkdir(parents=True)
            while await subscription.wait(0.05):
                pass
            (folder / "events.jsonl").write_text("{}\n")
            assert await subscription.wait(60)
            shutil.rmtree(tmp_path / ".superloop")
            assert await subscription.wait(60)
            while await subscription.wait(0.05):
                pass


async def test_other_files_of_the_folder_are_no_news(tmp_path: Path) -> None:
    folder = tmp_path / ".superloop" / "loops" / LOOP
    folder.mkdir(parents=True)
    async with watching(WatchMode.INOTIFY) as watcher:
        assert watcher.uses_inotify
        subscription = watcher.subscribe(str(tmp_path), LOOP)
        (folder / "timeline.md").write_text("x")
        assert not await subscription.wait(0.05)


async def test_a_closed_subscription_leaves_no_watch_behind(tmp_path: Path) -> None:
    (tmp_path / ".superloop" / "loops" / LOOP).mkdir(parents=True)
    async with watching(WatchMode.INOTIFY) as watcher:
        first, second = watcher.subscribe(str(tmp_path), LOOP), watcher.subscribe(str(tmp_path), LOOP)
        first.close()
        (tmp_path / ".superloop" / "state.json").write_text("{}")
        assert await second.wait(60)
        assert not await first.wait(0.02)
        second.close()
        assert watcher._watches == {}


async def test_running_out_of_watches_falls_back_to_polling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncinotify

    def refuse(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    folder = tmp_path / ".superloop" / "loops" / LOOP
    folder.mkdir(parents=True)
    monkeypatch.setattr(asyncinotify.Inotify, "add_watch", refuse)
    async with watching(WatchMode.AUTO) as watcher:
        subscription = watcher.subscribe(str(tmp_path), LOOP)
        assert not watcher.uses_inotify
        (folder / "events.jsonl").write_text("{}\n")
        assert await subscription.wait(60)


async def test_a_folder_that_may_not_be_read_costs_no_other_its_watch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncinotify

    folders = {name: tmp_path / name / ".superloop" / "loops" / LOOP for name in ("closed", "open")}
    for folder in folders.values():
        folder.mkdir(parents=True)
    really_add = asyncinotify.Inotify.add_watch

    def refuse(inotify: asyncinotify.Inotify, path: str, mask: asyncinotify.Mask) -> object:
        if path.startswith(str(tmp_path / "closed")):
            raise PermissionError(13, "Permission denied")
        return really_add(inotify, path, mask)

    monkeypatch.setattr(asyncinotify.Inotify, "add_watch", refuse)
    async with watching(WatchMode.AUTO) as watcher:
        watcher.subscribe(str(tmp_path / "closed"), LOOP)
        subscription = watcher.subscribe(str(tmp_path / "open"), LOOP)
        assert watcher.uses_inotify
        (folders["open"] / "events.jsonl").write_text("{}\n")
        assert await subscription.wait(60)


async def test_a_folder_that_is_given_up_and_wanted_again_at_once_is_no_news(tmp_path: Path) -> None:
    """The kernel's last word of the old watch must not cost the new one its life, for ever."""
    folder = tmp_path / ".superloop" / "loops" / LOOP
    folder.mkdir(parents=True)
    async with watching(WatchMode.INOTIFY) as watcher:
        watcher.subscribe(str(tmp_path), LOOP).close()
        subscription = watcher.subscribe(str(tmp_path), LOOP)
        assert not await subscription.wait(0.1)
        (folder / "events.jsonl").write_text("{}\n")
        assert await subscription.wait(60)
