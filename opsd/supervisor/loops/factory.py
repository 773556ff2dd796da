"""Builds what works for one loop, from its registry entry and the settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from opsd import compose
from opsd.contract.reasons import TransportKind
from opsd.fleet.registry import LoopEntry, ObserveMode
from opsd.loop.profile_drift import Confidence, DriftSettings
from opsd.loop.reconcile import Reconciler
from opsd.loop.thresholds import Thresholds, from_profile
from opsd.loop.tuning import TuningSettings
from opsd.runtime.watcher import JournalWatcher
from opsd.supervisor import logs
from opsd.supervisor.loops.follower import NewsSource
from opsd.supervisor.loops.managed_loop import ManagedLoop
from opsd.supervisor.loops.news import LocalNews
from opsd.supervisor.loops.observation import ObservationPeriods
from opsd.supervisor.settings.model import Settings
from opsd.supervisor.settings.tokens import service_token
from opsd.transport.http_client import ServiceClient
from opsd.transport.local import LocalTransport
from opsd.transport.sprite_service import SpriteServiceTransport
from opsd.transport.stream import EventStream

#: A telemetry log of one loop is rotated once it is larger, so that a fleet does not fill a disk.
ROTATE_TELEMETRY_OVER_BYTES = 16 * 1024 * 1024


def threshold_catalog_file(settings: Settings, env: Mapping[str, str]) -> str | None:
    """The catalog of threshold profiles under these settings; None: the one in the package."""
    named = settings.thresholds.profiles_file
    return str(named) if named else compose.threshold_catalog_file(env)


@dataclass(frozen=True, slots=True)
class Judging:
    """The limits of health, and when they count as no longer fitting."""

    thresholds: Thresholds
    tuning: TuningSettings


@dataclass(slots=True)
class LoopFactory:
    """Makes :class:`ManagedLoop` objects.

    Args:
        repo: absolute path of the repo that holds the manager's files.
        on_request: told of every request to a loop's sprite: (loop, kind).
    """

    repo: str
    settings: Settings
    env: Mapping[str, str]
    client: ServiceClient
    watcher: JournalWatcher
    on_request: Callable[[str, str], None]

    def judging(self) -> Judging:
        """What all loops are judged by.

        Raises:
            UsageError: a profile of the catalog cannot be used (40, 8, row 8), or it does not know the wanted one
                or its own default.
        """
        wanted = self.settings.thresholds
        path = threshold_catalog_file(self.settings, self.env)
        for name in (None, *compose.known_profiles(path)):  # None: the default has to be one of them
            compose.threshold_profile(path, name)
        thresholds = from_profile(
            compose.threshold_profile(path, wanted.profile),
            degraded_heartbeat_lag_s=wanted.degraded_heartbeat_lag_seconds,
            critical_heartbeat_lag_s=wanted.critical_heartbeat_lag_seconds,
        )
        drift = self.settings.drift
        streak = DriftSettings(Confidence(drift.min_confidence), drift.required_streak, drift.summary_window)
        return Judging(thresholds, TuningSettings(streak, compose.known_profiles(path)))

    def build(self, entry: LoopEntry, judging: Judging) -> ManagedLoop:
        """One loop.

        Raises:
            OpsError: its token is missing, or its address or its retries cannot be used.
        """
        settings = self.settings
        retry_attempts, retry_backoff_s = entry.retries()
        store = compose.loop_store(self.repo, entry.loop_id, rotate_telemetry_over=ROTATE_TELEMETRY_OVER_BYTES)
        judged = compose.pass_settings(
            self.repo,
            entry.loop_id,
            entry.transport,
            judging.thresholds,
            store,
            tuning=judging.tuning,
            judge_liveness=settings.thresholds.liveness,
            spare_finished=settings.thresholds.spare_finished,
            max_events=settings.limits.max_events_per_pass,
            retry_attempts=retry_attempts,
            retry_backoff_s=retry_backoff_s,
        )
        reconciler = Reconciler(store, judged, lock_wait_s=settings.reconcile.lock_wait_seconds)
        return ManagedLoop(
            entry,
            entry.observe or ObserveMode(settings.observe.default),
            reconciler,
            self._transport(entry),
            self.periods(),
        )

    def periods(self) -> ObservationPeriods:
        """Seconds between passes."""
        return ObservationPeriods(
            active_poll_s=self.settings.observe.active_poll_seconds,
            resync_s=self.settings.reconcile.resync_seconds,
            idle_resync_s=self.settings.observe.idle_resync_seconds,
            linger_s=self.settings.observe.linger_seconds,
        )

    def _transport(self, entry: LoopEntry) -> LocalTransport | SpriteServiceTransport:
        if entry.transport is TransportKind.LOCAL:
            return compose.local_transport(self.repo, entry.loop_id, max_line_bytes=self.settings.limits.max_line_bytes)
        return SpriteServiceTransport(
            self.client,
            base_url=entry.base_url or "",
            loop_id=entry.loop_id,
            token=self._token(entry),
            patient=True,
            on_request=lambda kind: self.on_request(entry.loop_id, kind),
        )

    def news(self, entry: LoopEntry) -> NewsSource:
        """Where the loop's follower hears of changes.

        Raises:
            OpsError: its token is missing.
        """
        if entry.transport is TransportKind.LOCAL:
            alive_s = self.settings.watchdog.task_deadline_seconds / 3
            return LocalNews(self.watcher, self.repo, entry.loop_id, alive_s=alive_s)
        return EventStream(
            self.client,
            base_url=entry.base_url or "",
            loop_id=entry.loop_id,
            token=self._token(entry),
            idle_timeout_s=self.settings.observe.stream_keepalive_timeout_seconds,
            max_frame_bytes=self.settings.limits.max_response_bytes,
            on_request=lambda kind: self.on_request(entry.loop_id, kind),
        )

    def _token(self, entry: LoopEntry) -> str | None:
        secret, _origin = service_token(self.settings, self.env, entry.token_env)
        token = None if secret is None else secret.get_secret_value()
        if token:
            logs.redact.add(token)
        return token
