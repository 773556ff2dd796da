"""Bodies as flags and flags as bodies: one rule in both directions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from opsd.api.flags import body_of, fields_by_flag, flag_of, flags_of, kind_of, plain
from opsd.api.models.promotion import PromotionApply, PromotionController, PromotionGates
from opsd.cli.arguments import CommandSpec
from opsd.cli.remote.command import spec_of
from opsd.cli.remote.promotion import COMMANDS


def test_a_field_is_the_flag_of_its_words() -> None:
    assert flag_of(PromotionGates, "maxDrillAgeHours") == "--max-drill-age-hours"
    assert flag_of(PromotionApply, "evidenceRefs") == "--evidence-ref"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_field_is_a_flag_that_the_command_knows(name: str) -> None:
    command = COMMANDS[name]
    spec = spec_of(command.spec)
    assert all(spec.declares(flag) for flag in command.flags)
    assert not [flag for flag in command.flags if flag.endswith("-file")]


def test_only_what_is_said_becomes_a_flag() -> None:
    body = PromotionController(mode="propose_only", maxFailureRate=0.0000001, evidenceRefs=["a", "-b"], loopId=None)
    assert flags_of(body) == [
        *("--evidence-ref", "a", "--evidence-ref", "-b", "--max-failure-rate", "0.0000001", "--mode", "propose_only"),
    ]
    assert flags_of(PromotionController(holdWhilePaused=True, skipOnMissingEvidence=False)) == ["--hold-while-paused"]


def test_kinds() -> None:
    kinds = {field: kind_of(PromotionApply, field) for field in PromotionApply.model_fields}
    assert (kinds["expandStep"], kinds["emergency"], kinds["evidenceRefs"]) == (int, bool, list)
    assert (kinds["maxDecisionAgeMinutes"], kinds["intent"], kinds["loopId"]) == (int, str, str)
    assert kind_of(PromotionGates, "maxFailureRate") is float


@pytest.mark.parametrize(("flag", "text"), [("--window-executions", "1.5"), ("--max-failure-rate", "1e-3")])
def test_what_is_no_number_is_named(flag: str, text: str) -> None:
    with pytest.raises(ValueError, match=flag):
        body_of(PromotionGates, {flag: [text]})


_TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=20)


@given(
    st.fixed_dictionaries(
        {"intent": st.sampled_from(["expand", "resume", "rollback"]), "approvalRef": _TEXT, "rationale": _TEXT},
        optional={
            "expandStep": st.integers(1, 100),
            "evidenceRefs": st.lists(_TEXT, min_size=1, max_size=3),
            "emergency": st.just(True),
            "maxDecisionAgeMinutes": st.integers(1, 10**9),
        },
    )
)
def test_there_and_back(values: dict[str, Any]) -> None:
    body = PromotionApply.model_validate({**values, "reviewBy": "2027-01-31T00:00:00Z"})
    known = fields_by_flag(PromotionApply)
    spec = CommandSpec("x", "x", spec_of("opsd.cli.promotion.apply:SPEC").flags)
    arguments = spec.parse(flags_of(body))
    given = {flag: [] if kind_of(PromotionApply, known[flag]) is bool else arguments.all(flag) for flag in known}
    said = {flag: value for flag, value in given.items() if arguments.given(flag) is not None}
    assert PromotionApply.model_validate(body_of(PromotionApply, said)) == body


@given(st.floats(0, 1))
def test_a_rate_has_no_exponent(rate: float) -> None:
    assert "e" not in plain(rate)
    assert float(plain(rate)) == pytest.approx(rate, abs=1e-12)


def test_a_body_refuses_what_the_command_has_no_business_with() -> None:
    with pytest.raises(ValidationError):
        PromotionApply.model_validate({"intent": "expand", "registryFile": "/etc/passwd"})
