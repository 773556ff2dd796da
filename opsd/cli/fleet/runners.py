"""What runs one loop of a fleet's pass: this process, or the operator's program (contract 60, 3.5; weakness 12).

In this process a loop is reconciled by the very code of ``opsd reconcile``, its flags and its environment included;
only the connections are shared by all loops, and the token never is part of a command line.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opsd.cli.arguments import require_non_negative_int, require_positive_int
from opsd.cli.loop import reconcile
from opsd.contract.errors import OpsError, file_trouble
from opsd.contract.ids import LoopId
from opsd.contract.reasons import TransportKind
from opsd.fleet.entries import NO_WHOLE_ATTEMPTS, NO_WHOLE_BACKOFF
from opsd.fleet.loop_answer import LoopAnswer, answer_of, find_document, no_outcome
from opsd.fleet.loop_result import LoopJob
from opsd.fleet.rollup import FleetOptions
from opsd.runtime.process import Ending, run_program

if TYPE_CHECKING:
    from opsd.loop.outcome import Outcome
    from opsd.loop.reconcile import Reconciler
    from opsd.transport.background import NetworkThread


def loop_arguments(
    repo: str, job: LoopJob, options: FleetOptions, *, token: str | None, judged_as: Sequence[str]
) -> list[str]:
    """The argument vector of one loop's reconcile, in the contract's order, and behind it ours: ``judged_as``."""
    argv = ["--repo", repo, "--loop", job.loop_id, "--transport", job.transport, "--trace-id", job.trace_id]
    if options.max_events is not None:
        argv += ["--max-events", options.max_events]
    if options.from_start:
        argv += ["--from-start"]
    if job.transport == TransportKind.SPRITE_SERVICE:
        argv += ["--service-base-url", job.base_url, "--retry-attempts", job.retry_attempts]
        argv += ["--retry-backoff-seconds", job.retry_backoff]
        if token is not None:
            argv += ["--service-token", token]
    return [*argv, *judged_as]


@dataclass(frozen=True, slots=True)
class ProgramRunner:
    """Starts the operator's program for each loop.

    Args:
        deadline_s: it is killed with all it started after that.
        judged_as: flags that say how a loop is judged, for each.
    """

    program: str
    repo: str
    options: FleetOptions
    deadline_s: float
    judged_as: Sequence[str] = ()
    ending: Ending = field(default_factory=Ending)

    def run(self, job: LoopJob) -> LoopAnswer:
        """Run the program. The contract's interface has the token among its arguments."""
        argv = [self.program, *loop_arguments(self.repo, job, self.options, token=job.token, judged_as=self.judged_as)]
        with self.ending.ends():
            answer = run_program(argv, timeout_s=self.deadline_s)
        output = "" if answer.exit == 0 else answer.output.decode("utf-8", "replace")
        return LoopAnswer(answer.exit == 0, find_document(answer.stdout), output)

    def close(self) -> None:
        """Kill the programs that still run."""
        self.ending.begin()


class InProcessRunner:
    """Reconciles each loop here.

    Args:
        env: what the loop's own settings are taken from, as ``opsd reconcile`` would take them.
        deadline_s: how long a sprite is waited for.
        judged_as: flags that say how a loop is judged, for each.
    """

    def __init__(
        self,
        repo: str,
        options: FleetOptions,
        env: Mapping[str, str],
        *,
        deadline_s: float,
        judged_as: Sequence[str] = (),
    ) -> None:
        self._repo = repo
        self._options = options
        self._env = env
        self._deadline_s = deadline_s
        self._judged_as = judged_as
        self._network: NetworkThread | None = None
        self._lock = threading.Lock()
        self._ending = Ending()
        self._closed = False

    def run(self, job: LoopJob) -> LoopAnswer:
        """One pass; what it would have printed, without printing it."""
        try:
            if job.transport == TransportKind.SPRITE_SERVICE:
                require_positive_int(job.retry_attempts, NO_WHOLE_ATTEMPTS)
                require_non_negative_int(job.retry_backoff, NO_WHOLE_BACKOFF)
            argv = loop_arguments(self._repo, job, self._options, token=None, judged_as=self._judged_as)
            arguments = reconcile.SPEC.parse(argv)

            def remote(
                reconciler: Reconciler,
                loop_id: LoopId,
                base_url: str,
                token: str,
                trace_id: str,
                env: Mapping[str, str],
            ) -> Outcome:
                return self._run_remote(reconciler, loop_id, base_url, job.token or token, trace_id, env)

            with self._ending.ends():
                outcome = reconcile.run_pass(arguments, self._env, remote)
        except OpsError as error:
            return no_outcome(error.message)
        except OSError as error:
            return no_outcome(file_trouble(error))
        return answer_of(outcome)

    def _run_remote(
        self, reconciler: Reconciler, loop_id: LoopId, base_url: str, token: str, trace_id: str, env: Mapping[str, str]
    ) -> Outcome:
        replaced = reconcile.client_program(base_url, token, loop_id, env)
        if replaced is not None:
            return reconciler.run(replaced, trace_id)

        from opsd.transport.background import BackgroundTransport
        from opsd.transport.sprite_service import SpriteServiceTransport

        network = self._connected()
        transport = SpriteServiceTransport(network.client, base_url=base_url, loop_id=loop_id, token=token or None)
        return reconciler.run(BackgroundTransport(network, transport, timeout_s=self._deadline_s), trace_id)

    def _connected(self) -> NetworkThread:
        with self._lock:
            if self._closed:
                raise OpsError("the pass was interrupted")
            if self._network is None:
                from opsd.transport.background import NetworkThread
                from opsd.transport.http_client import ServiceClient

                allowed = reconcile.allows_plaintext_token(self._env)
                self._network = NetworkThread(lambda: ServiceClient(allow_plaintext_token=allowed))
            return self._network

    def close(self) -> None:
        """Cancel requests, and kill programs that stand in for a step of a pass."""
        self._ending.begin()
        with self._lock:
            self._closed = True
            network, self._network = self._network, None
        if network is not None:
            network.close()
