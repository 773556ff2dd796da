"""``opsd whoami``: who the daemon takes the caller for, and what that principal may do (docs/security.md).

On a terminal it is readable, elsewhere (and with ``--pretty``) one JSON document.
"""

from __future__ import annotations

from collections.abc import Sequence

from opsd.cli.arguments import Arguments, CommandSpec
from opsd.cli.client.api_client import answer_of, get_request
from opsd.cli.client.views import CONFIG, PRETTY, WHOM, Asked, ask_here
from opsd.cli.output import write_json
from opsd.cli.page import for_a_person, line, show

SPEC = CommandSpec("opsd whoami", f"Who a daemon takes you for, and what you may do there. {WHOM}", (CONFIG, PRETTY))

#: What docs/security.md says of requests of the daemon's own host, while nobody there needs a token.
_LOCALLY = "whoever works on the daemon's host may look, and ask for a pass"


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
    who = answer_of(asked.server, get_request("/identity"))["identity"]
    if for_a_person(arguments):
        lines = {"you are": [who.get("name")], "scopes": who.get("scopes"), "loops": who.get("loops")}
        without = f"none; {_LOCALLY}" if who.get("name") == "local" else "none"
        lines |= {"token": [who.get("credential") or without], "daemon": [asked.server.url]}
        show([line(name, *(values if isinstance(values, list) else [])) for name, values in lines.items()])
    else:
        write_json({"schemaVersion": "v1", **who}, pretty=arguments.switch("--pretty"))
    return 0
