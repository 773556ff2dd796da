"""Looks at the principals file, so that a token that was made or revoked takes effect without a restart."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable

from opsd.access.source import PrincipalsSource

#: Seconds between looks.
LOOK_S = 1.0


async def watch(source: PrincipalsSource, look: Callable[[Callable[[], bool]], Awaitable[bool]]) -> None:
    """Look for ever; ``look`` runs blocking work in a thread. What cannot be used is told on stderr, once."""
    while True:
        await asyncio.sleep(LOOK_S)
        if await look(source.look):
            tell(source)


def tell(source: PrincipalsSource) -> None:
    """Say on stderr what became of the file."""
    said = [text for text in (source.problem, source.warning) if text is not None]
    if source.problem is None:
        said.append(f"principals file {source.path}: {len(source.principals)} principals")
    else:
        said.append("the last good principals file stays in force")
    sys.stderr.write("".join(f"notice: {text}\n" for text in said))
