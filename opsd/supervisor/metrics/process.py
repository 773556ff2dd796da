"""Metrics of the process itself, under the names that every Prometheus client uses, read from ``/proc`` per scrape.

Where ``/proc`` is missing, the families are left out. Reading costs three small files and one folder listing, all in
memory.
"""

from __future__ import annotations

import os
import resource
import threading

from opsd.supervisor.metrics.exposition import Family

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class ProcessMetrics:
    """CPU, memory, descriptors, threads and start of this process."""

    def __init__(self) -> None:
        self._cpu = Family("counter", "process_cpu_seconds_total", "Total user and system CPU time spent in seconds.")
        self._start = Family("gauge", "process_start_time_seconds", "Start time of the process since the epoch.")
        self._resident = Family("gauge", "process_resident_memory_bytes", "Resident memory size in bytes.")
        self._virtual = Family("gauge", "process_virtual_memory_bytes", "Virtual memory size in bytes.")
        self._open_fds = Family("gauge", "process_open_fds", "Number of open file descriptors.")
        self._max_fds = Family("gauge", "process_max_fds", "Maximum number of open file descriptors.")
        self._threads = Family("gauge", "opsd_threads", "Python threads of the daemon.")
        self._boot = _boot_time()

    def render(self) -> bytes:
        """All families as text."""
        self._threads.set(threading.active_count())
        self._read_proc()
        families = (self._cpu, self._start, self._resident, self._virtual, self._open_fds, self._max_fds, self._threads)
        return b"".join(family.render() for family in families)

    def _read_proc(self) -> None:
        try:
            with open("/proc/self/stat", "rb") as file:
                # The command's name stands in parentheses and may hold blanks.
                fields = file.read().rpartition(b")")[2].split()
            open_fds = len(os.listdir("/proc/self/fd")) - 1
        except OSError:
            return
        self._cpu.set((int(fields[11]) + int(fields[12])) / _TICK)
        self._start.set(self._boot + int(fields[19]) / _TICK)
        self._virtual.set(int(fields[20]))
        self._resident.set(int(fields[21]) * _PAGE)
        self._open_fds.set(open_fds)
        self._max_fds.set(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def _boot_time() -> float:
    try:
        with open("/proc/stat", "rb") as file:
            for line in file:
                if line.startswith(b"btime "):
                    return float(line.split()[1])
    except OSError:
        pass
    return 0.0
