"""``opsd escalations``: what a loop has escalated, as the daemon that supervises it has written it down.

On a terminal it is a readable page, elsewhere (and with ``--pretty``) one JSON document; the newest come last.
"""

from __future__ import annotations

from opsd.cli.arguments import Arguments, CommandSpec, Flag, loop_of
from opsd.cli.client.api_client import answer_of, get_request, loop_path
from opsd.cli.client.views import CONFIG, PRETTY, WHOM, Asked, of_this_host
from opsd.cli.page import Page, tell

_LIMIT = 100

SPEC = CommandSpec(
    "opsd escalations",
    f"The newest escalations of a loop, oldest first. {WHOM}",
    (
        Flag("--loop", "the loop's id (required)", "<id>"),
        Flag("--limit", f"so many at most, up to 1000; default {_LIMIT}", "<n>"),
        CONFIG,
        PRETTY,
    ),
)


def view(arguments: Arguments, asked: Asked) -> int:
    """Show what ``asked`` says.

    Raises:
        OpsError: bad arguments, no answer, or a refusal.
    """
    loop, limit = loop_of(arguments), arguments.positive("--limit", _LIMIT)
    rows = answer_of(asked.server, get_request(loop_path(loop, "/escalations"), limit=limit))["escalations"]
    document = {"schemaVersion": "v1", "loopId": loop, "escalations": rows}

    def page() -> Page:
        from opsd.cli.loop.escalations_page import escalations_page

        return escalations_page(document)

    tell(arguments, document, page)
    return 0


main = of_this_host(SPEC, view)
