"""Every metric of the daemon: those of supervision, and those that its rooms declare themselves."""

from __future__ import annotations

from opsd.supervisor.alerts.metrics import AlertMetrics
from opsd.supervisor.fleet.metrics import FleetMetrics
from opsd.supervisor.http.access_metrics import AccessMetrics
from opsd.supervisor.jobs.metrics import JobMetrics
from opsd.supervisor.metrics.supervision import SupervisionMetrics


class DaemonMetrics(SupervisionMetrics):
    """All of them; each room is handed its own."""

    def __init__(self, version: str, python: str | None = None) -> None:
        super().__init__(version, python)
        self.alerts = AlertMetrics()
        self.fleet = FleetMetrics()
        self.jobs = JobMetrics()
        self.access = AccessMetrics()
        self.parts += (self.alerts, self.fleet, self.jobs, self.access)
