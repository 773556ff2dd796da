"""``opsd promotion state``: how far the rollout has come, by what gates, apply and controller said last.

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
    "opsd promotion state",
    f"How far the rollout has come: the newest decision, apply and controller pass. {WHOM}",
    (CONFIG, PRETTY),
)


def main(argv: Sequence[str]) -> int:
    """Show what this host's daemon says.

    Raises:
        OpsError: bad arguments or settings, no answer, or a refusal.
    """
    return ask_here(SPEC, argv, view)


def view(arguments: Arguments, asked: Asked) -> int:
    """Show what ``asked`` says.

    Raises:
        OpsError: no answer, or a refusal.
    """
    document = {"schemaVersion": "v1", **answer_of(asked.server, get_request("/promotion"))["promotion"]}
    if for_a_person(arguments):
        from opsd.cli.promotion.state_page import promotion_state_page

        show(promotion_state_page(document))
    else:
        write_json(document, pretty=arguments.switch("--pretty"))
    return 0
