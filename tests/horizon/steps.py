"""Every change that a bridge makes to the file system, as a step at which a test can hold, watch or end it.

No product code knows of this: the system calls themselves are wrapped, for the threads that are registered.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

CALLS = ("mkdir", "rename", "open", "write", "fsync", "unlink", "lstat", "read")


class Killed(BaseException):
    """Ends a thread as ``kill -9`` ends a process: nothing in the product catches it."""


@contextmanager
def watched(hook: Callable[[str], None], *, torn: bool = False) -> Iterator[None]:
    """Call ``hook`` before and after every system call of :data:`CALLS`, and in place of sleeping. Time stands still.

    Only in this thread and in those of actors: what else runs in the process goes on as ever.
    With ``torn`` half a write is a step too. The sync itself is left out: nobody in a running system could see it.
    """
    real = {name: getattr(os, name) for name in CALLS}
    real_sleep, real_monotonic = time.sleep, time.monotonic
    owner = threading.get_ident()

    def is_watched() -> bool:
        return threading.get_ident() == owner or hasattr(_current, "actor")

    def sleep(seconds: float) -> None:
        if is_watched():
            hook("sleep")
        else:
            real_sleep(seconds)

    def monotonic() -> float:
        return 0.0 if is_watched() else real_monotonic()  # nobody gives up for the steps of a slow machine

    def wrap(name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if not is_watched():
                return real[name](*args, **kwargs)
            hook(f"before {name}")
            if torn and name == "write" and len(args[1]) > 1:
                half = real["write"](args[0], args[1][: len(args[1]) // 2])
                hook("after half a write")
                return half + real["write"](args[0], args[1][half:])
            result = real[name](*args, **kwargs) if name != "fsync" else None
            hook(f"after {name}")
            return result

        return call

    for name in CALLS:
        setattr(os, name, wrap(name))
    time.sleep, time.monotonic = sleep, monotonic
    try:
        yield
    finally:
        for name, function in real.items():
            setattr(os, name, function)
        time.sleep, time.monotonic = real_sleep, real_monotonic


class Actor:
    """Work that goes on by one step whenever it is told to, and can be killed between two."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.failure: BaseException | None = None
        self.done = False
        self._go = threading.Semaphore(0)
        self._there = threading.Semaphore(0)
        self._killed = False
        self._work = work
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._there.acquire()

    def step(self) -> None:
        """Let it run to its next step, or to its end."""
        if not self.done:
            self._go.release()
            self._there.acquire()

    def kill(self) -> None:
        """End it here."""
        self._killed = True
        self.step()

    def hold(self) -> None:
        """Called from its own thread: a step is reached."""
        self._there.release()
        self._go.acquire()
        if self._killed:
            raise Killed

    def _run(self) -> None:
        _current.actor = self
        try:
            self.hold()
            self._work()
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001 - the test shows it
            self.failure = error
        finally:
            self.done = True
            self._there.release()


_current = threading.local()


def alone(hook: Callable[[str], None]) -> Callable[[str], None]:
    """A hook whose own system calls are no steps."""
    busy = False

    def call(step: str) -> None:
        nonlocal busy
        if not busy:
            busy = True
            try:
                hook(step)
            finally:
                busy = False

    return call


def hold_actor(_step: str) -> None:
    """The hook for :func:`watched` when the steps belong to actors; other threads run on."""
    actor: Actor | None = getattr(_current, "actor", None)
    if actor is not None:
        actor.hold()
