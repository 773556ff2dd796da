"""``opsd health``: judge a loop's health from the files of a pass; writes nothing (contract 20, section 5).

On a terminal it is a readable page, elsewhere (and with ``--pretty``) the health object.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from opsd.cli.arguments import Arguments, CommandSpec, Flag
from opsd.cli.page import Page, loop_place, tell
from opsd.contract.errors import UsageError

if TYPE_CHECKING:
    from opsd.contract.jsoncodec import JsonObject
    from opsd.contract.reasons import TransportKind
    from opsd.loop.health_files import HealthQuestion
    from opsd.storage.layout import Part

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
    "Prints the health object for the given files and thresholds. A file that does not exist is no data.\n"
    "With --repo and --loop the loop's own files are judged as of now; what no flag says is as its last pass had it.",
    (
        Flag("--repo", "the managed repo, with --loop in place of the file flags", "<path>"),
        Flag("--loop", "the loop's id", "<id>"),
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
        Flag("--pretty", "the document, indented by two spaces"),
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
    limits = explicit_limits(arguments)
    of_a_loop = arguments.optional("--repo") is not None or arguments.optional("--loop") is not None

    from opsd.contract.timestamps import format_utc, parse_epoch
    from opsd.loop.health_files import HealthQuestion
    from opsd.loop.thresholds import Thresholds

    if not of_a_loop:
        Thresholds(profile=None, **limits).check()
    now = arguments.optional("--now") or format_utc(time.time())
    if parse_epoch(now) is None:
        raise UsageError("--now must be an ISO-8601 UTC timestamp")
    question = HealthQuestion(
        now=now,
        trace_id=arguments.optional("--trace-id"),
        transport=None if arguments.given("--transport") is None else transport,
        ingest_failed=None if arguments.given("--ingest-status") is None else ingest_status == "failed",
        failure_code=arguments.optional("--failure-code"),
        profile=arguments.optional("--threshold-profile"),
        limits=limits,
    )
    health = _of_loop(arguments, question) if of_a_loop else _of_files(arguments, question)
    present(arguments, health)
    return 0


def present(arguments: Arguments, health: JsonObject, place: Sequence[str] = ()) -> None:
    """Print the health object."""

    def page() -> Page:
        from opsd.cli.loop.health_page import health_page

        return health_page(health, arguments.optional("--loop"), loop_place(arguments, place))

    tell(arguments, health, page)


def _of_files(arguments: Arguments, question: HealthQuestion) -> JsonObject:
    """The contract's command: nothing but what the flags say."""
    from opsd.contract.reasons import TransportKind
    from opsd.loop.health import HealthInputs, judge
    from opsd.loop.health_files import read_document
    from opsd.loop.thresholds import Thresholds
    from opsd.storage.store import parse_row
    from opsd.storage.tail import last_complete_line

    intents = arguments.optional("--intents-file")
    return judge(
        HealthInputs(
            now=question.now,
            thresholds=Thresholds(profile=question.profile, **question.limits),
            transport=question.transport or TransportKind.LOCAL,
            trace_id=question.trace_id,
            ingest_failed=question.ingest_failed is True,
            failure_code=question.failure_code,
            state=read_document(arguments.optional("--state-file"), "state"),
            heartbeat=read_document(arguments.optional("--heartbeat-state-file"), "heartbeat state"),
            sequence=read_document(arguments.optional("--sequence-state-file"), "sequence state"),
            transport_health=read_document(arguments.optional("--transport-health-file"), "transport health"),
            last_intent=parse_row(last_complete_line(intents)) if intents else {},
        )
    )


def _of_loop(arguments: Arguments, question: HealthQuestion) -> JsonObject:
    """The loop as of now, from the files of its passes."""
    from opsd.contract.ids import parse_loop_id
    from opsd.loop.health_files import judge_files
    from opsd.runtime.layout import absolute_repo
    from opsd.storage.layout import ManagerLayout
    from opsd.storage.model import Document, RowLog

    given_repo, given_loop = arguments.required("--repo"), arguments.required("--loop")
    loop_id = parse_loop_id(given_loop, reserved=True)
    flags: dict[Part, str] = {
        Document.STATE: "--state-file",
        Document.HEARTBEAT: "--heartbeat-state-file",
        Document.SEQUENCE: "--sequence-state-file",
        Document.TRANSPORT_HEALTH: "--transport-health-file",
        RowLog.INTENTS: "--intents-file",
    }
    overrides = {part: path for part, flag in flags.items() if (path := arguments.optional(flag)) is not None}
    layout = ManagerLayout(absolute_repo(given_repo), loop_id, overrides)
    return judge_files(loop_id, {part: layout.path(part) for part in (*flags, Document.HEALTH)}, question)


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
