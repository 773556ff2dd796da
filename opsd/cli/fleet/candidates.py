"""``opsd fleet candidates``: who of the fleet is in trouble by the newest policy, and what may be done.

On a terminal it is a readable page, elsewhere (and with ``--pretty``) one JSON document.
"""

from __future__ import annotations

from collections.abc import Sequence

from opsd.cli.arguments import Arguments, CommandSpec, Flag, loop_of
from opsd.cli.client.api_client import answer_of, get_request
from opsd.cli.client.views import CONFIG, PRETTY, WHOM, Asked, ask_here
from opsd.cli.output import write_json
from opsd.cli.page import for_a_person, show
from opsd.contract.jsoncodec import JsonObject

SPEC = CommandSpec(
    "opsd fleet candidates",
    f"The newest policy's candidates: who is in trouble, and what may be done. {WHOM}",
    (
        Flag("--loop", "only this loop's", "<id>"),
        Flag("--category", "only those of this category, such as health_critical", "<category>"),
        Flag("--eligible", "true: only those that autonomy may act on; false: only the others", "<true|false>"),
        CONFIG,
        PRETTY,
    ),
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
        OpsError: bad arguments, no answer, or a refusal.
    """
    loop = loop_of(arguments) if arguments.given("--loop") is not None else None
    eligible = arguments.choice("--eligible", "", ("true", "false"), "--eligible must be true or false") or None
    request = get_request("/fleet/candidates", loop=loop, category=arguments.optional("--category"), eligible=eligible)
    answer = answer_of(asked.server, request)
    document: JsonObject = {"schemaVersion": "v1"} | {
        name: answer[name] for name in ("decidedAt", "mode", "candidates")
    }
    if for_a_person(arguments):
        from opsd.cli.fleet.policy_page import candidates_page

        show(candidates_page(document, asked.flags))
    else:
        write_json(document, pretty=arguments.switch("--pretty"))
    return 0
