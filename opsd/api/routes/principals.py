"""Routes about who may ask: principals and their tokens, through what ``opsd token`` uses (docs/security.md).

Guarantees: only who may do everything to every loop gets here, so nobody makes a token that reaches further than its
own; a token is in the one answer to whoever asked for it, and nowhere else, so no ``Idempotency-Key`` is taken whose
record would keep it. What was changed is in force before the answer.
"""

from __future__ import annotations

import secrets
import time

from opsd.access.changes import Grant, ScopesNeededError
from opsd.access.document import checked_name, checked_pattern, checked_text, in_order
from opsd.access.keeper import Asker, PrincipalsKeeper, TokenOrder, parse_lifetime, shown, shown_token
from opsd.access.model import Scope
from opsd.access.token_format import TokenPurpose
from opsd.api.failure import FILES, ApiError, ErrorCode
from opsd.api.models import principals as models
from opsd.api.ports import PrincipalsFile
from opsd.api.route import Answer, Call, Route
from opsd.api.schemas import OBJECT, OBJECTS, TEXT, TEXTS
from opsd.contract.errors import UsageError


async def list_principals(call: Call) -> Answer:
    """What ``opsd token list`` prints."""
    query: models.PrincipalsQuery = call.query
    _file, keeper = await _principals(call)
    now = time.time()
    principals = await call.host.in_thread(keeper.read, now)
    found = [shown(principal, now, everything=query.all) for principal in principals]
    return Answer({"file": keeper.location, "principals": found})


async def create_token(call: Call) -> Answer:
    """What ``opsd token new`` does; by the principal that asks."""
    body: models.NewToken = call.body
    file, keeper = await _principals(call)
    name = checked_name(call.path["name"], "name")
    loops = dict.fromkeys(checked_pattern(pattern, "loops") for pattern in body.loops)
    order = TokenOrder(
        Grant(name, frozenset(map(Scope, body.scopes)), tuple(loops)),
        TokenPurpose(body.purpose),
        parse_lifetime(body.expires, "expires"),
        checked_text(body.note, "note"),
    )
    now = time.time()
    try:
        made = await call.host.in_thread(keeper.create, order, _asker(call), now, secrets.randbelow)
    except ScopesNeededError:
        raise ApiError(ErrorCode.CONFLICT, f"scopes are required: there is no principal {name} yet") from None
    await file.look_now()
    told = {
        "secret": made.secret,
        "principal": name,
        "scopes": in_order(made.principal.scopes),
        "loops": list(made.principal.loops),
        "token": shown_token(made.token, now),
    }
    return Answer(told)


async def revoke_token(call: Call) -> Answer:
    """What ``opsd token revoke`` does; the token that the request came with only if that is said."""
    body: models.RevokeToken = call.body
    token_id = call.path["id"]
    if token_id == call.identity.credential and not body.self:
        raise ApiError(ErrorCode.CONFLICT, "this request came with that token; to end it all the same, say self: true")
    file, keeper = await _principals(call)
    now = time.time()
    try:
        principal, token = await call.host.in_thread(keeper.revoke, token_id, _asker(call), now)
    except UsageError as error:
        raise ApiError(ErrorCode.NOT_FOUND, error.message) from None
    await file.look_now()
    return Answer({"principal": principal.name, "token": shown_token(token, now)})


async def _principals(call: Call) -> tuple[PrincipalsFile, PrincipalsKeeper]:
    """The file that is in force, and who changes it.

    Raises:
        ApiError: none is set up.
        ManagerFileError: the one on disk is not the one in force, so what is changed in it would have no effect.
    """
    file = call.host.principals
    if file is None:
        raise ApiError(ErrorCode.CONFLICT, "there are no principals here: http.principals_file is not set")
    await file.look_now()
    return file, await call.host.in_thread(PrincipalsKeeper, file.path)


def _asker(call: Call) -> Asker:
    return Asker(call.by, call.trace_id)


ROUTES = (
    Route(
        "GET",
        "/principals",
        "listPrincipals",
        "Who may ask, what they may, and their live tokens, without the tokens themselves",
        "access",
        list_principals,
        scope=Scope.ADMIN,
        query=models.PrincipalsQuery,
        members={"file": TEXT, "principals": OBJECTS},
        errors=FILES,
    ),
    Route(
        "POST",
        "/principals/{name}/tokens",
        "createToken",
        "Make a token, also for a new principal; `secret` is the token, and shown this once",
        "access",
        create_token,
        scope=Scope.ADMIN,
        body=models.NewToken,
        status=201,
        members={"secret": TEXT, "principal": TEXT, "scopes": TEXTS, "loops": TEXTS, "token": OBJECT},
        errors=FILES,
    ),
    Route(
        "POST",
        "/tokens/{id}/revoke",
        "revokeToken",
        "End a token now",
        "access",
        revoke_token,
        scope=Scope.ADMIN,
        urgent=True,
        body=models.RevokeToken,
        members={"principal": TEXT, "token": OBJECT},
        errors=FILES,
    ),
)
