"""Loop ids and trace ids.

A loop id becomes a folder name, so anything that is not one safe path segment is refused before a path is built
(contract 10, weakness 1; contract 20, weakness 5).
"""

from __future__ import annotations

import os
import re
from typing import NewType

from opsd.contract.errors import UsageError

LoopId = NewType("LoopId", str)
TraceId = NewType("TraceId", str)

MAX_LOOP_ID_BYTES = 200
#: Names under ``.superloop/ops-manager/`` that belong to the manager itself.
RESERVED_LOOP_IDS = frozenset({"fleet"})

#: Separators, control characters and halves of surrogate pairs.
_UNSAFE = re.compile("[/\\\\\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def parse_loop_id(text: str, *, reserved: bool = False) -> LoopId:
    """The loop id in ``text``.

    ``reserved=True`` also refuses ids that collide with the manager's own folders; every command that writes a
    manager folder asks for it.

    Raises:
        UsageError: ``invalid loop id: <text>``.
    """
    if (
        text in ("", ".", "..")
        or _UNSAFE.search(text) is not None
        or len(text.encode()) > MAX_LOOP_ID_BYTES
        or (reserved and text in RESERVED_LOOP_IDS)
    ):
        shown = text.encode("utf-8", "backslashreplace").decode()[:MAX_LOOP_ID_BYTES]
        printable = "".join(char if char.isprintable() else repr(char)[1:-1] for char in shown)
        raise UsageError(f"invalid loop id: {printable}")
    return LoopId(text)


def new_trace_id() -> TraceId:
    """A random lower-case UUID (version 4), built without importing :mod:`uuid` (contract 10, 1.7)."""
    raw = bytearray(os.urandom(16))
    raw[6] = (raw[6] & 0x0F) | 0x40
    raw[8] = (raw[8] & 0x3F) | 0x80
    text = raw.hex()
    return TraceId(f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}")
