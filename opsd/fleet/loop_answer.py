"""What one loop's reconcile answered, and what a failure of it is called (contract 60, 3.3 and 3.4; weakness 10).

The document is looked for in stdout alone, so that a warning on stderr cannot hide it; words are looked for in both.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from opsd.contract import jsoncodec
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.reasons import ReasonCode
from opsd.contract.values import as_object, first_present, get
from opsd.loop.health import failure_reason
from opsd.loop.outcome import Outcome


class LoopReason(StrEnum):
    """Reason codes of a loop's result that are the fleet's own (contract 60, 3.3 and 3.4)."""

    DISABLED = "loop_disabled"
    NO_BASE_URL = "missing_service_base_url"
    NO_TOKEN = "missing_service_token_env"  # noqa: S105 - a reason code
    NO_ARTIFACTS = "missing_runtime_artifacts"


@dataclass(frozen=True, slots=True)
class LoopAnswer:
    """How one loop's reconcile ended.

    Attributes:
        succeeded: it exited 0.
        document: the JSON document that it printed; None without one.
        output: both its streams as text, in the order of their arrival. Only a failure's is looked at.
    """

    succeeded: bool
    document: JsonValue = None
    output: str = ""


@dataclass(frozen=True, slots=True)
class LoopVerdict:
    """What is concluded from an answer; ``reason`` is None for a success, ``state`` where none was reported."""

    reason: str | None
    health: JsonValue
    health_reasons: list[JsonValue]
    state: JsonValue = None


def answer_of(outcome: Outcome) -> LoopAnswer:
    """What ``opsd reconcile`` would have answered to this outcome of a pass."""
    if outcome.error is not None:
        return no_outcome(outcome.error)
    if outcome.failure is None:
        return LoopAnswer(True, outcome.document)
    return LoopAnswer(False, outcome.document, jsoncodec.dumps(outcome.document).decode() + "\n")


def no_outcome(message: str) -> LoopAnswer:
    """The answer of a pass that came to no conclusion; ``message`` is one line."""
    return LoopAnswer(False, output=f"error: {message}\n")


def find_document(stdout: bytes) -> JsonValue:
    """The JSON document in ``stdout``: the whole, else its last line that is not blank; None without one."""
    lines = stdout.rstrip().rsplit(b"\n", 1)
    for text in (stdout, lines[-1]):
        try:
            return jsoncodec.loads(text)
        except ValueError:
            continue
    return None


def judge(answer: LoopAnswer) -> LoopVerdict:
    """The verdict: for a success the ``health`` inside the state it printed, for a failure the health it printed."""
    document = as_object(answer.document)
    if answer.succeeded:
        health = as_object(document.get("health"))
        return _verdict(None, health, first_present(get(document, "transition", "currentState"), None))
    reason = _document_reason(document) or _text_reason(answer.output.lower())
    return _verdict(reason, document)


def _verdict(reason: str | None, health: JsonObject, state: JsonValue = None) -> LoopVerdict:
    codes = health.get("reasonCodes")
    return LoopVerdict(
        reason, first_present(health.get("status"), "unknown"), codes if isinstance(codes, list) else [], state
    )


#: Health reasons that say why a pass failed; the first one that is there counts.
_BY_HEALTH = (
    ReasonCode.TRANSPORT_UNREACHABLE,
    ReasonCode.INVALID_TRANSPORT_PAYLOAD,
    ReasonCode.PROJECTION_FAILED,
    ReasonCode.RECONCILE_FAILED,
)


def _document_reason(document: JsonObject) -> str | None:
    codes, failure = document.get("reasonCodes"), get(document, "transport", "failureCode")
    if isinstance(codes, list):
        for code in _BY_HEALTH:
            if code.value in codes:
                return code.value
    if not isinstance(failure, str) or not failure:
        return None
    return str(failure_reason(failure))


def _text_reason(output: str) -> str:
    if "missing required artifact" in output or "events artifact" in output:
        return LoopReason.NO_ARTIFACTS.value
    if any(words in output for words in ("service request failed", "transport_unreachable", "connection refused")):
        return ReasonCode.TRANSPORT_UNREACHABLE.value
    invalid = output.find("invalid")
    if "invalid payload" in output or (invalid >= 0 and output.find("json", invalid + len("invalid")) >= 0):
        return ReasonCode.INVALID_TRANSPORT_PAYLOAD.value
    return ReasonCode.RECONCILE_FAILED.value
