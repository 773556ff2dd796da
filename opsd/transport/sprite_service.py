"""The transport of a loop behind a sprite service (contract 20, 3.2)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import quote

from opsd.contract.errors import OpsError
from opsd.contract.jsoncodec import JsonValue
from opsd.contract.reasons import FailureCode, TransportKind
from opsd.transport.answers import bounded_message, events_path, invalid, observation_of, parse_snapshot
from opsd.transport.base import IngestFailure, Observation, ObservationQuery
from opsd.transport.http_client import ServiceClient, ServiceRequestError
from opsd.transport.retry import RetryPolicy


class SpriteServiceTransport:
    """Observes one loop by two GETs.

    Args:
        base_url: address of the service; one trailing slash is removed.
        token: sent as a bearer token and as ``X-Ops-Token``.
        patient: the daemon's retry manner (contract 30, weakness 22).
        on_request: told of every request by its kind, ``snapshot`` or ``events``.
    """

    kind = TransportKind.SPRITE_SERVICE

    def __init__(
        self,
        client: ServiceClient,
        *,
        base_url: str,
        loop_id: str,
        token: str | None,
        patient: bool = False,
        on_request: Callable[[str], None] | None = None,
    ) -> None:
        self._client = client
        self._base_url = base_url
        self._loop = quote(loop_id, safe="")
        self._token = token
        self._patient = patient
        self._on_request = on_request

    async def observe(self, query: ObservationQuery) -> Observation:
        """Snapshot, then the events behind the cursor; the second request is skipped when the first fails."""

        async def both() -> Observation:
            seen = await self._snapshot(query)
            return seen if seen.failure is not None else await self._events(seen.snapshot, query)

        return await self._told(both())

    async def snapshot(self, query: ObservationQuery) -> Observation:
        """The snapshot alone, for whoever only looks."""
        return await self._told(self._snapshot(query))

    async def poll(self, query: ObservationQuery) -> Observation:
        """The events alone."""
        return await self._told(self._events(None, query))

    async def _told(self, asked: Awaitable[Observation]) -> Observation:
        """What was seen, or why nothing was: bounded, and without the token."""
        try:
            return await asked
        except ServiceRequestError as error:
            text = "\n".join(part for part in (error.diagnostic, f"error: {error.message}") if part)
        except OpsError as error:
            text = f"error: {error.message}"
        message = bounded_message(text, self._token)
        return Observation(failure=IngestFailure(FailureCode.SERVICE_REQUEST_FAILED, message))

    async def _snapshot(self, query: ObservationQuery) -> Observation:
        body = await self._get("snapshot", f"/ops/snapshot?loopId={self._loop}", query)
        try:
            return Observation(parse_snapshot(body))
        except ValueError:
            return invalid("service /ops/snapshot response is not JSON")

    async def _events(self, snapshot: JsonValue, query: ObservationQuery) -> Observation:
        return observation_of(snapshot, await self._get("events", events_path(self._loop, query), query))

    async def _get(self, kind: str, path: str, query: ObservationQuery) -> bytes:
        if self._on_request is not None:
            self._on_request(kind)
        policy = RetryPolicy(query.retry_attempts, query.retry_backoff_s, patient=self._patient)
        return await self._client.request(
            "GET", self._base_url, path, token=self._token, trace_id=query.trace_id, policy=policy
        )

    async def close(self) -> None:
        """Nothing of its own: the client is shared."""
