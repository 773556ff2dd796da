"""Is the service on this host ready? One request to its ``/readyz``, for a container's or a supervisor's health check.

Only the standard library, so that a check every few seconds is cheap; no proxy is asked. A service that listens on
every address is asked over loopback, and its certificate is not checked: it names the host as others see it.
"""

from __future__ import annotations

import http.client
import ssl

from opsd.contract import jsoncodec
from opsd.contract.errors import OpsError
from opsd.contract.values import get

_MAX_BODY_BYTES = 65_536


class NotReadyError(OpsError):
    """The service does not answer, or says that it is not ready."""

    default_code = "not_ready"


def local_address(host: str) -> str:
    """The address under which a listener on ``host`` is reached from the same host."""
    return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - it is what is replaced


def require_ready(host: str, port: int, *, tls: bool = False, token: str = "", timeout_s: float = 5.0) -> None:
    """Return when the service that listens on ``host:port`` of this host is ready.

    Raises:
        NotReadyError: it is not; the message has its reasons.
    """
    address = local_address(host)
    shown = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    connection = _connection(address, port, tls, timeout_s)
    try:
        connection.request("GET", "/readyz", headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        body = answer.read(_MAX_BODY_BYTES)
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise NotReadyError(f"{shown} does not answer: {reason}") from None
    finally:
        connection.close()
    if answer.status == 401:
        raise NotReadyError(f"{shown} answers 401: it asks for a token that it knows")
    if answer.status != 200:
        raise NotReadyError(f"{shown} is not ready: {_reasons(body) or f'status {answer.status}'}")


def _connection(address: str, port: int, tls: bool, timeout_s: float) -> http.client.HTTPConnection:
    if not tls:
        return http.client.HTTPConnection(address, port, timeout=timeout_s)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(address, port, timeout=timeout_s, context=context)


def _reasons(body: bytes) -> str:
    try:
        reasons = get(jsoncodec.loads(body), "reasons")
    except ValueError:
        return ""
    if not isinstance(reasons, list):
        return ""
    text = "; ".join(str(reason) for reason in reasons)
    return "".join(char if char.isprintable() else "?" for char in text)
