"""``opsd whoami``: who the daemon takes the caller for, and what that principal may do (docs/security.md).

On a terminal it is readable, elsewhere (and with ``--pretty``) one JSON document.
"""

from __future__ import annotations

from opsd.cli.arguments import Arguments, CommandSpec
from opsd.cli.client.api_client import answer_of, get_request
from opsd.cli.client.views import CONFIG, PRETTY, WHOM, Asked, of_this_host
from opsd.cli.page import Page, aligned, line, tell
from opsd.contract.values import list_of

SPEC = CommandSpec("opsd whoami", f"Who a daemon takes you for, and what you may do there. {WHOM}", (CONFIG, PRETTY))

#: What docs/security.md says of requests of the daemon's own host, while nobody there needs a token.
_LOCALLY = "whoever works on the daemon's host may look, and ask for a pass"


def view(arguments: Arguments, asked: Asked) -> int:
    """Show what ``asked`` says.

    Raises:
        OpsError: no answer, or a refusal.
    """
    who = answer_of(asked.server, get_request("/identity"))["identity"]

    def page() -> Page:
        lines = {"you are": [who.get("name")], "scopes": who.get("scopes"), "loops": who.get("loops")}
        without = f"none; {_LOCALLY}" if who.get("name") == "local" else "none"
        lines |= {"token": [who.get("credential") or without], "daemon": [asked.server.url]}
        return aligned(line(name, *list_of(values)) for name, values in lines.items())

    tell(arguments, {"schemaVersion": "v1", **who}, page)
    return 0


main = of_this_host(SPEC, view)
