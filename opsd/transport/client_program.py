"""The sprite-service transport with its client replaced by a program (contract 30, section 1; 20, 2.3)."""

from __future__ import annotations

from urllib.parse import quote

from opsd.contract.reasons import FailureCode, TransportKind
from opsd.runtime.process import run_program
from opsd.transport.answers import bounded_message, events_path, invalid, observation_of, parse_snapshot
from opsd.transport.base import IngestFailure, Observation, ObservationQuery


class ClientProgramTransport:
    """Observes one loop by two runs of the program.

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
        body = self._get(events_path(self._loop, query), query)
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
        message = bounded_message((answer.stdout + answer.stderr).decode("utf-8", "replace"), self._token)
        return IngestFailure(FailureCode.SERVICE_REQUEST_FAILED, message)
