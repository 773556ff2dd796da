"""A fleet whose handoff can be run, watched, and ended at any point."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from opsd.contract import jsoncodec
from opsd.contract.errors import UsageError
from opsd.contract.jsoncodec import JsonObject
from opsd.fleet.handoff.dispatch import ControlAnswer, DispatchRequest, Order
from opsd.fleet.handoff.run import Handoff, HandoffRequest
from opsd.fleet.handoff.words import ExecutionMode
from opsd.storage.fleet_parts import FleetDocument, FleetLog, FleetPart
from opsd.storage.follow import Fold, LogFollower

MANUAL, AUTONOMOUS = ExecutionMode.MANUAL, ExecutionMode.AUTONOMOUS


class Crash(BaseException):
    """The process is gone: nothing behind this happens."""


def candidate(loop_id: str, category: str = "health_critical", **fields: Any) -> JsonObject:
    """An unsuppressed candidate that the policy lets go on its own."""
    return {
        "candidateId": f"{loop_id}:{category}",
        "loopId": loop_id,
        "category": category,
        "severity": "critical",
        "confidence": "high",
        "suppressed": False,
        "autonomous": {"eligible": True, "manualOnly": False, "reasons": []},
        **fields,
    }


def policy(*candidates: JsonObject, **fields: Any) -> JsonObject:
    """A policy state in guarded mode."""
    return {
        "mode": "guarded_auto",
        "traceId": "p-1",
        "updatedAt": "2026-11-26T08:00:00Z",
        "candidates": [*candidates],
    } | fields


def registry(*loop_ids: str, kill: bool = False, pause: bool = False) -> JsonObject:
    """A normalized registry, as far as the handoff reads it."""
    autonomous = {"safety": {"killSwitch": kill}, "rollout": {"pause": {"manual": pause}}}
    return {"fleetId": "yard", "loops": [{"loopId": name} for name in loop_ids], "policy": {"autonomous": autonomous}}


@dataclass
class MemoryStore:
    """A fleet store in memory. ``steps`` counts what would reach the disk; ``tick`` may raise before any of it."""

    parts: dict[FleetPart, bytes] = field(default_factory=dict)
    tick: Callable[[str], None] = lambda _what: None

    @contextmanager
    def lock(self, *, wait_s: float) -> Iterator[None]:
        yield

    def location(self, part: FleetPart) -> str:
        return f"/fleet/{part.value}"

    def read(self, part: FleetPart, start: int = 0) -> bytes | None:
        data = self.parts.get(part)
        return None if data is None else data[start:]

    def newest_row(self, log: FleetLog) -> JsonObject | None:
        rows = self.rows(log)
        return rows[-1] if rows else None

    def exists(self, part: FleetPart) -> bool:
        return part in self.parts

    def origin(self, part: FleetPart) -> tuple[str | None, str | None]:
        return None, None

    def prepare(self, *parts: FleetPart) -> None:
        pass

    def follower(self, log: FleetLog, fold: Fold, *, what: str) -> LogFollower:
        raise NotImplementedError

    def append(self, log: FleetLog, rows: Sequence[JsonObject], *, durable: bool = False, rotate_over: int = 0) -> None:
        self.tick(f"append {log.name}")
        self.parts[log] = self.parts.get(log, b"") + b"".join(jsoncodec.dumps(row) + b"\n" for row in rows)

    def size(self, log: FleetLog) -> int:
        return len(self.parts.get(log, b""))

    def begin_anew(self, log: FleetLog, rows: Sequence[JsonObject]) -> None:
        self.tick(f"begin_anew {log.name}")
        self.parts[log] = b"".join(jsoncodec.dumps(row) + b"\n" for row in rows)

    def append_audited(self, log: FleetLog, rows: Sequence[JsonObject]) -> None:
        self.drop_torn_row(log)
        self.append(log, rows)

    def drop_torn_row(self, log: FleetLog) -> None:
        data = self.parts.get(log, b"")
        self.parts[log] = data[: data.rfind(b"\n") + 1]

    def replace(self, document: FleetDocument, value: JsonObject) -> None:
        self.tick(f"replace {document.name}")
        self.parts[document] = jsoncodec.dumps(value) + b"\n"

    def rows(self, log: FleetLog) -> list[JsonObject]:
        return [jsoncodec.loads(line) for line in self.parts.get(log, b"").splitlines()]


@dataclass
class Fleet:
    """A fleet in memory, its control a stub that answers exit codes by loop id (0 where nothing is said)."""

    policy: JsonObject
    registry: JsonObject
    answers: Mapping[str, int] = field(default_factory=dict)
    store: MemoryStore = field(default_factory=MemoryStore)
    calls: list[DispatchRequest] = field(default_factory=list)
    on_call: Callable[[DispatchRequest], None] = lambda _request: None
    busy: frozenset[str] = frozenset()
    halted: Sequence[str] = ()
    registry_broken: bool = False

    def run(
        self,
        mode: ExecutionMode | None = None,
        *,
        loops: Sequence[str] = (),
        intent_ids: Sequence[str] = (),
        **fields: Any,
    ) -> JsonObject:
        """One run; None only plans."""
        self.store.parts[FleetDocument.POLICY] = jsoncodec.dumps(self.policy)
        order = None if mode is None else Order(mode, "mira")
        handoff = Handoff(
            self.store,
            self._registry,
            self._control,
            self.busy.__contains__,
            lambda: self.halted,
            clock=lambda: 1_764_144_000.0,
        )
        return handoff.run(HandoffRequest(order=order, loops=loops, intent_ids=intent_ids, **fields))

    @property
    def called(self) -> list[str]:
        return [call.loop_id for call in self.calls]

    def _registry(self) -> JsonObject:
        if self.registry_broken:
            raise UsageError("invalid fleet registry: /fleet/registry.v1.json")
        return self.registry

    def _control(self, request: DispatchRequest) -> ControlAnswer:
        self.store.tick("control")
        self.calls.append(request)
        self.on_call(request)
        return ControlAnswer(self.answers.get(request.loop_id, 0), {"status": "said"})
