"""``opsd health``: judge a loop's health from the files of a pass; writes nothing (contract 20, section 5)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from opsd.cli.arguments import Arguments, CommandSpec, Flag
from opsd.cli.output import write_json
from opsd.contract.errors import ManagerFileError, UsageError

if TYPE_CHECKING:
    from opsd.contract.jsoncodec import JsonObject
    from opsd.contract.reasons import TransportKind
    from opsd.loop.thresholds import Thresholds

TRANSPORTS = ("local", "sprite_service")
TRANSPORT_MESSAGE = "--transport must be local or sprite_service"

#: Flag of each limit and the name that :class:`Thresholds` has for it, in the order in which they are checked.
THRESHOLD_FLAGS = {
    "--degraded-ingest-lag-seconds": "degraded_ingest_lag_s",
    "--critical-ingest-lag-seconds": "critical_ingest_lag_s",
    "--degraded-heartbeat-lag-seconds": "degraded_heartbeat_lag_s",
    "--critical-heartbeat-lag-seconds": "critical_heartbeat_lag_s",
    "--degraded-transport-failure-streak": "degraded_transport_failure_streak",
    "--critical-transport-failure-streak": "critical_transport_failure_streak",
}

SPEC = CommandSpec(
    "opsd health",
    "Prints the health object for the given files and thresholds. A file that does not exist is no data.",
    (
        Flag("--state-file", "the lifecycle projection", "<path>"),
        Flag("--heartbeat-state-file", "the last heartbeat", "<path>"),
        Flag("--sequence-state-file", "the sequence diagnostics", "<path>"),
        Flag("--transport-health-file", "the transport failure streak", "<path>"),
        Flag("--intents-file", "the control intents; the last complete row counts", "<path>"),
        Flag("--trace-id", "traceId of the result", "<id>"),
        Flag("--transport", "local (default) or sprite_service", "<name>"),
        Flag("--threshold-profile", "label of the thresholds", "<name>"),
        Flag("--ingest-status", "success (default) or failed", "<status>"),
        Flag("--failure-code", "why the ingest failed", "<code>"),
        *(Flag(name, "a limit of health", "<n>") for name in THRESHOLD_FLAGS),
        Flag("--now", "judge at this moment, YYYY-MM-DDTHH:MM:SSZ", "<time>"),
        Flag("--pretty", "indent by two spaces"),
    ),
)


def main(argv: Sequence[str]) -> int:
    """Print the health object.

    Raises:
        OpsError: bad arguments, or a file that exists and is not a JSON object.
    """
    arguments = SPEC.parse(argv)
    transport = transport_kind(arguments)
    ingest_status = arguments.choice(
        "--ingest-status", "success", ("success", "failed"), "--ingest-status must be success or failed"
    )
    thresholds = _thresholds(arguments)

    from opsd.contract.timestamps import format_utc, parse_epoch
    from opsd.loop.health import HealthInputs, judge
    from opsd.storage.files import last_complete_line
    from opsd.storage.store import parse_row

    now = arguments.optional("--now") or format_utc(time.time())
    if parse_epoch(now) is None:
        raise UsageError("--now must be an ISO-8601 UTC timestamp")
    intents = arguments.optional("--intents-file")
    health = judge(
        HealthInputs(
            now=now,
            thresholds=thresholds,
            transport=transport,
            trace_id=arguments.optional("--trace-id"),
            ingest_failed=ingest_status == "failed",
            failure_code=arguments.optional("--failure-code"),
            state=_document(arguments, "--state-file", "state"),
            heartbeat=_document(arguments, "--heartbeat-state-file", "heartbeat state"),
            sequence=_document(arguments, "--sequence-state-file", "sequence state"),
            transport_health=_document(arguments, "--transport-health-file", "transport health"),
            last_intent=parse_row(last_complete_line(intents)) if intents else {},
        )
    )
    write_json(health, pretty=arguments.switch("--pretty"))
    return 0


def transport_kind(arguments: Arguments) -> TransportKind:
    """The transport that ``--transport`` names."""
    name = arguments.choice("--transport", "local", TRANSPORTS, TRANSPORT_MESSAGE)

    from opsd.contract.reasons import TransportKind

    return TransportKind(name)


def explicit_limits(arguments: Arguments) -> dict[str, int]:
    """The limits that were given as flags, by their name in :class:`Thresholds`.

    Raises:
        UsageError: ``<name> must be a non-negative integer``, the first in the order of the flags.
    """
    return {
        field: arguments.non_negative(flag, 0, f"{flag.removeprefix('--')} must be a non-negative integer")
        for flag, field in THRESHOLD_FLAGS.items()
        if arguments.given(flag) is not None
    }


def _thresholds(arguments: Arguments) -> Thresholds:
    from opsd.loop.thresholds import Thresholds

    thresholds = Thresholds(profile=arguments.optional("--threshold-profile"), **explicit_limits(arguments))
    thresholds.check()
    return thresholds


def _document(arguments: Arguments, flag: str, what: str) -> JsonObject:
    from opsd.storage.files import read_bytes
    from opsd.storage.store import parse_document

    path = arguments.optional(flag)
    data = read_bytes(path) if path else None
    if data is None:
        return {}
    document = parse_document(data)
    if document is None:
        raise ManagerFileError(f"invalid {what} JSON: {path}")
    return document
