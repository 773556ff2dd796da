"""Looks at the principals file, so that a token that was made or revoked takes effect without a signal.

A file that cannot be used changes nothing but log, readiness and metrics. Whose rights have changed in it is told, by
one line and one row of the audit for each: whoever edits the file by hand tells nobody.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

import structlog

from opsd.access.changes import RightsChange, rights_changed
from opsd.access.document import in_order
from opsd.access.limiter import FailureLimiter
from opsd.access.model import Principal, Principals
from opsd.access.source import PrincipalsSource
from opsd.contract.errors import ManagerFileError, OpsError
from opsd.contract.ids import new_trace_id
from opsd.contract.jsoncodec import JsonObject
from opsd.runtime.threads import InThread
from opsd.storage import operations
from opsd.storage.fleet_port import FleetStore
from opsd.supervisor import logs
from opsd.supervisor.http.access import Authenticator
from opsd.supervisor.http.access_metrics import AccessMetrics
from opsd.supervisor.settings.model import Settings
from opsd.supervisor.settings.tokens import api_token, principals_source
from opsd.supervisor.tasks.heartbeat import Heartbeat
from opsd.supervisor.vitals.self_check import SelfCheck

log = structlog.get_logger("opsd.supervisor.http.access")


class PrincipalsWatch:
    """Lives on the event loop's thread; looks are taken in another.

    Args:
        store: the fleet's files, where the audit is.
    """

    def __init__(
        self,
        source: PrincipalsSource,
        metrics: AccessMetrics,
        check: SelfCheck,
        in_thread: InThread,
        store: Callable[[], FleetStore],
    ) -> None:
        self._source = source
        self._metrics = metrics
        self._check = check
        self._in_thread = in_thread
        self._store = store
        #: Those whose rights are known to the log.
        self._told: Principals = ()
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
        self._told = self._source.principals
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
            changes = rights_changed(self._told, self._source.principals)
            self._told = self._source.principals
            if changes:
                await self._tell_rights(changes)

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

    async def _tell_rights(self, changes: Sequence[RightsChange]) -> None:
        trace_id, now = new_trace_id(), time.time()
        for name, before, after in changes:
            log.info(
                "principals.rights_changed",
                name=name,
                scopes_before=None if before is None else in_order(before.scopes),
                scopes=None if after is None else in_order(after.scopes),
                loops_changed=before is not None and after is not None and set(before.loops) != set(after.loops),
                trace=trace_id,
            )
        rows = [
            operations.rights_seen(one.name, _rights(one.before), _rights(one.after), trace_id, now) for one in changes
        ]
        try:
            await self._in_thread(operations.write, self._store(), *rows)
        except OpsError as error:  # the rights are in force; the log has told of them
            log.error("principals.audit_incomplete", message=error.message)


def _rights(principal: Principal | None) -> JsonObject | None:
    return None if principal is None else {"scopes": in_order(principal.scopes), "loops": list(principal.loops)}


async def open_access(
    settings: Settings,
    metrics: AccessMetrics,
    check: SelfCheck,
    in_thread: InThread,
    store: Callable[[], FleetStore],
) -> tuple[Authenticator, PrincipalsWatch | None]:
    """Who may ask the API, and what watches the principals file, if there is one.

    Raises:
        OpsError: the token's or the principals' file cannot be used.
    """
    secret, source = api_token(settings), principals_source(settings)
    if secret is not None:
        logs.redact.add(secret.get_secret_value())
    watch = None if source is None else PrincipalsWatch(source, metrics, check, in_thread, store)
    if watch is not None:
        await watch.load()
    limiter = FailureLimiter(burst=settings.http.wrong_tokens)
    return Authenticator(settings.http.host, metrics, api_token=secret, source=source, limiter=limiter), watch
