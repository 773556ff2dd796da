"""The principals file as a server reads it: again when its stat changes, and never half.

Guarantees: at the start a file that cannot be used is an error; later the last good one stays in force and
:attr:`PrincipalsSource.problem` says why. One that others than its owner may change is not believed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from opsd.access.document import MAX_BYTES, parse_principals
from opsd.access.model import Principals
from opsd.contract.errors import UsageError
from opsd.storage.files import Signature, read_bytes, signature

_OTHERS_MAY_WRITE = 0o022
_EVERYBODY_MAY_READ = 0o004


class PrincipalsSource:
    """One principals file. Reading blocks; :attr:`principals` may be looked at from any thread."""

    def __init__(self, path: str, *, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        #: Those of the last good file.
        self.principals: Principals = ()
        #: Why the file on disk is not the one in force; None when it is.
        self.problem: str | None = None
        #: What a person should look at although the file is in force.
        self.warning: str | None = None
        self._clock = clock
        self._seen: Signature | None = None

    def load(self) -> None:
        """Read the file for the first time.

        Raises:
            UsageError: it is missing, or not as it has to be.
        """
        self.look()
        if self.problem is not None:
            raise UsageError(self.problem)

    def look(self) -> bool:
        """Read the file if it changed; True when something is different from the last look."""
        before = (self.principals, self.problem, self.warning)
        try:
            found = self._signature()
            if found != self._seen or self.problem is not None:
                self.principals = self._read(found)
                self._seen = found
            self.problem = None
        except UsageError as error:
            self.problem = f"principals file {self.path}: {error.message}"
        except OSError as error:
            self.problem = f"principals file {self.path}: cannot be read: {error.strerror or type(error).__name__}"
        return before != (self.principals, self.problem, self.warning)

    def next_expiry(self) -> int | None:
        """When the first of the tokens that work now expires; None when none does."""
        now = self._clock()
        moments = [
            token.expires_at
            for one in self.principals
            for token in one.live_tokens(now)
            if token.expires_at is not None
        ]
        return min(moments, default=None)

    def _signature(self) -> Signature:
        found = signature(self.path)
        if found is None:
            raise UsageError("not found")
        if found[1] > MAX_BYTES:
            raise UsageError(f"it is larger than {MAX_BYTES} bytes")
        return found

    def _read(self, found: Signature) -> Principals:
        mode = os.stat(self.path).st_mode
        if mode & _OTHERS_MAY_WRITE:
            raise UsageError("others than its owner may write to it: take that away with chmod go-w")
        data = read_bytes(self.path)
        if data is None:
            raise UsageError("not found")
        principals = parse_principals(data, self._clock())
        everybody = bool(mode & _EVERYBODY_MAY_READ)
        self.warning = f"principals file {self.path}: everybody on this host may read it" if everybody else None
        return principals
