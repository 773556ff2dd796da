"""Secrets taken out of texts: what the log, a task's last error and every other text for a person go through.

Whoever learns a secret adds it to :data:`redact`; from then on it is replaced wherever it appears, also in the forms
in which Python, JSON and URLs write it. Values under a telling key (``token``, ``Authorization``...) are masked even
when nobody registered them, and so is whatever has the form of a token of ours, whoever sent it.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

from opsd.access.token_format import mask_tokens
from opsd.contract.secrets import MASK, MIN_SECRET_CHARS, longest_first, mask, secret_forms

_TELLING_KEYS = ("token", "authorization", "password", "passwd", "secret", "cookie", "api_key", "apikey")
MAX_TEXT_CHARS = 8192
_MAX_DEPTH = 8


class Redactor:
    """Replaces known secrets in texts, and whatever stands under a telling key; also a structlog processor."""

    def __init__(self) -> None:
        self._secrets: tuple[str, ...] = ()

    def add(self, secret: str) -> None:
        """Never show this text (of at least :data:`MIN_SECRET_CHARS` characters)."""
        if len(secret) < MIN_SECRET_CHARS:
            return
        self._secrets = longest_first({*secret_forms(secret), *self._secrets})

    def text(self, value: str) -> str:
        """``value`` without secrets and bounded: of a long text the beginning and the end are kept."""
        value = mask_tokens(mask(value, self._secrets), MASK)
        if len(value) <= MAX_TEXT_CHARS:
            return value
        half = MAX_TEXT_CHARS // 2
        return f"{value[:half]} ... [{len(value) - 2 * half} characters cut] ... {value[-half:]}"

    def value(self, value: Any) -> Any:
        """Any value as plain data (dict, list, text, number, None) without secrets."""
        return self._plain(value, _MAX_DEPTH)

    def error(self, error: BaseException) -> str:
        """One bounded line that says what went wrong."""
        try:
            said = str(error)
        except Exception:  # noqa: BLE001 - the text of an error is somebody else's code
            said = "(no text)"
        name = type(error).__name__
        return self.text(f"{name}: {said}" if said else name)[:500]

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """As a structlog processor; private keys (``_record``) are left to the processors that own them."""
        for key, value in event.items():
            if key[:1] != "_":
                event[key] = MASK if _is_telling(key) else self.value(value)
        return event

    def _plain(self, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if isinstance(value, str):
            return self.text(value)
        if depth > 0 and isinstance(value, Mapping):
            texts = ((key if isinstance(key, str) else str(key), item) for key, item in value.items())
            return {self.text(k): MASK if _is_telling(k) else self._plain(item, depth - 1) for k, item in texts}
        if depth > 0 and isinstance(value, (list, tuple, set, frozenset)):
            return [self._plain(item, depth - 1) for item in value]
        try:
            return self.text(str(value))
        except Exception:  # noqa: BLE001 - the text of an object is somebody else's code
            return f"({type(value).__name__} without a text)"


def _is_telling(key: str) -> bool:
    lowered = key.lower()
    return any(word in lowered for word in _TELLING_KEYS)


#: The process's redactor; whoever learns a secret adds it.
redact = Redactor()
