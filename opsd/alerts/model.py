"""The words that the stages of alert delivery share (contract 50).

An escalation row becomes a :class:`Notification` for each :class:`ResolvedSink`; a sink type turns it into a
:class:`SinkRequest`; what came of sending it is an :class:`AttemptResult`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from opsd.contract.jsoncodec import JsonObject


class AlertSeverity(StrEnum):
    """Severity of an alert, in rising order (50, 1)."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """1 for info to 3 for critical."""
        return list(AlertSeverity).index(self) + 1


class Action(StrEnum):
    """What a notification tells its receiver (50, R8)."""

    TRIGGER = "trigger"
    RESOLVE = "resolve"


class DedupKeyMode(StrEnum):
    """What PagerDuty folds into one alert (50, R4)."""

    ROW = "row"
    INCIDENT = "incident"


@dataclass(frozen=True, slots=True)
class RetryRules:
    """When a failed delivery is tried again (50, R1); durations in seconds."""

    base_s: float = 1.0
    cap_s: float = 300.0
    max_attempts: int = 20
    max_age_s: float = 86400.0


@dataclass(frozen=True, slots=True)
class RateRules:
    """A token bucket (50, R9)."""

    per_second: float
    burst: float


@dataclass(frozen=True, slots=True)
class SinkRules:
    """A sink's own settings for delivery, each with the contract's default (50, section 12)."""

    rate: RateRules
    retry: RetryRules = RetryRules()
    send_resolved: bool = True
    dedup_key_mode: DedupKeyMode = DedupKeyMode.ROW
    max_body_bytes: int = 1024 * 1024
    allow_insecure_http: bool = False
    resend_s: float = 60.0


@dataclass(frozen=True, slots=True)
class ResolvedSink:
    """A sink that a route leads to.

    ``view`` is the resolver's object of it (50, 3.4), which telemetry and the outbox keep: names of secrets, never
    their values. ``secret_refs`` and ``config`` are those of the view.
    """

    id: str
    type: str
    timeout_s: float
    view: JsonObject
    secret_refs: JsonObject
    config: JsonObject
    rules: SinkRules


@dataclass(frozen=True, slots=True)
class Notification:
    """One thing to tell one sink.

    Args:
        repo: absolute path of the repo.
        loop_id, trace_id: the *event* loop and trace (50, 4.4), which a row may override.
        row: the escalation row's exact JSON text: numbers reach the receiver as they were written (W18).
        row_timestamp: as the row has it, empty when it has none.
        starts_at, ends_at: wire timestamps; ``starts_at`` only when the row has a valid one.
        members: of a grouped notification, the exact texts of the rows beyond the first; ``truncated_count`` more
            were left out (R15).
    """

    action: Action
    delivery_id: str
    dedup_key: str
    repo: str
    loop_id: str
    trace_id: str
    category: str
    severity: AlertSeverity
    row: bytes
    row_timestamp: str
    reason_codes: tuple[str, ...] = ()
    starts_at: str | None = None
    ends_at: str | None = None
    members: tuple[Member, ...] = ()
    truncated_count: int = 0


@dataclass(frozen=True, slots=True)
class Member:
    """A further row of a grouped notification."""

    loop_id: str
    trace_id: str
    category: str
    severity: AlertSeverity
    row: bytes
    reason_codes: tuple[str, ...] = ()
    starts_at: str | None = None


@dataclass(frozen=True, slots=True)
class SinkRequest:
    """What is sent. ``url``, ``headers`` and ``body`` may hold secrets: never logged, stored or shown.

    ``secrets``: every secret of the sink, masked wherever the receiver repeats it (W22).
    """

    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    allow_insecure_http: bool = False
    secrets: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What came back: a status with an excerpt of the body (50, 5.1), or the ``error`` of a request without answer.

    ``sent``: the request may have reached its receiver.
    """

    status: int | None = None
    excerpt: str | None = None
    retry_after_s: float | None = None
    error: str | None = None
    duration_s: float = 0.0
    sent: bool = True


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """One attempt, judged (50, 5.1 and R1).

    ``pause_s``: how long the whole target wants to be left alone (R2). ``closes_target``: nothing will get through
    until the configuration or the secret changes (R10).
    """

    succeeded: bool
    reason_code: str | None = None
    http_status: int | None = None
    message: str | None = None
    retryable: bool = False
    pause_s: float = 0.0
    closes_target: bool = False

    def as_json(self) -> JsonObject:
        """The result object of 5.1 without ``id`` and ``type``, in the contract's key order."""
        status: JsonObject = {"status": "success" if self.succeeded else "failed"}
        code: JsonObject = {"reasonCode": self.reason_code}
        http: JsonObject = {"httpStatus": self.http_status}
        ordered = status | http | code if self.succeeded else status | code | http
        return {**ordered, "message": self.message}


@dataclass(frozen=True, slots=True)
class Environment:
    """Where secrets are looked up, at the moment of sending."""

    variables: Mapping[str, str] = field(repr=False)

    def secret(self, name: object) -> str | None:
        """The non-empty value of the variable ``name``; None when there is none."""
        return (self.variables.get(name) or None) if isinstance(name, str) else None
