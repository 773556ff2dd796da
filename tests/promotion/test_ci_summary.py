"""The Markdown summary: whatever stands in it stays text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.promotion.ci_summary import decision_of, evaluated_summary, inline_code, skipped_summary


def test_an_evaluated_run() -> None:
    document = {"summary": {"decision": "hold", "failedGates": ["a", "b"], "reasonCodes": ["x"]}}
    assert evaluated_summary(document, "/r/result.json", "/r/state.json", "t.jsonl") == (
        "## Ops Manager Promotion CI\n\nDecision: `hold`\n\nFailed gates: a, b\n\nReason codes: x\n\n"
        "Result JSON: `/r/result.json`\n\nPromotion state: `/r/state.json`\n\nPromotion telemetry: `t.jsonl`\n"
    )


def test_a_skipped_run() -> None:
    assert skipped_summary(["a b.json", "c"]) == (
        "## Ops Manager Promotion CI\n\nDecision: `skipped`\n\nReason codes: `promotion_ci_missing_evidence`\n\n"
        "Missing evidence paths:\n- `a b.json`\n- `c`\n"
    )


@pytest.mark.parametrize(
    "document", [{}, {"summary": None}, {"summary": {"decision": ""}}, {"summary": {"decision": 1}}]
)
def test_without_a_decision_it_is_unknown(document: dict[str, object]) -> None:
    assert decision_of(document) is None
    assert "Decision: `unknown`\n\nFailed gates: none\n\nReason codes: none\n" in evaluated_summary(
        document, "", "", ""
    )


@pytest.mark.parametrize(
    ("text", "shown"), [("a`b", "`` a`b ``"), ("``", "``` `` ```"), (" a ", "`  a  `"), ("a\nb", "`a\\x0ab`")]
)
def test_no_path_ends_the_code_that_it_stands_in(text: str, shown: str) -> None:
    assert inline_code(text) == shown


@given(st.text(max_size=20))
def test_inline_code_is_one_line_inside_one_fence(text: str) -> None:
    shown = inline_code(text)
    fence = re.match("`+", shown)
    assert fence is not None
    assert len(shown.splitlines()) == 1
    if text.strip(" `"):
        assert shown.endswith(fence[0])
        inner = shown[len(fence[0]) : -len(fence[0])]
        assert fence[0] not in re.findall("`+", inner)
