"""What is kept of a receiver's answer: little, and nothing that must not be seen (contract 50, 5.1, W9 and W22).

Pure. An endpoint may say anything: repeat the secret it was called with, command a terminal, never end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from opsd.alerts.model import SinkRequest
from opsd.alerts.targets.retry import MAX_MESSAGE_CHARS
from opsd.contract.secrets import longest_first, mask, secret_forms

#: A part of a secret URL's path that is at least so long is a secret by itself: receivers repeat the path alone.
_SECRET_PART_CHARS = 12
#: Control characters, the invisible ones that turn the writing direction, and line separators.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def excerpt(body: bytes, secrets: Iterable[str] = ()) -> str | None:
    """At most 300 characters of a body in one line, without control characters and ``secrets``; None when empty."""
    text = body.decode("utf-8", "replace").rstrip("\n").replace("\n", " ")
    return _CONTROL.sub("\ufffd", mask(text, secrets))[:MAX_MESSAGE_CHARS] or None


def secrets_in(request: SinkRequest) -> tuple[str, ...]:
    """Everything that has to be masked in what comes back, in the order to look for it: the sink's secrets, the URL
    with its telling parts, and the credentials in the headers.
    """
    secrets = {*request.secrets, request.url}
    try:
        parts = urlsplit(request.url)
        secrets |= {parts.password or "", parts.query}
        secrets |= {part for part in (parts.path, *parts.path.split("/")) if len(part) >= _SECRET_PART_CHARS}
    except ValueError:
        pass
    for name, value in request.headers:
        if name.lower() == "authorization":
            secrets |= {value, value.partition(" ")[2]}
    return longest_first({form for secret in secrets for form in secret_forms(secret)})
