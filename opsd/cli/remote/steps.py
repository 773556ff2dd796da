"""Drills and the Horizon bridge as clients."""

from __future__ import annotations

from opsd.cli.remote.by_model import process_command
from opsd.cli.remote.command import RemoteCommand

COMMANDS: dict[str, RemoteCommand] = {
    "drill run": process_command(
        "opsd.cli.promotion.drill_run:SPEC",
        "/drills",
        "opsd.api.models.steps:DrillRun",
        present="opsd.cli.promotion.drill_run:present",
    ),
    "horizon-bridge": process_command(
        "opsd.cli.horizon_bridge:SPEC",
        "/horizon/bridge",
        "opsd.api.models.steps:BridgeRun",
        present="opsd.cli.horizon_bridge:present",
    ),
}
