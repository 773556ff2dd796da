"""Commands about the daemon and its audit as clients."""

from __future__ import annotations

from opsd.cli.remote.command import Answered, RemoteCommand, get_request
from opsd.contract.jsoncodec import JsonObject


def _audited(document: JsonObject) -> Answered:
    return document["audit"], 0 if document["audit"]["ok"] else 1


COMMANDS: dict[str, RemoteCommand] = {
    "audit verify": RemoteCommand(
        "opsd.cli.audit_verify:SPEC",
        "GET /audit",
        (),
        lambda _given: get_request("/audit"),
        answer=_audited,
        present="opsd.cli.audit_verify:present",
    ),
}
