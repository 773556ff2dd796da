"""Reading bodies that may be of any size (contract 30, section 5; 50, W22)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from opsd.contract.errors import OpsError

_CHUNK = 64 * 1024


class Content(Protocol):
    """A body as it arrives; an HTTP library's reader."""

    def iter_chunked(self, n: int) -> AsyncIterator[bytes]:
        """Pieces of at most ``n`` bytes."""
        ...

    async def read(self, n: int = -1) -> bytes:
        """At most ``n`` bytes; none at the end."""
        ...


class BodyTooLargeError(OpsError):
    """An answer over the limit."""


async def read_bounded(content: Content, limit: int) -> bytes:
    """A whole body.

    Raises:
        BodyTooLargeError: it is longer than ``limit`` bytes.
    """
    chunks: list[bytes] = []
    size = 0
    async for chunk in content.iter_chunked(_CHUNK):
        size += len(chunk)
        if size > limit:
            raise BodyTooLargeError(f"the answer is larger than {limit} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


async def read_start(content: Content, limit: int) -> bytes:
    """The first ``limit`` bytes of a body, all of it when it is shorter."""
    chunks: list[bytes] = []
    size = 0
    while size < limit:
        chunk = await content.read(limit - size)
        if not chunk:
            break
        size += len(chunk)
        chunks.append(chunk)
    return b"".join(chunks)
