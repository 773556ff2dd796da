"""Tuning of one pass: telemetry summary, profile drift, and what they add to the state (contract 20, 4.8 to 4.10)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from opsd.contract.jsoncodec import JsonObject
from opsd.contract.reasons import EscalationCategory, ReasonCode
from opsd.contract.values import digits, first_present, get
from opsd.loop.escalations import EscalationContext
from opsd.loop.profile_drift import Confidence, DriftSettings, evaluate_drift, history_row
from opsd.loop.telemetry_summary import recommendation, summarize
from opsd.storage.model import Commit, Document, RowLog, TelemetryTail

_CONFIDENCES: dict[str, Confidence] = {confidence.value: confidence for confidence in Confidence}


@dataclass(frozen=True, slots=True)
class TuningSettings:
    """How a pass is tuned; ``profiles`` are the names that the catalog knows."""

    drift: DriftSettings
    profiles: frozenset[str]


@dataclass(frozen=True, slots=True)
class TuningInputs:
    """What the stage works on; the newest row of the tail is the pass's own."""

    repo: str
    loop_id: str
    now: str
    applied: str
    tail: TelemetryTail
    previous: JsonObject
    reconcile_file: str
    control_file: str


@dataclass(frozen=True, slots=True)
class Tuned:
    """A summary (None: it could not be had) and the drift that follows."""

    summary: JsonObject | None
    drift: JsonObject
    #: The evaluator wrote its two files itself, as a program in its place does.
    writes_files: bool = False


Tuner: TypeAlias = Callable[[TuningInputs, TuningSettings], Tuned]


def tune(inputs: TuningInputs, settings: TuningSettings) -> Tuned:
    """Summarise the tail and evaluate the drift."""
    summary = None
    if inputs.tail.error is None:
        window = settings.drift.summary_window
        summary = summarize(
            inputs.tail.reconcile[-window:],
            inputs.tail.control[-window:],
            repo=inputs.repo,
            loop_id=inputs.loop_id,
            reconcile_file=inputs.reconcile_file,
            control_file=inputs.control_file,
            window=window,
            now=inputs.now,
        )
    return Tuned(summary, drift_of(summary, inputs, settings))


def drift_of(summary: JsonObject | None, inputs: TuningInputs, settings: TuningSettings) -> JsonObject:
    """The drift that follows from a summary; a recommendation that the catalog does not know counts as none."""
    recommended, confidence, rationale = recommendation(summary)
    return evaluate_drift(
        inputs.previous,
        settings.drift,
        loop_id=inputs.loop_id,
        applied=inputs.applied,
        recommended=recommended if recommended in settings.profiles else "",
        confidence=_CONFIDENCES.get(confidence, Confidence.LOW),
        rationale=rationale,
        now=inputs.now,
        no_data=None if summary is not None else inputs.tail.error or "the telemetry summary failed",
    )


def conclude(tuned: Tuned, state: JsonObject | None, context: EscalationContext) -> Commit:
    """What the stage leaves behind: drift file and history, the state with both, and the escalation of a new drift."""
    drift = tuned.drift
    commit = Commit()
    if not tuned.writes_files:
        commit.rows.append((RowLog.DRIFT, history_row(drift)))
        commit.documents.append((Document.DRIFT, drift))
    if get(drift, "transitioned", "toActive") is True:
        commit.rows.insert(0, (RowLog.ESCALATIONS, _escalation(drift, context)))
    if state is not None:
        state = {**state, "drift": {**drift, "traceId": context.trace_id}}
        if tuned.summary is not None:
            state["tuning"] = _section(tuned.summary, state)
        commit.documents.append((Document.STATE, state))
    return commit


def _section(summary: JsonObject, state: JsonObject) -> JsonObject:
    return {
        "appliedProfile": first_present(get(state, "health", "thresholds", "profile"), None),
        "recommendedProfile": first_present(summary.get("recommendedProfile"), None),
        "confidence": first_present(summary.get("confidence"), None),
        "rationale": first_present(summary.get("rationale"), None),
        "summaryWindow": get(summary, "source", "window"),
        "telemetrySummary": {"observed": summary.get("observed"), "source": summary.get("source")},
    }


def _escalation(drift: JsonObject, context: EscalationContext) -> JsonObject:
    return context.row(
        EscalationCategory.PROFILE_DRIFT_DETECTED,
        str(drift.get("recommendedProfile")),
        {
            "stateFile": context.state_file,
            "driftStateFile": context.drift_state_file,
            "driftHistoryFile": context.drift_history_file,
            "reasonCode": ReasonCode.PROFILE_DRIFT_DETECTED,
            "drift": {
                "status": first_present(drift.get("status"), "unknown"),
                "appliedProfile": drift.get("appliedProfile"),
                "recommendedProfile": drift.get("recommendedProfile"),
                "recommendationConfidence": drift.get("recommendationConfidence"),
                "mismatchStreak": digits(first_present(drift.get("mismatchStreak"), 0)) or 0,
                "requiredStreak": digits(first_present(drift.get("requiredStreak"), 0)) or 0,
                "action": drift.get("action"),
                "rationale": drift.get("rationale"),
            },
        },
    )
