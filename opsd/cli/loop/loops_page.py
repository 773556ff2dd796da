"""What ``opsd loops`` answers, as readable pages for a terminal."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from opsd.cli.page import aligned, apart, cells, counted, kept_whole, line, span, table
from opsd.cli.reasons import loop as reasons
from opsd.cli.reasons.remedies import LOOP
from opsd.cli.reasons.told import command_line, explained, what_to_do
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import get, int0, printable

Page = list[RenderableType]

STYLES = {"healthy": "green", "degraded": "yellow", "critical": "bold red"}
_BAD = "bold red"
_RANK = {"critical": 0, "degraded": 1}
_WIDE = 100


def loops_page(document: JsonObject, flags: Sequence[str], width: int | None, *, chosen: bool = True) -> Page:
    """A row for every loop, how many of them are of which health, and the command that tells more of the worst.

    ``flags`` name the daemon in it; a terminal that is not ``width`` enough does without the last events.

    Args:
        chosen: some were asked for, and not all.
    """
    loops = document["loops"]
    if not loops:
        return [Text("no such loops", style="dim")] if chosen else _no_loops(flags)
    wide = width is None or width >= _WIDE
    made = table("loop", "state", "health", "why", "taken in", *(["last event"] if wide else []))
    for one in sorted(loops, key=_trouble):
        row = cells(one.get("loopId"), one.get("state"), one.get("healthStatus"), _why(one))
        row[2].stylize(style_of(one))
        made.add_row(*row, *cells(taken_in(one), *([one.get("lastEventName")] if wide else [])))
    kept_whole(made, "loop", "state", "health", "taken in", width=width)
    more = [Text("and more; --limit shows further ones", style="dim")] if document["nextCursor"] is not None else []
    return [_summary(loops), "", made, *more, "", line("more of one", _closer(loops, flags), style="cyan")]


def _no_loops(flags: Sequence[str]) -> Page:
    """Where to look when somebody expected some."""
    return [
        Text("no loops: the daemon supervises none, or none that you may see", style="yellow"),
        *apart(
            [
                command_line("its registry", "fleet", "registry", place=flags),
                command_line("what you may see", "whoami", place=flags),
            ]
        ),
    ]


def _closer(loops: Sequence[JsonObject], flags: Sequence[str]) -> str:
    """The command that shows the loop which it is worth to look at first."""
    worst = min(loops, key=_trouble)
    return printable(shlex.join(["opsd", "loops", *flags, "--loop", str(worst.get("loopId"))]))


def _trouble(one: JsonObject) -> int:
    """Those in trouble come first; otherwise the order is the daemon's."""
    return _RANK.get(str(one.get("healthStatus")), len(_RANK))


def _summary(loops: Sequence[JsonObject]) -> Text:
    of_health = [str(one.get("healthStatus") or "not judged yet") for one in loops]
    counts = [f"{of_health.count(word)} {word}" for word in sorted(set(of_health))]
    failing = sum(map(_fails, loops))  # what their health was judged by grows old
    more = [f"{failing} with failing passes"] if failing else []
    return line(counted(len(loops), "loop"), *counts, *more)


def loop_page(one: JsonObject, place: Sequence[str]) -> Page:
    """All that is known of one loop; ``place`` names the daemon, and the loop, in the commands that are shown."""
    failure, alerts = one.get("lastFailure"), one.get("alerts")
    codes = [*reasons_of(one), get(failure, "code")]
    found = [
        line("run", *_pairs(one.get("run"))),
        line("taken in", taken_in(one), get(one, "lastEventName"), get(one, "lastEventAt")),
        line("reached by", one.get("transport"), f"observe {one.get('observe')}", f"following {one.get('following')}"),
        line("last pass", one.get("lastPassAt"), _succeeded(one), _trace(one)),
        line("failures", *_failure(one), style=_BAD if failure else ""),
        line("metrics", *_pairs(one.get("metrics"))),
        line("drift", one.get("profileDrift")),
        line("alerts", *_pairs(alerts)),
    ]
    if one.get("stuck") is True:
        found.append(line("stuck", "a pass over it does not come back", style=_BAD))
    return [
        line(f"loop {one.get('loopId')}", one.get("state"), one.get("healthStatus"), style=style_of(one)),
        *explained(codes, reasons.HEALTH, reasons.FAILED_PASS, style=style_of(one)),
        *aligned(found),
        *apart([command_line("all that is known", "status", place=place), *what_to_do(codes, LOOP, place)]),
    ]


def style_of(one: JsonObject) -> str:
    """How a loop's health is shown; one that was well when a pass last succeeded is not shown as well."""
    if _fails(one) and one.get("healthStatus") == "healthy":
        return STYLES["degraded"]
    return STYLES.get(str(one.get("healthStatus")), "")


def _fails(one: JsonObject) -> bool:
    return int0(one.get("failuresInARow")) > 0


def reasons_of(one: JsonObject) -> list[JsonValue]:
    """Why a loop's health is what it is."""
    found = one.get("reasonCodes")
    return found if isinstance(found, list) else []


def taken_in(one: JsonObject) -> str | None:
    """How many of a loop's events the daemon has taken in; None where it has seen none."""
    offset, count = get(one, "cursor", "eventLineOffset"), get(one, "cursor", "eventLineCount")
    return None if count is None else f"{offset} of {count}"


def _why(one: JsonObject) -> list[JsonValue]:
    code = get(one, "lastFailure", "code")
    reasons = reasons_of(one)
    return [*([code] if code not in (None, *reasons) else []), *reasons]


def _succeeded(one: JsonObject) -> str | None:
    when = one.get("lastSuccessAt")
    return f"succeeded at {when}" if when is not None and when != one.get("lastPassAt") else None


def _failure(one: JsonObject) -> list[JsonValue]:
    count = one.get("failuresInARow")
    message = str(get(one, "lastFailure", "message") or "").splitlines()
    return [get(one, "lastFailure", "code"), *message, f"{count} in a row" if count else None]


def _trace(one: JsonObject) -> str | None:
    return f"trace {one['traceId']}" if one.get("traceId") else None


def _pairs(value: JsonValue) -> list[str]:
    """An object as words, without what there is nothing of and what would be long."""
    pairs = value.items() if isinstance(value, dict) else ()
    shown = [(str(name), one) for name, one in pairs if one is not None and not isinstance(one, (dict, list))]
    return [f"{name} {span(one) if name.endswith('Seconds') else one}" for name, one in shown]
