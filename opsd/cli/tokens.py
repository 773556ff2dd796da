"""``opsd token new | list | revoke``: who may ask the daemon's API or a sprite service (docs/security.md).

``new`` prints the token, once, and nothing else; it is kept nowhere. Every change is in the audit log beside the
file before it takes effect. On a terminal the other answers are readable, elsewhere (and with ``--pretty``) JSON.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from opsd.access import document as rules
from opsd.access.changes import Grant
from opsd.access.keeper import (
    DEFAULT_EXPIRY,
    FILE_VARIABLE,
    Asker,
    PrincipalsKeeper,
    TokenOrder,
    parse_lifetime,
    shown,
    shown_token,
)
from opsd.access.model import MAX_LIVE_TOKENS, Scope, TokenState
from opsd.access.token_format import TokenPurpose
from opsd.cli.arguments import Arguments, CommandSpec, Flag
from opsd.cli.asker import asker
from opsd.cli.help_text import columns_of_terminal
from opsd.cli.output import write_bytes, write_json
from opsd.cli.page import cells, for_a_person, kept_whole, show, table
from opsd.contract.errors import UsageError
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import printable

_FILE = Flag("--file", f"the principals file; default ${FILE_VARIABLE}", "<path>")
_BY = Flag("--by", "who does this, for the audit; default $USER, else the login name", "<name>")
_PRETTY = Flag("--pretty", "JSON indented by two spaces, also on a terminal")

NEW = CommandSpec(
    "opsd token new",
    "Makes a token and prints it: this is the only time that it is shown.\n"
    f"A principal has at most {MAX_LIVE_TOKENS} live tokens: make the next one, move over to it, revoke the former.",
    (
        _FILE,
        Flag("--principal", "whose token it is (required)", "<name>"),
        Flag("--scope", "read, control, policy or admin; may be repeated (required for a new principal)", "<scope>"),
        Flag("--loops", "which loops, as a glob over loop ids; may be repeated; default *", "<glob>"),
        Flag("--for", "who accepts it: daemon or sprite; default daemon", "<service>"),
        Flag(
            "--expires", f"for how long it works, such as 12h or 30d, or never; default {DEFAULT_EXPIRY}", "<duration>"
        ),
        Flag("--note", "what it is for", "<text>"),
        _BY,
    ),
)
LIST = CommandSpec(
    "opsd token list",
    "Lists every principal and its live tokens.",
    (_FILE, Flag("--all", "expired and revoked tokens too"), _PRETTY),
)
REVOKE = CommandSpec(
    "opsd token revoke",
    "Ends a token now; running services notice within a second or two.",
    (
        _FILE,
        Flag("--id", "which one, such as tok_0123456789abcdef (required)", "<id>"),
        Flag("--self", "with --server: also if it is the token that this command is let in with"),
        _BY,
        _PRETTY,
    ),
)


def new(argv: Sequence[str]) -> int:
    """Make a token.

    Raises:
        OpsError: bad arguments, a principal that has enough tokens, or a file that is damaged or held by others.
    """
    import secrets

    arguments = NEW.parse(argv)
    keeper, order = _keeper(arguments), order_of(arguments)
    made = keeper.create(order, _by(arguments), time.time(), secrets.randbelow)
    present_secret(arguments, made.secret)
    return 0


def order_of(arguments: Arguments) -> TokenOrder:
    """What is asked for.

    Raises:
        UsageError: it cannot be meant.
    """
    name = rules.checked_name(arguments.required("--principal"), "--principal")
    return TokenOrder(
        Grant(name, frozenset(map(_scope, arguments.all("--scope"))), _loops(arguments)),
        _purpose(arguments),
        parse_lifetime(lifetime_of(arguments), "--expires"),
        rules.checked_text(arguments.optional("--note") or "", "--note"),
    )


def lifetime_of(arguments: Arguments) -> str:
    """For how long the token is to work, as typed."""
    return arguments.optional("--expires") or DEFAULT_EXPIRY


def present_secret(_arguments: Arguments, secret: str, _place: Sequence[str] = ()) -> None:
    """Print the token, and nothing else."""
    write_bytes(printable(secret).encode() + b"\n")


def list_tokens(argv: Sequence[str]) -> int:
    """Show principals and tokens.

    Raises:
        OpsError: bad arguments, or a file that is damaged.
    """
    arguments = LIST.parse(argv)
    keeper, now = _keeper(arguments), time.time()
    everybody = [shown(principal, now, everything=arguments.switch("--all")) for principal in keeper.read(now)]
    present_list(arguments, {"schemaVersion": "v1", "file": keeper.location, "principals": everybody})
    return 0


def present_list(arguments: Arguments, document: JsonObject, _place: Sequence[str] = ()) -> None:
    """Print principals and tokens."""
    if for_a_person(arguments):
        _print_table(document["principals"])
    else:
        write_json(document, pretty=arguments.switch("--pretty"))


def revoke(argv: Sequence[str]) -> int:
    """End a token.

    Raises:
        OpsError: bad arguments, no such token, or a file that is damaged or held by others.
    """
    arguments = REVOKE.parse(argv)
    keeper, token_id, now = _keeper(arguments), arguments.required("--id"), time.time()
    principal, token = keeper.revoke(token_id, _by(arguments), now)
    present_revoked(arguments, {"schemaVersion": "v1", "principal": principal.name, "token": shown_token(token, now)})
    return 0


def present_revoked(arguments: Arguments, document: JsonObject, _place: Sequence[str] = ()) -> None:
    """Print which token has ended."""
    if for_a_person(arguments):
        said = printable(f"{document['token']['id']} of {document['principal']} is revoked")
        write_bytes(said.encode() + b"\n")
    else:
        write_json(document, pretty=arguments.switch("--pretty"))


def _keeper(arguments: Arguments) -> PrincipalsKeeper:
    path = arguments.optional("--file", env=FILE_VARIABLE)
    if path is None:
        raise UsageError(f"--file is required where {FILE_VARIABLE} is not set")
    return PrincipalsKeeper(path)


def _scope(text: str) -> Scope:
    try:
        return Scope(text)
    except ValueError:
        raise UsageError(f"--scope must be one of: {', '.join(Scope)}") from None


def _loops(arguments: Arguments) -> tuple[str, ...]:
    patterns = arguments.all("--loops")
    if len(patterns) > rules.MAX_LOOP_PATTERNS:
        raise UsageError(f"--loops may be given {rules.MAX_LOOP_PATTERNS} times at most")
    return tuple(dict.fromkeys(rules.checked_pattern(pattern, "--loops") for pattern in patterns))


def _purpose(arguments: Arguments) -> TokenPurpose:
    words = [purpose.value for purpose in TokenPurpose]
    return TokenPurpose(arguments.choice("--for", words[0], words, f"--for must be one of: {', '.join(words)}"))


def _by(arguments: Arguments) -> Asker:
    return Asker(rules.checked_text(asker(arguments), "--by"))


def _print_table(principals: Sequence[JsonObject]) -> None:
    if not principals:
        sys.stdout.write("no principals\n")
        return
    noted = any(token["note"] for principal in principals for token in principal["tokens"])
    made = table("principal", "may", "token", "state", "until", *(["note"] if noted else []))
    for principal in principals:
        who: tuple[JsonValue, ...] = (principal["name"], [*principal["scopes"], *principal["loops"]])
        for token in [_cells(token) for token in principal["tokens"]] or [("no live token", "", "", "")]:
            made.add_row(*cells(*who, *(token if noted else token[:-1])))
            who = ("", "")
    show([kept_whole(made, "token", "until", "may", "principal", "state", width=columns_of_terminal())])


def _cells(token: JsonObject) -> tuple[JsonValue, ...]:
    moment = token["revokedAt"] if token["state"] == TokenState.REVOKED else token["expiresAt"]
    of_a_sprite = token["purpose"] == TokenPurpose.SPRITE
    state = [token["state"], *(["for a sprite"] if of_a_sprite else [])]
    return token["id"], state, "for ever" if moment is None else moment, token["note"]
