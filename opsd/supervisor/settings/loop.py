"""The settings of a loop's supervision: how it is watched, passed over, reached and judged."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from opsd.supervisor.settings.group import Count, Group, Period, Seconds


class ObserveSettings(Group):
    """How loops are watched, and what that costs an idle sprite."""

    default: Literal["auto", "stream", "poll"] = "auto"
    """For loops whose registry entry says nothing: auto holds a stream only while the run is active. Default auto."""
    active_poll_seconds: Period = 2.0
    """Seconds between polls of an active loop that has no stream. Default 2."""
    idle_resync_seconds: Period = 900.0
    """Seconds between resyncs of a finished or waiting loop; each may wake its sprite. Default 900."""
    linger_seconds: Seconds = 15.0
    """Seconds that a loop is followed on after its run ceased to be active. Default 15."""
    stream_keepalive_timeout_seconds: Period = 45.0
    """Seconds without any byte after which a stream counts as dead. Default 45."""
    stream_retry_base_seconds: Period = 0.5
    """Seconds before the first reconnect of a broken stream; doubles each time. Default 0.5."""
    stream_retry_cap_seconds: Period = 60.0
    """Longest wait between reconnects of a stream, in seconds. Default 60."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.stream_retry_cap_seconds < self.stream_retry_base_seconds:
            raise ValueError("stream_retry_cap_seconds must be >= stream_retry_base_seconds")
        return self


class ReconcileSettings(Group):
    """Passes over loops: how often, how many at once, how long."""

    resync_seconds: Period = 30.0
    """Seconds between resyncs of an active loop. Default 30."""
    jitter: float = Field(default=0.1, ge=0, le=1)
    """Share of a period by which each wait is moved at random, 0 to 1. Default 0.1."""
    max_parallel: int = Field(default=16, ge=1, le=1_000)
    """Passes that run at the same time. Default 16."""
    worker_threads: int = Field(default=4, ge=1, le=256)
    """Threads for file work. Default 4."""
    backoff_base_seconds: Period = 1.0
    """Seconds before a failed loop is tried again; doubles each time. Default 1."""
    backoff_cap_seconds: Period = 300.0
    """Longest wait of a failing loop, in seconds. Default 300."""
    deadline_seconds: Period = 120.0
    """Seconds after which one pass is given up. Default 120."""
    lock_wait_seconds: Seconds = 10.0
    """Seconds a pass waits for another process to release the loop's lock. Default 10."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.backoff_cap_seconds < self.backoff_base_seconds:
            raise ValueError("backoff_cap_seconds must be >= backoff_base_seconds")
        return self


class TransportSettings(Group):
    """Requests to sprite services. How often one is retried is the registry's business, entry by entry."""

    connect_timeout_seconds: Period = 5.0
    """Seconds until a connection must stand. Default 5."""
    total_timeout_seconds: Period = 30.0
    """Seconds until one attempt must be answered in full. Default 30."""
    allow_plaintext_token: bool = False
    """Send a token over plain HTTP to a host that is not loopback. Default false."""


class LimitSettings(Group):
    """Bounds on what is read from outside."""

    max_response_bytes: Count = 67_108_864
    """Largest answer of a sprite service, in bytes. Default 67108864 (64 MiB)."""
    max_line_bytes: Count = 16_777_216
    """Longest line of a journal, in bytes. Default 16777216 (16 MiB)."""
    max_events_per_pass: Count = 10_000
    """Events taken in by one pass; the rest follows at once in the next. Default 10000."""
    max_loops: Count = 10_000
    """Loops one daemon supervises; a registry with more is refused. Default 10000."""


class ThresholdSettings(Group):
    """When a loop counts as degraded or critical (contract 20, 2.1)."""

    profile: str | None = Field(default=None, min_length=1)
    """Threshold profile by name. Default: the catalog's own default."""
    profiles_file: Path | None = None
    """Catalog of threshold profiles. Default: the one that is installed with opsd."""
    degraded_heartbeat_lag_seconds: int = Field(default=120, ge=0)
    """Age of the last heartbeat, in seconds, from which a loop is degraded. Default 120."""
    liveness: bool = True
    """Evidence that a run's process is gone makes its loop critical. Default true."""
    spare_finished: bool = False
    """A loop that is complete, stopped, failed or idle is not stale, however old its last event. Default false."""
    critical_heartbeat_lag_seconds: int = Field(default=300, ge=0)
    """Age of the last heartbeat, in seconds, from which a loop is critical. Default 300."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.critical_heartbeat_lag_seconds < self.degraded_heartbeat_lag_seconds:
            raise ValueError("critical_heartbeat_lag_seconds must be >= degraded_heartbeat_lag_seconds")
        return self


class DriftSettings(Group):
    """When a threshold profile counts as no longer fitting (contract 40, 5)."""

    min_confidence: Literal["low", "medium", "high"] = "medium"
    """Least confidence of a recommendation that counts. Default medium."""
    required_streak: Count = 3
    """Passes in a row that must recommend another profile. Default 3."""
    summary_window: Count = 200
    """Newest rows of telemetry that are summarised; below 30 no recommendation reaches medium. Default 200."""
