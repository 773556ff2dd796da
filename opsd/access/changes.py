"""Changes of the principals file: a token more, a token less, the audit row of each, and whose rights differ. Pure.

Nobody's rights change behind their back: a principal keeps its scopes and loops as long as a token of it lives. Dead
tokens are kept, so that the log can tell whose they were; the oldest go where there is no room.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from opsd.access.document import MAX_PRINCIPALS, MAX_TOKENS, in_order
from opsd.access.model import MAX_LIVE_TOKENS, Principal, Principals, Scope, Token, TokenState
from opsd.access.token_format import TokenPurpose
from opsd.contract.errors import UsageError
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import format_utc

#: What a sprite service knows.
SPRITE_SCOPES = frozenset({Scope.READ, Scope.CONTROL})


class TokenAction(StrEnum):
    """What was done to a token."""

    CREATED = "token_created"
    REVOKED = "token_revoked"


class ScopesNeededError(UsageError):
    """A principal that is not there yet needs scopes, and none were granted."""


@dataclass(frozen=True, slots=True)
class Grant:
    """For whom a token is. No scopes or no loops: those that the principal has; a new one needs scopes."""

    name: str
    scopes: frozenset[Scope] = frozenset()
    loops: tuple[str, ...] = ()


class RightsChange(NamedTuple):
    """A principal whose rights are not what they were; None: it was not there before, or is not there any more."""

    name: str
    before: Principal | None
    after: Principal | None


def with_token(principals: Principals, grant: Grant, token: Token, now: float) -> tuple[Principals, Principal]:
    """With a further token; also the principal that it belongs to.

    Raises:
        ScopesNeededError: a new principal is granted none.
        UsageError: the token would be dead, its service does not know the scopes, the principal has enough of them, or
            its rights would change.
    """
    if token.purpose is TokenPurpose.SPRITE and grant.scopes - SPRITE_SCOPES:
        raise UsageError("a sprite service knows the scopes read and control only")
    if token.state(now) is not TokenState.ACTIVE:
        raise UsageError("the token would have expired already")
    known = next((one for one in principals if one.name == grant.name), None)
    if known is None:
        if not grant.scopes:
            raise ScopesNeededError(f"--scope is required: there is no principal {grant.name} yet")
        if len(principals) >= MAX_PRINCIPALS:
            raise UsageError(f"there are {MAX_PRINCIPALS} principals already")
        made = Principal(grant.name, grant.scopes, grant.loops or ("*",), (token,))
        return (*principals, made), made
    scopes, loops = grant.scopes or known.scopes, grant.loops or known.loops
    live = known.live_tokens(now)
    if live and (scopes, set(loops)) != (known.scopes, set(known.loops)):
        raise UsageError(
            f"principal {known.name} has live tokens with scopes {', '.join(in_order(known.scopes))} and loops "
            f"{', '.join(known.loops)}; revoke them before its rights change, or choose another name"
        )
    if len(live) >= MAX_LIVE_TOKENS:
        raise UsageError(f"principal {known.name} has {len(live)} live tokens; revoke one of them: {_ids(live)}")
    dead = [one for one in known.tokens if one not in live]
    kept = dead[-(MAX_TOKENS - len(live) - 1) :]
    made = Principal(known.name, scopes, loops, (*(one for one in known.tokens if one in live or one in kept), token))
    return tuple(made if one is known else one for one in principals), made


def with_token_revoked(principals: Principals, token_id: str, now: float) -> tuple[Principals, Principal, Token]:
    """With one token revoked; also its principal and the token as it is then. One that was revoked stays as it is.

    Raises:
        UsageError: there is none with this id.
    """
    for principal in principals:
        for token in principal.tokens:
            if token.id != token_id:
                continue
            if token.revoked_at is not None:
                return principals, principal, token
            revoked = replace(token, revoked_at=int(now))
            tokens = tuple(revoked if one is token else one for one in principal.tokens)
            changed = replace(principal, tokens=tokens)
            return tuple(changed if one is principal else one for one in principals), changed, revoked
    raise UsageError(f"there is no token with the id {token_id}")


def rights_changed(before: Principals, after: Principals) -> list[RightsChange]:
    """Whose scopes or loops differ: those that are there now in their order, then those that are gone."""
    known = {principal.name: principal for principal in before}
    found = [RightsChange(one.name, known.pop(one.name, None), one) for one in after]
    found += [RightsChange(name, gone, None) for name, gone in known.items()]
    return [change for change in found if _rights(change.before) != _rights(change.after)]


def audit_row(
    action: TokenAction, principal: Principal, token: Token, by: str, now: float, trace_id: str = ""
) -> JsonObject:
    """What the audit keeps of a change: who did what to whose token. Neither the token nor its hash.

    ``trace_id`` is that of the API's request, which then has proved who ``by`` is; empty for a command, which has not.
    """
    row = {
        "schemaVersion": "v1",
        "timestamp": format_utc(now),
        "action": action.value,
        "by": by,
        "principal": principal.name,
        "scopes": in_order(principal.scopes),
        "loops": list(principal.loops),
        "tokenId": token.id,
        "purpose": token.purpose.value,
        "expiresAt": None if token.expires_at is None else format_utc(token.expires_at),
        "note": token.note,
    }
    return row | {"traceId": trace_id} if trace_id else row


def _rights(principal: Principal | None) -> tuple[frozenset[Scope], frozenset[str]] | None:
    return None if principal is None else (principal.scopes, frozenset(principal.loops))


def _ids(tokens: tuple[Token, ...]) -> str:
    return ", ".join(token.id for token in tokens)
