"""Silences: what operators do not want to be told for a while (contract 50, R13).

``alert-silences.v1.json`` holds all of them, past ones too: a silence is ended, never deleted. Everything here is a
function of the document, the row's labels and the moment; the manager's clock decides.

A document that cannot be understood silences nothing: an alert too many is better than one that nobody was told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from opsd.alerts.muting.matchers import Labels, Matcher, matches, parse_matchers
from opsd.contract import jsoncodec
from opsd.contract.errors import ManagerFileError, UsageError
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.timestamps import format_utc, parse_epoch

_TEXTS = ("createdBy", "comment")


class SilenceState(StrEnum):
    """What a silence does at a moment."""

    PENDING = "pending"
    ACTIVE = "active"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Silence:
    """One silence; moments are seconds since 1970, and ``ends_at`` itself is no longer silent."""

    id: str
    matchers: tuple[Matcher, ...]
    starts_at: int
    ends_at: int
    created_by: str = ""
    comment: str = ""

    def state(self, now: float) -> SilenceState:
        """What it does at ``now``. One that ended before it began is expired."""
        if now >= self.ends_at:
            return SilenceState.EXPIRED
        return SilenceState.ACTIVE if now >= self.starts_at else SilenceState.PENDING

    def as_json(self) -> JsonObject:
        """The contract's object, in its key order."""
        return {
            "id": self.id,
            "matchers": [matcher.as_json() for matcher in self.matchers],
            "startsAt": format_utc(self.starts_at),
            "endsAt": format_utc(self.ends_at),
            "createdBy": self.created_by,
            "comment": self.comment,
        }


def parse_silences(data: bytes | None) -> tuple[Silence, ...]:
    """All silences of the document's bytes; none when there is no document.

    Raises:
        UsageError: the document is not as it has to be; the message names the place in it.
    """
    if data is None:
        return ()
    try:
        document = jsoncodec.loads(data)
    except ValueError:
        raise UsageError("it is not JSON") from None
    if not isinstance(document, dict) or document.get("schemaVersion") != "v1":
        raise UsageError('schemaVersion must be "v1"')
    items = document.get("silences")
    if not isinstance(items, list):
        raise UsageError("silences must be a list")
    silences = tuple(_parse(item, f"silences[{index}]") for index, item in enumerate(items))
    if len({silence.id for silence in silences}) < len(silences):
        raise UsageError("two silences have the same id")
    return silences


def silences_or_warning(data: bytes | None, location: str) -> tuple[tuple[Silence, ...], str | None]:
    """For whoever sends: the silences, or none and a warning that says why."""
    try:
        return parse_silences(data), None
    except UsageError as error:
        return (), f"no alert is silenced: {location} is invalid: {error.message}"


def silences_of_file(data: bytes | None, location: str) -> tuple[Silence, ...]:
    """For whoever changes the document: what cannot be understood must not be overwritten.

    Raises:
        ManagerFileError: the document is not as it has to be.
    """
    try:
        return parse_silences(data)
    except UsageError as error:
        raise ManagerFileError(f"invalid alert silences file: {location}: {error.message}") from None


def document_of(silences: Sequence[Silence]) -> JsonObject:
    """The document that holds ``silences``."""
    return {"schemaVersion": "v1", "silences": [silence.as_json() for silence in silences]}


def active_silences(silences: Sequence[Silence], now: float) -> tuple[Silence, ...]:
    """Those that are in force at ``now``."""
    return tuple(silence for silence in silences if silence.state(now) is SilenceState.ACTIVE)


def silencing(silences: Sequence[Silence], labels: Labels, now: float) -> tuple[str, ...]:
    """Ids of the silences that keep a row with ``labels`` back at ``now``: its ``silenceIds``; none: it is told."""
    return tuple(silence.id for silence in active_silences(silences, now) if matches(silence.matchers, labels))


def added(silences: Sequence[Silence], silence: Silence, now: float) -> tuple[Silence, ...]:
    """With a further silence.

    Raises:
        UsageError: no matcher, no time in which it would be in force, or an id that is taken.
    """
    if not silence.matchers:
        raise UsageError("a silence needs at least one matcher")
    if silence.ends_at <= silence.starts_at:
        raise UsageError("a silence must end after it begins")
    if silence.ends_at <= now:
        raise UsageError(f"the silence would have ended already: {format_utc(silence.ends_at)}")
    if parse_epoch(format_utc(silence.ends_at)) is None:
        raise UsageError("the silence would end after the year 9999")
    if any(known.id == silence.id for known in silences):
        raise UsageError(f"there is a silence with this id already: {silence.id}")
    return (*silences, silence)


def expired(silences: Sequence[Silence], silence_id: str, now: float) -> tuple[tuple[Silence, ...], Silence]:
    """With the silence ``silence_id`` ended at ``now``, and that silence; one that has ended stays as it is.

    Raises:
        UsageError: there is none with this id.
    """
    found = next((silence for silence in silences if silence.id == silence_id), None)
    if found is None:
        raise UsageError(f"there is no silence with the id {silence_id}")
    if found.state(now) is SilenceState.EXPIRED:
        return tuple(silences), found
    ended = Silence(found.id, found.matchers, found.starts_at, int(now), found.created_by, found.comment)
    return tuple(ended if silence.id == silence_id else silence for silence in silences), ended


def _parse(item: JsonValue, where: str) -> Silence:
    if not isinstance(item, dict):
        raise UsageError(f"{where} must be an object")
    silence_id = item.get("id")
    if not isinstance(silence_id, str) or not silence_id:
        raise UsageError(f"{where}.id must be a text that is not empty")
    for key in _TEXTS:
        if not isinstance(item.get(key, ""), str):
            raise UsageError(f"{where}.{key} must be a text")
    return Silence(
        id=silence_id,
        matchers=parse_matchers(item.get("matchers"), f"{where}.matchers"),
        starts_at=_moment(item, "startsAt", where),
        ends_at=_moment(item, "endsAt", where),
        created_by=item.get("createdBy", ""),
        comment=item.get("comment", ""),
    )


def _moment(item: JsonObject, key: str, where: str) -> int:
    moment = parse_epoch(item.get(key))
    if moment is None:
        raise UsageError(f"{where}.{key} must be a time like 2026-01-31T08:00:00Z")
    return moment
