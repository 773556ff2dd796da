"""What has to be done between deliveries: the one step that a whole run repeats (contract 50, 4.4, R3, R7)."""

from __future__ import annotations

from opsd.alerts.run.conclusion import conclude
from opsd.alerts.run.dispatch_run import DispatchRun
from opsd.alerts.run.intake import take_in
from opsd.alerts.run.reporting import report_late
from opsd.alerts.run.sending import outlook

#: A run that lasts publishes its state so often, in seconds.
PUBLISH_EVERY_S = 10.0


def step(run: DispatchRun, news: bool) -> list[str]:
    """Take in, report, conclude; the sinks whose lanes have work now."""
    if news:
        take_in(run)
    report_late(run, all_of_them=False)
    conclude(run)
    if run.means.clock() - run.published_at > PUBLISH_EVERY_S:
        run.finish()
    return [sink_id for sink_id in run.waiting_sinks() if outlook(run, sink_id) is not None]
