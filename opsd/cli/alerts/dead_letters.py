"""``opsd alerts dead-letters``: the deliveries that were given up, of every loop that the caller may see.

On a terminal it is a readable page, elsewhere (and with ``--pretty``) one JSON document.
"""

from __future__ import annotations

from opsd.cli.arguments import Arguments, CommandSpec
from opsd.cli.client.api_client import answer_of, get_request
from opsd.cli.client.views import CONFIG, PRETTY, WHOM, Asked, of_this_host
from opsd.cli.page import Page, tell

SPEC = CommandSpec(
    "opsd alerts dead-letters",
    f"The deliveries that were given up, of all loops that have some. {WHOM}",
    (CONFIG, PRETTY),
)


def view(arguments: Arguments, asked: Asked) -> int:
    """Show what ``asked`` says; 0 whether there are some or not.

    Raises:
        OpsError: no answer, or a refusal.
    """
    document = {"schemaVersion": "v1", "loops": answer_of(asked.server, get_request("/alerts/dead-letters"))["loops"]}

    def page() -> Page:
        from opsd.cli.alerts.pages import all_dead_letters_page

        return all_dead_letters_page(document, asked.flags)

    tell(arguments, document, page)
    return 0


main = of_this_host(SPEC, view)
