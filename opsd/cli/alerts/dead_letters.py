"""``opsd alerts dead-letters``: the deliveries that were given up, of every loop that the caller may see.

On a terminal it is a readable page, elsewhere (and with ``--pretty``) one JSON document.
"""

from __future__ import annotations

from collections.abc import Sequence

from opsd.cli.arguments import Arguments, CommandSpec
from opsd.cli.client.api_client import answer_of, get_request
from opsd.cli.client.views import CONFIG, PRETTY, WHOM, Asked, ask_here
from opsd.cli.output import write_json
from opsd.cli.page import for_a_person, show

SPEC = CommandSpec(
    "opsd alerts dead-letters",
    f"The deliveries that were given up, of all loops that have some. {WHOM}",
    (CONFIG, PRETTY),
)


def main(argv: Sequence[str]) -> int:
    """Show what this host's daemon says.

    Raises:
        OpsError: bad arguments or settings, no answer, or a refusal.
    """
    return ask_here(SPEC, argv, view)


def view(arguments: Arguments, asked: Asked) -> int:
    """Show what ``asked`` says; 0 whether there are some or not.

    Raises:
        OpsError: no answer, or a refusal.
    """
    document = {"schemaVersion": "v1", "loops": answer_of(asked.server, get_request("/alerts/dead-letters"))["loops"]}
    if for_a_person(arguments):
        from opsd.cli.alerts.pages import all_dead_letters_page

        show(all_dead_letters_page(document, asked.flags))
    else:
        write_json(document, pretty=arguments.switch("--pretty"))
    return 0
