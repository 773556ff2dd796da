"""A shared document of which every change is in an audit log: the row first, then the document.

A change without its row cannot happen; a crash in between leaves a row of a change that did not take effect. The log
lies beside the document (``<document>.audit.jsonl``), is chained by hash, and both are private to their owner.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from opsd.contract.jsoncodec import JsonObject
from opsd.storage import audit_chain
from opsd.storage.shared_document import SharedDocument

Answer = TypeVar("Answer")
Change = Callable[[bytes | None], tuple[JsonObject, Sequence[JsonObject], Answer]]
"""From the document's bytes (None: there is none) to what replaces it, the audit rows, and the caller's answer."""

_PRIVATE = 0o600


class AuditedDocument:
    """A document and its audit log. Blocking."""

    def __init__(self, path: str) -> None:
        self._document = SharedDocument(path, durable=True, mode=_PRIVATE, for_people=True)
        self.audit_log = f"{path}.audit.jsonl"

    @property
    def location(self) -> str:
        """How a message names the document's place."""
        return self._document.location

    def read(self) -> bytes | None:
        """The document's bytes; None when it does not exist."""
        return self._document.read()

    def update(self, change: Change[Answer], *, wait_s: float) -> Answer:
        """Change the document under its lock. No audit rows: nothing is written.

        What ``change`` raises leaves everything as it is.

        Raises:
            LockTimeoutError: others held it for ``wait_s`` seconds.
            ManagerFileError: the log or the document could not be written.
        """

        def audited(data: bytes | None) -> tuple[JsonObject | None, Answer]:
            document, rows, answer = change(data)
            if not rows:
                return None, answer
            audit_chain.append_audited(self.audit_log, rows)
            return document, answer

        return self._document.update(audited, wait_s=wait_s)
