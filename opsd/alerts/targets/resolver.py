"""Names resolved in a way that neither DNS nor a hanging name server can misuse (contract 50, W10 and R3).

What is judged is what is connected to: a name that resolves to a link-local or metadata address is refused, and no
second look-up can answer otherwise. Each look-up has a daemon thread of its own: one that hangs keeps neither the
event loop's executor busy nor the process from ending.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from opsd.net.addresses import is_blocked, is_loopback, names_this_host


class BlockedAddressError(OSError):
    """A link-local or metadata address, which no receiver of alerts has."""

    def __init__(self, host: str) -> None:
        super().__init__(f"link-local and metadata addresses are not sent to: {host}")


class GuardedResolver(AbstractResolver):
    """The system's resolver, guarded; ``block`` false: it only resolves."""

    def __init__(self, *, block: bool = True) -> None:
        self._block = block

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of ``host``.

        Raises:
            BlockedAddressError: any of them is blocked; such a name is not trusted with the others either.
            OSError: the name cannot be resolved, or resolves to another host although it has to mean this one: what
                goes there may be in clear.
        """
        found = await _look_up(host, port, family)
        results: list[ResolveResult] = []
        for _family, _kind, proto, _name, address in found:
            ip = address[0]
            if not isinstance(ip, str):  # an IPv6 address in a system without IPv6
                continue
            if self._block and is_blocked(ip):
                raise BlockedAddressError(host)
            if names_this_host(host) and not is_loopback(ip):
                raise OSError(f"{host} does not resolve to this host")
            results.append(
                ResolveResult(
                    hostname=host,
                    host=ip,
                    port=int(address[1]),
                    family=_family,
                    proto=proto,
                    flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
                )
            )
        return results

    async def close(self) -> None:
        """Nothing is kept."""


async def _look_up(host: str, port: int, family: socket.AddressFamily) -> list[Any]:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[Any]] = loop.create_future()

    def settle(found: list[Any] | None, error: Exception | None) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(found or [])

    def work() -> None:
        found, failed = None, None
        try:
            found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG)
        except (OSError, UnicodeError) as error:
            failed = error if isinstance(error, OSError) else OSError("not a host name")
        try:
            loop.call_soon_threadsafe(settle, found, failed)
        except RuntimeError:  # the event loop has ended meanwhile
            pass

    threading.Thread(target=work, name="alert-name", daemon=True).start()
    return await answer
