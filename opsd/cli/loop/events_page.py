"""An event of a loop as one readable line for a terminal; not all of it, and nothing in it is obeyed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.text import Text

from opsd.cli.page import clipped, line
from opsd.contract.jsoncodec import JsonValue
from opsd.contract.values import as_object, compact_text, get, printable

#: How an event's status is shown; one without, or with another word, is nothing to look at.
_STYLES = {
    "error": "bold red",
    "failed": "bold red",
    "rate_limited": "yellow",
    "blocked": "yellow",
    "timeout": "yellow",
}


def event_lines(envelopes: Iterable[Mapping[str, JsonValue]]) -> list[Text]:
    """A line for each: its number in the journal, when it was, what it is called, who did what, and what was said."""
    return [_line(envelope) for envelope in envelopes]


def _line(envelope: Mapping[str, JsonValue]) -> Text:
    event = as_object(envelope.get("event"))
    status, iteration = event.get("status"), get(envelope.get("run"), "iteration")
    said = (
        event.get("role"),
        status,
        None if iteration is None else f"iteration {compact_text(iteration)}",
        *_message(event.get("message")),
    )
    told = line(
        clipped(compact_text(event.get("name") or "event")),
        *(clipped(compact_text(value)) for value in said if value not in (None, "")),
        style=_STYLES.get(compact_text(status), ""),
    )
    number = compact_text(get(envelope.get("sequence"), "value"))
    at = compact_text(event.get("timestamp") or "")
    return Text.assemble((printable(f"{clipped(number):>6}  {clipped(at)}  "), "dim"), told, no_wrap=True)


def _message(message: JsonValue) -> list[JsonValue]:
    """The first line of what was said; an event may hold pages of it."""
    return list(compact_text(message).splitlines()[:1]) if message else []
