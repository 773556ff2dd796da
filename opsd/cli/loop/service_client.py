"""``opsd service-client``: one HTTP request to a sprite service, with retries (contract 30, section 5).

The response body goes to stdout byte for byte, to a terminal as text. The arguments are checked before the HTTP
library is imported.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from opsd.cli.arguments import CommandSpec, Flag
from opsd.cli.loop.service_token import service_token
from opsd.cli.output import write_error, write_foreign
from opsd.contract.errors import UsageError

SPEC = CommandSpec(
    "opsd service-client",
    "One HTTP request with retries; prints the response body.",
    (
        Flag("--method", "GET or POST (required)", "<method>"),
        Flag("--base-url", "address of the service (required)", "<url>"),
        Flag("--path", "path and query, already encoded (required)", "<path>"),
        Flag("--token", "visible to every user of this host while the command runs", "<token>"),
        Flag("--token-file", "a file that holds the token", "<path>"),
        Flag("--trace-id", "sent as X-Trace-Id", "<id>"),
        Flag("--body-file", "body of a POST", "<path>"),
        Flag("--retry-attempts", "requests in all, default 3", "<n>"),
        Flag("--retry-backoff-seconds", "pause after attempt k is k times this, default 1", "<n>"),
        Flag("--connect-timeout-seconds", "default 5, 0 = the transport's own", "<n>"),
        Flag("--max-time-seconds", "for one whole request, default 30, 0 = unlimited", "<n>"),
    ),
)

_NUMBERS_MESSAGE = "timeout/backoff values must be non-negative integers"
#: Set to ``true`` to send a token over plain HTTP to another host.
PLAINTEXT_VARIABLE = "OPSD_TRANSPORT__ALLOW_PLAINTEXT_TOKEN"


def main(argv: Sequence[str]) -> int:
    """Send the request; 0 with a 2xx answer.

    Raises:
        OpsError: a bad argument, or no such answer after the retries.
    """
    arguments = SPEC.parse(argv)
    method = arguments.required("--method")
    if method not in ("GET", "POST"):
        raise UsageError("--method must be GET or POST")
    base_url = arguments.required("--base-url")
    path = arguments.required("--path")
    attempts = arguments.positive("--retry-attempts", 3)
    backoff_s = arguments.non_negative("--retry-backoff-seconds", 1, _NUMBERS_MESSAGE)
    connect_s = arguments.non_negative("--connect-timeout-seconds", 5, _NUMBERS_MESSAGE)
    total_s = arguments.non_negative("--max-time-seconds", 30, _NUMBERS_MESSAGE)
    body = _body(method, arguments.optional("--body-file"))
    token = service_token(arguments, "--token", env="")

    import asyncio

    from opsd.transport.http_client import ClientLimits, ServiceClient, ServiceRequestError
    from opsd.transport.retry import RetryPolicy

    async def send() -> bytes:
        client = ServiceClient(
            ClientLimits(connect_s, total_s), allow_plaintext_token=os.environ.get(PLAINTEXT_VARIABLE) == "true"
        )
        try:
            return await client.request(
                method,
                base_url,
                path,
                token=token or None,
                trace_id=arguments.optional("--trace-id"),
                body=body,
                policy=RetryPolicy(attempts, backoff_s),
            )
        finally:
            await client.close()

    try:
        answer = asyncio.run(send())
    except ServiceRequestError as error:
        if error.diagnostic:
            write_error(error.diagnostic)
        raise
    write_foreign(answer)
    return 0


def _body(method: str, path: str | None) -> bytes | None:
    if path is None:
        if method == "POST":
            raise UsageError("--body-file is required for POST")
        return None
    if not os.path.isfile(path):
        raise UsageError(f"body file not found: {path}")
    if method == "GET":
        return None
    with open(path, "rb") as file:
        return file.read()
