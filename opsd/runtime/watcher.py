"""Noticing at once that a loop's files changed: one inotify instance for the whole process, or polling.

inotify instances are scarce, so one watcher serves every loop; folders that do not exist yet are waited for at their
nearest parent, and folders that are replaced are watched anew. Where inotify is missing, runs out or fails, files are
compared by their stats every ``poll_s`` seconds. There is no debouncing: a subscription that is told twice before it
looks is told once.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING

from opsd.contract.ids import LoopId
from opsd.runtime.layout import RuntimeLayout

if TYPE_CHECKING:
    from asyncinotify import Event, Inotify


class WatchMode(StrEnum):
    """How changes are noticed."""

    AUTO = "auto"
    INOTIFY = "inotify"
    POLL = "poll"


_NAMES = frozenset(
    {"events.jsonl", "run-summary.json", "approval.json", "heartbeat.v1.json", "state.json", "active-run.json"}
)


class Subscription:
    """One listener for one loop."""

    def __init__(self, watcher: JournalWatcher, layout: RuntimeLayout) -> None:
        self.layout = layout
        self.folders = (layout.loop_dir, os.path.dirname(layout.state))
        self.files = (
            layout.events,
            layout.state,
            layout.active_run,
            layout.approval,
            layout.run_summary,
            layout.heartbeat,
        )
        self._watcher = watcher
        self._changed = asyncio.Event()
        self.signature: tuple[object, ...] = ()

    def tell(self) -> None:
        """Something changed."""
        self._changed.set()

    async def wait(self, timeout_s: float | None = None) -> bool:
        """True as soon as something changed since the last call; False after ``timeout_s`` seconds without."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            return False
        self._changed.clear()
        return True

    def close(self) -> None:
        """Listen no longer."""
        self._watcher.drop(self)


class JournalWatcher:
    """Tells subscriptions of changes while :meth:`run` runs. Lives on one event loop."""

    def __init__(self, mode: WatchMode = WatchMode.AUTO, *, poll_s: float = 0.25) -> None:
        self._mode = mode
        self._poll_s = poll_s
        self._subscriptions: set[Subscription] = set()
        self._inotify: Inotify | None = None
        #: Watched folder -> who wants it, and its watch.
        self._by_folder: dict[str, set[Subscription]] = {}
        self._watches: dict[str, object] = {}
        self._opened = False

    @property
    def uses_inotify(self) -> bool:
        """False where files are polled."""
        return self._inotify is not None

    def open(self) -> None:
        """Get hold of inotify, if it is wanted and there.

        Raises:
            OSError: the mode is ``inotify`` and it cannot be had.
        """
        if self._opened:
            return
        self._opened = True
        if self._mode is WatchMode.POLL:
            return
        try:
            from asyncinotify import Inotify

            self._inotify = Inotify()
        except (ImportError, OSError, AttributeError):
            if self._mode is WatchMode.INOTIFY:
                raise OSError("inotify is not available") from None
        for subscription in self._subscriptions:
            self._watch(subscription)

    def subscribe(self, repo: str, loop_id: LoopId) -> Subscription:
        """Listen for changes of one loop."""
        subscription = Subscription(self, RuntimeLayout(repo, loop_id))
        subscription.signature = _signature(subscription)
        self._subscriptions.add(subscription)
        if self._inotify is not None:
            self._watch(subscription)
        return subscription

    def tell_all(self) -> None:
        """Wake every listener, changed or not."""
        for subscription in list(self._subscriptions):
            subscription.tell()

    def drop(self, subscription: Subscription) -> None:
        """See :meth:`Subscription.close`."""
        self._subscriptions.discard(subscription)
        for folder in [name for name, wanted in self._by_folder.items() if subscription in wanted]:
            self._by_folder[folder].discard(subscription)
            if not self._by_folder[folder]:
                self._unwatch(folder)

    def _watch(self, subscription: Subscription) -> None:
        """Watch the subscription's folders, each at its nearest parent that exists."""
        for folder in subscription.folders:
            while True:
                nearest = _nearest_existing(folder)
                if not self._add_watch(nearest):
                    break
                self._by_folder.setdefault(nearest, set()).add(subscription)
                if nearest == folder or not os.path.isdir(_next_below(nearest, folder)):
                    break  # else it appeared between the look and the watch

    def _add_watch(self, folder: str) -> bool:
        if folder in self._watches:
            return True
        if self._inotify is None:
            return False
        from asyncinotify import Mask

        mask = Mask.MODIFY | Mask.CREATE | Mask.MOVED_TO | Mask.MOVED_FROM | Mask.DELETE | Mask.ONLYDIR
        mask |= Mask.DELETE_SELF | Mask.MOVE_SELF
        try:
            self._watches[folder] = self._inotify.add_watch(folder, mask)
        except (FileNotFoundError, PermissionError):
            return False  # what may not be read costs no other loop its watch; passes look at it when they are due
        except OSError:
            self._fall_back()  # watches have run out
            return False
        return True

    def _unwatch(self, folder: str) -> None:
        self._by_folder.pop(folder, None)
        watch = self._watches.pop(folder, None)
        if watch is not None and self._inotify is not None:
            try:
                self._inotify.rm_watch(watch)  # type: ignore[arg-type]
            except (OSError, ValueError):
                pass  # the folder went away, and its watch with it

    def _fall_back(self) -> None:
        inotify, self._inotify = self._inotify, None
        self._watches.clear()
        self._by_folder.clear()
        if inotify is not None:
            inotify.close()

    async def run(self, progress: Callable[[], None] = lambda: None, *, progress_s: float = 10.0) -> None:
        """Notice changes until cancelled; ``progress`` is called at least every ``progress_s`` seconds."""
        if not self._opened:
            self.open()
            self.tell_all()  # started again: nobody knows what was missed meanwhile
        try:
            while True:
                progress()
                if self._inotify is None:
                    await asyncio.sleep(self._poll_s)
                    for subscription in await asyncio.to_thread(self._changed, list(self._subscriptions)):
                        subscription.tell()
                    continue
                try:
                    async with asyncio.timeout(progress_s):
                        event = await self._inotify.get()
                    self._handle(event)
                except TimeoutError:
                    continue
                except (OSError, ValueError):
                    self._fall_back()
        finally:
            self._fall_back()
            self._opened = False

    def _handle(self, event: Event) -> None:
        from asyncinotify import Mask

        if event.mask & Mask.Q_OVERFLOW:
            self.tell_all()
            return
        watch = event.watch
        folder = str(watch.path) if watch is not None else ""
        if watch is not self._watches.get(folder):
            return  # the last word of a watch that was given up; the folder may have a new one
        gone = bool(event.mask & (Mask.IGNORED | Mask.DELETE_SELF | Mask.MOVE_SELF | Mask.UNMOUNT))
        name = str(event.name) if event.name is not None else ""
        if not gone and not event.mask & Mask.ISDIR and name not in _NAMES:
            return
        concerned = list(self._by_folder.get(folder, ()))
        if gone:
            self._unwatch(folder)
        for subscription in concerned:
            if gone or event.mask & Mask.ISDIR:
                self._watch(subscription)
            subscription.tell()

    @staticmethod
    def _changed(subscriptions: list[Subscription]) -> list[Subscription]:
        """Those whose files differ from the last look; blocking stats."""
        changed = []
        for subscription in subscriptions:
            signature = _signature(subscription)
            if signature != subscription.signature:
                subscription.signature = signature
                changed.append(subscription)
        return changed


def _nearest_existing(folder: str) -> str:
    while not os.path.isdir(folder):
        parent = os.path.dirname(folder)
        if parent == folder:
            break
        folder = parent
    return folder


def _next_below(ancestor: str, folder: str) -> str:
    """The folder directly below ``ancestor`` on the way to ``folder``."""
    rest = folder[len(ancestor.rstrip("/")) + 1 :]
    return f"{ancestor.rstrip('/')}/{rest.split('/', 1)[0]}"


def _signature(subscription: Subscription) -> tuple[object, ...]:
    found: list[object] = []
    for path in subscription.files:
        try:
            stat = os.stat(path)
        except OSError:
            found.append(None)
        else:
            found.append((stat.st_ino, stat.st_size, stat.st_mtime_ns))
    return tuple(found)
