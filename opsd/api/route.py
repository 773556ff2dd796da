"""A route as one declarative entry: where it is, who may, what it takes, what it answers, what does it.

Application, authorization, audit and OpenAPI document are all made from these entries; nothing about a route is said
twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from opsd.access.authenticate import Extent, Identity
from opsd.access.model import Scope
from opsd.api.failure import ErrorCode, no_such_loop
from opsd.api.models.base import Body, NoQuery, Query
from opsd.api.ports import Gate, Host
from opsd.api.schemas import Schema
from opsd.api.shares import Place
from opsd.fleet.registry import LoopEntry

PREFIX = "/api/v1"


@dataclass(frozen=True, slots=True)
class Call:
    """One request that was let in and understood."""

    host: Host
    gate: Gate
    identity: Identity
    trace_id: str
    path: Mapping[str, str]
    query: Any
    body: Any
    request: web.Request
    idempotency_key: str = ""

    @property
    def by(self) -> str:
        """Who wants it, as rows and audits name them."""
        return self.identity.name

    @property
    def holder(self) -> str:
        """Who leaves places to others; empty for everybody without a token of their own."""
        return self.identity.name if self.identity.credential else ""

    @property
    def key_below(self) -> str:
        """The key for what is asked of others on the way, empty without one: no two principals have the same."""
        return f"api/{self.by}/{self.idempotency_key}" if self.idempotency_key else ""

    def entry(self) -> LoopEntry:
        """The registry entry of the loop that the path names.

        Raises:
            ApiError: there is none.
        """
        found = self.host.loops.entry(self.path["loop"])
        if found is None:
            raise no_such_loop()
        return found

    def is_gone(self) -> bool:
        """Nobody waits for the answer any more. May be asked from any thread."""
        transport = self.request.transport
        return transport is None or transport.is_closing()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a handler answers: members beside ``ok``."""

    members: Mapping[str, object]


Handler = Callable[[Call], Awaitable[Answer | web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """One entry of the table.

    Args:
        method: ``GET`` (``HEAD`` comes with it) or ``POST``.
        path: below :data:`PREFIX`; ``{loop}`` is a loop id.
        name: the operation's name, in the document, the audit and the log.
        scope: what a principal needs; None: open to everybody.
        reach: what the right has to reach where the path names no loop.
        members: JSON schemas of what the answer holds beside ``ok``.
        errors: what it answers beside what every route may.
        keyed: takes an ``Idempotency-Key``.
        open_on_loopback: a local request may ask for it where no token is set up, as it may read.
        media: of an answer that is no JSON.
        bare: the member that is the whole answer, without ``ok``; "" for all of them.
        urgent: ends a danger: it has a place, however much else is asked for (:mod:`opsd.api.shares`).
    """

    method: str
    path: str
    name: str
    summary: str
    tag: str
    handler: Handler
    scope: Scope | None = Scope.READ
    reach: Extent = Extent.FLEET
    query: type[Query] = NoQuery
    body: type[Body] | None = None
    members: Mapping[str, Schema] = field(default_factory=dict)
    status: int = 200
    errors: tuple[ErrorCode, ...] = ()
    keyed: bool = False
    open_on_loopback: bool = False
    media: str = "application/json"
    bare: str = ""
    urgent: bool = False

    @property
    def mutates(self) -> bool:
        """It changes something: audited, traced, never cached."""
        return self.method != "GET"

    @property
    def place(self) -> Place:
        """What a request takes while it is answered."""
        if self.urgent:
            return Place.URGENT
        if self.mutates:
            return Place.CHANGE
        return Place.READ if self.media == "application/json" else Place.STREAM

    @property
    def full_path(self) -> str:
        """The path on the wire."""
        return PREFIX + self.path
