"""The files that decide about alerts, parsed once for all loops: again only when their stat changes.

A file that cannot be used is remembered as such, with the message that its reader gave. Any thread may ask; the worst
that two at once can do is to parse a file twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from opsd import compose
from opsd.alerts.muting.silences import SilenceState, silences_or_warning
from opsd.compose_alerts import AlertOptions, Configuration, catalog_file, delivery_file
from opsd.contract.errors import UsageError, file_trouble
from opsd.contract.jsoncodec import JsonObject
from opsd.storage.files import Signature, signature
from opsd.storage.fleet_parts import FleetDocument
from opsd.storage.fleet_store import FileFleetStore

_T = TypeVar("_T")
#: Files that are remembered; a daemon has one of each kind, and another one after a reload.
_MAX_FILES = 8


class ByStat(Generic[_T]):
    """What ``read`` says of a file, remembered as long as the file's stat stays the same."""

    def __init__(self, read: Callable[[str | None], _T], place: Callable[[str | None], str | None]) -> None:
        self._read = read
        self._place = place
        self._known: dict[str | None, tuple[Signature | None, _T | None, str | None]] = {}

    def __call__(self, path: str | None) -> _T:
        """What the file says.

        Raises:
            UsageError: as ``read`` does, and where the system does not let us read the file. That is not remembered:
                a permission that is given leaves the stat as it was.
        """
        try:
            return self._by_stat(path)
        except OSError as error:
            raise UsageError(file_trouble(error, "read")) from error

    def _by_stat(self, path: str | None) -> _T:
        where = self._place(path)
        found = signature(where) if where is not None else None
        known = self._known.get(path)
        if known is None or known[0] != found:
            try:
                known = (found, self._read(path), None)
            except UsageError as error:
                known = (found, None, error.message)
            if len(self._known) >= _MAX_FILES:
                self._known.clear()
            self._known[path] = known
        _found, value, problem = known
        if value is None:
            raise UsageError(problem or "it says nothing")
        return value


def remembered(env: Mapping[str, str]) -> Configuration:
    """The configuration as every run of the daemon reads it."""
    catalog = ByStat(compose.alert_catalog, lambda path: path)
    delivery = ByStat(
        lambda path: compose.alert_delivery_settings(path, env), lambda path: path or compose.alert_delivery_file(env)
    )
    return Configuration(catalog, lambda path, _env: delivery(path))


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at the shared files showed.

    Args:
        files: signatures of catalog, delivery file and silences: whoever sees others knows that something changed.
        sink_ids: those of the catalog; None while it cannot be used.
        sinks: ``alerts.sinks[]`` as status shows it (R10).
        active_silences: how many are in force.
        problems: why a file is not used, one sentence each.
    """

    files: tuple[Signature | None, ...] = ()
    sink_ids: frozenset[str] | None = None
    sinks: tuple[JsonObject, ...] = ()
    active_silences: int = 0
    problems: tuple[str, ...] = ()


def look(
    repo: str,
    options: AlertOptions,
    env: Mapping[str, str],
    configuration: Configuration,
    views: Callable[[float], list[JsonObject]],
    now: float,
) -> Look:
    """Look at what all loops share. Blocking; ``views`` are those of the shared health file."""
    catalog, delivery = catalog_file(options, env), delivery_file(options, env)
    store = FileFleetStore(repo)
    place = store.location(FleetDocument.SILENCES)
    paths = (catalog, delivery or compose.alert_delivery_file(env), place)
    found = tuple(_signature_if_any(path) for path in paths)
    problems = []
    try:
        sink_ids: frozenset[str] | None = frozenset(configuration.catalog(catalog).sinks)
    except UsageError as error:
        sink_ids = None
        problems.append(error.message)
    try:
        configuration.delivery(delivery, env)
    except UsageError as error:
        problems.append(error.message)
    active = 0
    try:
        silences, warning = silences_or_warning(store.read(FleetDocument.SILENCES), place)
    except OSError as error:
        problems.append(file_trouble(error, "read"))
    else:
        problems += [] if warning is None else [warning]
        active = sum(silence.state(now) is SilenceState.ACTIVE for silence in silences)
    sinks: tuple[JsonObject, ...] = ()
    try:
        sinks = tuple(views(now))
    except OSError as error:
        problems.append(file_trouble(error, "read"))
    return Look(found, sink_ids, sinks, active, tuple(problems))


def _signature_if_any(path: str | None) -> Signature | None:
    """Of a file that may be looked at; whoever reads it tells why it may not."""
    try:
        return None if path is None else signature(path)
    except OSError:
        return None
