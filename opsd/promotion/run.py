"""One evaluation of the promotion gates: reads the evidence, decides, records (contract 90, A2 and A5; weakness 9).

A run that fails before it has decided writes nothing. The record goes out under a lock of its own, the row before the
state that it tells of: whoever reads a state finds its row, and neither is ever found in half.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from opsd.contract.ids import new_trace_id
from opsd.contract.jsoncodec import JsonObject
from opsd.promotion.decision import evaluate_gates
from opsd.promotion.evidence import read_drills, read_handoff
from opsd.promotion.inputs import GateInputs, Source, Thresholds
from opsd.storage.fleet_parts import FleetDocument, FleetLog
from opsd.storage.fleet_port import FleetStore

_LOCK_WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class GatesRequest:
    """What a caller asks for. ``status_file`` names where the status comes from, None where it is made for this."""

    repo: str
    thresholds: Thresholds
    status_file: str | None = None
    trace_id: str = ""


class Evaluation(NamedTuple):
    """What an evaluator decided, and the exit code that its command ends with."""

    document: JsonObject
    exit_code: int


def run_gates(
    store: FleetStore, request: GatesRequest, read_status: Callable[[], JsonObject], *, clock: Callable[[], float]
) -> JsonObject:
    """Evaluate and record; the decision document.

    Args:
        read_status: the fleet status document.
        clock: seconds since 1970; read once, when all is read.

    Raises:
        OpsError: what ``read_status`` raises, with nothing written; or the record could not be written.
    """
    status = read_status()
    handoff = read_handoff(store, request.thresholds.window_executions)
    drills = read_drills(store)
    document = evaluate_gates(
        GateInputs(
            now=int(clock()),
            trace_id=request.trace_id or new_trace_id(),
            source=_source(store, request),
            thresholds=request.thresholds,
            status=status,
            handoff=handoff,
            drills=drills,
        )
    )
    store.publish(FleetDocument.PROMOTION, FleetLog.PROMOTION, document, wait_s=_LOCK_WAIT_S)
    return document


def _source(store: FleetStore, request: GatesRequest) -> Source:
    return Source(
        repo=request.repo,
        status_file=request.status_file,
        handoff_telemetry=store.location(FleetLog.HANDOFF),
        drill_state=store.location(FleetDocument.DRILLS),
        promotion_state=store.location(FleetDocument.PROMOTION),
        promotion_telemetry=store.location(FleetLog.PROMOTION),
    )
