"""One pass of ``fleet reconcile`` over many loops against as many passes of one loop's reconciler, one by one."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bench.measure import Figure, cpu_s, paired
from bench.reconcile import daemon_settings
from opsd.cli.fleet.runners import InProcessRunner
from opsd.compose import local_transport, loop_store
from opsd.contract.ids import parse_loop_id
from opsd.contract.reasons import TransportKind
from opsd.demo.replay import Player, load_recording
from opsd.fleet.reconcile import reconcile_fleet
from opsd.fleet.rollup import FleetOptions
from opsd.loop.reconcile import Reconciler

_LOOPS = 1000


def thousand_loops() -> Iterator[Figure]:
    """CPU of a fleet's pass over local loops."""
    recording = load_recording("role_timeout")
    ids = [parse_loop_id(f"loop-{number:04d}") for number in range(_LOOPS)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for loop_id in ids:
            loop = replace(recording, loop_id=loop_id)
            Player(folder, loop, duration_s=0.0, started_at=time.time()).play(lambda _seconds: False)
        env = os.environ | {"OPS_MANAGER_ALERTS_ENABLED": "false"}  # delivery has figures of its own
        options = FleetOptions("0" * 36, max_parallel=2)
        registry = {"loops": [{"loopId": loop_id} for loop_id in ids]}

        def fleet() -> None:
            runner = InProcessRunner(name, options, env, deadline_s=60)
            state = reconcile_fleet(name, registry, options, runner, env=env, deadline_s=60)
            assert state["successCount"] == _LOOPS, state["reasonCodes"]

        def one_by_one() -> None:
            for loop_id in ids:
                store = loop_store(name, loop_id)
                settings = daemon_settings(folder, loop_id, TransportKind.LOCAL, store)
                Reconciler(store, settings).run(local_transport(name, loop_id), "0" * 36)

        mine, theirs, ratio = paired(fleet, one_by_one, clock=cpu_s)
        yield Figure(
            "CPU of a fleet's pass over 1,000 local loops against 1,000 single passes",
            ratio,
            "<= 1.5",
            f"{_LOOPS / mine:.0f} against {_LOOPS / theirs:.0f} loops per CPU second",
        )
