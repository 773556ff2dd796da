"""The kinds of receivers, one module each. A new kind is a module, its test, and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from opsd.alerts.sinks.alertmanager import Alertmanager
from opsd.alerts.sinks.base import SinkType
from opsd.alerts.sinks.pagerduty import PagerDuty
from opsd.alerts.sinks.slack import Slack
from opsd.alerts.sinks.webhook import Webhook

_ALL: tuple[SinkType, ...] = (Webhook(), Slack(), PagerDuty(), Alertmanager())

#: By the ``type`` of a catalog entry.
SINK_TYPES: Mapping[str, SinkType] = {kind.name: kind for kind in _ALL}
