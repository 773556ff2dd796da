"""Reading what the operator status is made of (contract 40, 6.2), as one pass left it.

Every file is whole by itself, but a pass replaces them one after the other. What was read is therefore taken only when
state and telemetry name the same pass, or still do not after a few looks: then that is how they stand.
"""

from __future__ import annotations

import time as clocks
from collections.abc import Callable, Mapping
from typing import TypeAlias

from opsd.contract import jsoncodec
from opsd.contract.errors import ManagerFileError, OpsError
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import format_utc
from opsd.contract.values import first_present, get
from opsd.loop.status import StatusInputs
from opsd.storage.files import read_bytes, signature
from opsd.storage.layout import Part
from opsd.storage.model import Document, RowLog
from opsd.storage.store import parse_document
from opsd.storage.tail import tail_lines

_LOOKS = 5
#: Longer than the rest of a commit takes.
_PAUSE_S = 0.02

#: The documents, in the contract's order, as its messages call them.
_DOCUMENTS = {
    Document.STATE: "state",
    Document.CURSOR: "cursor",
    Document.HEALTH: "health",
    Document.HEARTBEAT: "heartbeat state",
    Document.SEQUENCE: "sequence state",
    Document.DRIFT: "drift",
    Document.ALERT_DISPATCH: "alert dispatch state",
}
#: How the status names each file.
_NAMES: dict[Part, str] = {
    Document.STATE: "stateFile",
    Document.CURSOR: "cursorFile",
    Document.HEALTH: "healthFile",
    RowLog.INTENTS: "intentsFile",
    Document.HEARTBEAT: "heartbeatStateFile",
    RowLog.HEARTBEAT: "heartbeatTelemetryFile",
    Document.SEQUENCE: "sequenceStateFile",
    RowLog.SEQUENCE: "sequenceTelemetryFile",
    RowLog.INVOCATIONS: "controlInvocationsFile",
    Document.DRIFT: "driftStateFile",
    RowLog.DRIFT: "driftHistoryFile",
    Document.ALERT_DISPATCH: "alertDispatchStateFile",
    RowLog.ALERTS: "alertDispatchTelemetryFile",
    RowLog.RECONCILE: "reconcileTelemetryFile",
    RowLog.CONTROL: "controlTelemetryFile",
}

#: Summarises the newest rows of a reconcile and a control log; raises ``OpsError`` when they cannot be used.
Summarize: TypeAlias = Callable[[str, str], JsonObject]


def read_inputs(
    repo: str,
    loop_id: str,
    paths: Mapping[Part, str],
    window: int,
    summarize: Summarize,
    *,
    tolerant: bool = False,
    sleep: Callable[[float], None] = clocks.sleep,
) -> StatusInputs:
    """All inputs. ``tolerant`` takes a damaged document for an absent one and names it in ``problems``.

    Raises:
        ManagerFileError: neither state nor health exists, or (unless ``tolerant``) a document is no JSON object.
    """
    inputs = _read(repo, loop_id, paths, window, summarize, tolerant)
    for _ in range(_LOOKS - 1):
        if _is_of_one_pass(inputs):
            break
        sleep(_PAUSE_S)
        inputs = _read(repo, loop_id, paths, window, summarize, tolerant)
    return inputs


def _is_of_one_pass(inputs: StatusInputs) -> bool:
    judged = first_present(get(inputs.state, "health", "traceId"), get(inputs.health, "traceId"), None)
    told = get(inputs.last_reconcile, "traceId")
    return judged is None or told is None or judged == told


def _read(
    repo: str, loop_id: str, paths: Mapping[Part, str], window: int, summarize: Summarize, tolerant: bool
) -> StatusInputs:
    if signature(paths[Document.STATE]) is None and signature(paths[Document.HEALTH]) is None:
        raise ManagerFileError(f"no status artifacts found for loop: {loop_id}")
    problems: list[str] = []
    found: dict[Document, JsonObject | None] = {}
    for document, what in _DOCUMENTS.items():
        try:
            found[document] = _document(paths[document], what)
        except ManagerFileError as error:
            if not tolerant:
                raise
            problems.append(error.message)
            found[document] = None
    summary, summary_error = None, None
    if signature(paths[RowLog.RECONCILE]) is not None:
        try:
            summary = summarize(paths[RowLog.RECONCILE], paths[RowLog.CONTROL])
        except OpsError as error:
            summary_error = error.message
    return StatusInputs(
        repo=repo,
        loop_id=loop_id,
        now=format_utc(clocks.time()),
        summary_window=window,
        files={name: paths[part] for part, name in _NAMES.items()},
        state=found[Document.STATE] or {},
        cursor=found[Document.CURSOR] or {},
        health=found[Document.HEALTH] or {},
        heartbeat=found[Document.HEARTBEAT],
        sequence=found[Document.SEQUENCE],
        drift=found[Document.DRIFT],
        dispatch=found[Document.ALERT_DISPATCH],
        last_intent=_last_row(paths[RowLog.INTENTS]),
        last_reconcile=_last_row(paths[RowLog.RECONCILE]),
        last_control=_last_row(paths[RowLog.CONTROL]),
        last_heartbeat=_last_row(paths[RowLog.HEARTBEAT]),
        last_sequence=_last_row(paths[RowLog.SEQUENCE]),
        last_invocation=_last_row(paths[RowLog.INVOCATIONS]),
        last_alert=_last_row(paths[RowLog.ALERTS]),
        summary=summary,
        summary_error=summary_error,
        problems=tuple(problems),
    )


def _document(path: str, what: str) -> JsonObject | None:
    """The object in a file; None when the file is absent or holds null.

    Raises:
        ManagerFileError: ``invalid <what> JSON: <path>``.
    """
    data = read_bytes(path)
    if data is None or data.strip() == b"null":
        return None
    document = parse_document(data)
    if document is None:
        raise ManagerFileError(f"invalid {what} JSON: {path}")
    return document


def _last_row(path: str) -> JsonObject | None:
    """The object in the last complete line that is not blank; None for anything else."""
    line = next((line for line in reversed(tail_lines(path, 16)) if line.strip()), b"")
    return jsoncodec.object_in(line)
