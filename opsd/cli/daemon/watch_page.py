"""A change as one readable line for a terminal. What comes over the stream is shown as text, and not all of it."""

from __future__ import annotations

from collections.abc import Callable

from rich.text import Text

from opsd.cli.client.change_stream import DISCONNECTED, Heard
from opsd.cli.loop.loops_page import reasons_of, style_of, taken_in
from opsd.cli.page import clipped, line
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.timestamps import format_utc
from opsd.contract.values import as_object, compact_text, get

_BAD = "bold red"
#: It is a line of many.
_MOST_VALUES = 12


def change_line(heard: Heard, at: float) -> Text:
    """The line; ``at`` is when it was heard, shown as a time of day in UTC."""
    name, style, values = _TOLD.get(heard.kind, _other)(as_object(heard.data))
    shown = [clipped(compact_text(value)) for value in values[:_MOST_VALUES] if value not in (None, "")]
    told = line(clipped(name or heard.kind), *shown, style=style)
    return Text.assemble((f"{format_utc(at)[11:]}  ", "dim"), told, no_wrap=True)


Told = tuple[str, str, list[JsonValue]]
"""What it is about ("" for the kind itself), the style, and what there is to say."""


def _loop(view: JsonObject) -> Told:
    failure = get(view, "lastFailure", "code")
    about = [view.get("state"), view.get("healthStatus"), taken_in(view), view.get("lastEventName")]
    return f"loop {view.get('loopId')}", style_of(view), [*about, failure, *reasons_of(view)]


def _loop_gone(data: JsonObject) -> Told:
    return f"loop {data.get('loopId')}", "yellow", ["not supervised any more"]


def _fleet(data: JsonObject) -> Told:
    steps, failed = data.get("steps"), data.get("failedStep")
    done = ", ".join(map(str, steps)) if isinstance(steps, list) else None
    return "fleet", _BAD if failed else "", [done, f"failed at {failed}" if failed else None]


def _operation(data: JsonObject) -> Told:
    status = data.get("status")
    about = [f"{name} {value}" for name, value in data.items() if name not in ("action", "principal", "status")]
    bad = isinstance(status, int) and status >= 400
    return f"{data.get('principal')}", _BAD if bad else "cyan", [data.get("action"), *about, status]


def _gap(_data: JsonObject) -> Told:
    return "gap", "bold yellow", ["changes were missed: look at the state again, with opsd loops"]


def _hello(_data: JsonObject) -> Told:
    return "connected", "dim", ["changes are told from here on"]


def _disconnected(data: JsonObject) -> Told:
    return "disconnected", "bold yellow", [data.get("reason"), "trying again"]


def _other(data: JsonObject) -> Told:
    return "", "", [data]


_TOLD: dict[str, Callable[[JsonObject], Told]] = {
    "loop": _loop,
    "loop_gone": _loop_gone,
    "fleet": _fleet,
    "operation": _operation,
    "gap": _gap,
    "hello": _hello,
    DISCONNECTED: _disconnected,
}
