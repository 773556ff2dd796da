"""Ports for servers that others have to find before, or after, anybody listens there."""

from __future__ import annotations

import random
import socket
from pathlib import Path

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
#: The first port that no well-known service is expected on.
_FIRST = 10_000
_TRIES = 1000


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, and that nobody is given who did not ask for it.

    The kernel gives ports of a range of its own to listeners on port 0 and to the near end of connections. One of those
    may be somebody else's by the time that it is needed, and who connects to it too early may meet itself.
    """
    chance, (low, high) = random.SystemRandom(), _given_by_the_kernel()
    ours = [port for port in range(_FIRST, 2**16) if not low <= port <= high] or [0]
    for _ in range(_TRIES):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", chance.choice(ours)))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise AssertionError("every port is taken")


def _given_by_the_kernel() -> tuple[int, int]:
    try:
        low, high = map(int, _RANGE.read_text().split())
    except (OSError, ValueError):
        return 32_768, 60_999
    return low, high
