"""The status document as a readable page for a terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import get, list_of, printable

_STYLES = {
    "healthy": "green",
    "degraded": "yellow",
    "critical": "bold red",
    "failed": "bold red",
    "running": "green",
    "warning:": "bold yellow",
}


def status_page(document: JsonObject) -> Table:
    """The page. What comes from a sprite is shown as text, never as markup."""
    page = Table(show_header=False, box=None, pad_edge=False)
    page.add_column(style="bold", no_wrap=True)
    page.add_column(overflow="fold")
    for name, value in _lines(document):
        if value:
            page.add_row(name, Text(value, style=_STYLES.get(value.split(" ", 1)[0], "")))
    return page


def _lines(document: JsonObject) -> list[tuple[str, str]]:
    cursor = document["cursor"]
    reasons = get(document, "health", "reasons")
    return [
        ("loop", _join(get(document, "source", "loopId"), get(document, "source", "repoPath"))),
        ("lifecycle", _join(*(get(document, "lifecycle", key) for key in ("state", "confidence")))),
        (
            "run",
            _join(get(document, "lifecycle", "runId"), _named("iteration", get(document, "lifecycle", "iteration"))),
        ),
        ("events", f"{cursor['eventLineOffset']} of {cursor['eventLineCount']} taken in"),
        ("health", _join(get(document, "health", "status"), _seconds(get(document, "age", "healthAgeSeconds")))),
        *(
            ("", _join(get(one, "code"), get(one, "metric"), get(one, "observed"), _named("at", get(one, "threshold"))))
            for one in list_of(reasons)
        ),
        ("heartbeat", _join(*_fields(document, "visibility", "heartbeat", "freshnessStatus", "lastHeartbeatAt"))),
        ("sequence", _join(*_fields(document, "visibility", "sequence", "status"))),
        (
            "last pass",
            _join(
                *_fields(document, "reconcile", "lastStatus", "lastFailureCode", "lastTransport"),
                _seconds(get(document, "age", "lastReconcileAgeSeconds")),
            ),
        ),
        ("last control", _join(*_fields(document, "control", "lastIntent", "lastStatus", "lastRequestedBy"))),
        ("profile", _join(*_fields(document, "tuning", "appliedProfile"), _recommended(document))),
        ("drift", _join(*_fields(document, "drift", "status", "action"))),
        ("alerts", _join(*_fields(document, "alerts", "dispatch", "status"), _failed(document))),
        *_delivery(document),
        ("trace", _join(get(document, "traceLinkage", "reconcileTraceId"))),
    ]


def _fields(document: JsonObject, *path: str) -> list[JsonValue]:
    """The values of the last names of ``path`` inside the section that the first ones lead to."""
    section: JsonValue = document
    names = list(path)
    while names and isinstance(get(section, names[0]), dict):
        section = get(section, names.pop(0))
    return [get(section, name) for name in names] if section is not document else []


def _delivery(document: JsonObject) -> list[tuple[str, str]]:
    """What is owed, what was given up, and sinks that do not take anything (50, R10 and R11)."""
    dead, pending = get(document, "alerts", "deadLetterCount"), get(document, "alerts", "pendingCount")
    sinks = get(document, "alerts", "sinks")
    ailing = [one for one in list_of(sinks) if get(one, "state") != "closed"]
    return [
        ("", f"{pending} deliveries pending" if pending else ""),
        ("", f"warning: {dead} dead letters, see opsd alerts dispatch --list-dead-letters" if dead else ""),
        *(("", _join("sink", get(one, "id"), get(one, "state"), get(one, "lastError", "message"))) for one in ailing),
    ]


def _recommended(document: JsonObject) -> str | None:
    profile = get(document, "tuning", "recommendedProfile")
    confidence = get(document, "tuning", "confidence")
    return f"(recommended: {profile}, confidence {confidence})" if profile else None


def _failed(document: JsonObject) -> str | None:
    count = get(document, "alerts", "dispatch", "failedCount")
    return None if count is None else f"{count} failed"


def _named(name: str, value: JsonValue) -> str | None:
    return None if value is None else f"{name} {value}"


def _seconds(value: JsonValue) -> str | None:
    return None if value is None else f"{value} s ago"


def _join(*values: JsonValue) -> str:
    return printable(" ".join(str(value) for value in values if value is not None and value != ""))
