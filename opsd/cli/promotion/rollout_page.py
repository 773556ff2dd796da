"""What apply, orchestrate and the controller answer, as readable pages: what was changed, what holds, what to do.

Whatever stands in a document of another program is shown as text, and what is missing is left out.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from opsd.cli.page import aligned, apart, line, span
from opsd.cli.promotion.state_page import STYLES
from opsd.cli.reasons import promotion as reasons
from opsd.cli.reasons.remedies import CONTROLLER, PROMOTION
from opsd.cli.reasons.told import command_line, explained, what_to_do
from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import as_object, compact_text, get, list_of
from opsd.promotion.controller.words import Status
from opsd.promotion.rollout.words import Mode

_BAD = "bold red"
_MEANINGS = (reasons.CONTROLLER, reasons.CONTROLLER_STEPS, reasons.GATES, reasons.DRILLS)
_REMEDIES = {**PROMOTION, **CONTROLLER}
#: What each way to orchestrate has done to the rollout.
_DID = {
    Mode.DRY_RUN.value: "nothing was changed",
    Mode.APPLY.value: "the rollout was changed",
    Mode.ROLLBACK.value: "the rollout was paused",
}
#: The same of the controller's passes.
_ENDED = {
    Status.PROPOSED.value: "nothing was changed",
    Status.HOLD.value: "nothing was changed",
    Status.APPLIED.value: "the rollout was changed, and the gates still pass",
    Status.ROLLED_BACK.value: "the rollout was changed, and taken back: it is paused",
    Status.FAILED.value: "a step failed",
}
#: So many lines of what a step said; the record has all of it.
_SAID = 12

Page = list[RenderableType]


def apply_page(record: JsonObject, place: Sequence[str]) -> Page:
    """One change of the rollout; ``place`` says in the commands that are shown where the fleet is."""
    head = line(
        f"rollout of {compact_text(record.get('fleetId'))}",
        record.get("intent"),
        record.get("status"),
        "answered from the record of its key" if record.get("replayed") is True else None,
        record.get("timestamp"),
        style=STYLES.get(compact_text(record.get("status")), ""),
    )
    return [head, *aligned(_change(record)), *apart(_after(record, place))]


def orchestrate_page(result: JsonObject, place: Sequence[str]) -> Page:
    """What the gates say, and what was done about it."""
    summary = as_object(result.get("summary"))
    codes, mode = list_of(summary.get("reasonCodes")), compact_text(result.get("mode"))
    decision = compact_text(result.get("decision"))
    record = as_object(get(result, "apply", "record"))
    page: Page = [
        line(
            "promotion",
            result.get("status"),
            _DID.get(mode),
            result.get("timestamp"),
            style=_BAD if mode == Mode.ROLLBACK else "green" if mode == Mode.APPLY else "",
        ),
        line("gates", decision, *_failed(summary.get("failedGates")), style=STYLES.get(decision, "")),
        *explained(codes, *_MEANINGS),
        *aligned([*_change(record), line("report", get(result, "files", "summaryFile"))]),
    ]
    again = [command_line("the gates one by one", "promotion", "gates", place=place)]
    return [*page, *apart([*_after(record, place), *again, *what_to_do(codes, _REMEDIES, place)])]


def controller_page(record: JsonObject, place: Sequence[str]) -> Page:
    """One pass of the controller."""
    decision, execution = as_object(record.get("decision")), as_object(record.get("execution"))
    status, error = compact_text(record.get("status")), as_object(record.get("error"))
    said = compact_text(decision.get("promotionDecision"))
    own, gates = list_of(decision.get("reasonCodes")), list_of(decision.get("promotionReasonCodes"))
    facts = [
        line("did", _executed(execution)),
        line("asked by", *_governance(as_object(execution.get("governance")))),
        line("verified", *_verification(as_object(record.get("verification")))),
        *_budget(as_object(decision.get("budget"))),
        line("key", execution.get("idempotencyKey")),
        line("trace", get(record, "context", "traceId")),
    ]
    page: Page = [
        line(
            "controller", status, _ENDED.get(status), record.get("mode"), record.get("timestamp"), style=_style(status)
        ),
        *_error(error),
        *explained(own, *_MEANINGS),
        line("gates", said, *_failed(decision.get("failedGates")), style=STYLES.get(said, "")),
        *explained([code for code in gates if code not in own], *_MEANINGS),
        *aligned(facts),
    ]
    steps = what_to_do([*own, *gates], _REMEDIES, place)
    return [*page, *apart(steps)]


def _change(record: JsonObject) -> list[Text]:
    """What the rollout was and is, who answers for it, and on which decision."""
    if not record:
        return []
    before, after = (as_object(get(record, "rollout", when)) for when in ("before", "after"))
    canary, was = after.get("canaryPercent"), before.get("canaryPercent")
    moved = (
        f"{compact_text(was)} % → {compact_text(canary)} %" if was != canary else f"{compact_text(canary)} %, as before"
    )
    age = span(record.get("decisionAgeSeconds"))
    because = get(record, "emergency", "because")
    return [
        line("canary", None if canary is None else moved),
        line("paused", *_paused(before.get("manualPause"), after.get("manualPause"))),
        line("by", *_governance(as_object(record.get("governance")))),
        line("decision", record.get("decision"), None if age is None else f"{age} old"),
        line("emergency", *list_of(because), style=_BAD),
        line("key", record.get("idempotencyKey")),
        line("trace", record.get("traceId")),
    ]


def _paused(was: JsonValue, now: JsonValue) -> list[JsonValue]:
    if now is None:
        return []
    return ["yes: nothing is dispatched autonomously" if now is True else "no", "as before" if was == now else None]


def _governance(governance: JsonObject) -> list[JsonValue]:
    until = governance.get("reviewBy")
    named = [governance.get(name) for name in ("actor", "approvalRef", "rationale")]
    return [*named, None if until is None else f"until {compact_text(until)}"]


def _after(record: JsonObject, place: Sequence[str]) -> list[Text]:
    """What comes next after a change; nothing where there was none."""
    if not record:
        return []
    steps = [command_line("what autonomy may do now", "fleet", "status", place=place)]
    if get(record, "rollout", "after", "manualPause") is True:
        steps.append(command_line("once it is understood", "fleet", "resume", place=place))
    return steps


def _executed(execution: JsonObject) -> str | None:
    if execution.get("applyExecuted") is not True:
        return None
    step = execution.get("expandStep")
    did = compact_text(execution.get("applyIntent")) + ("" if step is None else f" by {compact_text(step)} %")
    return f"{did}, then rolled back" if execution.get("rollbackExecuted") is True else did


def _verification(found: JsonObject) -> list[JsonValue]:
    return [found.get("status"), found.get("decision")] if found.get("ran") is True else []


def _budget(budget: JsonObject) -> list[Text]:
    """What of the window's budget is used; when it may go on."""
    if not budget:
        return []
    used = (
        f"{compact_text(budget.get('applyCountInWindow'))} of {compact_text(budget.get('maxAppliesPerWindow'))} changes"
    )
    step, most = budget.get("expandStepInWindow"), budget.get("maxExpandStepPerWindow")
    wait, back = budget.get("cooldownRemainingSeconds"), budget.get("rolledBackCountInWindow")
    frozen = [as_object(window) for window in list_of(budget.get("freezeWindowsMatched"))]
    return [
        line(
            "budget",
            f"in {compact_text(budget.get('windowHours'))} h: {used}",
            f"{compact_text(step)} of {compact_text(most)} %",
            f"{compact_text(back)} rolled back" if back else None,
        ),
        line("pause between", f"{span(wait)} left" if wait else None),
        *(line("frozen", window.get("reason"), f"until {compact_text(window.get('end'))}") for window in frozen),
    ]


def _error(error: JsonObject) -> list[Text]:
    if not error:
        return []
    said = [one for one in compact_text(error.get("stderr") or "").splitlines() if one.strip()]
    failed = line("failed", error.get("stage"), f"exit {compact_text(error.get('exitCode'))}", style=_BAD)
    return [failed, *(line("  it said", one, style="red") for one in said[-_SAID:])]


def _failed(gates: JsonValue) -> list[JsonValue]:
    names = [compact_text(gate).replace("_", " ") for gate in list_of(gates)]
    return [f"{len(names)} do not pass: {', '.join(names)}"] if names else []


def _style(status: str) -> str:
    return STYLES.get(status, "")
