"""Who may ask: the token, compared in constant time, and patience with those who guess."""

from __future__ import annotations

import hmac
import time
from collections import OrderedDict
from collections.abc import Callable

from aiohttp import web

#: More wrong tokens of one peer than this within the window are answered late.
_FREE_FAILURES = 10
_WINDOW_S = 60.0
_DELAY_S = 1.0
_MAX_PEERS = 1024


class Access:
    """Checks tokens. An empty token lets everybody in."""

    def __init__(self, token: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._token = token.encode()
        self._clock = clock
        self._failures: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def allows(self, request: web.BaseRequest) -> bool:
        """A valid ``Authorization: Bearer`` or ``X-Ops-Token``; one of them suffices."""
        if not self._token:
            return True
        headers = request.headers
        scheme, _, bearer = headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._is_token(bearer.strip()):
            return True
        plain = headers.get("X-Ops-Token")
        return plain is not None and self._is_token(plain)

    def _is_token(self, offered: str) -> bool:
        return hmac.compare_digest(offered.encode("utf-8", "surrogateescape"), self._token)

    def delay_after_failure(self, peer: str) -> float:
        """Count a wrong token; seconds to wait before the answer."""
        now = self._clock()
        since, failures = self._failures.pop(peer, (now, 0))
        if now - since > _WINDOW_S:
            since, failures = now, 0
        self._failures[peer] = (since, failures + 1)
        while len(self._failures) > _MAX_PEERS:
            self._failures.popitem(last=False)
        return _DELAY_S if failures >= _FREE_FAILURES else 0.0
