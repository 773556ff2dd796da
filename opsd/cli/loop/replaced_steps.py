"""Steps of a pass that an operator has replaced by programs of their own (contract 20, 2.3; 30, 1).

A variable that is set and not empty names an executable. It is really run, with exactly the contract's arguments,
one token each, and inherits environment and working directory.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from opsd.contract import jsoncodec
from opsd.contract.errors import OpsError, UsageError
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.values import digits, get
from opsd.loop.health import HealthInputs
from opsd.loop.telemetry_summary import recommendation
from opsd.loop.tuning import Tuned, TuningInputs, TuningSettings, drift_of, tune
from opsd.runtime.process import Answer, run_program
from opsd.storage.layout import Part
from opsd.storage.model import Document, RowLog
from opsd.transport.answers import bounded_message


def replaced_profile(program: str, catalog: str, name: str | None) -> JsonObject:
    """The answer of a replaced threshold resolver.

    Raises:
        OpsError: it failed, or did not print a resolved profile.
        UsageError: a value of the profile is no non-negative integer.
    """
    answer = run_program([program, "--profiles-file", catalog, *(["--profile", name] if name else [])])
    resolved = _json_answer(answer, "threshold profile")
    if not isinstance(get(resolved, "profile"), str):
        raise OpsError("threshold profile script answered no profile")
    for key, label in (
        ("degradedIngestLagSeconds", "degraded-ingest-lag-seconds"),
        ("criticalIngestLagSeconds", "critical-ingest-lag-seconds"),
        ("degradedTransportFailureStreak", "degraded-transport-failure-streak"),
        ("criticalTransportFailureStreak", "critical-transport-failure-streak"),
    ):
        number = digits(get(resolved, "values", key))
        if number is None:
            raise UsageError(f"{label} must be a non-negative integer")
        resolved["values"][key] = number
    return resolved


@dataclass(frozen=True)
class HealthProgram:
    """Judges health by a program (contract 20, 2.3).

    The pass is not on disk yet when it is judged, so the documents are handed over as files that live in memory and
    vanish with this process, however it ends.
    """

    program: str
    intents_file: str

    def __call__(self, inputs: HealthInputs) -> JsonObject:
        """The health document.

        Raises:
            OpsError: the program failed or did not print a JSON object.
        """
        thresholds = inputs.thresholds
        documents = (inputs.state, inputs.heartbeat, inputs.sequence, inputs.transport_health)
        with memory_files(documents) as (state, heartbeat, sequence, transport_health):
            values = {
                "--state-file": state,
                "--heartbeat-state-file": heartbeat,
                "--sequence-state-file": sequence,
                "--transport-health-file": transport_health,
                "--intents-file": self.intents_file,
                "--trace-id": inputs.trace_id or "",
                "--transport": inputs.transport.value,
                "--threshold-profile": thresholds.profile or "",
                "--ingest-status": "failed" if inputs.ingest_failed else "success",
                "--failure-code": str(inputs.failure_code or ""),
                "--degraded-ingest-lag-seconds": str(thresholds.degraded_ingest_lag_s),
                "--critical-ingest-lag-seconds": str(thresholds.critical_ingest_lag_s),
                "--degraded-heartbeat-lag-seconds": str(thresholds.degraded_heartbeat_lag_s),
                "--critical-heartbeat-lag-seconds": str(thresholds.critical_heartbeat_lag_s),
                "--degraded-transport-failure-streak": str(thresholds.degraded_transport_failure_streak),
                "--critical-transport-failure-streak": str(thresholds.critical_transport_failure_streak),
                "--now": inputs.now,
            }
            argv = [self.program, *(part for pair in values.items() for part in pair)]
            return _json_answer(run_program(argv), "health")


@dataclass(frozen=True)
class TuningPrograms:
    """Summary, drift evaluation, or both, by programs; an empty name leaves the step as it is.

    They read the files of the pass, which is on disk before they run.
    """

    summary_program: str
    drift_program: str
    catalog: str
    locations: Mapping[Part, str]

    def __call__(self, inputs: TuningInputs, settings: TuningSettings) -> Tuned:
        """The tuned pass.

        Raises:
            OpsError: the drift program failed or did not print a JSON object.
        """
        summary = tune(inputs, settings).summary
        if self.summary_program:
            files = (inputs.reconcile_file, inputs.control_file)
            window = settings.drift.summary_window
            summary = run_summary(self.summary_program, inputs.repo, inputs.loop_id, *files, window)
        if not self.drift_program:
            return Tuned(summary, drift_of(summary, inputs, settings))
        recommended, confidence, rationale = recommendation(summary)
        argv = [self.drift_program, "--repo", inputs.repo, "--loop", inputs.loop_id]
        argv += ["--applied-profile", inputs.applied, "--recommended-profile", recommended]
        argv += ["--thresholds-file", self.catalog, "--recommendation-confidence", confidence]
        argv += ["--min-confidence", settings.drift.min_confidence.value]
        argv += ["--required-streak", str(settings.drift.required_streak)]
        argv += ["--summary-window", str(settings.drift.summary_window)]
        argv += ["--drift-state-file", self.locations[Document.DRIFT]]
        argv += ["--drift-history-file", self.locations[RowLog.DRIFT]]
        if rationale:
            argv += ["--rationale", rationale]
        return Tuned(summary, _json_answer(run_program(argv), "profile drift"), writes_files=True)


def run_summary(
    program: str, repo: str, loop_id: str, reconcile_file: str, control_file: str, window: int
) -> JsonObject | None:
    """What a replaced summary step answers; None when it failed."""
    argv = [program, "--repo", repo, "--loop", loop_id, "--reconcile-telemetry-file", reconcile_file]
    answer = run_program([*argv, "--control-telemetry-file", control_file, "--window", str(window)])
    return jsoncodec.object_in(answer.stdout) if answer.exit == 0 else None


def _json_answer(answer: Answer, step: str) -> JsonObject:
    if answer.exit != 0:
        printed = (answer.stdout + answer.stderr).decode("utf-8", "replace")
        said = bounded_message(printed).rpartition("\n")[2].removeprefix("error: ")
        raise OpsError(said or f"{step} script failed with exit code {answer.exit}")
    value = jsoncodec.object_in(answer.stdout)
    if value is None:
        raise OpsError(f"{step} script did not print a JSON object")
    return value


@contextmanager
def memory_files(documents: Sequence[Mapping[str, object]]) -> Iterator[list[str]]:
    """A path for each document, readable by any process of this user while the block lasts; none for an empty one."""
    descriptors: list[int] = []
    paths: list[str] = []
    try:
        for document in documents:
            if not document:
                paths.append("")
                continue
            descriptor = os.memfd_create("document")
            descriptors.append(descriptor)
            with open(descriptor, "wb", closefd=False) as file:
                file.write(jsoncodec.dumps(document) + b"\n")
            paths.append(f"/proc/{os.getpid()}/fd/{descriptor}")
        yield paths
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
