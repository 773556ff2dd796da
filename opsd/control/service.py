"""Which executor reaches a loop behind a sprite service: an operator's own client, or the built-in one (30, 3.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from opsd.control.runner import Executor
from opsd.control.verdict import ControlRequest, Verdict


def service_executor(base_url: str, token: str, env: Mapping[str, str], tell: Callable[[str], None]) -> Executor:
    """The executor for a service at ``base_url``; ``tell`` gets what a person should read beside the verdict."""
    program = env.get("OPS_MANAGER_SERVICE_CLIENT_SCRIPT")
    if program:
        from opsd.control.remote import ClientProgramExecutor

        return ClientProgramExecutor(program, base_url, token, tell)

    def execute(request: ControlRequest) -> Verdict:
        import asyncio

        from opsd.control.remote import MAX_ANSWER_BYTES, PATH, REQUEST_MARGIN_S, post_control
        from opsd.transport.http_client import ClientLimits, ServiceClient
        from opsd.transport.retry import RetryPolicy

        async def run() -> Verdict:
            limit_s = max(30.0, request.timeout_s + request.interval_s + REQUEST_MARGIN_S)
            plain = env.get("OPSD_TRANSPORT__ALLOW_PLAINTEXT_TOKEN", "").lower() in ("true", "1")
            limits = ClientLimits(total_timeout_s=limit_s, max_body_bytes=MAX_ANSWER_BYTES)
            client = ServiceClient(limits, allow_plaintext_token=plain)

            async def post(request: ControlRequest, body: bytes) -> bytes:
                policy = RetryPolicy(request.retry_attempts, request.retry_backoff_s, keyed=True)
                return await client.request(
                    "POST",
                    base_url,
                    PATH,
                    token=token or None,
                    trace_id=request.trace_id,
                    body=body,
                    policy=policy,
                )

            try:
                return await post_control(post, request, base_url, tell)
            finally:
                await client.close()

        return asyncio.run(run())

    return execute
