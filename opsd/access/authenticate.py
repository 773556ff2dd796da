"""Who asks, and may they? Pure.

Guarantees: every known token is compared, in constant time each, whatever matches and wherever it stands; a text that
is no token is refused before any comparison; why a token was refused is for the log and the metrics, never for the
caller. An unknown scope or loop is never allowed by accident: what is not granted is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from fnmatch import fnmatchcase
from hmac import compare_digest

from opsd.access.model import Principals, Scope, TokenState
from opsd.access.token_format import TokenPurpose, digest_of, purpose_of


class Extent(Enum):
    """What a request is about when it is not about one loop."""

    #: A listing: everybody who may do this to any loop; the caller leaves out what the identity may not see.
    LISTING = "listing"
    #: The fleet as a whole: only who may do this to every loop.
    FLEET = "fleet"


Target = str | Extent
"""A loop id, or how far a request reaches."""


class RefusalReason(StrEnum):
    """Why nobody is let in."""

    MISSING = "missing"
    MALFORMED = "malformed"
    FOREIGN = "foreign"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    REVOKED = "revoked"
    THROTTLED = "throttled"
    FORBIDDEN = "forbidden"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks. ``credential`` names the token that proved it, by its id; empty where it has none.

    ``proven`` is false for a request that was let in without any proof of who sent it.
    """

    name: str
    scopes: frozenset[Scope]
    loops: tuple[str, ...] = ("*",)
    credential: str = ""
    proven: bool = True


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not. ``name`` and ``credential`` tell whose token it was, where that is known."""

    reason: RefusalReason
    name: str = ""
    credential: str = ""


_GRANTING = {
    Scope.READ: frozenset({Scope.READ, Scope.CONTROL, Scope.POLICY, Scope.ADMIN}),
    Scope.CONTROL: frozenset({Scope.CONTROL, Scope.ADMIN}),
    Scope.POLICY: frozenset({Scope.POLICY, Scope.ADMIN}),
    Scope.ADMIN: frozenset({Scope.ADMIN}),
}
_REFUSED = {TokenState.EXPIRED: RefusalReason.EXPIRED, TokenState.REVOKED: RefusalReason.REVOKED}


def authenticate(principals: Principals, presented: str, now: float, *, purpose: TokenPurpose) -> Identity | Refusal:
    """Whose token ``presented`` is, at ``now`` (seconds since 1970), for the service that accepts ``purpose``."""
    found_purpose = purpose_of(presented)
    if found_purpose is None:
        return Refusal(RefusalReason.MALFORMED)
    if found_purpose is not purpose:
        return Refusal(RefusalReason.FOREIGN)
    digest = digest_of(presented)
    found = None
    for principal in principals:
        for token in principal.tokens:
            if compare_digest(token.sha256, digest):  # and on to the last one, whatever was found
                found = principal, token
    if found is None:
        return Refusal(RefusalReason.UNKNOWN)
    principal, token = found
    reason = _REFUSED.get(token.state(now))
    if reason is not None:
        return Refusal(reason, principal.name, token.id)
    return Identity(principal.name, principal.scopes, principal.loops, token.id)


def renewed(principals: Principals, identity: Identity, now: float) -> Identity | None:
    """Who ``identity`` is by now, for what lasts (a stream); None when its token does not work any more."""
    for principal in principals:
        for token in principal.tokens:
            if token.id == identity.credential:  # the only one looked at: this is asked for every event of every stream
                live = token.state(now) is TokenState.ACTIVE
                return Identity(principal.name, principal.scopes, principal.loops, token.id) if live else None
    return None


def authorize(identity: Identity, scope: Scope, target: Target) -> bool:
    """Whether ``identity`` may do what ``scope`` covers to ``target``."""
    if identity.scopes.isdisjoint(_GRANTING[scope]):
        return False
    if target is Extent.LISTING:
        return bool(identity.loops)
    if "*" in identity.loops:
        return True
    return isinstance(target, str) and any(fnmatchcase(target, pattern) for pattern in identity.loops)
