"""Who asks, and patience with those who guess: the shared token (contract 30), and tokens of a principals file.

The shared token has every right, and its wire behaviour is the contract's. A principal has its scopes and loops. Why a
token was refused is for the log and the metrics; the caller learns that it was.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from opsd.access.authenticate import (
    Identity,
    Refusal,
    RefusalReason,
    Target,
    authenticate,
    authorize,
    renewed,
)
from opsd.access.limiter import FailureLimiter
from opsd.access.model import Scope
from opsd.access.source import PrincipalsSource
from opsd.access.token_format import TokenPurpose
from sprite_service import answers

#: How late a wrong token is answered once its address has sent too many.
_DELAY_S = 1.0

SHARED = Identity("shared_token", frozenset({Scope.ADMIN}))
ANONYMOUS = Identity("anonymous", frozenset({Scope.ADMIN}))
#: Who has no name of their own.
_NAMELESS = frozenset({SHARED.name, ANONYMOUS.name})


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and under which trace id (None when none was sent)."""

    identity: Identity
    trace_id: str | None = None

    @property
    def principal(self) -> str:
        """The name of a principal; empty for the shared token."""
        return "" if self.identity.name in _NAMELESS else self.identity.name

    def require(self, scope: Scope, target: Target) -> None:
        """Refuse what the caller may not do.

        Raises:
            Refusal: 403.
        """
        if not authorize(self.identity, scope, target):
            where = " for this loop" if isinstance(target, str) else ""
            raise answers.Refusal(403, "forbidden", f"this needs the scope {scope.value}{where}")


Handler = Callable[[web.BaseRequest, Caller], Awaitable[web.StreamResponse]]
"""Answers one path."""


class Access:
    """Checks tokens. An empty token and no principals file let everybody in."""

    def __init__(
        self, token: str, source: PrincipalsSource | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._token = token.encode()
        self._usual = b"Bearer " + self._token
        self._source = source
        self._clock = clock
        self._limiter = FailureLimiter()

    def identify(self, request: web.BaseRequest) -> Identity | Refusal:
        """Whose is the ``Authorization: Bearer`` or ``X-Ops-Token``; one good token suffices."""
        if not self._token and self._source is None:
            return ANONYMOUS
        headers = request.headers
        authorization = headers.get("Authorization", "")
        # The usual header in its usual spelling, without taking it apart.
        if self._token and hmac.compare_digest(authorization.encode("utf-8", "surrogateescape"), self._usual):
            return SHARED
        scheme, _, bearer = authorization.partition(" ")
        offered = [bearer.strip()] if scheme.lower() == "bearer" else []
        if "X-Ops-Token" in headers:
            offered.append(headers["X-Ops-Token"])
        if self._token and any(map(self._is_shared, offered)):
            return SHARED
        refusal = Refusal(RefusalReason.UNKNOWN if any(offered) else RefusalReason.MISSING)
        if self._source is None:
            return refusal
        for token in filter(None, offered):
            found = authenticate(self._source.principals, token, time.time(), purpose=TokenPurpose.SPRITE)
            if isinstance(found, Identity):
                return found
            refusal = found
        return refusal

    def _is_shared(self, offered: str) -> bool:
        return hmac.compare_digest(offered.encode("utf-8", "surrogateescape"), self._token)

    def still(self, identity: Identity, scope: Scope, target: Target) -> bool:
        """Whether who was let in a while ago would be let in now."""
        if not identity.credential or self._source is None:
            return True
        found = renewed(self._source.principals, identity, time.time())
        return found is not None and authorize(found, scope, target)

    def delay_after_failure(self, peer: str) -> float:
        """Count a wrong token; seconds to wait before the answer."""
        now = self._clock()
        wait_s = self._limiter.wait_s(peer, now)
        self._limiter.failed(peer, now)
        return min(wait_s, _DELAY_S)
