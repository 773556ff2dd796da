"""A lever that was pulled, as a readable page: does autonomy stand still now, and how it goes on."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType

from opsd.cli.page import line
from opsd.cli.reasons.told import command_line
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.values import compact_text
from opsd.promotion.rollout.levers import Lever

_STOPS = "nothing is dispatched autonomously"
_UNDO = {Lever.PAUSE.value: ("resume",), Lever.KILL_SWITCH.value: ("kill-switch", "--release")}


def lever_page(lever: JsonObject, place: Sequence[str]) -> list[RenderableType]:
    """The page; ``place`` says in the command that is shown where the fleet is."""
    name, on = compact_text(lever.get("lever")), lever.get("after") is True
    changed = None if lever.get("changed") is True else "as it was before: nothing was changed"
    head = line(
        name.replace("_", " "),
        f"on: {_STOPS}" if on else "off",
        changed,
        lever.get("changedAt"),
        style="bold red" if on else "green",
    )
    if not on:
        return [head, command_line("what autonomy may do now", "fleet", "status", place=place)]
    undo = _UNDO.get(name)
    return [head, *([command_line("to end it", "fleet", *undo, place=place)] if undo else [])]
