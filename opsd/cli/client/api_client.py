"""The control API from the command line: one connection per request, the standard library only.

Guarantees: the token comes from the environment or a file, goes into one header, and is in no message; it is sent over
plain HTTP to this host only; redirects are not followed; answers are bounded. A request is repeated only if it only
reads, or carries a key that makes it happen once.
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from opsd.contract import jsoncodec
from opsd.contract.errors import OpsError, UsageError
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.values import get, printable
from opsd.net.addresses import travels_in_clear

PREFIX = "/api/v1"
SERVER_VARIABLE = "OPSD_SERVER"
TOKEN_VARIABLE = "OPSD_API_TOKEN"  # noqa: S105 - the name, not a token
TOKEN_FILE_VARIABLE = "OPSD_API_TOKEN_FILE"  # noqa: S105

_UNAUTHORIZED = "unauthorized"
_WHENCE = f"a token is taken from {TOKEN_VARIABLE}, or from the file that {TOKEN_FILE_VARIABLE} or the profile names"

#: The code of an answer that was not taken for its size.
ANSWER_TOO_LARGE = "answer_too_large"

_MAX_ANSWER_BYTES = 64 * 1024 * 1024
_MAX_TOKEN_BYTES = 65_536
#: A control may look for its effect for ten minutes.
_TIMEOUT_S = 720.0
_ATTEMPTS = 3
_PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class Server:
    """Where the API is, and what proves who asks; an empty token proves nobody."""

    url: str
    token: str = field(default="", repr=False)
    ca_file: str | None = None


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """One request; ``query`` without what was not given, ``key`` makes it happen once.

    ``prefix`` is what the path is below, ``timeout_s`` how long is waited for each step of an answer; what is asked
    ``once`` is not repeated where there is none.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: JsonObject | None = None
    key: str = ""
    prefix: str = PREFIX
    timeout_s: float = _TIMEOUT_S
    once: bool = False


def get_request(path: str, **query: object) -> ApiRequest:
    """A question, without what was not given."""
    return ApiRequest("GET", path, {name: str(value) for name, value in query.items() if value is not None})


def segment(text: str) -> str:
    """A name as one segment of a path."""
    return quote(text, safe="")


def loop_path(loop: str, rest: str = "") -> str:
    """The path of a loop's page."""
    return f"/loops/{segment(loop)}{rest}"


def server_of(named: str, env: Mapping[str, str]) -> Server:
    """The server that ``named`` means: a URL, or the name of a profile.

    Raises:
        UsageError: there is no such profile, it or the token cannot be read, or the token must not be sent there.
    """
    profile = {"url": named} if "://" in named else _profile(named, env)
    url = str(profile.get("url", "")).rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        means = SERVER_VARIABLE if named == env.get(SERVER_VARIABLE) else "--server"
        raise UsageError(f"{means} must be an http or https URL without credentials, or the name of a profile")
    ca_file = profile.get("ca_file")
    server = Server(url, _token(profile, env), ca_file if isinstance(ca_file, str) else None)
    if server.token and travels_in_clear(url):
        raise UsageError("a token is sent over plain HTTP to this host only: use https")
    return server


def _profile(name: str, env: Mapping[str, str]) -> dict[str, Any]:
    import tomllib

    home = env.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    path = os.path.join(home, "opsd", "servers.toml")
    try:
        with open(path, "rb") as file:
            profiles = tomllib.load(file)
    except FileNotFoundError:
        raise UsageError(f"--server: {name} is no URL, and there are no profiles: {path} does not exist") from None
    except (OSError, ValueError):
        raise UsageError(f"profiles cannot be read: {path}") from None
    profile = profiles.get(name)
    if not isinstance(profile, dict):
        raise UsageError(f"there is no profile {name} in {path}")
    unknown = sorted(profile.keys() - {"url", "token_file", "ca_file"})
    if unknown:
        raise UsageError(f"profile {name} in {path}: {unknown[0]} is not known (a token belongs into token_file)")
    return profile


def _token(profile: Mapping[str, Any], env: Mapping[str, str]) -> str:
    token = env.get(TOKEN_VARIABLE, "").strip()
    path = env.get(TOKEN_FILE_VARIABLE) or profile.get("token_file")
    if not token and path:
        try:
            with open(str(path), encoding="ascii") as file:
                token = file.read(_MAX_TOKEN_BYTES).strip()
        except (OSError, ValueError):
            raise UsageError(f"token file cannot be read: {path}") from None
    if not token.isascii() or not token.isprintable():
        raise UsageError("a token may hold printable ASCII characters only")
    return token


def ask(server: Server, request: ApiRequest) -> tuple[int, JsonObject]:
    """Status and document of the answer, whatever they are.

    Raises:
        OpsError: there is no answer, or it is none of this API.
    """
    repeatable = (request.method == "GET" or bool(request.key)) and not request.once
    attempts = _ATTEMPTS if repeatable else 1
    for left in reversed(range(attempts)):
        try:
            status, data = _once(server, request)
            break
        except (OSError, HTTPException) as error:
            if not left:
                raise OpsError(f"no answer from {server.url}: {trouble_of(error)}", code="unreachable") from None
            time.sleep(_PAUSE_S)
    document = jsoncodec.object_in(data)
    if document is None or not isinstance(document.get("ok"), bool):
        raise OpsError(f"{server.url} answered {status} and nothing that this API would say")
    return status, document


def answer_of(server: Server, request: ApiRequest) -> JsonObject:
    """The document of a success.

    Raises:
        OpsError: there is no answer, or it is a refusal.
    """
    _status, document = ask(server, request)
    if document["ok"] is not True:
        raise refusal(document)
    return document


@contextmanager
def as_promised(server: Server) -> Iterator[None]:
    """Work on a server's answers that believes them to be this API's.

    Raises:
        OpsError: they are not.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, StopIteration) as error:
        raise OpsError(f"{server.url} answered something else than this API would") from error


def _once(server: Server, request: ApiRequest) -> tuple[int, bytes]:
    connection = connect(server, request.timeout_s)
    headers = {"Accept": "application/json", **headers_of(server)}
    if request.key:
        headers["Idempotency-Key"] = request.key
    body = None if request.body is None else jsoncodec.dumps(request.body)
    if body is not None:
        headers["Content-Type"] = "application/json"
    try:
        connection.request(request.method, target_of(server, request), body, headers)
        response = connection.getresponse()
        data = response.read(_MAX_ANSWER_BYTES + 1)
    finally:
        connection.close()
    if len(data) > _MAX_ANSWER_BYTES:
        raise OpsError(f"the answer is larger than {_MAX_ANSWER_BYTES} bytes", code=ANSWER_TOO_LARGE)
    return response.status, data


def connect(server: Server, timeout_s: float) -> HTTPConnection:
    """A connection that is opened by its first request; no read waits longer than ``timeout_s``."""
    parts = urlsplit(server.url)
    host, port = parts.hostname or "", parts.port
    if parts.scheme != "https":
        return HTTPConnection(host, port, timeout=timeout_s)
    return HTTPSConnection(host, port, timeout=timeout_s, context=ssl.create_default_context(cafile=server.ca_file))


def headers_of(server: Server) -> dict[str, str]:
    """What every request to a server carries."""
    token = {"Authorization": f"Bearer {server.token}"} if server.token else {}
    return {"Accept-Encoding": "identity", **token}


def target_of(server: Server, request: ApiRequest) -> str:
    """Path and query of a request as they stand in its first line."""
    query = f"?{urlencode(request.query)}" if request.query else ""
    return urlsplit(server.url).path + request.prefix + request.path + query


def trouble_of(error: Exception) -> str:
    """Why there is no answer, in the words of the system where it has some."""
    return printable(getattr(error, "strerror", None) or str(error).strip() or type(error).__name__)


def refusal(document: JsonObject) -> OpsError:
    """What the server said instead of what was asked for."""
    if isinstance(document.get("reasons"), list):  # of its readiness
        said = "; ".join(printable(str(reason)) for reason in document["reasons"])
        return OpsError(f"the server is not ready: {said}", code="not_ready")
    code, message = get(document, "error", "code"), get(document, "error", "message")
    said = printable(str(message or "the server refused"))
    return OpsError(f"{said}; {_WHENCE}" if code == _UNAUTHORIZED else said, code=str(code or "refused"))
