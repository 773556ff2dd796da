"""Ports for servers that can take no port of their own choosing, or come back where they were."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def held_port() -> Iterator[int]:
    """A port of this host that nobody else is given until the end of the block.

    It is bound and not listened on: who connects is refused, and a server that is started on it may listen, since both
    sockets say that they share the address (``SO_REUSEADDR``, as asyncio and Go's servers do).
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield int(holder.getsockname()[1])
