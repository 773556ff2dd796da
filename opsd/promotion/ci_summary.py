"""The result of a promotion run as Markdown, for a pipeline's page (contract 90, B4). Pure.

Whatever a path or an evaluator says stays text on one line: nothing ends the inline code it stands in.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import compact_text, get, printable
from opsd.promotion.words import Decision, Reason

_HEADING = "## Ops Manager Promotion CI"


def decision_of(document: JsonObject) -> str | None:
    """The decision in a result; None when it has none."""
    decision = get(document, "summary", "decision")
    return decision if isinstance(decision, str) and decision else None


def skipped_summary(missing: Sequence[str]) -> str:
    """The summary of a run that evaluated nothing."""
    return _paragraphs(
        _HEADING,
        f"Decision: {inline_code(Decision.SKIPPED)}",
        f"Reason codes: {inline_code(Reason.CI_EVIDENCE_MISSING)}",
        "\n".join(["Missing evidence paths:", *(f"- {inline_code(path)}" for path in missing)]),
    )


def evaluated_summary(document: JsonObject, result: str, promotion_state: str, promotion_telemetry: str) -> str:
    """The summary of an evaluation, and the paths of what was kept of it."""
    return _paragraphs(
        _HEADING,
        f"Decision: {inline_code(decision_of(document) or 'unknown')}",
        f"Failed gates: {_listed(get(document, 'summary', 'failedGates'))}",
        f"Reason codes: {_listed(get(document, 'summary', 'reasonCodes'))}",
        f"Result JSON: {inline_code(result)}",
        f"Promotion state: {inline_code(promotion_state)}",
        f"Promotion telemetry: {inline_code(promotion_telemetry)}",
    )


def inline_code(text: str) -> str:
    """The text as inline code, fenced by one backtick more than it holds in a row."""
    shown = printable(text)
    longest = max(map(len, re.findall("`+", shown)), default=0)
    fence = "`" * (longest + 1)
    # Markdown takes one blank from either side of a code span that has them on both.
    padded = longest or (shown[:1] == " " and shown[-1:] == " ")
    return f"{fence} {shown} {fence}" if padded else f"{fence}{shown}{fence}"


def _listed(values: JsonValue) -> str:
    if not isinstance(values, list) or not values:
        return "none"
    return ", ".join(printable(compact_text(value)) for value in values)


def _paragraphs(*paragraphs: str) -> str:
    return "\n\n".join(paragraphs) + "\n"
