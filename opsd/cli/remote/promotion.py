"""Promotion commands as clients."""

from __future__ import annotations

from opsd.cli.remote.by_model import process_command
from opsd.cli.remote.command import RemoteCommand

_MODELS = "opsd.api.models.promotion:"

COMMANDS: dict[str, RemoteCommand] = {
    "promotion gates": process_command(
        "opsd.cli.promotion.gates:SPEC",
        "/promotion/gates",
        f"{_MODELS}PromotionGates",
        present="opsd.cli.promotion.gates:present",
    ),
    "promotion ci": process_command(
        "opsd.cli.promotion.ci:SPEC",
        "/promotion/ci",
        f"{_MODELS}PromotionCi",
        present="opsd.cli.promotion.gates:present",
    ),
    "promotion apply": process_command(
        "opsd.cli.promotion.apply:SPEC",
        "/promotion/apply",
        f"{_MODELS}PromotionApply",
        keyed=True,
        present="opsd.cli.promotion.apply:present",
    ),
    "promotion orchestrate": process_command(
        "opsd.cli.promotion.orchestrate:SPEC",
        "/promotion/orchestrate",
        f"{_MODELS}PromotionOrchestrate",
        keyed=True,
        present="opsd.cli.promotion.orchestrate:present",
    ),
    "promotion controller": process_command(
        "opsd.cli.promotion.controller:SPEC",
        "/promotion/controller",
        f"{_MODELS}PromotionController",
        keyed=True,
        present="opsd.cli.promotion.controller:present",
    ),
}
