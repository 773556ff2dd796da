"""A daemon with three local loops, a registry that permits autonomy, principals, and a client for its control API."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from opsd.access.document import document_of
from opsd.access.model import Principal, Scope, Token
from opsd.access.token_format import TokenPurpose, digest_of, mint
from opsd.contract.jsoncodec import dumps_pretty
from tests.daemon.fleet_world import FleetWorld
from tests.daemon.support import Daemon, LiveLoop, daemon

PREFIX = "/api/v1"
#: Everything that a test asks for at once, and neither a fleet step nor a job that comes in between.
FLAGS = (
    *("--fleet-interval-seconds", "3600", "--promotion-enabled", "false"),
    *("--http-max-requests", "512", "--http-principals-look-seconds", "0.05"),
)


class Client:
    """Requests of one principal."""

    def __init__(self, running: Daemon, token: str | None) -> None:
        self.running = running
        self.headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    async def get(self, path: str, **options: Any) -> tuple[int, Any]:
        """Status and JSON."""
        return await self.ask("GET", path, **options)

    async def post(self, path: str, body: Any = None, *, key: str = "", **options: Any) -> tuple[int, Any]:
        """Status and JSON."""
        headers = {"Idempotency-Key": key} if key else {}
        return await self.ask("POST", path, json={} if body is None else body, headers=headers, **options)

    async def ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, **rest: Any
    ) -> tuple[int, Any]:
        """Status and JSON."""
        every = {**self.headers, **(headers or {})}
        async with self.running.session.request(method, PREFIX + path, headers=every, **rest) as response:
            return response.status, await response.json()


class ApiWorld(FleetWorld):
    """The repo and its principals."""

    def __init__(self, root: Path, *loops: str) -> None:
        super().__init__(root / "repo", *(loops or ("alpha", "beta", "gamma")))
        self.principals_file = root / "principals.json"
        self.tokens: dict[str, str] = {}
        self.live = {name: LiveLoop(self.repo, name) for name in self.loops}
        self._principals: list[Principal] = []
        self.permit()

    def principal(self, name: str, *scopes: Scope, loops: tuple[str, ...] = ("*",)) -> str:
        """A further principal; its token."""
        secret = mint(TokenPurpose.DAEMON, secrets.randbelow)
        number = len(self._principals)
        token = Token(f"tok_{number:016x}", TokenPurpose.DAEMON, digest_of(secret), created_at=1_700_000_000)
        self._principals.append(Principal(name, frozenset(scopes), loops, (token,)))
        self.tokens[name] = secret
        self.principals_file.write_bytes(dumps_pretty(document_of(tuple(self._principals))))
        self.principals_file.chmod(0o600)
        return secret

    @asynccontextmanager
    async def running(self, *flags: str) -> AsyncIterator[Daemon]:
        """The daemon; with principals where there are some."""
        file = ["--http-principals-file", str(self.principals_file)] if self.tokens else []
        async with daemon(self.repo, *FLAGS, *file, *flags, env=self.env) as found:
            yield found

    def client(self, running: Daemon, name: str | None = None) -> Client:
        """A client with a principal's token, or without one."""
        return Client(running, None if name is None else self.tokens[name])

    def critical_journal(self, loop: str) -> None:
        """The loop's journal cannot be read: its passes fail."""
        self.live[loop].journal.write_text("no event\n")

    def operations(self) -> list[dict[str, Any]]:
        """The audit's rows."""
        found: list[dict[str, Any]] = self.rows("telemetry/operations.jsonl")
        return found

    def registry(self) -> dict[str, Any]:
        """The registry as it is."""
        found: dict[str, Any] = json.loads(self.file("registry.v1.json").read_text())
        return found
