"""Where the parts meet: which store, transport and settings a command or the daemon works with.

Everything else receives what it needs as arguments. The network transport is imported only where one is asked for,
so that a one-shot command over files starts fast.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opsd.contract import jsoncodec
from opsd.contract.errors import UsageError
from opsd.contract.ids import LoopId
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.reasons import TransportKind
from opsd.contract.values import get
from opsd.loop.outcome import PassSettings
from opsd.loop.thresholds import EMBEDDED_CATALOG, Thresholds, resolve_profile
from opsd.runtime.journal import DEFAULT_MAX_LINE_BYTES
from opsd.runtime.reader import LoopReader
from opsd.runtime.superloop import INSTALL_ROOT_VARIABLE
from opsd.storage.files import read_bytes
from opsd.storage.layout import Part
from opsd.storage.model import Document, RowLog
from opsd.storage.store import FileLoopStore, LoopStore
from opsd.transport.local import LocalTransport

if TYPE_CHECKING:
    from opsd.alerts.routing.catalog import Catalog
    from opsd.alerts.routing.delivery_settings import DeliverySettings
    from opsd.fleet.handoff.dispatch import Dispatch

_CATALOG_NAME = "config/ops-manager-threshold-profiles.v1.json"
_SINKS_NAME = "config/ops-manager-alert-sinks.v1.json"
_DELIVERY_NAME = "config/ops-manager-alert-delivery.v1.json"


def threshold_catalog_file(env: Mapping[str, str]) -> str | None:
    """Default place of the threshold catalog below the install root; None where opsd runs from its package."""
    return _below_install_root(env, _CATALOG_NAME)


def _below_install_root(env: Mapping[str, str], name: str) -> str | None:
    root = env.get(INSTALL_ROOT_VARIABLE)
    return f"{root.rstrip('/')}/{name}" if root else None


def threshold_catalog(path: str | None) -> JsonValue:
    """The parsed catalog at ``path``; None: the one in the package.

    Raises:
        UsageError: missing or not JSON.
    """
    if path is None:
        return EMBEDDED_CATALOG
    data = read_bytes(path)
    if data is None:
        raise UsageError(f"threshold profiles file not found: {path}")
    try:
        return jsoncodec.loads(data)
    except ValueError:
        raise UsageError(f"invalid threshold profiles JSON: {path}") from None


def known_profiles(path: str | None) -> frozenset[str]:
    """The names that the catalog at ``path`` knows; for the drift evaluation, which looks at nothing else of it.

    Raises:
        UsageError: ``invalid threshold profiles file: <path>`` (40, 5.1).
    """
    try:
        profiles = get(threshold_catalog(path), "profiles")
    except UsageError:
        profiles = None
    if not isinstance(profiles, dict):
        raise UsageError(f"invalid threshold profiles file: {path}")
    return frozenset(name for name, profile in profiles.items() if profile is not None)


def threshold_profile(path: str | None, name: str | None) -> JsonObject:
    """The resolver's answer for profile ``name`` of the catalog at ``path`` (None: the one in the package).

    Raises:
        UsageError: the file is missing, is not JSON, has a wrong shape, or does not know the profile (40, 3.2).
    """
    return resolve_profile(threshold_catalog(path), name, source_file=path or _CATALOG_NAME)


def alert_catalog_file(env: Mapping[str, str]) -> str | None:
    """Default place of the catalog of alert sinks below the install root; None where opsd runs from its package."""
    return _below_install_root(env, _SINKS_NAME)


def alert_catalog(path: str | None) -> Catalog:
    """The catalog of alert sinks at ``path``, checked (None: the one in the package).

    Raises:
        UsageError: the file is missing, is not JSON, or fails one of the passes of 50, 2.3.
    """
    from opsd.alerts.routing.catalog import EMBEDDED_CATALOG as EMBEDDED_SINKS
    from opsd.alerts.routing.catalog import parse_catalog

    if path is None:
        return parse_catalog(EMBEDDED_SINKS, source_file=_SINKS_NAME)
    data = read_bytes(path)
    if data is None:
        raise UsageError(f"alert sink config file not found: {path}")
    try:
        document = jsoncodec.loads(data)
    except ValueError:
        raise UsageError(f"invalid alert sink config JSON: {path}") from None
    return parse_catalog(document, source_file=path)


def alert_delivery_file(env: Mapping[str, str]) -> str | None:
    """Default place of the delivery file below the install root; None where opsd runs from its package."""
    return _below_install_root(env, _DELIVERY_NAME)


def alert_delivery_settings(path: str | None, env: Mapping[str, str]) -> DeliverySettings:
    """How alerts are grouped, repeated and inhibited: the file at ``path``, or the default one if there is any.

    Raises:
        UsageError: a file that was named is missing; a file is not JSON or says what cannot be meant.
    """
    from opsd.alerts.routing.delivery_settings import DeliverySettings, parse_delivery_settings

    used = path or alert_delivery_file(env)
    data = read_bytes(used) if used is not None else None
    if used is None or (data is None and path is None):
        return DeliverySettings()
    if data is None:
        raise UsageError(f"alert delivery config file not found: {used}")
    try:
        document = jsoncodec.loads(data)
    except ValueError:
        raise UsageError(f"invalid alert delivery config JSON: {used}") from None
    return parse_delivery_settings(document, source_file=used)


def loop_store(
    repo: str, loop_id: LoopId, *, overrides: Mapping[Part, str] | None = None, rotate_telemetry_over: int = 0
) -> FileLoopStore:
    """The persistence of one loop; ``overrides`` are path flags, used as given."""
    return FileLoopStore(repo, loop_id, overrides=overrides, rotate_telemetry_over=rotate_telemetry_over)


def pass_settings(
    repo: str, loop_id: LoopId, transport: TransportKind, thresholds: Thresholds, store: LoopStore, **options: Any
) -> PassSettings:
    """How one loop is judged; ``options`` are the further fields of :class:`PassSettings`."""
    locations: dict[Part, str] = {part: store.location(part) for part in (*Document, *RowLog)}
    return PassSettings(
        repo=repo, loop_id=loop_id, transport=transport, thresholds=thresholds, locations=locations, **options
    )


def local_transport(repo: str, loop_id: LoopId, *, max_line_bytes: int = DEFAULT_MAX_LINE_BYTES) -> LocalTransport:
    """The transport of a loop whose files are on this host."""
    return LocalTransport(LoopReader(repo, loop_id, max_line_bytes=max_line_bytes))


def handoff_control(repo: str, env: Mapping[str, str], *, service_token: str | None = None) -> Dispatch:
    """Control as the handoff calls it: in this process, or the program in ``OPS_MANAGER_CONTROL_SCRIPT``.

    ``service_token`` is for services whose registry entry names no variable; None: the one in ``env``.
    """
    from opsd.fleet.handoff.control import TOKEN_VARIABLE, ControlProgram, InProcessControl

    program = env.get("OPS_MANAGER_CONTROL_SCRIPT")
    tokens = env if service_token is None else {**env, TOKEN_VARIABLE: service_token}
    return ControlProgram(program, repo, env, tokens) if program else InProcessControl(repo, env, tokens)


def loop_is_controlled(repo: str, loop_id: str) -> bool:
    """Whether a living process is carrying out an intent of the loop right now; ``loop_id`` is a safe one."""
    from opsd.control.ledger import Ledger

    return Ledger(repo, LoopId(loop_id), clock=time.time).in_flight()
