"""One supervised loop: how it is reached, what is known of it, how it is followed from here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from opsd.contract.errors import ManagerFileError
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.reasons import RunStatus
from opsd.contract.timestamps import format_utc, parse_epoch
from opsd.contract.values import brief, get
from opsd.control.verdict import ControlStatus
from opsd.fleet.loop_answer import answer_of, no_outcome
from opsd.fleet.loop_result import LoopTime
from opsd.fleet.observed import LoopPass
from opsd.fleet.registry import LoopEntry, ObserveMode
from opsd.loop.outcome import Outcome
from opsd.loop.reconcile import Reconciler
from opsd.runtime.threads import InThread
from opsd.supervisor.alerts.schedule import LoopAlerts
from opsd.supervisor.loops.observation import ACTIVE_STATES, ObservationPeriods, ObservationPlan, plan_observation
from opsd.supervisor.loops.pass_orders import PassOrders
from opsd.supervisor.metrics.loops import LoopSample
from opsd.transport.local import LocalTransport
from opsd.transport.sprite_service import SpriteServiceTransport

#: Of a pass that could not read or write the manager's files, as on a full disk.
_FILE_TROUBLE = frozenset({ManagerFileError.default_code, "io_error"})


@dataclass(slots=True)
class Knowledge:
    """What the last passes told; moments in seconds since 1970."""

    state: JsonObject | None = None
    health: JsonObject = field(default_factory=dict)
    failure: tuple[str, str] | None = None
    failures_in_a_row: int = 0
    passes: int = 0
    last_pass_at: float | None = None
    last_success_at: float | None = None
    trace_id: str | None = None
    cursor_offset: int = 0
    took_in_all_it_may: bool = False
    alerts: LoopAlerts | None = None
    #: How the last pass ended, for the fleet's rollup.
    last_pass: LoopPass | None = None
    #: What operators want of the next pass.
    orders: PassOrders = field(default_factory=PassOrders)
    #: Who waits for a pass to end, whichever it is.
    waiting: list[asyncio.Future[LoopPass]] = field(default_factory=list)

    @property
    def lacks_files(self) -> bool:
        """The last pass has no outcome because the manager's files could not be used."""
        return self.failure is not None and self.failure[0] in _FILE_TROUBLE

    def ended(self, last: LoopPass) -> None:
        """A pass has ended like this."""
        self.last_pass = last
        self.orders.ended(last)
        waiting, self.waiting = self.waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(last)


class ManagedLoop:
    """A registry entry with everything that works for it. Lives on the event loop's thread.

    Args:
        entry: the loop as the registry describes it.
        observe: how it is followed, the fleet's default applied.
        transport: over files of this host, or over HTTP.
    """

    def __init__(
        self,
        entry: LoopEntry,
        observe: ObserveMode,
        reconciler: Reconciler,
        transport: LocalTransport | SpriteServiceTransport,
        periods: ObservationPeriods,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.entry = entry
        self.observe = observe
        self.reconciler = reconciler
        self.transport = transport
        self.knowledge = Knowledge()
        #: False once the service said that it has no stream; asked again after a reload.
        self.streamable = True
        #: Set whenever :attr:`plan` changed; the follower task waits for it.
        self.plan_changed = asyncio.Event()
        #: Called at once when the way of following changes; set by the follower while it holds a source open.
        self.on_replan: Callable[[], None] | None = None
        #: News before this moment (by the monotonic clock) waits: a failing loop backs off, a busy one is paced.
        self.not_before = 0.0
        #: A pass that outlived its deadline and still holds a thread.
        self.stuck = False
        self._periods = periods
        self._monotonic = monotonic
        self._lingers_until = 0.0
        self.plan = self._decide_plan()

    @property
    def name(self) -> str:
        """The loop id."""
        return self.entry.loop_id

    @property
    def is_local(self) -> bool:
        """Its files are on this host."""
        return isinstance(self.transport, LocalTransport)

    def run_pass(self, trace_id: str, in_thread: InThread) -> asyncio.Future[Outcome] | Any:
        """One pass: an awaitable. A local pass is one hop to a thread and cannot be cancelled once it runs."""
        order = self.knowledge.orders.begin()
        reconciler = self.reconciler if order is None else self.reconciler.ordered(order)
        if isinstance(self.transport, LocalTransport):
            return in_thread(reconciler.run, self.transport, trace_id)
        return reconciler.run_async(self.transport, trace_id, in_thread)

    def next_pass(self) -> asyncio.Future[LoopPass]:
        """Done when a pass has ended, also one that runs already, and also when the loop is built anew in between."""
        future: asyncio.Future[LoopPass] = asyncio.get_running_loop().create_future()
        self.knowledge.waiting.append(future)
        return future

    def learn(self, outcome: Outcome, *, trace_id: str, now: float, duration_s: float = 0.0) -> None:
        """Take in what a pass concluded."""
        known = self.knowledge
        was_active = self.lifecycle_state in ACTIVE_STATES
        known.passes += 1
        known.last_pass_at = now
        known.trace_id = trace_id
        known.health = outcome.health
        known.cursor_offset = outcome.cursor_offset
        limit = self.reconciler.settings.max_events
        known.took_in_all_it_may = bool(limit) and outcome.events_ingested >= limit
        if outcome.state is not None:
            known.state = outcome.state
        if outcome.failure is None:
            known.last_success_at = now
            known.failures_in_a_row = 0
            known.failure = None
        else:
            known.failures_in_a_row += 1
            known.failure = (outcome.failure.code, outcome.failure.message)
        if was_active and self.lifecycle_state not in ACTIVE_STATES:
            self._lingers_until = self._monotonic() + self._periods.linger_s
        self.replan()
        known.ended(LoopPass(answer_of(outcome), LoopTime(now - duration_s, now, duration_s), trace_id))

    def learn_error(self, code: str, message: str, *, now: float, trace_id: str = "", duration_s: float = 0.0) -> None:
        """A pass ended without an outcome."""
        known = self.knowledge
        known.passes += 1
        known.last_pass_at = now
        known.failures_in_a_row += 1
        known.failure = (code, message)
        self.replan()
        known.ended(LoopPass(no_outcome(message), LoopTime(now - duration_s, now, duration_s), trace_id))

    def inherit(self, former: ManagedLoop) -> None:
        """Take over what is known from the loop that this one replaces."""
        self.knowledge = former.knowledge
        self.plan = self._decide_plan()

    def stream_not_offered(self) -> None:
        """The service has no stream: poll it instead."""
        self.streamable = False
        self.replan()

    def replan(self) -> None:
        """Decide anew how the loop is followed."""
        plan = self._decide_plan()
        changed = plan.follow is not self.plan.follow
        self.plan = plan
        if changed:
            self.plan_changed.set()
            if self.on_replan is not None:
                self.on_replan()

    def _decide_plan(self) -> ObservationPlan:
        return plan_observation(
            self.observe,
            state=self.lifecycle_state,
            streamable=self.streamable,
            free_to_watch=self.is_local,
            periods=self._periods,
            lingering=self._monotonic() < self._lingers_until,
        )

    @property
    def lifecycle_state(self) -> str | None:
        """The last projected state, None before the first success."""
        value = get(self.knowledge.state, "transition", "currentState")
        return value if isinstance(value, str) else None

    @property
    def recovery_evidence(self) -> tuple[JsonValue, ...]:
        """What could show that an incident is over (contract 50, R7); equal while none of it changes."""
        state, health = self.knowledge.state, self.knowledge.health
        drifts = get(state, "drift", "status"), get(health, "metrics", "sequenceStatus")
        return (health.get("status"), get(state, "divergence", "any"), *drifts)

    @property
    def cursor_offset(self) -> int:
        """Line offset up to which events are ingested, as far as the daemon knows."""
        return self.knowledge.cursor_offset

    @property
    def has_more_events(self) -> bool:
        """The last pass took in as many events as it may, and there are more."""
        available = get(self.knowledge.state, "cursor", "eventLineCount")
        return isinstance(available, int) and 0 < self.cursor_offset < available and self.knowledge.took_in_all_it_may

    def sample(self) -> LoopSample:
        """What the metrics show."""
        known = self.knowledge
        health = known.health
        alerts = None if known.alerts is None else known.alerts.standing
        return LoopSample(
            state=_known(RunStatus, self.lifecycle_state),
            health=health.get("status"),
            reasons=tuple((reason["code"], reason["severity"]) for reason in health.get("reasons", ())),
            observation=self.plan.follow,
            last_event_at=parse_epoch(get(known.state, "projection", "lastEventAt")),
            last_heartbeat_at=parse_epoch(get(health, "evidence", "lastHeartbeatAt")),
            last_success_at=known.last_success_at,
            transport_failure_streak=get(health, "metrics", "transportFailureStreak") or 0,
            cursor_offset=self.cursor_offset,
            control_status=_known(ControlStatus, get(health, "metrics", "lastControlStatus")),
            drift_status=get(known.state, "drift", "status"),
            recommended_profile=get(known.state, "drift", "recommendedProfile"),
            alerts_pending=None if alerts is None else alerts.pending,
            alerts_oldest_pending_at=None if alerts is None else alerts.oldest_pending_at,
            alerts_dead_letters=None if alerts is None else alerts.dead_letters,
        )

    def view(self) -> dict[str, object]:
        """What the live API shows; ``nextResyncSeconds`` is the routine period, not a promise."""
        known = self.knowledge
        return {
            "loopId": self.name,
            "transport": self.entry.transport.value,
            "observe": self.observe.value,
            "following": self.plan.follow.value,
            "state": brief(self.lifecycle_state),
            "run": brief(get(known.state, "run")),
            "healthStatus": known.health.get("status"),
            "reasonCodes": known.health.get("reasonCodes", []),
            "metrics": brief(known.health.get("metrics")),
            "lastEventName": brief(get(known.state, "projection", "lastEventName")),
            "lastEventAt": brief(get(known.state, "projection", "lastEventAt")),
            "cursor": {
                "eventLineOffset": self.cursor_offset,
                "eventLineCount": brief(get(known.state, "cursor", "eventLineCount")),
            },
            "profileDrift": get(known.state, "drift", "status"),
            "lastFailure": None if known.failure is None else {"code": known.failure[0], "message": known.failure[1]},
            "failuresInARow": known.failures_in_a_row,
            "lastPassAt": None if known.last_pass_at is None else format_utc(known.last_pass_at),
            "lastSuccessAt": None if known.last_success_at is None else format_utc(known.last_success_at),
            "nextResyncSeconds": self.plan.resync_s,
            "alerts": None if known.alerts is None else known.alerts.view(),
            "traceId": known.trace_id,
            "stuck": self.stuck,
        }


def _known(words: type[StrEnum], word: JsonValue) -> str | None:
    """A service may answer any text; a label holds only what is known."""
    if word is None:
        return None
    return str(word) if word in set(words) else "other"
