"""Who asks the daemon, and may they? The one answer for every route: the rules are those of :mod:`opsd.access`.

Three ways to be somebody: a token of the principals file; the one shared ``http.api_token``, which is the principal
``api_token`` with every right; and, where a route says so and neither is set up for it, a request on a loopback
listener that no web page can have made, which is the principal ``local``.

Guarantees: the caller learns only that it was refused, log and metrics learn why; a guess of the shared token is not
even looked at while its address has guessed too often, while a token of the principals file, which nobody can guess,
always works, so that nobody who shares an address with a guesser is locked out. No token is in a log line or an error.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from hmac import compare_digest

import structlog
from aiohttp import web
from pydantic import SecretStr

from opsd.access.authenticate import Extent, Identity, Refusal, RefusalReason, Target, authenticate, authorize, renewed
from opsd.access.limiter import FailureLimiter
from opsd.access.model import Scope
from opsd.access.source import PrincipalsSource
from opsd.access.token_format import TokenPurpose
from opsd.supervisor.http.access_metrics import AccessMetrics

log = structlog.get_logger("opsd.supervisor.http.access")

API_TOKEN = Identity("api_token", frozenset({Scope.ADMIN}))
LOCAL = Identity("local", frozenset({Scope.READ, Scope.CONTROL}), proven=False)


NOBODY = Identity("anonymous", frozenset(), ())
_current: ContextVar[Identity] = ContextVar("opsd_identity", default=NOBODY)

_REACH = {Extent.LISTING: "any loop", Extent.FLEET: "every loop"}


class AccessRefused(Exception):
    """A request that is not answered: ``status`` 401, 403 or 429, with a code and a message for the caller."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})


class Authenticator:
    """Checks requests. For the event loop's thread only.

    Args:
        host: what the listener was told to listen on.
        api_token: the shared token, None without one.
        source: the principals file, None without one; somebody else lets it look.
        limiter: how many wrong tokens an address may send.
        clock: seconds since 1970, for expiry; ``monotonic``: seconds, for the patience with guesses.
    """

    def __init__(
        self,
        host: str,
        metrics: AccessMetrics,
        *,
        api_token: SecretStr | None = None,
        source: PrincipalsSource | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        limiter: FailureLimiter | None = None,
    ) -> None:
        self._on_loopback = is_loopback(host)
        self._metrics = metrics
        self._api_token = api_token.get_secret_value().encode() if api_token else None
        self._source = source
        self._clock = clock
        self._monotonic = monotonic
        self._limiter = FailureLimiter() if limiter is None else limiter

    async def check(
        self, request: web.Request, scope: Scope, target: Target, *, open_on_loopback: bool = False
    ) -> Identity:
        """Who asks, when they may do what ``scope`` covers to ``target``.

        ``open_on_loopback``: the route answers local requests without a token too, where none is set up (for reading:
        also where only ``http.api_token`` is).

        Raises:
            AccessRefused: they may not.
        """
        presented = _bearer(request)
        if self._api_token is None and self._source is None:
            presented = ""  # there is nothing that it could be compared with
        if presented:
            identity = self._authenticated(request, presented)
        elif open_on_loopback and self._is_open_for(scope):
            identity = self._local(request)
        else:
            raise self._unproven(request, Refusal(RefusalReason.MISSING))
        if not authorize(identity, scope, target):
            raise self._forbidden(request, identity, scope, target)
        return identity

    def renewed(self, identity: Identity) -> Identity | None:
        """Who was let in a while ago, with the rights of now, None where the token does not work any more: for streams,
        at every event and keep-alive."""
        if not identity.credential or self._source is None:
            return identity
        return renewed(self._source.principals, identity, self._clock())

    def principals(self) -> int:
        """How many the principals file names; 0 without one."""
        return 0 if self._source is None else len(self._source.principals)

    def _authenticated(self, request: web.Request, presented: str) -> Identity:
        now = self._monotonic()
        address = request.remote or ""
        refusal = Refusal(RefusalReason.UNKNOWN)
        if self._source is not None:
            found = authenticate(self._source.principals, presented, self._clock(), purpose=TokenPurpose.DAEMON)
            if isinstance(found, Identity):
                return found
            refusal = found
        wait_s = self._limiter.wait_s(address, now)
        if wait_s:
            self._metrics.refused(RefusalReason.THROTTLED)
            retry = {"Retry-After": str(math.ceil(wait_s))}
            raise AccessRefused(429, "too_many_failures", "too many wrong tokens from this address", retry)
        if self._api_token is not None and compare_digest(
            presented.encode("utf-8", "surrogateescape"), self._api_token
        ):
            return API_TOKEN
        self._limiter.failed(address, now)
        raise self._unproven(request, refusal)

    def _is_open_for(self, scope: Scope) -> bool:
        return self._on_loopback and self._source is None and (scope is Scope.READ or self._api_token is None)

    def _local(self, request: web.Request) -> Identity:
        """A local request without a token. A page in a browser on this host could send it in the user's name."""
        if "Origin" not in request.headers and is_loopback(_host_name(request)):
            return LOCAL
        if self._api_token is not None:
            raise self._unproven(request, Refusal(RefusalReason.MISSING))
        self._metrics.refused(RefusalReason.FORBIDDEN)
        raise AccessRefused(403, "forbidden", "requests from web pages need http.api_token or http.principals_file")

    def _unproven(self, request: web.Request, refusal: Refusal) -> AccessRefused:
        """Nobody that is known. What is wrong with the token is not for whoever sent it."""
        self._metrics.refused(refusal.reason)
        if refusal.reason is not RefusalReason.MISSING:  # bounded by the limiter: it refuses before this
            log.warning(
                "http.token_refused",
                reason=refusal.reason.value,
                remote=request.remote,
                principal=refusal.name or None,
                credential=refusal.credential or None,
            )
        if self._api_token is None and self._source is None:
            what = "this needs a token" if self._on_loopback else "the API is off: not on loopback"
            return AccessRefused(403, "forbidden", f"{what} and neither http.api_token nor http.principals_file is set")
        return AccessRefused(401, "unauthorized", "missing or invalid token", {"WWW-Authenticate": "Bearer"})

    def _forbidden(self, request: web.Request, identity: Identity, scope: Scope, target: Target) -> AccessRefused:
        self._metrics.refused(RefusalReason.FORBIDDEN)
        log.warning(
            "http.forbidden",
            scope=scope.value,
            target=target.value if isinstance(target, Extent) else target,
            remote=request.remote,
            **log_fields(identity),
        )
        where = f" for {_REACH[target]}" if isinstance(target, Extent) else " for this loop"
        return AccessRefused(403, "forbidden", f"this needs the scope {scope.value}{where}")


@contextmanager
def identified(identity: Identity) -> Iterator[None]:
    """What happens inside was asked for by ``identity``: every log line says so, :func:`current_identity` tells it."""
    before = _current.set(identity)
    try:
        with structlog.contextvars.bound_contextvars(**log_fields(identity)):
            yield
    finally:
        _current.reset(before)


def current_identity() -> Identity:
    """Who asked for what is being done just now; nobody with any right outside of :func:`identified`.

    A thread that ``run_in_executor`` starts does not know it: look before the hop.
    """
    return _current.get()


def log_fields(identity: Identity) -> dict[str, str]:
    """Who asks, as fields that a log line or an audit row can carry."""
    named = {"principal": identity.name}
    return named | {"credential": identity.credential} if identity.credential else named


def is_loopback(host: str) -> bool:
    """True for ``localhost`` and the loopback addresses."""
    name = host.strip("[]").rstrip(".").lower()
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost"
    mapped = getattr(address, "ipv4_mapped", None)
    return address.is_loopback or bool(mapped and mapped.is_loopback)


def _bearer(request: web.Request) -> str:
    """The token of the one ``Authorization: Bearer`` header; empty without one. Of two headers neither counts."""
    values = request.headers.getall("Authorization", [])
    scheme, _, token = values[0].partition(" ") if len(values) == 1 else ("", "", "")
    return token.strip() if scheme.lower() == "bearer" else ""


def _host_name(request: web.Request) -> str:
    host = request.headers.get("Host", "")
    return host.rpartition("]")[0] if host.startswith("[") else host.partition(":")[0]
