"""``opsd loops``: the loops as a running daemon sees them, all that fit or one of them.

On a terminal it is a readable page, elsewhere (and with ``--pretty``) one JSON document. However many pages the API has
for it, one call shows all of them.
"""

from __future__ import annotations

from opsd.cli.arguments import Arguments, CommandSpec, Flag, loop_of
from opsd.cli.client.api_client import answer_of, get_request, loop_path
from opsd.cli.client.views import CONFIG, PRETTY, WHOM, Asked, of_this_host
from opsd.cli.help_text import columns_of_terminal
from opsd.cli.page import Page, loop_place, tell
from opsd.contract.errors import OpsError, UsageError
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.reasons import HealthStatus

#: The most that the API gives at a time.
PAGE = 1000
_MOST = 100_000
_FILTERS = ("--state", "--health", "--reason", "--limit", "--cursor")

SPEC = CommandSpec(
    "opsd loops",
    f"The loops as a running daemon sees them. {WHOM}",
    (
        Flag("--loop", "this one only, with all that is known of it", "<id>"),
        Flag("--state", "only loops in this lifecycle state", "<state>"),
        Flag("--health", f"only loops of this health: {', '.join(HealthStatus)}", "<health>"),
        Flag("--reason", "only loops whose health has this reason code", "<code>"),
        Flag("--limit", f"so many at most, default {_MOST}", "<n>"),
        Flag("--cursor", "only loops behind this id, the nextCursor of an answer that was limited", "<id>"),
        CONFIG,
        PRETTY,
    ),
)


def view(arguments: Arguments, asked: Asked) -> int:
    """Show what ``asked`` says; 0 whatever the health.

    Raises:
        OpsError: bad arguments, no answer, or a refusal.
    """
    one = arguments.given("--loop") is not None
    document = _loop(arguments, asked) if one else _loops(arguments, asked)

    def page() -> Page:
        from opsd.cli.loop.loops_page import loop_page, loops_page

        if one:
            return loop_page(document, loop_place(arguments, asked.flags))
        chosen = any(arguments.given(flag) is not None for flag in _FILTERS)
        return loops_page(document, asked.flags, columns_of_terminal(), chosen=chosen)

    tell(arguments, document, page)
    return 0


def _loop(arguments: Arguments, asked: Asked) -> JsonObject:
    for flag in _FILTERS:
        if arguments.given(flag) is not None:
            raise UsageError(f"{flag} cannot be combined with --loop")
    found: JsonObject = answer_of(asked.server, get_request(loop_path(loop_of(arguments))))["loop"]
    return found


def _loops(arguments: Arguments, asked: Asked) -> JsonObject:
    """Page by page, until there are no more or as many as were asked for."""
    choices = [status.value for status in HealthStatus]
    health = arguments.choice("--health", "", choices, f"--health must be one of: {', '.join(choices)}") or None
    state, reason = arguments.optional("--state"), arguments.optional("--reason")
    most, cursor = arguments.positive("--limit", _MOST), arguments.optional("--cursor")
    found: list[JsonObject] = []
    while True:
        limit = min(most - len(found), PAGE)
        request = get_request("/loops", state=state, health=health, reason=reason, limit=limit, cursor=cursor)
        page = answer_of(asked.server, request)
        found += page["loops"]
        following = page["nextCursor"]
        if following is None or len(found) >= most:
            return {"schemaVersion": "v1", "loops": found, "nextCursor": following}
        if not page["loops"] or not isinstance(following, str):
            raise OpsError(f"{asked.server.url} answered a page of loops that leads nowhere")
        cursor = following


main = of_this_host(SPEC, view)
