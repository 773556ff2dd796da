"""The operator status and the health of a supervised loop, from its files.

In the status what is damaged is named, the rest is told (40, row 9).
"""

from __future__ import annotations

import time
from dataclasses import replace

from opsd.alerts.standing import delivery_standing
from opsd.contract.jsoncodec import JsonObject
from opsd.loop.health_files import HealthQuestion, judge_files
from opsd.loop.status import status
from opsd.loop.status_inputs import read_inputs
from opsd.loop.summary_files import summary_of
from opsd.storage.model import Document
from opsd.supervisor.loops.managed_loop import ManagedLoop

#: As the command's own default.
_WINDOW = 200


def loop_status(loop: ManagedLoop, window: int | None = None) -> JsonObject:
    """The status document; blocking. ``window``: rows of telemetry that are summarised, None for the daemon's own.

    Raises:
        ManagerFileError: no pass has left anything yet.
    """
    settings = loop.reconciler.settings
    if window is None:
        window = _WINDOW if settings.tuning is None else settings.tuning.drift.summary_window
    rows = window

    def summarize(reconcile_file: str, control_file: str) -> JsonObject:
        return summary_of(settings.repo, settings.loop_id, reconcile_file, control_file, rows)

    places = settings.locations
    inputs = read_inputs(settings.repo, settings.loop_id, places, window, summarize, tolerant=True)
    delivery = delivery_standing(settings.repo, places[Document.ALERT_DISPATCH], time.time())
    return status(replace(inputs, delivery=delivery))


def loop_health(loop: ManagedLoop, question: HealthQuestion) -> JsonObject:
    """The health as of now, by the daemon's limits; blocking.

    Raises:
        ManagerFileError: no pass has left anything yet, or a file is damaged.
        UsageError: the limits contradict each other.
    """
    settings = loop.reconciler.settings
    return judge_files(
        settings.loop_id,
        settings.locations,
        replace(question, transport=settings.transport),
        thresholds=settings.thresholds,
    )
