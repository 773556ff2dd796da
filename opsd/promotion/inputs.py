"""What the promotion gates judge (contract 90, A1 and A2)."""

from __future__ import annotations

from dataclasses import dataclass, field

from opsd.contract.jsoncodec import JsonObject, JsonValue


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The limits; the defaults are the contract's. Counts of executions and intents, rates of 0 to 1, age in hours."""

    window_executions: int = 20
    min_sample_size: int = 20
    max_ambiguity_rate: int | float = 0.2
    max_failure_rate: int | float = 0.2
    max_manual_backlog: int = 5
    max_drill_age_h: int = 168


@dataclass(frozen=True, slots=True)
class AutonomousRun:
    """One autonomous handoff execution: its intents, and the row's own timestamp as it stands (None without one)."""

    attempted: int
    executed: int
    ambiguous: int
    failed: int
    timestamp: str | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """There is no such file."""


@dataclass(frozen=True, slots=True)
class Invalid:
    """There is a file, and nothing in it can be believed."""


@dataclass(frozen=True, slots=True)
class HandoffHistory:
    """The newest autonomous executions, oldest first; at most as many as the window holds."""

    runs: tuple[AutonomousRun, ...] = ()


@dataclass(frozen=True, slots=True)
class DrillRecords:
    """The drill file's array as it stands."""

    entries: list[JsonValue] = field(default_factory=list)


HandoffEvidence = HandoffHistory | Missing | Invalid
DrillEvidence = DrillRecords | Missing | Invalid


@dataclass(frozen=True, slots=True)
class Source:
    """Where the evidence came from and where the decision goes, in the words of ``source`` (A4).

    ``status_file`` is None where the fleet status was made for this evaluation.
    """

    repo: str
    status_file: str | None
    handoff_telemetry: str
    drill_state: str
    promotion_state: str
    promotion_telemetry: str


@dataclass(frozen=True, slots=True)
class GateInputs:
    """All that the gates may look at. ``status`` is a fleet status document, ``now`` seconds since 1970."""

    now: int
    trace_id: str
    source: Source
    thresholds: Thresholds
    status: JsonObject
    handoff: HandoffEvidence
    drills: DrillEvidence
