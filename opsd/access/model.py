"""Principals: who there is, what each may do to which loops, and the tokens that prove it. Immutable.

At most :data:`MAX_LIVE_TOKENS` tokens of a principal work at a time: the one in use, and the one that takes over.
Moments are seconds since 1970.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from opsd.access.token_format import TokenPurpose

MAX_LIVE_TOKENS = 2


class Scope(StrEnum):
    """What a principal may do.

    ``control`` and ``policy`` each include ``read``: who acts on a loop has to see it. Neither includes the other.
    ``admin`` includes everything.
    """

    READ = "read"
    CONTROL = "control"
    POLICY = "policy"
    ADMIN = "admin"


class TokenState(StrEnum):
    """What a token is worth at a moment."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of a token: everything but the token. ``sha256`` is 64 lower-case hexadecimal digits."""

    id: str
    purpose: TokenPurpose
    sha256: str
    created_at: int
    created_by: str = ""
    expires_at: int | None = None
    revoked_at: int | None = None
    note: str = ""

    def state(self, now: float) -> TokenState:
        """What it is worth at ``now``; at the very second of its expiry it is worth nothing any more."""
        if self.revoked_at is not None:
            return TokenState.REVOKED
        if self.expires_at is not None and now >= self.expires_at:
            return TokenState.EXPIRED
        return TokenState.ACTIVE


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody or something that may ask. ``loops`` are globs over loop ids; ``*`` is every loop."""

    name: str
    scopes: frozenset[Scope]
    loops: tuple[str, ...] = ("*",)
    tokens: tuple[Token, ...] = ()

    def live_tokens(self, now: float) -> tuple[Token, ...]:
        """The tokens that work at ``now``."""
        return tuple(token for token in self.tokens if token.state(now) is TokenState.ACTIVE)


Principals = tuple[Principal, ...]
"""Everybody, in the order of the file."""
