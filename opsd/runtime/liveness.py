"""Is the process of a run still there? Judged inside its VM, on evidence only.

After an agent's failure, a SIGTERM or a kill -9 the runtime's files go on saying ``running`` (contract 05). What
``active-run.json`` names can be looked up; the verdict is ``dead`` only on positive evidence: the file is about this
repo, was written on this host (its mtime is the time it tells), names a process that this host has already given out,
that process is gone or a zombie, and the file is still the same afterwards. A recording from another machine, a
missing or strange file and a reused process id are ``unknown`` and alarm nobody.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.timestamps import parse_epoch
from opsd.contract.values import get

#: The file's mtime and the time that it tells lie at most so far apart when it was not copied, in seconds.
_WRITTEN_HERE_S = 10
#: A process that started later than the file was written, by more than this, is another one; in seconds.
_START_SLACK_S = 2.0


class Verdict(StrEnum):
    """What is known of the run's process."""

    ALIVE = "alive"
    DEAD = "dead"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Process:
    """A process as the host shows it; ``started_at`` in seconds since 1970."""

    state: str
    started_at: float


#: The process of an id, None when there is none.
Lookup = Callable[[int], Process | None]


@dataclass(frozen=True, slots=True)
class Host:
    """What has to be known of the host; ``gave_out`` is False for an id that it is not known to have given out yet."""

    lookup: Lookup
    gave_out: Callable[[int], bool]


def judge_liveness(
    active_run: JsonValue, mtime_s: float | None, *, repo: str, loop_id: str, host: Host
) -> tuple[Verdict, str]:
    """The verdict on ``active-run.json`` and the reason for it."""
    if not isinstance(active_run, dict):
        return Verdict.UNKNOWN, "no_active_run"
    pid, written_at = active_run.get("pid"), parse_epoch(active_run.get("updated_at"))
    if type(pid) is not int or pid <= 1:
        return Verdict.UNKNOWN, "no_process_id"
    if active_run.get("loop_id") not in (None, loop_id):
        return Verdict.UNKNOWN, "another_loop"
    named_repo = active_run.get("repo")
    if not isinstance(named_repo, str) or not _same_folder(named_repo, repo):
        return Verdict.UNKNOWN, "another_repo"
    if written_at is None or mtime_s is None or abs(mtime_s - written_at) > _WRITTEN_HERE_S:
        return Verdict.UNKNOWN, "not_written_here"
    process = host.lookup(pid)
    if process is None:
        if not host.gave_out(pid):
            return Verdict.UNKNOWN, "process_id_never_given_out"
        return Verdict.DEAD, "no_such_process"
    if process.started_at > written_at + _START_SLACK_S:
        return Verdict.UNKNOWN, "process_id_reused"
    return (Verdict.DEAD, "zombie") if process.state == "Z" else (Verdict.ALIVE, "process_found")


def _same_folder(one: str, other: str) -> bool:
    return one == other or os.path.realpath(one) == os.path.realpath(other)


def liveness_section(
    active_run: JsonValue, signature: tuple[int, int, int] | None, path: str, *, repo: str, loop_id: str, host: Host
) -> JsonObject:
    """``runtime.liveness`` without the age of the last event. ``signature`` is the file's, as it was read."""
    if active_run is None:  # no run: asked for with every answer of a loop that ended
        return {"verdict": "unknown", "reason": "no_active_run", "pid": None}
    mtime_s = None if signature is None else signature[2] / 1e9
    verdict, reason = judge_liveness(active_run, mtime_s, repo=repo, loop_id=loop_id, host=host)
    if verdict is Verdict.DEAD and _signature(path) != signature:
        verdict, reason = Verdict.UNKNOWN, "run_is_ending"  # a run removes the file before it goes
    return {"verdict": verdict.value, "reason": reason, "pid": get(active_run, "pid")}


def _signature(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def this_host() -> Host:
    """The host that this process runs on; one without ``/proc`` knows nothing, so nothing is dead there.

    Ids are given out in order, and begin again at the bottom when they have run out. So an id above the last one is
    known to have been given out if it was seen in use, or if another one above the last is in use.
    """
    seen = 0

    def lookup(pid: int) -> Process | None:
        nonlocal seen
        try:
            with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
                # The name in parentheses may hold anything, also blanks and parentheses.
                fields = file.read(4096).rpartition(b")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        except OSError:
            return Process("?", 0.0)
        seen = max(seen, pid)
        return Process(fields[0].decode(), _boot_time() + int(fields[19]) / os.sysconf("SC_CLK_TCK"))

    def gave_out(pid: int) -> bool:
        if not _boot_time():
            return False  # no /proc
        try:
            if pid <= max(seen, _last_pid()):
                return True
            in_use = max((int(name) for name in os.listdir("/proc") if name.isdigit()), default=0)
            begun_again = in_use > _last_pid()  # read after the list: what started in between is no evidence
            return begun_again and pid < _pid_limit()
        except (OSError, ValueError, IndexError):
            return True

    return Host(lookup, gave_out)


def _last_pid() -> int:
    """The id that was given out last."""
    with open("/proc/loadavg", "rb", buffering=0) as file:
        return int(file.read(128).split()[4])


def _pid_limit() -> int:
    """The first id that is never given out."""
    with open("/proc/sys/kernel/pid_max", "rb", buffering=0) as file:
        return int(file.read(128))


@cache
def _boot_time() -> float:
    try:
        with open("/proc/stat", "rb") as file:
            return next((float(line.split()[1]) for line in file if line.startswith(b"btime ")), 0.0)
    except OSError:
        return 0.0
