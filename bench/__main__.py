"""``python -m bench [NAME ...]``."""

from __future__ import annotations

import platform
import sys

from bench import (
    alerts,
    api,
    fleet,
    fleet_policy,
    fleet_reconcile,
    fleet_steps,
    journal,
    reconcile,
    remote,
    snapshot,
    startup,
)

BENCHMARKS = {
    "ingest": journal.ingest,
    "poll": journal.warm_poll,
    "snapshot": snapshot.snapshot_cpu,
    "reconcile": reconcile.noop_local,
    "reconcile-http": remote.noop_remote,
    "fleet": fleet.thousand_loops,
    "fleet-reconcile": fleet_reconcile.thousand_loops,
    "fleet-policy": fleet_policy.many_loops,
    "fleet-steps": fleet_steps.many_loops,
    "latency": fleet.stream_latency,
    "alerts": alerts.alert_latency,
    "outbox": alerts.outbox_throughput,
    "streams": api.many_streams,
    "sigterm": api.end_with_streams,
    "startup": startup.startup,
}


def main(names: list[str]) -> int:
    """Run the named benchmarks, all without names."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"error: no benchmark {unknown[0]}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 1
    print(f"Python {platform.python_version()}, {platform.machine()}; each figure a ratio, median of rounds in turn")
    for name in names or BENCHMARKS:
        for figure in BENCHMARKS[name]():
            print(figure, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
