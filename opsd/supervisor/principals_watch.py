"""Looks at the principals file, so that a token that was made or revoked takes effect without a signal.

A file that cannot be used changes nothing but log, readiness and metrics.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from opsd.access.limiter import FailureLimiter
from opsd.access.source import PrincipalsSource
from opsd.contract.errors import ManagerFileError
from opsd.supervisor import logs
from opsd.supervisor.access import Authenticator
from opsd.supervisor.access_metrics import AccessMetrics
from opsd.supervisor.heartbeat import Heartbeat
from opsd.supervisor.self_check import SelfCheck
from opsd.supervisor.settings import Settings
from opsd.supervisor.tokens import api_token, principals_source

log = structlog.get_logger("opsd.supervisor.access")

InThread = Callable[..., "asyncio.Future[Any]"]


class PrincipalsWatch:
    """Lives on the event loop's thread; looks are taken in another."""

    def __init__(self, source: PrincipalsSource, metrics: AccessMetrics, check: SelfCheck, in_thread: InThread) -> None:
        self._source = source
        self._metrics = metrics
        self._check = check
        self._in_thread = in_thread
        #: Two looks at a time could end with what the earlier one has read.
        self._looking = asyncio.Lock()

    @property
    def path(self) -> str:
        """Where the file is."""
        return self._source.path

    async def load(self) -> None:
        """The first look.

        Raises:
            UsageError: the file cannot be used.
        """
        await self._in_thread(self._source.load)
        self._tell(changed=True)

    async def run(self, heartbeat: Heartbeat, *, look_s: float) -> None:
        """Look for ever."""
        while True:
            heartbeat.beat()
            await self._look()
            await asyncio.sleep(look_s)

    async def look_now(self) -> None:
        """Take up what the file says now: what was written before this is asked is in force after it.

        Raises:
            ManagerFileError: it cannot be used; the last good one stays in force.
        """
        await self._look()
        if self._source.problem is not None:
            raise ManagerFileError(self._source.problem)

    async def _look(self) -> None:
        async with self._looking:
            self._tell(changed=await self._in_thread(self._source.look))

    def _tell(self, *, changed: bool) -> None:
        source = self._source
        self._check.principals_problem = source.problem
        self._metrics.looked(
            good=source.problem is None, principals=len(source.principals), next_expiry=source.next_expiry()
        )
        if not changed:
            return
        if source.problem is not None:
            log.error("principals.refused", message=source.problem)
            return
        if source.warning is not None:
            log.warning("principals.readable_by_all", message=source.warning)
        log.info("principals.loaded", principals=len(source.principals))


async def open_access(
    settings: Settings, metrics: AccessMetrics, check: SelfCheck, in_thread: InThread
) -> tuple[Authenticator, PrincipalsWatch | None]:
    """Who may ask the API, and what watches the principals file, if there is one.

    Raises:
        OpsError: the token's or the principals' file cannot be used.
    """
    secret, source = api_token(settings), principals_source(settings)
    if secret is not None:
        logs.redact.add(secret.get_secret_value())
    watch = None if source is None else PrincipalsWatch(source, metrics, check, in_thread)
    if watch is not None:
        await watch.load()
    limiter = FailureLimiter(burst=settings.http.wrong_tokens)
    return Authenticator(settings.http.host, metrics, api_token=secret, source=source, limiter=limiter), watch
