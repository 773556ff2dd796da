"""How often a byte occurs: ``bytes.count`` at the speed of ``memchr``.

For a single byte CPython's ``count`` compares byte by byte (at least up to 3.11), ``replace`` jumps from hit to hit.
On text with few hits, such as journal lines, that is several times faster.
"""

from __future__ import annotations


def count_byte(data: bytes, byte: bytes) -> int:
    """``data.count(byte)`` for a ``byte`` of length one."""
    return len(data) - len(data.replace(byte, b""))
