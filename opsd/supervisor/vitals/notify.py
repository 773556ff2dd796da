"""systemd's notifications: a datagram to ``$NOTIFY_SOCKET``; nothing happens where there is none."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import time
from collections.abc import Callable, Mapping

from opsd.supervisor.tasks.heartbeat import Heartbeat

#: How long the start, a reload and the end wait for a busy service manager: a lost ``READY=1`` would end the daemon.
#: What is sent in between is worth no wait.
_PATIENCE_S = 0.1


class ServiceManager:
    """Tells the service manager about readiness, reloads, the end, and that the daemon is alive.

    Never raises: a service manager that does not listen must not end the daemon.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        address = env.get("NOTIFY_SOCKET", "")
        # A leading @ is an abstract socket.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.watchdog_period_s = _watchdog_period(env)

    def ready(self, status: str) -> None:
        """The daemon supervises."""
        self._send("READY=1", f"STATUS={status}", patience_s=_PATIENCE_S)

    def reloading(self) -> None:
        """A reload has begun; :meth:`ready` ends it."""
        self._send(
            "RELOADING=1",
            f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}",
            patience_s=_PATIENCE_S,
        )

    def stopping(self) -> None:
        """The daemon drains."""
        self._send("STOPPING=1", "STATUS=draining", patience_s=_PATIENCE_S)

    def status(self, text: str) -> None:
        """One line for ``systemctl status``."""
        self._send(f"STATUS={text}")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    async def feed_watchdog(self, heartbeat: Heartbeat, *, is_well: Callable[[], bool]) -> None:
        """Feed the watchdog for ever, as long as all is well."""
        period_s = self.watchdog_period_s or 1.0
        while True:
            heartbeat.beat()
            if is_well():
                self.alive()
            with heartbeat.idle():
                await asyncio.sleep(period_s)

    def _send(self, *lines: str, patience_s: float = 0.0) -> None:
        if not self._address:
            return
        message = "\n".join(line.replace("\n", " ") for line in lines).encode("utf-8", "replace")
        # OSError: nobody listens. ValueError: an address that cannot be one.
        with (
            contextlib.suppress(OSError, ValueError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out,
        ):
            out.settimeout(patience_s)
            out.connect(self._address)
            out.send(message)


def _watchdog_period(env: Mapping[str, str]) -> float | None:
    """Seconds between feedings: half of what the service manager allows; None without a watchdog."""
    text = env.get("WATCHDOG_USEC", "")
    if (
        not re.fullmatch("[0-9]{1,18}", text)
        or int(text) == 0
        or env.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid())
    ):
        return None
    return int(text) / 2_000_000
