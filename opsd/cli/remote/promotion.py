"""Promotion commands as clients."""

from __future__ import annotations

from opsd.cli.remote.command import RemoteCommand, process_command

_MODELS = "opsd.api.models.promotion:"

COMMANDS: dict[str, RemoteCommand] = {
    "promotion gates": process_command(
        "opsd.cli.promotion_gates:SPEC",
        "/promotion/gates",
        f"{_MODELS}PromotionGates",
        present="opsd.cli.promotion_gates:present",
    ),
    "promotion ci": process_command("opsd.cli.promotion_ci:SPEC", "/promotion/ci", f"{_MODELS}PromotionCi"),
    "promotion apply": process_command(
        "opsd.cli.promotion_apply:SPEC", "/promotion/apply", f"{_MODELS}PromotionApply", keyed=True
    ),
    "promotion orchestrate": process_command(
        "opsd.cli.promotion_orchestrate:SPEC", "/promotion/orchestrate", f"{_MODELS}PromotionOrchestrate", keyed=True
    ),
    "promotion controller": process_command(
        "opsd.cli.promotion_controller:SPEC", "/promotion/controller", f"{_MODELS}PromotionController", keyed=True
    ),
}
