"""``opsd fleet candidates``: who of the fleet is in trouble by the newest policy, and what may be done.

On a terminal it is a readable page, elsewhere (and with ``--pretty``) one JSON document.
"""

from __future__ import annotations

from opsd.cli.arguments import Arguments, CommandSpec, Flag, loop_of
from opsd.cli.client.api_client import answer_of, get_request
from opsd.cli.client.views import CONFIG, PRETTY, WHOM, Asked, of_this_host
from opsd.cli.page import Page, tell
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

    def page() -> Page:
        from opsd.cli.fleet.policy_page import candidates_page

        return candidates_page(document, asked.flags)

    tell(arguments, document, page)
    return 0


main = of_this_host(SPEC, view)
