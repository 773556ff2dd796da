"""``opsd promotion state``: how far the rollout has come, by what gates, apply and controller said last.

On a terminal it is a readable page, elsewhere (and with ``--pretty``) one JSON document.
"""

from __future__ import annotations

from opsd.cli.arguments import Arguments, CommandSpec
from opsd.cli.client.api_client import answer_of, get_request
from opsd.cli.client.views import CONFIG, PRETTY, WHOM, Asked, of_this_host
from opsd.cli.page import Page, tell

SPEC = CommandSpec(
    "opsd promotion state",
    f"How far the rollout has come: the newest decision, apply and controller pass. {WHOM}",
    (CONFIG, PRETTY),
)


def view(arguments: Arguments, asked: Asked) -> int:
    """Show what ``asked`` says.

    Raises:
        OpsError: no answer, or a refusal.
    """
    document = {"schemaVersion": "v1", **answer_of(asked.server, get_request("/promotion"))["promotion"]}

    def page() -> Page:
        from opsd.cli.promotion.state_page import promotion_state_page

        return promotion_state_page(document, asked.flags)

    tell(arguments, document, page)
    return 0


main = of_this_host(SPEC, view)
