"""Alerts: silences, dead letters, sinks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from opsd import compose, compose_alerts
from opsd.alerts.routing import resolve
from opsd.alerts.routing.catalog import Catalog, check_environment
from opsd.alerts.run import rehearsal
from opsd.alerts.run.dispatch_run import DispatchRun
from opsd.alerts.run.dispatcher import dispatch
from opsd.api.ports import Host
from opsd.compose_alerts import AlertOptions
from opsd.contract import jsoncodec
from opsd.contract.ids import LoopId
from opsd.contract.jsoncodec import JsonObject
from opsd.storage.fleet_parts import FleetDocument
from opsd.storage.fleet_port import FleetStore


@dataclass(frozen=True, slots=True)
class AlertMeans:
    """What work on alerts needs, for any thread."""

    repo: str
    env: Mapping[str, str]
    options: AlertOptions
    store: FleetStore


def means(host: Host) -> AlertMeans:
    """Taken on the event loop's thread."""
    return AlertMeans(host.repo, host.env, host.alert_options(), host.fleet_store())


def _run(means: AlertMeans, loop: LoopId, trace_id: str) -> DispatchRun:
    run, _warnings = compose_alerts.dispatch_run(means.repo, loop, trace_id, means.options, means.env)
    return run


def dead_letters(means: AlertMeans, loop: LoopId, trace_id: str) -> JsonObject:
    """The deliveries that were given up and not told again since.

    Raises:
        OpsError: the delivery file cannot be used.
    """
    return rehearsal.dead_letters(_run(means, loop, trace_id))


def all_dead_letters(means: AlertMeans, loops: Sequence[LoopId], trace_id: str) -> list[JsonObject]:
    """The same for many loops, without those that have none."""
    found = (dead_letters(means, loop, trace_id) for loop in loops)
    return [document for document in found if document["count"]]


def replay(means: AlertMeans, loop: LoopId, trace_id: str, which: str) -> JsonObject:
    """Tell dead letters again; ``which`` is a delivery's id, or ``all``.

    Raises:
        OpsError: there is none, or a file cannot be used.
    """
    return dispatch(_run(means, loop, trace_id), compose_alerts.open_sender, replay=which)


def test_sink(means: AlertMeans, loop: LoopId, trace_id: str, sink: str) -> JsonObject:
    """Send a synthetic event to one sink.

    Raises:
        OpsError: there is no such sink, or it is switched off.
    """
    return rehearsal.test_sink(_run(means, loop, trace_id), sink, compose_alerts.open_sender)


def sinks(means: AlertMeans, env_checked: bool) -> JsonObject:
    """The catalog of sinks without any secret, and how their targets stand.

    Raises:
        OpsError: the catalog cannot be used, or with ``env_checked`` a secret of an enabled sink is not set.
    """
    document = resolve.summary(_catalog(means, env_checked), means.env, env_checked=env_checked)
    health = jsoncodec.object_in(means.store.read(FleetDocument.SINK_HEALTH))
    return {**document, "health": health or {}}


def route_of(means: AlertMeans, category: str, severity: str | None, env_checked: bool) -> JsonObject:
    """Where escalations of a category go.

    Raises:
        OpsError: as above.
    """
    wanted = None if severity is None else resolve.parse_severity(severity)
    return resolve.resolve_route(_catalog(means, env_checked), category, wanted, means.env, env_checked=env_checked)


def _catalog(means: AlertMeans, env_checked: bool) -> Catalog:
    catalog = compose.alert_catalog(compose_alerts.catalog_file(means.options, means.env))
    if env_checked:
        check_environment(catalog, means.env)
    return catalog
