"""``opsd alerts silence add | list | expire``: what nobody is told for a while (contract 50, R13).

A silence has an end, and is ended rather than deleted. On a terminal the answer is readable, elsewhere (and with
``--pretty``) it is JSON. Two commands at once both have their effect.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence

from opsd.alerts.muting.matchers import LABEL_NAMES, parse_matcher_text, parse_matchers
from opsd.alerts.muting.silence_book import SilenceBook, shown
from opsd.alerts.muting.silences import SilenceState
from opsd.cli.arguments import Arguments, CommandSpec, Flag
from opsd.cli.asker import asker
from opsd.cli.help_text import columns_of_terminal, two_columns
from opsd.cli.output import write_json
from opsd.cli.page import for_a_person
from opsd.contract.durations import parse_duration
from opsd.contract.errors import UsageError
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import parse_epoch
from opsd.contract.values import printable
from opsd.runtime.layout import absolute_repo

_REPO = Flag("--repo", "the managed repo (required)", "<path>")
_PRETTY = Flag("--pretty", "JSON indented by two spaces, also on a terminal")

ADD = CommandSpec(
    "opsd alerts silence add",
    "Tells nobody of what the matchers describe, until the silence ends.\n"
    "A matcher is name=value, name!=value, name=~regex or name!~regex; all of them have to hold.\n"
    f"Names: {', '.join(LABEL_NAMES)}.",
    (
        _REPO,
        Flag("--matcher", "what it is about; may be repeated (required)", "<matcher>"),
        Flag("--duration", "how long, such as 90s, 30m, 2h or 1d12h (this or --ends-at is required)", "<duration>"),
        Flag("--ends-at", "when it ends, such as 2026-01-31T08:00:00Z", "<time>"),
        Flag("--starts-at", "when it begins; default now", "<time>"),
        Flag("--created-by", "who wants it; default $USER, else the login name", "<name>"),
        Flag("--comment", "why", "<text>"),
        _PRETTY,
    ),
)
LIST = CommandSpec(
    "opsd alerts silence list",
    "The silences that are in force or will be.",
    (_REPO, Flag("--all", "those that have ended too"), _PRETTY),
)
EXPIRE = CommandSpec(
    "opsd alerts silence expire",
    "Ends a silence now.",
    (_REPO, Flag("--id", "which one (required)", "<id>"), _PRETTY),
)


def main(argv: Sequence[str]) -> int:
    """Run the action that ``argv`` begins with.

    Raises:
        OpsError: bad arguments, or a file of silences that is damaged or held by others.
    """
    actions: dict[str, tuple[CommandSpec, Callable[[Arguments], None]]] = {
        "add": (ADD, _add),
        "list": (LIST, _list),
        "expire": (EXPIRE, _expire),
    }
    action = argv[0] if argv else ""
    if action in actions:
        spec, run = actions[action]
        run(spec.parse(argv[1:]))
        return 0
    rows = two_columns(
        ((name, spec.summary.splitlines()[0]) for name, (spec, _) in actions.items()), columns_of_terminal()
    )
    sys.stdout.write(f"usage: opsd alerts silence <action> [--flag value ...]\n\n{rows}")
    if action in ("--help", "-h"):
        return 0
    raise UsageError(f"unknown action: {action}" if action else "opsd alerts silence needs an action")


def _add(arguments: Arguments) -> None:
    repo = arguments.required("--repo")
    matchers = tuple(map(parse_matcher_text, arguments.all("--matcher")))
    if not matchers:
        raise UsageError("--matcher is required")
    now = time.time()
    starts_at = _moment(arguments, "--starts-at", int(now))
    silence = SilenceBook(absolute_repo(repo)).add(
        matchers,
        starts_at,
        _end(arguments, starts_at),
        created_by=asker(arguments, "--created-by"),
        comment=arguments.optional("--comment") or "",
        now=now,
    )
    present_one(arguments, shown(silence, now))


def _expire(arguments: Arguments) -> None:
    repo, silence_id = absolute_repo(arguments.required("--repo")), arguments.required("--id")
    now = time.time()
    present_one(arguments, shown(SilenceBook(repo).expire(silence_id, now), now))


def _list(arguments: Arguments) -> None:
    now = time.time()
    book = SilenceBook(absolute_repo(arguments.required("--repo")))
    found = book.listed(now, all_of_them=arguments.switch("--all"))
    present_list(arguments, {"schemaVersion": "v1", "silences": [shown(one, now) for one in found]})


def _end(arguments: Arguments, starts_at: int) -> int:
    duration, ends_at = arguments.optional("--duration"), arguments.optional("--ends-at")
    if (duration is None) == (ends_at is None):
        raise UsageError("one of --duration and --ends-at is required")
    if duration is None:
        return _moment(arguments, "--ends-at", 0)
    seconds = parse_duration(duration)
    if seconds is None:
        raise UsageError(f"--duration must be like 90s, 30m, 2h or 1d12h, not {duration}")
    return starts_at + seconds


def _moment(arguments: Arguments, flag: str, default: int) -> int:
    text = arguments.optional(flag)
    moment = default if text is None else parse_epoch(text)
    if moment is None:
        raise UsageError(f"{flag} must be a time like 2026-01-31T08:00:00Z, not {text}")
    return moment


def present_one(arguments: Arguments, silence: JsonObject, _place: Sequence[str] = ()) -> None:
    """Print a silence that was added or ended."""
    if not for_a_person(arguments):
        write_json(silence, pretty=arguments.switch("--pretty"))
        return
    about = " and ".join(_matchers(silence))
    sys.stdout.write(printable(f"{silence['id']} is {silence['state']}: {about}, until {silence['endsAt']}") + "\n")


def present_list(arguments: Arguments, document: JsonObject, _place: Sequence[str] = ()) -> None:
    """Print the silences."""
    if for_a_person(arguments):
        _print_table(document["silences"])
    else:
        write_json(document, pretty=arguments.switch("--pretty"))


def _matchers(silence: JsonObject) -> list[str]:
    return [str(matcher) for matcher in parse_matchers(silence["matchers"], "matchers")]


def _print_table(silences: Sequence[JsonObject]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not silences:
        sys.stdout.write("no silences\n")
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("id", no_wrap=True)  # somebody will copy it
    for name in ("state", "matchers", "until", "by", "comment"):
        table.add_column(name, overflow="fold", no_wrap=name == "until")
    for one in silences:
        since = f" from {one['startsAt']}" if one["state"] == SilenceState.PENDING else ""
        cells = (one["id"], f"{one['state']}{since}", ", ".join(_matchers(one)), one["endsAt"], one["createdBy"])
        table.add_row(*(Text(printable(str(cell))) for cell in (*cells, one["comment"])))
    Console().print(table)
