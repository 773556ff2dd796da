"""What the service can be told, and the limits that bound it."""

from __future__ import annotations

from dataclasses import dataclass

from opsd.runtime.watcher import WatchMode


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on clients; times in seconds, sizes in bytes."""

    max_body_bytes: int = 1024 * 1024
    max_header_bytes: int = 8190
    max_requests: int = 64
    max_connections: int = 512
    max_streams: int = 256
    max_streams_per_client: int = 128
    header_timeout_s: float = 15.0
    idle_timeout_s: float = 75.0
    write_timeout_s: float = 20.0
    max_wait_s: float = 60.0
    max_cached_loops: int = 256
    max_line_bytes: int = 16 * 1024 * 1024
    control_timeout_s: float = 60.0
    stop_timeout_s: float = 1.5


@dataclass(frozen=True, slots=True)
class Config:
    """One service. Without ``token`` and ``principals_file`` nobody is asked for a token."""

    repo: str
    host: str = "127.0.0.1"
    port: int = 8787
    token: str = ""
    principals_file: str | None = None
    keepalive_s: float = 15.0
    watch: WatchMode = WatchMode.AUTO
    poll_s: float = 0.25
    access_log: bool = True
    limits: Limits = Limits()
