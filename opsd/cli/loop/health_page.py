"""A health judgement as a readable page: how bad it is, what was seen and where the limit is, and what to do."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from opsd.cli.loop.loops_page import STYLES
from opsd.cli.page import aligned, apart, cells, clipped, counted, line, span, table
from opsd.cli.reasons import loop as reasons
from opsd.cli.reasons.remedies import LOOP
from opsd.cli.reasons.told import command_line, meaning, what_to_do
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.reasons import HealthStatus, TransportKind
from opsd.contract.timestamps import parse_epoch
from opsd.contract.values import as_object, compact_text, get, list_of, number

#: Where what a code of a pass or of health means is looked up.
MEANINGS = (reasons.HEALTH, reasons.FAILED_PASS)
#: So many lines of what a failed pass said; telemetry has all of it.
_SAID = 12


def health_page(
    health: JsonObject, loop_id: str | None, place: Sequence[str], *, said: str = ""
) -> list[RenderableType]:
    """The page; ``place`` names the loop in the commands that it shows.

    Args:
        loop_id: None where the files that were judged are named by flags, and nobody knows whose they are.
        said: the words with which the pass failed that led to this judgement.
    """
    page: list[RenderableType] = [
        line(
            "health" if loop_id is None else f"health of {loop_id}",
            health.get("status"),
            health.get("updatedAt"),
            style=STYLES.get(compact_text(health.get("status")), ""),
        ),
        *reason_rows(health),
        *(line("  it said", clipped(one), style="bold red") for one in _spoken(said)),
        *_facts(health),
    ]
    if loop_id is None:
        return page
    steps = what_to_do(health_codes(health), LOOP, place, reads_loop=reads_loop(health, place))
    return [*page, *apart([command_line("all that is known", "status", place=place), *steps])]


def _spoken(said: str) -> list[str]:
    return [one.removeprefix("error: ") for one in said.splitlines() if one.strip()][-_SAID:]


def reads_loop(health: JsonValue, place: Sequence[str]) -> bool:
    """Whether commands that read or change the loop itself work with ``place``."""
    return "--server" in place[:1] or get(health, "transport", "mode") == TransportKind.LOCAL


def reason_rows(health: JsonValue) -> list[RenderableType]:
    """Each reason: how bad, what it means, what was observed against which limit."""
    found = get(health, "reasons")
    reasons_of = sorted(map(as_object, list_of(found)), key=_rank)
    codes = dict.fromkeys(compact_text(one.get("code")) for one in reasons_of if one.get("code") is not None)
    if not codes:
        return []
    made = table("", "")
    made.show_header = False
    made.columns[0].no_wrap = True
    for code in codes:
        of_code = [one for one in reasons_of if compact_text(one.get("code")) == code]
        severity = compact_text(of_code[0].get("severity") or "")
        said: list[JsonValue] = [code, meaning(code, *MEANINGS) or None, *map(_observed, of_code)]
        shown = Text("\n").join(cells(*(one for one in said if one)))
        shown.stylize(STYLES.get(severity, ""), 0, len(cells(code)[0].plain))
        made.add_row(*cells(f"  {severity}", style=STYLES.get(severity, "")), shown)
    return [made]


def health_codes(health: JsonObject) -> list[JsonValue]:
    """Its reasons, and why the last pass failed."""
    codes = health.get("reasonCodes")
    return [*list_of(codes), get(health, "transport", "failureCode")]


def _rank(reason: JsonObject) -> int:
    """The worst first; those that are equally bad as the judgement has them."""
    severities = [HealthStatus.CRITICAL.value, HealthStatus.DEGRADED.value]
    return severities.index(severity) if (severity := reason.get("severity")) in severities else len(severities)


def _observed(reason: JsonObject) -> str | None:
    metric = reason.get("metric")
    if metric is None:
        return None
    is_length = compact_text(metric).endswith("Seconds")
    observed, limit = (_shown(reason.get(name), is_length=is_length) for name in ("observed", "threshold"))
    is_level = number(reason.get("threshold")) is not None
    limited = "" if limit is None else f", {'limit' if is_level else 'expected'} {limit}"
    return f"{compact_text(metric)} {observed}{limited}"


def _shown(value: JsonValue, *, is_length: bool) -> str | None:
    if value is None:
        return None
    seconds = number(value) if is_length else None
    return compact_text(value) if seconds is None else span(seconds)


def _facts(health: JsonObject) -> list[Text]:
    metrics = as_object(health.get("metrics"))
    code = get(health, "transport", "failureCode")
    streak = metrics.get("transportFailureStreak")
    facts = [
        line("run", metrics.get("lifecycleState"), _since("last event", health, "lastEventAt"), _heartbeat(health)),
        line(
            "reached by",
            get(health, "transport", "mode"),
            None if code is None else f"the last pass failed: {compact_text(code)}",
            meaning(code, *MEANINGS) if code is not None else None,
            f"{counted(streak, 'failure')} in a row" if streak else None,
            style="bold red" if code is not None else "",
        ),
        line("last control", metrics.get("lastControlStatus")),
        line("process", *_liveness(get(health, "evidence", "liveness"))),
        line("profile", get(health, "thresholds", "profile")),
    ]
    return aligned(facts)


def _since(name: str, health: JsonObject, member: str) -> str:
    """When something was last seen, and how long that was before the judgement."""
    at, now = get(health, "evidence", member), health.get("updatedAt")
    if at is None:
        return f"no {name}"
    moment, judged = parse_epoch(at), parse_epoch(now)
    before = None if moment is None or judged is None or judged < moment else span(judged - moment)
    return f"{name} {compact_text(at)}" + ("" if before is None else f", {before} before")


def _heartbeat(health: JsonObject) -> str | None:
    """A runtime that never wrote a heartbeat is nothing to speak of."""
    known = get(health, "evidence", "lastHeartbeatAt") is not None
    return _since("heartbeat", health, "lastHeartbeatAt") if known else None


def _liveness(found: JsonValue) -> list[JsonValue]:
    pid = get(found, "pid")
    return [get(found, "verdict"), get(found, "reason"), None if pid is None else f"process id {pid}"]
