"""``opsd confirm-intent``: polls snapshots until the runtime shows an intent's effect (contract 30, section 4).

On a terminal it is a readable page, elsewhere one JSON document.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from opsd.cli.arguments import Arguments, CommandSpec, Flag
from opsd.cli.loop.control import INTENT_MESSAGE, INTENTS, TIMES_MESSAGE
from opsd.cli.page import Page, loop_place, tell
from opsd.contract.errors import UsageError
from opsd.contract.ids import parse_loop_id
from opsd.runtime.layout import absolute_repo

if TYPE_CHECKING:
    from opsd.contract.jsoncodec import JsonObject

SPEC = CommandSpec(
    "opsd confirm-intent",
    "Looks at snapshots until they show the effect of an intent, or the time is up.",
    (
        Flag("--repo", "the managed repo (required)", "<path>"),
        Flag("--loop", "the loop's id (required)", "<id>"),
        Flag("--intent", "cancel, approve or reject (required)", "<intent>"),
        Flag("--timeout-seconds", "default 30", "<n>"),
        Flag("--interval-seconds", "between two looks, default 2", "<n>"),
    ),
    exits={0: "the effect was seen", 1: "it was not, or an error"},
)


def main(argv: Sequence[str]) -> int:
    """Print what was seen; 0 when the intent is confirmed, else 1.

    Raises:
        UsageError: bad arguments.
    """
    arguments = SPEC.parse(argv)
    given_repo, given_loop = arguments.required("--repo"), arguments.required("--loop")
    intent = arguments.required("--intent")
    if intent not in INTENTS:
        raise UsageError(INTENT_MESSAGE)
    timeout_s = arguments.non_negative("--timeout-seconds", 30, TIMES_MESSAGE)
    interval_s = arguments.non_negative("--interval-seconds", 2, TIMES_MESSAGE)
    loop_id = parse_loop_id(given_loop)
    repo = absolute_repo(given_repo)

    from opsd.control.confirm import confirm
    from opsd.control.local import chosen_taker
    from opsd.control.verdict import Intent

    take = chosen_taker(os.environ, repo, loop_id)
    payload = confirm(Intent(intent), take, timeout_s=timeout_s, interval_s=interval_s)
    present(arguments, payload)
    return 0 if payload["confirmed"] else 1


def present(arguments: Arguments, payload: JsonObject, place: Sequence[str] = ()) -> None:
    """Print what was seen."""

    def page() -> Page:
        from opsd.cli.loop.control_page import confirmation_page

        return confirmation_page(payload, arguments.required("--loop"), loop_place(arguments, place))

    tell(arguments, payload, page)
