"""What a token looks like: ``opsd_`` (the daemon) or ``opss_`` (a sprite service), 43 random characters, 6 of checksum.

Guarantees: 43 characters of base 62 are 256 bits of chance; the checksum is the CRC32 of all that comes before it,
so that a scanner, and we before any look-up, can tell a token from a text that merely resembles one. The CRC is no
secret and proves nothing: it keeps mistakes and noise away.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from enum import StrEnum
from zlib import crc32

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
RANDOM_CHARS = 43
CHECKSUM_CHARS = 6

#: What to look for in a text; the checksum then tells whether it really is one.
PATTERN = r"ops[ds]_[0-9A-Za-z]{49}"
_TOKEN = re.compile(PATTERN, re.ASCII)


class TokenPurpose(StrEnum):
    """Who accepts a token. One that a sprite has seen opens no daemon, and the other way round."""

    DAEMON = "daemon"
    SPRITE = "sprite"


_PREFIXES = {TokenPurpose.DAEMON: "opsd_", TokenPurpose.SPRITE: "opss_"}
_PURPOSES = {prefix: purpose for purpose, prefix in _PREFIXES.items()}


def mint(purpose: TokenPurpose, random_below: Callable[[int], int]) -> str:
    """A new token. ``random_below(n)`` gives an unpredictable number from 0 to n - 1, as ``secrets.randbelow`` does."""
    body = _PREFIXES[purpose] + _base62(random_below(len(ALPHABET) ** RANDOM_CHARS), RANDOM_CHARS)
    return body + _checksum(body)


def purpose_of(text: str) -> TokenPurpose | None:
    """Which service the token ``text`` is for; None when it is no token."""
    if _TOKEN.fullmatch(text) is None or _checksum(text[:-CHECKSUM_CHARS]) != text[-CHECKSUM_CHARS:]:
        return None
    return _PURPOSES[text[:5]]


def digest_of(text: str) -> str:
    """What is kept of a token: its SHA-256, in lower-case hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def mask_tokens(text: str, mask: str) -> str:
    """``text`` with everything that looks like a token replaced by ``mask``."""
    return _TOKEN.sub(mask, text) if "opsd_" in text or "opss_" in text else text


def holds_token(text: str) -> bool:
    """Whether ``text`` holds anything that looks like a token."""
    return _TOKEN.search(text) is not None


def _checksum(body: str) -> str:
    return _base62(crc32(body.encode()), CHECKSUM_CHARS)


def _base62(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))
