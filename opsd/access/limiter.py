"""Patience with those who guess: so many wrong tokens of one address, then one every few seconds. Pure but for memory.

A bucket per address holds :data:`BURST` failures and gets one back every :data:`REFILL_S` seconds. Memory is bounded:
of more than :data:`MAX_ADDRESSES` addresses the ones that failed longest ago are forgotten. The addresses of one IPv6
network of 64 bits count as one, because one host has them all.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict

BURST = 10
REFILL_S = 6.0
MAX_ADDRESSES = 1024


class FailureLimiter:
    """Counts failures by address. ``now`` is a monotonic clock's time in seconds, never going back."""

    def __init__(self, *, burst: int = BURST, refill_s: float = REFILL_S, max_addresses: int = MAX_ADDRESSES) -> None:
        self._burst = burst
        self._refill_s = refill_s
        self._max_addresses = max_addresses
        #: address -> (failures that are left, as of when)
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._left)

    def wait_s(self, address: str, now: float) -> float:
        """Seconds until the address may fail once more; 0: it may."""
        left = self._left_at(network_of(address), now)
        return 0.0 if left >= 1 else (1 - left) * self._refill_s

    def failed(self, address: str, now: float) -> None:
        """The address presented something wrong."""
        network = network_of(address)
        left = self._left_at(network, now)
        self._left.pop(network, None)
        self._left[network] = (max(0.0, left - 1), now)
        while len(self._left) > self._max_addresses:
            self._left.popitem(last=False)

    def _left_at(self, network: str, now: float) -> float:
        left, then = self._left.get(network, (float(self._burst), now))
        return min(float(self._burst), left + max(0.0, now - then) / self._refill_s)


def network_of(address: str) -> str:
    """What counts as one: an IPv4 address, an IPv6 network of 64 bits, or the text itself when it is neither."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(found) >> 64 << 64, 64)))
