"""Known secrets taken out of texts, in every form in which Python, JSON and URLs write them. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from urllib.parse import quote

MASK = "[redacted]"
#: A secret shorter than this is not replaced: it would take ordinary words out of every line.
MIN_SECRET_CHARS = 4


def secret_forms(secret: str) -> tuple[str, ...]:
    """What to look for: a secret with a quote, a control character or a slash looks different inside a repr, JSON or
    a URL. Nothing for a secret that is too short.
    """
    if len(secret) < MIN_SECRET_CHARS:
        return ()
    encodable = secret.encode("utf-8", "replace").decode()
    forms = {secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], quote(encodable), quote(encodable, safe="")}
    return longest_first(forms)


def longest_first(forms: Iterable[str]) -> tuple[str, ...]:
    """In the order in which they have to be looked for: a secret may be the beginning of another."""
    return tuple(sorted(forms, key=lambda form: (-len(form), form)))


def mask(text: str, forms: Iterable[str]) -> str:
    """``text`` with every one of ``forms`` replaced by :data:`MASK`."""
    for form in forms:
        if form in text:
            text = text.replace(form, MASK)
    return text
