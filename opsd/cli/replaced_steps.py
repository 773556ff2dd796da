"""Steps of a pass that an operator has replaced by programs of their own (contract 20, 2.3; 30, 1).

A variable that is set and not empty names an executable. It is really run, with exactly the contract's arguments,
one token each, and inherits environment and working directory.
"""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote

from opsd.contract import jsoncodec
from opsd.contract.errors import OpsError, UsageError
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.reasons import FailureCode, TransportKind
from opsd.contract.values import digits, get
from opsd.loop.health import HealthInputs
from opsd.transport.answers import bounded_message, invalid, observation_of, parse_snapshot
from opsd.transport.base import IngestFailure, Observation, ObservationQuery

#: No step may hold the loop's lock for longer, in seconds.
TIMEOUT_S = 600


class Answer(NamedTuple):
    """How a program ended and what it printed."""

    exit: int
    stdout: bytes
    stderr: bytes

    def message(self, secret: str = "") -> str:
        """The last 40 lines of both streams, bounded, with ``secret`` masked."""
        return bounded_message((self.stdout + self.stderr).decode("utf-8", "replace"), secret)


def run_program(argv: Sequence[str], *, timeout_s: float = TIMEOUT_S) -> Answer:
    """Run a program to its end: 127 when it is missing, 126 when it cannot be executed, 128 + the signal it died of.

    A script without an interpreter line is run by the system's shell; a program that exceeds ``timeout_s`` is
    killed and answers 124.
    """
    try:
        done = _run(argv, timeout_s)
    except subprocess.TimeoutExpired:
        return Answer(124, b"", f"{argv[0]} was stopped after {timeout_s:g} s".encode())
    except OSError as error:
        missing = isinstance(error, (FileNotFoundError, NotADirectoryError))
        return Answer(127 if missing else 126, b"", f"cannot run {argv[0]}: {error.strerror}".encode())
    return Answer(done.returncode if done.returncode >= 0 else 128 - done.returncode, done.stdout, done.stderr)


def _run(argv: Sequence[str], timeout_s: float) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(argv, capture_output=True, stdin=subprocess.DEVNULL, timeout=timeout_s, check=False)
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
        shell = ["/bin/sh", *argv]
        return subprocess.run(shell, capture_output=True, stdin=subprocess.DEVNULL, timeout=timeout_s, check=False)


class ServiceClientProgram:
    """The sprite-service transport with the client replaced.

    The token is on the program's command line because the contract's interface of this hook says so; everywhere
    else it is not.
    """

    kind = TransportKind.SPRITE_SERVICE

    def __init__(self, program: str, base_url: str, token: str, loop_id: str) -> None:
        self._program = program
        self._base_url = base_url
        self._token = token
        self._loop = quote(loop_id, safe="")

    def observe(self, query: ObservationQuery) -> Observation:
        """Snapshot, then the events behind the cursor; the second is skipped when the first fails."""
        body = self._get(f"/ops/snapshot?loopId={self._loop}", query)
        if isinstance(body, IngestFailure):
            return Observation(failure=body)
        try:
            snapshot = parse_snapshot(body)
        except ValueError:
            return invalid("service /ops/snapshot response is not JSON")
        path = f"/ops/events?loopId={self._loop}&cursor={query.cursor}&maxEvents={query.max_events}"
        body = self._get(path, query)
        if isinstance(body, IngestFailure):
            return Observation(failure=body)
        return observation_of(snapshot, body)

    def _get(self, path: str, query: ObservationQuery) -> bytes | IngestFailure:
        argv = [self._program, "--method", "GET", "--base-url", self._base_url, "--path", path, "--token", self._token]
        argv += ["--trace-id", query.trace_id, "--retry-attempts", str(query.retry_attempts)]
        argv += ["--retry-backoff-seconds", f"{query.retry_backoff_s:g}"]
        answer = run_program(argv)
        if answer.exit == 0:
            return answer.stdout
        return IngestFailure(FailureCode.SERVICE_REQUEST_FAILED, answer.message(self._token))


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
        with _memory_files(documents) as (state, heartbeat, sequence, transport_health):
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


def _json_answer(answer: Answer, step: str) -> JsonObject:
    if answer.exit != 0:
        said = answer.message().rpartition("\n")[2].removeprefix("error: ")
        raise OpsError(said or f"{step} script failed with exit code {answer.exit}")
    try:
        value = jsoncodec.loads(answer.stdout)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise OpsError(f"{step} script did not print a JSON object")
    return value


@contextmanager
def _memory_files(documents: Sequence[Mapping[str, object]]) -> Iterator[list[str]]:
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
