"""Where alert delivery meets its means: catalog or replaced resolver, delivery file, silences, health of the sinks.

The one place that knows how a run of the dispatcher comes about, for the command, the pass and the daemon.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opsd import compose
from opsd.alerts.decide import Routed, Unrouted
from opsd.alerts.model import AlertSeverity, Environment, ResolvedSink
from opsd.alerts.muting.silences import silences_or_warning
from opsd.alerts.records.telemetry import Run, dispatcher_failed
from opsd.alerts.routing.catalog import Catalog, check_environment
from opsd.alerts.routing.resolve import parse_severity, resolve_route, resolved_sink, sink_view
from opsd.alerts.run.dispatch_run import DispatchRun
from opsd.alerts.run.dispatcher import dispatch
from opsd.alerts.run.means import NOBODY, Means, Observer
from opsd.alerts.targets.sink_health import SinkHealth
from opsd.contract import jsoncodec
from opsd.contract.errors import OpsError, UsageError
from opsd.contract.ids import LoopId
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import format_utc
from opsd.contract.values import last_lines, text
from opsd.storage.alert_store import AlertPaths, AlertStore
from opsd.storage.fleet_parts import FleetDocument
from opsd.storage.fleet_store import FileFleetStore
from opsd.storage.layout import ManagerLayout
from opsd.storage.model import Document, RowLog
from opsd.storage.shared_document import SharedDocument

if TYPE_CHECKING:
    from opsd.alerts.routing.delivery_settings import DeliverySettings
    from opsd.alerts.run.drive import Sender

#: An operator's resolver may take so long for one row, in seconds; an operator's dispatcher for a whole run.
_RESOLVER_TIMEOUT_S = 30.0
_DISPATCHER_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True)
class AlertOptions:
    """What flags and environment say; None takes the default of the contract (50, 4.1).

    ``budget_s``: seconds within which a run ends (R3). ``long_lived``: see :class:`opsd.alerts.run.means.Means`.
    """

    config_file: str | None = None
    delivery_file: str | None = None
    escalations_file: str | None = None
    state_file: str | None = None
    telemetry_file: str | None = None
    budget_s: float = 10.0
    long_lived: bool = False
    expected_interval_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Configuration:
    """How the files that an operator edits are read; whoever makes many runs gives functions that remember."""

    catalog: Callable[[str | None], Catalog] = compose.alert_catalog
    delivery: Callable[[str | None, Mapping[str, str]], DeliverySettings] = compose.alert_delivery_settings


@dataclass(slots=True)
class CatalogRoutes:
    """The built-in resolver over a catalog that is read once, when the first row asks for it."""

    path: str | None
    env: Mapping[str, str]
    read: Callable[[str | None], Catalog] = compose.alert_catalog
    _catalog: Catalog | None = None
    _problem: str | None = None
    _sinks: dict[str, ResolvedSink] = field(default_factory=dict)

    def resolve(self, category: str, severity: str) -> Routed | Unrouted:
        """The route of a row (50, 4.4, step 4)."""
        try:
            wanted = parse_severity(severity) if severity else None
            route = resolve_route(self._usable(), category, wanted, self.env)
        except UsageError as error:
            return Unrouted(f"error: {error.message}")
        return routed(route, self._catalog)

    def current_sink(self, view: JsonObject) -> ResolvedSink | None:
        """The sink as the catalog has it now; as it was while the catalog cannot be used."""
        try:
            catalog = self._usable()
        except UsageError:
            return resolved_sink(view, self._catalog)
        known = catalog.sinks.get(str(view.get("id")))
        return resolved_sink(sink_view(known), catalog) if known is not None and known.enabled else None

    def _usable(self) -> Catalog:
        if self._problem is not None:
            raise UsageError(self._problem)
        if self._catalog is None:
            try:
                catalog = self.read(self.path)
                check_environment(catalog, self.env)
            except UsageError as error:
                self._problem = error.message
                raise
            self._catalog = catalog
        return self._catalog


@dataclass(frozen=True, slots=True)
class ProgramRoutes:
    """A resolver that an operator has put in the place of ours: called once per row (50, 4.1)."""

    program: str
    config_file: str | None

    def resolve(self, category: str, severity: str) -> Routed | Unrouted:
        """The route of a row, or what the program said instead."""
        from opsd.runtime.process import run_program

        argv = [self.program, *(["--config-file", self.config_file] if self.config_file else [])]
        argv += ["--category", category, *(["--severity", severity] if severity else [])]
        answer = run_program(argv, timeout_s=_RESOLVER_TIMEOUT_S, merge=True)
        output = answer.stdout.decode("utf-8", "replace").rstrip("\n")
        if answer.exit != 0:
            return Unrouted(output or answer.stderr.decode("utf-8", "replace").rstrip("\n"))
        route = jsoncodec.object_in(answer.stdout)
        return Unrouted(output=output) if route is None else routed(route, None)

    def current_sink(self, view: JsonObject) -> ResolvedSink | None:
        """The sink as it was: nobody else knows it."""
        return resolved_sink(view, None)


def routed(route: JsonObject, catalog: Catalog | None) -> Routed:
    """A resolver's answer, read as leniently as 50, 4.4 wants it."""
    severity, sinks = route.get("eventSeverity"), route.get("dispatchableSinks")
    return Routed(
        severity=AlertSeverity(severity) if severity in tuple(AlertSeverity) else AlertSeverity.WARNING,
        should_dispatch=text(route.get("shouldDispatch")) == "true",
        sinks=tuple(resolved_sink(view, catalog) for view in sinks) if isinstance(sinks, list) else (),
        route=route,
    )


def alert_paths(repo: str, loop_id: LoopId, options: AlertOptions) -> AlertPaths:
    """Where the alert files of a loop are; path flags as given."""
    layout = ManagerLayout(repo, loop_id)
    return AlertPaths(
        escalations=options.escalations_file or layout.path(RowLog.ESCALATIONS),
        state=options.state_file or layout.path(Document.ALERT_DISPATCH),
        telemetry=options.telemetry_file or layout.path(RowLog.ALERTS),
        artifacts={
            "health": layout.path(Document.HEALTH),
            "state": layout.path(Document.STATE),
            "sequence": layout.path(Document.SEQUENCE),
            "drift": layout.path(Document.DRIFT),
        },
    )


def catalog_file(options: AlertOptions, env: Mapping[str, str]) -> str | None:
    """Which catalog is in force; None: the one in the package."""
    return _named_catalog(options, env) or compose.alert_catalog_file(env)


def _named_catalog(options: AlertOptions, env: Mapping[str, str]) -> str | None:
    return options.config_file or env.get("OPS_MANAGER_ALERT_SINKS_FILE") or None


def delivery_file(options: AlertOptions, env: Mapping[str, str]) -> str | None:
    """Which delivery file was named; None: the default one, if there is any."""
    return options.delivery_file or env.get("OPS_MANAGER_ALERT_DELIVERY_FILE") or None


def sink_health(repo: str) -> SinkHealth:
    """How the sinks of the whole repo stand, shared with every process."""
    return SinkHealth(SharedDocument(FileFleetStore(repo).location(FleetDocument.SINK_HEALTH), durable=False))


def open_sender() -> Sender:
    """The sender of a run; imported only where there is something to send."""
    from opsd.alerts.targets.sender import Sender as HttpSender

    return HttpSender()


def open_shared_sender() -> Sender:
    """The sender of many runs at once, whose number bounds the connections."""
    from opsd.alerts.targets.sender import Sender as HttpSender

    return HttpSender(connections_per_host=0)


def dispatch_run(
    repo: str,
    loop_id: LoopId,
    trace_id: str,
    options: AlertOptions,
    env: Mapping[str, str],
    *,
    health: SinkHealth | None = None,
    max_rows: int = 0,
    configuration: Configuration | None = None,
    observer: Observer = NOBODY,
) -> tuple[DispatchRun, list[str]]:
    """A run that is ready to begin, and what an operator should be warned of.

    Raises:
        UsageError: the delivery file cannot be used (50, 12.3 (b)).
    """
    fleet = FileFleetStore(repo)
    silences, warning = silences_or_warning(fleet.read(FleetDocument.SILENCES), fleet.location(FleetDocument.SILENCES))
    read = configuration or Configuration()
    program = env.get("OPS_MANAGER_ALERT_SINK_CONFIG_SCRIPT")
    routes: CatalogRoutes | ProgramRoutes
    if program:
        routes = ProgramRoutes(program, _named_catalog(options, env))
    else:
        routes = CatalogRoutes(catalog_file(options, env), env, read.catalog)
    means = Means(
        store=AlertStore(alert_paths(repo, loop_id, options)),
        resolve=routes.resolve,
        current_sink=routes.current_sink,
        settings=read.delivery(delivery_file(options, env), env),
        health=health or sink_health(repo),
        env=Environment(env),
        silences=silences,
        long_lived=options.long_lived,
        budget_s=options.budget_s,
        expected_interval_s=options.expected_interval_s,
        clock=time.time,
        observer=observer,
    )
    return DispatchRun(means, repo, loop_id, trace_id, max_rows=max_rows), [] if warning is None else [warning]


@dataclass(frozen=True, slots=True)
class PassDispatcher:
    """The dispatch step of a reconcile pass; nothing that goes wrong in it changes the pass (50, 9.1)."""

    repo: str
    loop_id: LoopId
    options: AlertOptions
    env: Mapping[str, str]
    health: SinkHealth | None = None

    def dispatch(self, *, trace_id: str) -> None:
        """Deliver what the pass has escalated; a dispatcher that fails leaves a row (T7)."""
        program = self.env.get("OPS_MANAGER_ALERT_DISPATCH_SCRIPT")
        try:
            if program:
                failure = self._run_program(program, trace_id)
            else:
                run, _ = dispatch_run(self.repo, self.loop_id, trace_id, self.options, self.env, health=self.health)
                dispatch(run, open_sender)
                failure = None
        except OpsError as error:
            failure = f"error: {error.message}"
        except OSError as error:
            failure = f"error: {error.strerror or type(error).__name__}"
        if failure is not None:
            row = dispatcher_failed(Run(format_utc(time.time()), self.loop_id, trace_id), failure)
            AlertStore(alert_paths(self.repo, self.loop_id, self.options)).append_telemetry([row])

    def _run_program(self, program: str, trace_id: str) -> str | None:
        """What a replaced dispatcher said when it failed; None when it did not."""
        from opsd.runtime.process import run_program

        paths = alert_paths(self.repo, self.loop_id, self.options)
        argv = [program, "--repo", self.repo, "--loop", self.loop_id, "--trace-id", trace_id]
        argv += ["--escalations-file", paths.escalations, "--dispatch-state-file", paths.state]
        argv += ["--dispatch-telemetry-file", paths.telemetry]
        named = _named_catalog(self.options, self.env)
        argv += ["--alert-config-file", named] if named else []
        answer = run_program(argv, timeout_s=_DISPATCHER_TIMEOUT_S, merge=True)
        if answer.exit == 0:
            return None
        return last_lines((answer.stdout or answer.stderr).decode("utf-8", "replace"))
