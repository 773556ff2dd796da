"""Makes and revokes tokens: what ``opsd token`` and the control API do to a principals file. Blocking.

Guarantees: the audit row of a change is on disk before the change is; what could not be read again is not written; a
token is handed out once, by :meth:`PrincipalsKeeper.create`, and kept nowhere. Time, chance, and who wants it are
arguments.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from opsd.access.changes import Grant, TokenAction, audit_row, with_token, with_token_revoked
from opsd.access.document import document_of, in_order, parse_principals, token_json
from opsd.access.model import Principal, Principals, Token
from opsd.access.token_format import TokenPurpose, digest_of, mint
from opsd.contract import jsoncodec
from opsd.contract.durations import parse_duration
from opsd.contract.errors import ManagerFileError, UsageError
from opsd.contract.jsoncodec import JsonObject
from opsd.storage.audited_document import AuditedDocument

#: Names the principals file of this host's daemon to commands; the variable of its setting.
FILE_VARIABLE = "OPSD_HTTP__PRINCIPALS_FILE"
DEFAULT_EXPIRY = "90d"
_LOCK_WAIT_S = 5.0


@dataclass(frozen=True, slots=True)
class TokenOrder:
    """The token that is wanted. ``lifetime_s``: seconds for which it works, None for ever."""

    grant: Grant
    purpose: TokenPurpose
    lifetime_s: int | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who wants a change, for the audit; ``trace_id`` where it was asked for over the API."""

    name: str
    trace_id: str = ""


class NewToken(NamedTuple):
    """A token that was made. ``secret`` is the token itself: show it once, keep it nowhere."""

    secret: str
    principal: Principal
    token: Token


class PrincipalsKeeper:
    """One principals file. Others may change it at the same time, by command or by hand.

    Args:
        path: of the file; a link to it stays a link.
    """

    def __init__(self, path: str) -> None:
        self._file = AuditedDocument(os.path.realpath(path))

    @property
    def location(self) -> str:
        """How a message names the file's place."""
        return self._file.location

    @property
    def audit_log(self) -> str:
        """Where the audit of its changes is."""
        return self._file.audit_log

    def read(self, now: float) -> Principals:
        """Everybody, in the file's order.

        Raises:
            UsageError: there is no such file.
            ManagerFileError: it is damaged.
        """
        data = self._file.read()
        if data is None:
            raise UsageError(f"principals file not found: {self.location}")
        return self._principals(data, now)

    def create(self, order: TokenOrder, by: Asker, now: float, random_below: Callable[[int], int]) -> NewToken:
        """Make a token; a file that is not there is made too.

        ``random_below(n)`` gives an unpredictable number from 0 to n - 1, as ``secrets.randbelow`` does.

        Raises:
            UsageError: it makes no sense, or the principal has enough of them.
            OpsError: the file is damaged, held by others, or cannot be written.
        """
        secret = mint(order.purpose, random_below)
        token = Token(
            id=f"tok_{random_below(2**64):016x}",
            purpose=order.purpose,
            sha256=digest_of(secret),
            created_at=int(now),
            created_by=by.name,
            expires_at=None if order.lifetime_s is None else int(now) + order.lifetime_s,
            note=order.note,
        )

        def change(data: bytes | None) -> tuple[JsonObject, list[JsonObject], Principal]:
            known = () if data is None else self._principals(data, now)
            principals, principal = with_token(known, order.grant, token, now)
            document = document_of(principals)
            parse_principals(jsoncodec.dumps_pretty(document), now)
            return document, [audit_row(TokenAction.CREATED, principal, token, by.name, now, by.trace_id)], principal

        return NewToken(secret, self._file.update(change, wait_s=_LOCK_WAIT_S), token)

    def revoke(self, token_id: str, by: Asker, now: float) -> tuple[Principal, Token]:
        """End a token; one that was revoked already stays as it is, and leaves no row.

        Raises:
            UsageError: there is none with this id.
            OpsError: the file is damaged, held by others, or cannot be written.
        """

        def change(data: bytes | None) -> tuple[JsonObject, list[JsonObject], tuple[Principal, Token]]:
            known = () if data is None else self._principals(data, now)
            after, principal, token = with_token_revoked(known, token_id, now)
            row = audit_row(TokenAction.REVOKED, principal, token, by.name, now, by.trace_id)
            return document_of(after), [row] if after != known else [], (principal, token)

        return self._file.update(change, wait_s=_LOCK_WAIT_S)

    def _principals(self, data: bytes, now: float) -> Principals:
        """Those of the file; what cannot be understood must not be overwritten.

        Raises:
            ManagerFileError: the file is not as it has to be.
        """
        try:
            return parse_principals(data, now)
        except UsageError as error:
            raise ManagerFileError(f"invalid principals file: {self.location}: {error.message}") from None


def parse_lifetime(text: str, where: str) -> int | None:
    """Seconds for which a token is to work, of a text such as ``12h``, ``30d`` or ``never`` (None).

    Raises:
        UsageError: it is none of these; ``where`` is what the message calls it.
    """
    if text == "never":
        return None
    seconds = parse_duration(text)
    if seconds is None:
        raise UsageError(f"{where} must be like 12h, 30d or never, not {text}")
    return seconds


def tokens_shown(principal: Principal, now: float, *, everything: bool) -> tuple[Token, ...]:
    """The live tokens of a principal, or with ``everything`` also those that are dead."""
    return principal.tokens if everything else principal.live_tokens(now)


def shown(principal: Principal, now: float, *, everything: bool) -> JsonObject:
    """What is told of a principal."""
    return {
        "name": principal.name,
        "scopes": in_order(principal.scopes),
        "loops": list(principal.loops),
        "tokens": [shown_token(token, now) for token in tokens_shown(principal, now, everything=everything)],
    }


def shown_token(token: Token, now: float) -> JsonObject:
    """What is told of a token: neither itself nor its hash."""
    return token_json(token) | {"state": token.state(now).value}
