"""``opsd watch``: what changes, as it happens: loops, the fleet's steps, what people do over the API.

On a terminal a line for each change, elsewhere JSON lines of ``kind``, ``id``, ``receivedAt`` and ``data``. Beside the
changes both tell of ``hello`` (from here on nothing is missed), ``disconnected`` (it is tried again) and ``gap``
(changes were missed: look at the state again).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress

from opsd.cli.arguments import Arguments, CommandSpec, Flag, loop_of
from opsd.cli.client.change_stream import ABOUT_THE_STREAM, KINDS, Heard, follow
from opsd.cli.client.views import CONFIG, WHOM, Asked, of_this_host
from opsd.cli.output import write_json
from opsd.cli.page import show
from opsd.contract.durations import parse_duration
from opsd.contract.errors import UsageError
from opsd.contract.timestamps import format_utc

SPEC = CommandSpec(
    "opsd watch",
    f"Tells of every change of loops and fleet, and of what is done over the API, until Ctrl-C. {WHOM}\n"
    "A connection that is lost is made again, and what was missed meanwhile is caught up with.",
    (
        Flag("--loop", "only changes of this loop", "<id>"),
        Flag("--kind", f"only changes of this kind: {', '.join(KINDS)}; may be repeated", "<kind>"),
        Flag("--max-changes", "end after so many changes", "<n>"),
        Flag("--for", "end after so long, such as 30s, 10m or 2h", "<duration>"),
        CONFIG,
    ),
    exits={0: "ended by Ctrl-C, --for or --max-changes"},
)


def view(arguments: Arguments, asked: Asked) -> int:
    """Follow ``asked``; 0 when it was ended as it should be.

    Raises:
        OpsError: bad arguments, no daemon at first, or a refusal.
    """
    query = {"loop": loop_of(arguments)} if arguments.given("--loop") is not None else {}
    kinds, most = _kinds(arguments), arguments.positive("--max-changes", sys.maxsize)
    tell = _tell_a_person if sys.stdout.isatty() else _tell_a_program
    with suppress(KeyboardInterrupt), closing(follow(asked.server, query, for_s=_length_s(arguments))) as stream:
        _tell_all(stream, kinds, most, tell)
    return 0


def _tell_all(stream: Iterable[Heard], kinds: Sequence[str], most: int, tell: Callable[[Heard], None]) -> None:
    """Tell what is wanted of the changes until there were enough, and all that is about the stream itself."""
    told = 0
    for heard in stream:
        is_change = heard.kind not in ABOUT_THE_STREAM
        if is_change and kinds and heard.kind not in kinds:
            continue
        tell(heard)
        told += is_change
        if told >= most:
            return


def _kinds(arguments: Arguments) -> list[str]:
    kinds = arguments.all("--kind")
    if not set(kinds) <= set(KINDS):
        raise UsageError(f"--kind must be one of: {', '.join(KINDS)}")
    return kinds


def _length_s(arguments: Arguments) -> int | None:
    text = arguments.given("--for")
    seconds = None if text is None else parse_duration(text)
    if text is not None and seconds is None:
        raise UsageError(f"--for must be like 30s, 10m or 2h, not {text}")
    return seconds


def _tell_a_program(heard: Heard) -> None:
    told = {"kind": heard.kind, "id": heard.id, "receivedAt": format_utc(time.time()), "data": heard.data}
    write_json(told)


def _tell_a_person(heard: Heard) -> None:
    from opsd.cli.daemon.watch_page import change_line

    show([change_line(heard, time.time())])


main = of_this_host(SPEC, view)
