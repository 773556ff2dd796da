"""Commands of this manager as processes of their own: for the daemon's timers, and for requests of its API.

Guarantees: the event loop waits for nothing; a command that is beyond its deadline is ended with everything it started;
only so many run at a time for requests; at the end of the daemon they may end by themselves for as long as draining may
take. They are made to be ended at any moment (contract 95, W5; 97, B1).
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from opsd.api.ports import CommandEnd
from opsd.contract import jsoncodec
from opsd.contract.errors import BusyError
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.values import printable
from opsd.runtime.process import Answer, Ending, run_program

#: Commands that run for requests at a time.
MAX_PARALLEL = 4
#: Those of one principal: some take minutes, and one place is left to others.
MAX_EACH = MAX_PARALLEL - 1
_MAX_OUTPUT_BYTES = 64 * 1024 * 1024
_MAX_MESSAGE = 500
_ERROR = "error: "


def run_command(argv: Sequence[str], deadline_s: float, env: Mapping[str, str], ending: Ending) -> Answer:
    """Run ``opsd`` with these arguments to its end. Blocking."""
    with ending.ends():
        return run_program(
            [sys.executable, "-P", "-m", "opsd", *argv],
            timeout_s=deadline_s,
            max_output_bytes=_MAX_OUTPUT_BYTES,
            env=env,
        )


def printed(answer: Answer) -> JsonObject | None:
    """The document that a command printed."""
    return jsoncodec.object_in(answer.stdout)


def complaint(answer: Answer) -> str:
    """What a command had to say beside its document: its errors in their order, else the last line; "" for nothing."""
    said = (answer.stderr or b"").decode("utf-8", "replace").strip().splitlines()
    errors = [line.removeprefix(_ERROR) for line in said if line.startswith(_ERROR)]
    return printable("; ".join(errors or said[-1:]))[:_MAX_MESSAGE]


class Commands:
    """Those that requests ask for. Lives on the event loop's thread."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self._ending = Ending()
        self._threads = ThreadPoolExecutor(MAX_PARALLEL, "opsd-command")
        #: Who wants each, and its name if that may be there only once.
        self._running: dict[asyncio.Future[Answer], tuple[str, str]] = {}
        self._stopping = False

    async def run(self, argv: Sequence[str], deadline_s: float, *, by: str = "", alone: str = "") -> CommandEnd:
        """Run one to its end.

        Args:
            by: who wants it; empty: anybody.
            alone: a name that only one of them may have at a time.

        Raises:
            BusyError: too many run, in all or for ``by``, or one of this name does, or the daemon ends.
        """
        refusal = self._refusal(by, alone)
        if refusal:
            raise BusyError(refusal)
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(self._threads, run_command, argv, deadline_s, self._env, self._ending)
        self._running[running] = (by, alone)
        running.add_done_callback(self._running.pop)
        answer = await running
        return CommandEnd(answer.exit, printed(answer), complaint(answer))

    def _refusal(self, by: str, alone: str) -> str:
        if self._stopping:
            return "the daemon is ending"
        askers, names = [by for by, _ in self._running.values()], [name for _, name in self._running.values()]
        if alone and alone in names:
            return f"opsd {alone} runs already, and only once at a time"
        if by and askers.count(by) >= MAX_EACH:
            return "too many commands of one principal at a time"
        return "too many commands at a time" if len(self._running) >= MAX_PARALLEL else ""

    async def drain(self) -> None:
        """No further command, and the end of those under way."""
        self._stopping = True
        if self._running:
            await asyncio.wait(self._running)

    def close(self) -> None:
        """End what still runs, and give the threads back."""
        self._ending.begin()
        self._threads.shutdown(wait=False, cancel_futures=True)
