"""``opsd token`` as a client; the principals file is the one that the daemon has in force."""

from __future__ import annotations

from opsd.cli.arguments import Arguments
from opsd.cli.client.api_client import ApiRequest, get_request, segment
from opsd.cli.remote.command import Answered, RemoteCommand
from opsd.contract.jsoncodec import JsonObject

_TOKENS = "opsd.cli.tokens:"


def _new(arguments: Arguments) -> ApiRequest:
    from opsd.access.document import in_order
    from opsd.cli.tokens import lifetime_of, order_of

    order = order_of(arguments)
    body: JsonObject = {
        "scopes": in_order(order.grant.scopes),
        "loops": list(order.grant.loops),
        "purpose": order.purpose.value,
        "expires": lifetime_of(arguments),
        "note": order.note,
    }
    return ApiRequest("POST", f"/principals/{segment(order.grant.name)}/tokens", body=body)


def _listed(document: JsonObject) -> Answered:
    return {"schemaVersion": "v1", "file": document["file"], "principals": document["principals"]}, 0


def _revoke(arguments: Arguments) -> ApiRequest:
    token_id = segment(arguments.required("--id"))
    return ApiRequest("POST", f"/tokens/{token_id}/revoke", body={"self": arguments.switch("--self")})


def _revoked(document: JsonObject) -> Answered:
    return {"schemaVersion": "v1", "principal": document["principal"], "token": document["token"]}, 0


COMMANDS: dict[str, RemoteCommand] = {
    "token new": RemoteCommand(
        f"{_TOKENS}NEW",
        "POST /principals/{name}/tokens",
        ("--principal", "--scope", "--loops", "--for", "--expires", "--note"),
        _new,
        "secret",
        present=f"{_TOKENS}present_secret",
    ),
    "token list": RemoteCommand(
        f"{_TOKENS}LIST",
        "GET /principals",
        ("--all",),
        lambda given: get_request("/principals", all="true" if given.switch("--all") else None),
        answer=_listed,
        present=f"{_TOKENS}present_list",
    ),
    "token revoke": RemoteCommand(
        f"{_TOKENS}REVOKE",
        "POST /tokens/{id}/revoke",
        ("--id", "--self"),
        _revoke,
        answer=_revoked,
        present=f"{_TOKENS}present_revoked",
    ),
}
