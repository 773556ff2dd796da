"""One pass of the bridge: claim, judge, queue, report (contract 97, section 4).

The invariant: every envelope that a producer put into the outbox ends up in the queue once, or with its whole file in
``rejected/``, whatever dies when and however many bridges run. It follows from three things. All of it happens under
one lock. A file stays in flight until everything that was read from it is in the queue, on disk; a run begins with
what is in flight. And an envelope that is known is not queued again, so that repeating a part of a run changes nothing.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from opsd.contract.ids import TraceId
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import format_utc
from opsd.horizon import prior as former
from opsd.horizon import records
from opsd.horizon.dedupe import KnownKeys
from opsd.horizon.envelope import MAX_LINE_BYTES, is_whole
from opsd.horizon.judge import FileJudge, FileVerdict
from opsd.horizon.retention import forget_old_keys
from opsd.storage.bridge_store import BridgeStore
from opsd.storage.claims import ClaimsFolder
from opsd.storage.fleet_parts import FleetDocument, FleetLog
from opsd.storage.line_reader import Patience

#: Of a larger file the rest is not read, in bytes; it is rejected.
MAX_FILE_BYTES = 64 * 1024 * 1024
#: How often files that keep growing are judged anew before the run goes on with what it has.
_ROUNDS = 3
#: Old claims that one run deletes at most.
_DROPS_PER_RUN = 10_000
_DAY_NS = 86_400 * 10**9


@dataclass(frozen=True, slots=True)
class BridgeOptions:
    """How a run behaves.

    Attributes:
        max_files: files that are claimed from the outbox at most; 0 is no limit. Leftovers do not count.
        retention_days: after how many days finished files and the keys of envelopes that have left the queue are
            forgotten; 0 keeps them for good. A key that is forgotten can be queued again.
        lock_wait_s: how long to wait for another bridge, in seconds.
        patience_s: how long to wait, over all files, for the end of torn last lines, in seconds.
    """

    max_files: int = 0
    retention_days: int = 0
    lock_wait_s: float = 30.0
    patience_s: float = 0.25


@dataclass(frozen=True, slots=True)
class BridgeResult:
    """``state`` is the state file as written; ``rejected`` tells whether a file broke the envelope contract."""

    state: JsonObject
    rejected: bool


class _Judged(NamedTuple):
    verdict: FileVerdict
    size: int


def run_bridge(
    store: BridgeStore,
    trace_id: TraceId,
    options: BridgeOptions = BridgeOptions(),
    clock: Callable[[], int] = time.time_ns,
) -> BridgeResult:
    """One pass. Blocking; safe to call at any time, from any thread and process.

    Args:
        clock: nanoseconds since 1970.

    Raises:
        LockTimeoutError: another bridge was at work all the time.
        ManagerFileError: a prior queue or state that cannot be trusted (nothing was claimed then), or a file that
            cannot be written or moved. The next run takes up what this one left in flight.
    """
    store.prepare()
    with store.lock(wait_s=options.lock_wait_s):
        now_ns = clock()
        queue_file = store.fleet.location(FleetDocument.BRIDGE_QUEUE)
        state_file = store.fleet.location(FleetDocument.BRIDGE_STATE)
        prior_intents = former.parse_queue(store.fleet.read(FleetDocument.BRIDGE_QUEUE), queue_file)
        prior_state = former.parse_state(store.fleet.read(FleetDocument.BRIDGE_STATE), state_file)

        leftovers, ignored = store.claims.leftovers()
        claimed = _claim(store.claims, f"{now_ns}.{os.getpid()}", options.max_files, ignored)
        known, judged = _judge_settled(
            store.claims,
            [*leftovers, *claimed],
            lambda: former.known_keys(prior_state, prior_intents),
            Patience(options.patience_s),
        )
        recovered = len(set(leftovers).intersection(verdict.claim_name for verdict, _ in judged))
        unread = len(leftovers) + len(claimed) - len(judged)
        if unread:
            ignored["unreadable"] += unread
        run = records.Run(
            started_at=format_utc(now_ns // 10**9),
            trace_id=trace_id,
            places=records.Places(
                store.claims.outbox,
                store.claims.claims,
                queue_file,
                state_file,
                store.fleet.location(FleetLog.BRIDGE),
            ),
            verdicts=[verdict for verdict, _ in judged],
            targets=[store.claims.free_target(v.claim_name, records.folder_of(v)) for v, _ in judged],
            recovered=recovered,
            ignored=ignored,
        )
        state = _commit(store, run, prior_intents, prior_state, known, options.retention_days)
        for (verdict, size), target in zip(judged, run.targets, strict=True):
            store.claims.finish(verdict.claim_name, target, size)
        if options.retention_days:
            store.claims.drop_finished(now_ns - options.retention_days * _DAY_NS, _DROPS_PER_RUN)
        return BridgeResult(state, run.status != "ok")


def _claim(claims: ClaimsFolder, suffix: str, max_files: int, ignored: Counter[str]) -> list[str]:
    """Claim what is in the outbox; ``ignored`` is told what was left there."""
    candidates, left = claims.candidates()
    ignored.update(left)
    claimed: list[str] = []
    for name in candidates:
        if max_files and len(claimed) >= max_files:
            break
        claim_name = claims.claim(name, suffix)
        if claim_name is None:  # somebody took it, or it is not ours to take
            ignored["unclaimable"] += 1
        else:
            claimed.append(claim_name)
    return claimed


def _judge_settled(
    claims: ClaimsFolder, names: Iterable[str], known_before: Callable[[], KnownKeys], patience: Patience
) -> tuple[KnownKeys, list[_Judged]]:
    """Judge all files; all of them anew while one of them grows, so that order and verdicts stay those of one look."""
    for _ in range(_ROUNDS):
        known = known_before()
        judged = [found for name in names if (found := _judge(claims, name, known, patience)) is not None]
        if all(claims.size(verdict.claim_name) == size for verdict, size in judged):
            break
    return known, judged


def _judge(claims: ClaimsFolder, name: str, known: KnownKeys, patience: Patience) -> _Judged | None:
    """The verdict on a file, whose keys become known unless it is rejected; None when it cannot be read."""
    judge = FileJudge(name, known)
    try:
        with claims.reader(name, max_line_bytes=MAX_LINE_BYTES, max_bytes=MAX_FILE_BYTES) as reader:
            for line in reader.lines(is_whole, patience):
                judge.take(line)
            if reader.cut_off:
                judge.cut_off()
    except OSError:
        return None
    verdict = judge.verdict()
    known.add((envelope.packet_id, envelope.trace_id) for envelope in verdict.new)
    return _Judged(verdict, reader.size)


def _commit(
    store: BridgeStore,
    run: records.Run,
    prior_intents: list[JsonObject],
    prior_state: former.PriorState,
    known: KnownKeys,
    retention_days: int,
) -> JsonObject:
    """Write queue, state and telemetry, each on disk before the next (weakness 1); the state."""
    new = (
        records.new_intent(envelope, verdict.claim_name, run.started_at)
        for verdict in run.verdicts
        for envelope in verdict.new
    )
    intents = former.merge(prior_intents, new)
    known_since = None
    if retention_days:
        known_since = forget_old_keys(known, intents, prior_state.known_since, run.started_at, retention_days)
    state = records.state_document(run, prior_state.document, known, records.pending_count(intents), known_since)
    store.fleet.replace(FleetDocument.BRIDGE_QUEUE, records.queue_document(run, intents))
    store.fleet.replace(FleetDocument.BRIDGE_STATE, state)
    store.fleet.append(FleetLog.BRIDGE, records.telemetry_rows(run, state), durable=True)
    return state
