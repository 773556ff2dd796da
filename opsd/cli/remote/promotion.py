"""Promotion commands as clients."""

from __future__ import annotations

from opsd.api.models import promotion as models
from opsd.cli.remote.command import RemoteCommand, process_command

COMMANDS: dict[str, RemoteCommand] = {
    "promotion gates": process_command(
        "opsd.cli.promotion_gates:SPEC",
        "/promotion/gates",
        models.PromotionGates,
        present="opsd.cli.promotion_gates:present",
    ),
    "promotion ci": process_command("opsd.cli.promotion_ci:SPEC", "/promotion/ci", models.PromotionCi),
    "promotion apply": process_command(
        "opsd.cli.promotion_apply:SPEC", "/promotion/apply", models.PromotionApply, keyed=True
    ),
    "promotion orchestrate": process_command(
        "opsd.cli.promotion_orchestrate:SPEC", "/promotion/orchestrate", models.PromotionOrchestrate, keyed=True
    ),
    "promotion controller": process_command(
        "opsd.cli.promotion_controller:SPEC", "/promotion/controller", models.PromotionController, keyed=True
    ),
}
