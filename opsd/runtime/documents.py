"""The small JSON files of a run, read once per change.

The runtime truncates ``state.json``, ``active-run.json`` and ``approval.json`` before it rewrites them, so a reader
regularly meets an empty file for some milliseconds; the caller reads again for a moment before it believes it
(contract 05, 3; 10, weakness 3).
"""

from __future__ import annotations

import hashlib
import os
import time
from stat import S_ISREG
from typing import TYPE_CHECKING

from opsd.contract import jsoncodec
from opsd.contract.errors import ArtifactError
from opsd.contract.jsoncodec import JsonValue
from opsd.runtime.boundary import Opener
from opsd.runtime.signature import Signature, signature

if TYPE_CHECKING:
    from opsd.contract.envelopes import ArtifactRef

#: A file changed within this time before it was read may change again without a new mtime; it is read again.
_SETTLED_NS = 20_000_000
#: One runtime document larger than this is refused (run summaries grow by 6 KB an iteration).
MAX_DOCUMENT_BYTES = 256 * 1024 * 1024


class RuntimeDocument:
    """One optional JSON file: its parsed value, its artifact reference, and what is wrong with it."""

    __slots__ = ("_open", "error", "path", "ref", "relative", "settled", "signature", "value")

    def __init__(self, path: str, relative: str, opener: Opener) -> None:
        self._open = opener
        self.path = path
        self.relative = relative
        self.value: JsonValue = None
        self.error: ArtifactError | None = None
        self.ref = absent_reference(relative)
        self.signature: Signature | None = None
        self.settled = True

    def changed(self) -> bool:
        """True when a stat differs from the last read, or the last read was too close to a write to trust."""
        return not self.settled or signature(self.path) != self.signature

    def refresh(self) -> bool:
        """Read the file if it changed; True when it was read. What is wrong with its content stays in ``error``.

        Raises:
            ArtifactError: it lies outside of the repo; nothing of it is known, and it is looked at again.
        """
        if self.error is None and not self.changed():
            return False
        try:
            with open(self.path, "rb", opener=self._open) as file:
                found = os.fstat(file.fileno())
                regular = S_ISREG(found.st_mode)
                data = file.read(MAX_DOCUMENT_BYTES + 1) if regular else b""
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            regular = False
        except ArtifactError:
            self._forget()
            self.settled = False
            raise
        if not regular:
            self._forget()
            return True
        self.signature = (found.st_ino, found.st_size, found.st_mtime_ns)
        self.settled = time.time_ns() - found.st_mtime_ns > _SETTLED_NS
        self._parse(data, int(found.st_mtime))
        return True

    def _forget(self) -> None:
        self.value, self.error, self.signature, self.settled = None, None, None, True
        self.ref = absent_reference(self.relative)

    def _parse(self, data: bytes, mtime_epoch: int) -> None:
        self.value, self.error = None, None
        self.ref = {
            "path": self.relative,
            "exists": True,
            "sizeBytes": len(data),
            "lineCount": data.count(b"\n"),
            "sha256": hashlib.sha256(data).hexdigest(),
            "mtimeEpoch": mtime_epoch,
        }
        if len(data) > MAX_DOCUMENT_BYTES:
            self.error = ArtifactError(f"{self.path} is larger than {MAX_DOCUMENT_BYTES} bytes")
            return
        try:
            self.value = jsoncodec.loads(data)
        except ValueError:
            self.error = ArtifactError(f"invalid JSON in {self.path}")

    def unexpected_type(self) -> ArtifactError:
        """The error for a parsed value of the wrong kind."""
        return ArtifactError(f"unexpected JSON type in {self.path}")


def absent_reference(relative: str) -> ArtifactRef:
    """The artifact reference of a file that is not there."""
    return {
        "path": relative,
        "exists": False,
        "sizeBytes": 0,
        "lineCount": 0,
        "sha256": None,
        "mtimeEpoch": None,
    }
