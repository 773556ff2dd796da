"""The HTTP client of the sprite service (contract 30, section 5): pooled, bounded, and trusting nothing it reads.

Retries are decided by one pure function; one-shot commands keep the contract's timing, the daemon adds jitter,
honours a bounded ``Retry-After`` and tries again after a failed connection (contract 30, weakness 22). The token is
sent, never shown.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from opsd.contract.errors import OpsError, UsageError
from opsd.net.addresses import travels_in_clear, without_credentials
from opsd.net.bodies import BodyTooLargeError, read_bounded
from opsd.net.proxies import Proxies
from opsd.net.retry_after import parse_retry_after
from opsd.transport.answers import bounded_message, excerpt_of
from opsd.transport.retry import RetryPolicy, retry_wait

#: Open requests to one host; further ones wait for a free connection.
_CONNECTIONS_PER_HOST = 16


class ServiceRequestError(OpsError):
    """A request that failed for good.

    ``message`` is the contract's line; ``diagnostic`` tells more about a connection that failed, ``status`` is 0
    without an answer, ``body`` what was answered last, bounded. ``sent`` is false when no attempt can have reached
    the service; ``lost`` is true when one may have, and its answer never came.
    """

    default_code = "service_request_failed"

    def __init__(
        self,
        message: str,
        *,
        status: int,
        body: bytes = b"",
        diagnostic: str = "",
        sent: bool = True,
        lost: bool = False,
    ) -> None:
        super().__init__(message, status=status)
        self.lost = lost
        self.sent = sent
        self.status = status
        self.body = body
        self.diagnostic = diagnostic


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """Bounds on one attempt: seconds (0 = no limit) and bytes."""

    connect_timeout_s: float = 5.0
    total_timeout_s: float = 30.0
    max_body_bytes: int = 64 * 1024 * 1024


class _Attempt(NamedTuple):
    """What one attempt brought; ``status`` is 0 without a whole answer, and ``diagnostic`` says why."""

    status: int = 0
    body: bytes = b""
    retry_after_s: float | None = None
    diagnostic: str = ""
    sent: bool = True


class ServiceClient:
    """One pool of connections for any number of services.

    Args:
        allow_plaintext_token: send a token over plain HTTP to a host that is not loopback.
    """

    def __init__(
        self,
        limits: ClientLimits | None = None,
        *,
        allow_plaintext_token: bool = False,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rand: Callable[[], float] = random.random,
    ) -> None:
        self.limits = limits or ClientLimits()
        self._allow_plaintext_token = allow_plaintext_token
        self._sleep = sleep
        self._rand = rand
        self._session: aiohttp.ClientSession | None = None
        self._streams: aiohttp.ClientSession | None = None
        self._proxies = Proxies()

    def session(self) -> aiohttp.ClientSession:
        """The pooled session for requests, opened at its first use."""
        if self._session is None:
            self._session = _session(_CONNECTIONS_PER_HOST)
        return self._session

    def streams(self) -> aiohttp.ClientSession:
        """The session for streams: each holds a connection for long, and none may keep a request waiting."""
        if self._streams is None:
            self._streams = _session(0)
        return self._streams

    def proxy_for(self, url: str) -> str | None:
        """The proxy that the usual variables name for ``url``'s host."""
        return self._proxies.for_url(url)

    async def close(self) -> None:
        """Close all connections."""
        for session in (self._session, self._streams):
            if session is not None:
                await session.close()
        self._session = self._streams = None

    def headers(self, base_url: str, token: str | None, trace_id: str | None) -> dict[str, str]:
        """The contract's request headers.

        Raises:
            UsageError: a value that would break a header, or a token that would travel in clear.
        """
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if token:
            refuse_control_characters("token", token)
            if not self._allow_plaintext_token and travels_in_clear(base_url):
                raise UsageError(
                    f"refusing to send a token over plain HTTP to {urlsplit(base_url).hostname}; "
                    "use https or allow it by transport.allow_plaintext_token"
                )
            headers["Authorization"] = f"Bearer {token}"
            headers["X-Ops-Token"] = token
        if trace_id:
            refuse_control_characters("trace id", trace_id)
            headers["X-Trace-Id"] = trace_id
        return headers

    async def request(
        self,
        method: str,
        base_url: str,
        path: str,
        *,
        token: str | None = None,
        trace_id: str | None = None,
        body: bytes | None = None,
        policy: RetryPolicy | None = None,
    ) -> bytes:
        """The body of a 2xx answer.

        Raises:
            ServiceRequestError: no such answer, after the retries.
            UsageError: see :meth:`headers`.
        """
        rules = policy or RetryPolicy()
        url = base_url.removesuffix("/") + path
        headers = self.headers(base_url, token, trace_id)
        if method == "POST":
            headers["Content-Type"] = "application/json"
        attempt, sent, lost = 0, False, False
        while True:
            attempt += 1
            tried = await self._attempt(method, url, headers, body)
            if 200 <= tried.status < 300:
                return tried.body
            sent = sent or tried.sent
            lost = lost or (tried.status == 0 and tried.sent)
            wait_s = retry_wait(
                rules,
                attempt=attempt,
                status=tried.status,
                method=method,
                retry_after_s=tried.retry_after_s,
                rand=self._rand(),
                sent=sent,
            )
            if wait_s is None:
                excerpt = excerpt_of(tried.body, token)
                shown = without_credentials(url)
                raise ServiceRequestError(
                    f"service request failed (method={method} url={shown} code={tried.status:03d}): {excerpt}",
                    status=tried.status,
                    body=tried.body,
                    diagnostic=bounded_message(tried.diagnostic, token),
                    sent=sent,
                    lost=lost,
                )
            await self._sleep(wait_s)

    async def _attempt(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> _Attempt:
        timeout = aiohttp.ClientTimeout(
            total=self.limits.total_timeout_s or None, sock_connect=self.limits.connect_timeout_s or None
        )
        try:
            async with self.session().request(
                method,
                URL(url, encoded=True),
                headers=headers,
                data=body,
                allow_redirects=False,
                timeout=timeout,
                proxy=self.proxy_for(url),
            ) as answer:
                content = await read_bounded(answer.content, self.limits.max_body_bytes)
                return _Attempt(answer.status, content, parse_retry_after(answer.headers.get("Retry-After")))
        except BodyTooLargeError as error:
            return _Attempt(diagnostic=error.message)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return _Attempt(diagnostic=str(error) or "no connection in time", sent=False)
        except TimeoutError:
            return _Attempt(diagnostic="no complete answer in time")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return _Attempt(diagnostic=str(error) or type(error).__name__, sent=not isinstance(error, ValueError))


def _session(per_host: int) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, limit_per_host=per_host),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,  # nothing compressed is asked for, and nothing is inflated
    )


def refuse_control_characters(name: str, value: str) -> None:
    """Refuse what would break out of a header.

    Raises:
        UsageError: ``value`` holds a control character.
    """
    if any(ord(char) < 32 or ord(char) == 127 for char in value):
        raise UsageError(f"the {name} holds a control character")
