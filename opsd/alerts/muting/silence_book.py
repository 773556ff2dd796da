"""The fleet's silences on disk: add, list, end. Two changes at once both have their effect (contract 50, R13)."""

from __future__ import annotations

import os
from collections.abc import Sequence

from opsd.alerts.muting import silences as rules
from opsd.alerts.muting.matchers import Matcher
from opsd.alerts.muting.silences import Silence, SilenceState
from opsd.contract.jsoncodec import JsonObject
from opsd.storage.fleet_parts import FleetDocument
from opsd.storage.fleet_store import FileFleetStore

_LOCK_WAIT_S = 5.0


class SilenceBook:
    """The silences of a repo. Blocking; moments in seconds since 1970."""

    def __init__(self, repo: str) -> None:
        self._document = FileFleetStore(repo).shared(FleetDocument.SILENCES, durable=True)

    def add(
        self, matchers: Sequence[Matcher], starts_at: int, ends_at: int, *, created_by: str, comment: str, now: float
    ) -> Silence:
        """A further silence, under a new id.

        Raises:
            UsageError: there is no time in which it would be in force.
            ManagerFileError, LockTimeoutError: the file is damaged, cannot be written, or is held by others.
        """
        silence = Silence(f"sil_{os.urandom(8).hex()}", tuple(matchers), starts_at, ends_at, created_by, comment)

        def change(data: bytes | None) -> tuple[JsonObject, None]:
            known = rules.silences_of_file(data, self._document.location)
            return rules.document_of(rules.added(known, silence, now)), None

        self._document.update(change, wait_s=_LOCK_WAIT_S)
        return silence

    def expire(self, silence_id: str, now: float) -> Silence:
        """End a silence now; one that has ended stays as it is.

        Raises:
            UsageError: there is none with this id.
            ManagerFileError, LockTimeoutError: as above.
        """

        def change(data: bytes | None) -> tuple[JsonObject | None, Silence]:
            known = rules.silences_of_file(data, self._document.location)
            after, ended = rules.expired(known, silence_id, now)
            return (rules.document_of(after) if after != known else None), ended

        return self._document.update(change, wait_s=_LOCK_WAIT_S)

    def listed(self, now: float, *, all_of_them: bool) -> list[Silence]:
        """Those that are in force or will be; with ``all_of_them`` those that have ended too.

        Raises:
            ManagerFileError: the file is damaged.
        """
        known = rules.silences_of_file(self._document.read(), self._document.location)
        return [one for one in known if all_of_them or one.state(now) is not SilenceState.EXPIRED]


def shown(silence: Silence, now: float) -> JsonObject:
    """A silence as every answer shows it."""
    return silence.as_json() | {"state": silence.state(now).value}
