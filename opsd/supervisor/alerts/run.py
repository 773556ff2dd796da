"""The blocking parts of one run over one loop's alerts, and what they leave to know (contract 50, R5 and R6).

The run itself is the dispatcher's (:mod:`opsd.alerts.run.dispatch_run`); here it gets its means, its lock and its end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from opsd import compose_alerts
from opsd.alerts.records.dead_letters import outstanding
from opsd.alerts.records.telemetry import Run, dispatcher_failed
from opsd.alerts.run.conclusion import next_wake, reroute
from opsd.alerts.run.dispatch_run import DispatchRun
from opsd.alerts.run.means import Observer
from opsd.alerts.run.reporting import report_late
from opsd.alerts.targets.sink_health import SinkHealth
from opsd.compose_alerts import AlertOptions, Configuration, alert_paths, sink_health
from opsd.contract.ids import LoopId
from opsd.contract.timestamps import format_utc, parse_epoch
from opsd.storage import locks
from opsd.storage.alert_store import AlertStore
from opsd.storage.files import signature
from opsd.supervisor.alerts.config import remembered
from opsd.supervisor.alerts.schedule import Files, Standing
from opsd.supervisor.settings.model import Settings

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class RunMeans:
    """What every run of the daemon works with: one catalog, one health of the sinks, for all loops."""

    repo: str
    options: AlertOptions
    env: Mapping[str, str]
    health: SinkHealth
    configuration: Configuration
    observer: Observer

    def store(self, loop: str) -> AlertStore:
        """The loop's alert files."""
        return AlertStore(alert_paths(self.repo, LoopId(loop), self.options))

    def files_of(self, loop: str) -> Files:
        """Signatures of what another process changes when it works on the loop's alerts."""
        return _files_of(self.store(loop))

    def prepare(self, loop: str, trace_id: str) -> OpenRun:
        """A run that has not begun.

        Raises:
            UsageError: the delivery file cannot be used.
        """
        run, _warnings = compose_alerts.dispatch_run(
            self.repo,
            LoopId(loop),
            trace_id,
            self.options,
            self.env,
            health=self.health,
            configuration=self.configuration,
            observer=self.observer,
        )
        return OpenRun(run)

    def tell_failure(self, loop: str, trace_id: str, message: str) -> None:
        """Leave a row (T7) in the loop's telemetry.

        Raises:
            ManagerFileError: it cannot be written.
        """
        row = dispatcher_failed(Run(format_utc(time.time()), loop, trace_id), f"error: {message}")
        self.store(loop).append_telemetry([row])


def alert_means(repo: str, settings: Settings, env: Mapping[str, str], observer: Observer) -> RunMeans:
    """What runs work with under these settings."""
    options = alert_options(settings, long_lived=True)
    return RunMeans(repo, options, env, sink_health(repo), remembered(env), observer)


def alert_options(settings: Settings, *, long_lived: bool) -> AlertOptions:
    """How alerts are delivered under these settings."""
    alerts = settings.alerts
    return AlertOptions(
        config_file=None if alerts.catalog_file is None else str(alerts.catalog_file),
        delivery_file=None if alerts.delivery_file is None else str(alerts.delivery_file),
        budget_s=alerts.budget_seconds,
        long_lived=long_lived,
        expected_interval_s=settings.reconcile.resync_seconds,
    )


class OpenRun:
    """A run and its lock."""

    def __init__(self, run: DispatchRun) -> None:
        self.run = run
        self._held: int | None = None
        #: How the loop stood behind the last step that was observed.
        self.standing: Standing | None = None

    def begin(self) -> None:
        """Take the loop's dispatch lock and read what is stored.

        Raises:
            LockTimeoutError: another process works on the loop's alerts.
            OpsError: what is stored cannot be used.
        """
        self.run.means.store.prepare()
        self._held = self.run.means.store.lock(wait_s=0.0)
        self.run.begin()
        reroute(self.run)

    def renewed(self, means: RunMeans, work: Callable[..., _T], *arguments: object) -> _T:
        """A step of the run, after catalog, delivery file and silences were read again.

        Raises:
            UsageError: the delivery file cannot be used.
        """
        fresh = means.prepare(self.run.loop_id, self.run.trace_id).run.means
        self.run.means = replace(fresh, store=self.run.means.store)
        return work(*arguments)

    def observed(self, before: Standing, work: Callable[..., _T], *arguments: object) -> _T:
        """A step of the run, and how the loop stands behind it."""
        result = work(*arguments)
        self.standing = self._standing(before)
        return result

    def end(self, before: Standing) -> Standing:
        """Report, publish if there is anything to publish, and say how the loop stands."""
        report_late(self.run, all_of_them=True)
        if self.run.has_changed():
            self.run.finish()
        return self._standing(before)

    def _standing(self, before: Standing) -> Standing:
        store, owed = self.run.means.store, self.run.state()["delivery"]
        files = _files_of(store)
        same_letters = bool(before.files) and before.files[-1] == files[-1]
        return Standing(
            pending=owed["pendingCount"],
            oldest_pending_at=parse_epoch(owed["oldestPendingAt"]),
            incidents=len(self.run.ledger.open),
            dead_letters=before.dead_letters if same_letters else len(outstanding(store.read_dead_letters())),
            wake_at=next_wake(self.run),
            files=files,
        )

    def release(self) -> None:
        """Give the lock up, however far the run came. May be called more than once."""
        held, self._held = self._held, None
        if held is not None:
            locks.release(held)


def _files_of(store: AlertStore) -> Files:
    paths = store.paths
    names = (paths.escalations, paths.state, store.outbox_file, store.incidents_file, store.dead_letter_file)
    return tuple(signature(name) for name in names)
