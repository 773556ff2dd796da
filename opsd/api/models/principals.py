"""What requests about principals and tokens may say.

Nothing of it can be a token, which somebody may put there by mistake: paths and bodies are in the audit.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from opsd.access.document import MAX_LOOP_PATTERNS, MAX_TEXT_CHARS, NAME_PATTERN
from opsd.access.document import TOKEN_ID_PATTERN as _ID
from opsd.access.keeper import DEFAULT_EXPIRY
from opsd.access.token_format import PATTERN as _TOKEN
from opsd.api.models.base import Body, Flag, Line, Query

#: A principal's name and a token's id in a path.
PRINCIPAL_PATTERN = rf"^(?!.*{_TOKEN}){NAME_PATTERN}$"
TOKEN_ID_PATTERN = rf"^{_ID}$"
_COUNT = "[0-9]{1,6}"
_LIFETIME = (
    rf"^(never|{_COUNT}d({_COUNT}h)?({_COUNT}m)?({_COUNT}s)?|{_COUNT}h({_COUNT}m)?({_COUNT}s)?"
    rf"|{_COUNT}m({_COUNT}s)?|{_COUNT}s)$"
)


_Text = Annotated[Line, Field(max_length=MAX_TEXT_CHARS)]


class PrincipalsQuery(Query):
    """Which tokens."""

    all: Flag = False
    """Expired and revoked tokens too."""


class NewToken(Body):
    """A token for a principal."""

    scopes: list[Literal["read", "control", "policy", "admin"]] = Field(default=[], max_length=4)
    """What the principal may do; default what it may already. A new principal needs some."""
    loops: list[Annotated[_Text, Field(min_length=1)]] = Field(default=[], max_length=MAX_LOOP_PATTERNS)
    """Which loops, as globs over loop ids; default those that it has, every loop for a new one."""
    purpose: Literal["daemon", "sprite"] = "daemon"
    """Which service accepts it."""
    expires: Annotated[str, Field(pattern=_LIFETIME)] = DEFAULT_EXPIRY
    """For how long it works, such as `12h` or `30d`, or `never`."""
    note: _Text = ""
    """What it is for."""


class RevokeToken(Body):
    """The end of a token."""

    self: bool = False
    """True: also if it is the token that this request came with."""
