"""Sends one request of a sink and says what came back (contract 50, 5.1, W9 and W10).

It trusts neither the address nor the answer: only http and https, https unless the receiver is this host or the sink
allows otherwise, never to a link-local or metadata address whatever a name resolves to, no redirect followed, one
limit of time over everything, a bounded part of the body. What it reports never holds the URL, a secret or the text
of somebody else's exception.

With a proxy the proxy resolves the name; then only an address that is written in the URL is judged here.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from opsd import __version__
from opsd.alerts.model import HttpAnswer, SinkRequest
from opsd.alerts.targets.excerpt import excerpt, secrets_in
from opsd.alerts.targets.resolver import BlockedAddressError, GuardedResolver
from opsd.net.addresses import is_blocked, shown_url, travels_in_clear
from opsd.net.bodies import read_start
from opsd.net.proxies import Proxies
from opsd.net.retry_after import parse_retry_after

#: More of a body is not read; an excerpt needs far less.
_BODY_LIMIT = 64 * 1024
_CONNECTIONS_PER_HOST = 16
#: An idle connection is given up before a receiver is likely to do so: a request on a connection that just went is
#: one failed attempt too many.
_KEEPALIVE_S = 4.0


class Sender:
    """One pool of connections for a run of the engine, or for a daemon's life. Not for several event loops.

    Args:
        block_link_local: refuse link-local and metadata addresses.
        clock: seconds since 1970, for a ``Retry-After`` with a date.
        connections_per_host: at most so many at a time, 0 for any number: whoever bounds its requests otherwise does
            not want a sink that hangs to hold up another one of the same host.
    """

    def __init__(
        self,
        *,
        block_link_local: bool = True,
        clock: Callable[[], float] = time.time,
        connections_per_host: int = _CONNECTIONS_PER_HOST,
    ) -> None:
        self._connections_per_host = connections_per_host
        self._block = block_link_local
        self._clock = clock
        self._proxies = Proxies()
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close all connections; sending opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def send(self, request: SinkRequest, timeout_s: float) -> HttpAnswer:
        """POST the request; every failure is an answer with ``error``. Only cancellation is raised.

        Args:
            timeout_s: for everything from the name to the end of the answer.
        """
        started = time.perf_counter()
        masked = secrets_in(request)
        refusal = self._refusal(request)
        if refusal is not None:
            return HttpAnswer(error=refusal, sent=False)
        where = shown_url(request.url)
        try:
            async with asyncio.timeout(timeout_s):
                answer = await self._exchange(request, masked)
        except TimeoutError:
            answer = HttpAnswer(error=f"no complete answer from {where} within {timeout_s:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            answer = HttpAnswer(error=f"{_failure(error)} ({where})", sent=not _was_never_connected(error))
        return HttpAnswer(
            status=answer.status,
            excerpt=answer.excerpt,
            retry_after_s=answer.retry_after_s,
            error=answer.error,
            sent=answer.sent,
            duration_s=time.perf_counter() - started,
        )

    def _refusal(self, request: SinkRequest) -> str | None:
        """Why nothing may be sent to the request's address at all."""
        try:
            parts = urlsplit(request.url)
            scheme, host, _ = parts.scheme.lower(), parts.hostname, parts.port
        except ValueError:
            scheme, host = "", None
        if scheme not in ("http", "https") or not host:
            return "the address is not an http or https URL"
        if travels_in_clear(request.url) and not request.allow_insecure_http:
            shown = shown_url(request.url)
            return f"plain http is allowed to this host only; use https or set allowInsecureHttp ({shown})"
        if self._block and is_blocked(host):
            return str(BlockedAddressError(host))
        return None

    async def _exchange(self, request: SinkRequest, masked: tuple[str, ...]) -> HttpAnswer:
        headers = CIMultiDict(request.headers)
        headers.setdefault("User-Agent", f"opsd/{__version__}")
        async with self._open_session().post(
            URL(request.url, encoded=_is_encoded(request.url)),
            data=request.body,
            headers=headers,
            skip_auto_headers=("Accept-Encoding",),
            allow_redirects=False,
            proxy=self._proxies.for_url(request.url),
        ) as answer:
            body = await read_start(answer.content, _BODY_LIMIT)
            if not answer.content.at_eof():
                answer.close()
            retry_after_s = parse_retry_after(answer.headers.get("Retry-After"), now=self._clock())
            return HttpAnswer(answer.status, excerpt(body, masked), retry_after_s)

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0,
                    limit_per_host=self._connections_per_host,
                    keepalive_timeout=_KEEPALIVE_S,
                    resolver=GuardedResolver(block=self._block),
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,  # nothing compressed is asked for, and nothing is inflated
                timeout=aiohttp.ClientTimeout(total=None),  # there is one limit, around everything
            )
        return self._session


def _is_encoded(url: str) -> bool:
    """Whether a URL can be sent as it stands; one with spaces or letters beyond ASCII has to be encoded first."""
    return url.isascii() and url.isprintable() and " " not in url


def _failure(error: Exception) -> str:
    """What went wrong, in our own words: the text of an exception may hold the URL."""
    blocked = _cause(error, BlockedAddressError)
    if blocked is not None:
        return str(blocked)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the host's name cannot be resolved"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "the receiver's certificate is not valid"
    if isinstance(error, aiohttp.ClientSSLError):
        return "no TLS connection could be made"
    if isinstance(error, (aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError)):
        return "the proxy cannot be reached or refuses"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection: {os.strerror(error.errno) if error.errno else 'refused or unreachable'}"
    if isinstance(error, aiohttp.InvalidURL):
        return "the address is not a valid URL"
    if isinstance(error, (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, OSError)):
        return "the connection broke before the answer was complete"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the answer broke off"
    if isinstance(error, aiohttp.ClientError):
        return "the answer is not HTTP"
    return "the request cannot be built: an address or header value that HTTP does not allow"


def _cause(error: BaseException | None, kind: type[BlockedAddressError]) -> BlockedAddressError | None:
    """The error of ``kind`` behind ``error``, wherever a library put it."""
    seen = 0
    while error is not None and seen < 8:
        if isinstance(error, kind):
            return error
        error, seen = getattr(error, "os_error", None) or error.__cause__ or error.__context__, seen + 1
    return None


def _was_never_connected(error: Exception) -> bool:
    """No byte of the request can have arrived."""
    return isinstance(error, (aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError, ValueError))
