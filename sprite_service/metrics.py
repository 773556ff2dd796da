"""The service's own metrics, in Prometheus' text form."""

from __future__ import annotations

import sys

from opsd import __version__
from opsd.access.authenticate import RefusalReason

_REASONS = tuple(reason for reason in RefusalReason if reason not in (RefusalReason.THROTTLED, RefusalReason.FORBIDDEN))


class ServiceMetrics:
    """Counters and gauges; bounded: paths are those of the service or ``other``."""

    def __init__(self) -> None:
        self.requests: dict[tuple[str, int], int] = {}
        self.in_flight = 0
        self.streams = 0
        self.streams_started = 0
        self.streams_dropped = 0
        self.events_sent = 0
        self.unauthorized = 0
        self.refused_tokens: dict[RefusalReason, int] = dict.fromkeys(_REASONS, 0)
        self.task_failures = 0
        self.protocol_errors = 0

    def render(self, *, cached_loops: int, connections: int, controls: int, inotify: bool) -> bytes:
        """The exposition."""
        lines: list[str] = []

        def family(name: str, kind: str, text: str, *series: tuple[str, float]) -> None:
            lines.append(f"# HELP sprite_service_{name} {text}")
            lines.append(f"# TYPE sprite_service_{name} {kind}")
            lines.extend(f"sprite_service_{name}{labels} {value:g}" for labels, value in series)

        python = ".".join(map(str, sys.version_info[:3]))
        family("build_info", "gauge", "Version of the service.", (f'{{version="{__version__}",python="{python}"}}', 1))
        counted = sorted(self.requests.items())
        family(
            "requests_total",
            "counter",
            "Requests answered, by path and status.",
            *((f'{{path="{path}",status="{status}"}}', count) for (path, status), count in counted),
        )
        family("requests_in_flight", "gauge", "Requests being answered.", ("", self.in_flight))
        family("connections", "gauge", "Open connections.", ("", connections))
        family("controls", "gauge", "Control intents that run just now.", ("", controls))
        family("streams", "gauge", "Open event streams.", ("", self.streams))
        family("streams_started_total", "counter", "Event streams that were opened.", ("", self.streams_started))
        family("streams_dropped_total", "counter", "Streams of clients that did not read.", ("", self.streams_dropped))
        family("events_sent_total", "counter", "Events sent over streams.", ("", self.events_sent))
        family("unauthorized_total", "counter", "Requests without a valid token.", ("", self.unauthorized))
        refused = self.refused_tokens.items()
        family(
            "refused_tokens_total",
            "counter",
            "Requests without a valid token, by what is wrong with it.",
            *((f'{{reason="{reason.value}"}}', count) for reason, count in refused),
        )
        errors = self.protocol_errors
        family("protocol_errors_total", "counter", "Requests that were no HTTP, or broke off.", ("", errors))
        family("task_failures_total", "counter", "Background tasks that failed.", ("", self.task_failures))
        family("cached_loops", "gauge", "Loops whose reader is kept.", ("", cached_loops))
        family("inotify", "gauge", "1 where inotify tells of changes, 0 where files are polled.", ("", int(inotify)))
        return ("\n".join(lines) + "\n").encode()
