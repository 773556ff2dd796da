"""What an answer means, and when a delivery is tried again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.alerts.model import AttemptResult, HttpAnswer, RetryRules
from opsd.alerts.targets.retry import GiveUp, NextAttempt, delay_s, is_too_old, judge, missing_secret, next_attempt
from tests.alerts.factories import FakeSinkType, http_error

NOW = 1_000_000.0
rules = st.builds(
    RetryRules,
    base_s=st.floats(0, 1000),
    cap_s=st.floats(0, 5000),
    max_attempts=st.integers(1, 50),
    max_age_s=st.floats(1, 1e6),
)
fractions = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize("status", [200, 202, 204, 299])
def test_any_2xx_is_a_success(status: int) -> None:
    result = judge(HttpAnswer(status, "ok"), FakeSinkType())
    assert result.as_json() == {"status": "success", "httpStatus": status, "reasonCode": None, "message": "ok"}


@pytest.mark.parametrize(
    ("status", "retryable"),
    [
        *((status, True) for status in (408, 425, 429, 500, 501, 502, 503, 504, 599)),
        *((status, False) for status in (101, 301, 302, 307, 400, 401, 403, 404, 409, 410, 422, 451, 600)),
    ],
)
def test_other_statuses_are_retryable_or_permanent(status: int, retryable: bool) -> None:
    result = judge(HttpAnswer(status, "why"), FakeSinkType())
    assert result.as_json() == {
        "status": "failed",
        "reasonCode": "http_error",
        "httpStatus": status,
        "message": "why",
    }
    assert result.retryable is retryable


def test_a_request_without_answer_is_retryable_and_its_message_bounded() -> None:
    result = judge(HttpAnswer(error="no\nanswer" * 100), FakeSinkType())
    assert (result.reason_code, result.http_status, result.retryable) == ("request_failed", None, True)
    assert result.message is not None
    assert (len(result.message), "\n" in result.message) == (300, False)


def test_an_unset_secret_is_retryable() -> None:
    assert missing_secret("webhook url env is unset").retryable


@pytest.mark.parametrize(
    ("status", "asked_s", "pause_s"), [(429, 2.0, 2.0), (503, 7.0, 7.0), (429, 9e9, 3600.0), (500, 5.0, 0.0)]
)
def test_a_429_or_503_may_ask_for_a_pause_of_at_most_an_hour(status: int, asked_s: float, pause_s: float) -> None:
    assert judge(HttpAnswer(status, retry_after_s=asked_s), FakeSinkType()).pause_s == pause_s
    assert judge(HttpAnswer(status), FakeSinkType()).pause_s == 0.0


def test_only_the_sink_type_knows_what_closes_its_target() -> None:
    assert judge(HttpAnswer(404), FakeSinkType(closing={404})).closes_target
    assert not judge(HttpAnswer(404), FakeSinkType()).closes_target


def after(result: AttemptResult, attempts: int = 1, *, first: float = NOW, **given: object) -> NextAttempt:
    fields: dict[str, object] = {"sink_type": "webhook", "now": NOW, "rand": 0.5} | given
    return next_attempt(RetryRules(), result, attempts=attempts, first_attempt_at=first, **fields)  # type: ignore[arg-type]


def test_waits_double_from_the_base_to_the_cap() -> None:
    waits = [(after(http_error(500), attempts).at or 0) - NOW for attempts in range(1, 13)]
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 150.0, 150.0, 150.0]


def test_pagerduty_wants_half_a_minute_after_a_429() -> None:
    assert after(http_error(429), sink_type="pagerduty_events").at == NOW + 15.0
    assert after(http_error(500), sink_type="pagerduty_events").at == NOW + 0.5
    assert after(http_error(429)).at == NOW + 0.5


def test_a_pause_that_was_asked_for_is_waited_for() -> None:
    assert after(http_error(429, pause_s=60.0)).at == NOW + 60.0
    assert after(http_error(429, pause_s=0.1)).at == NOW + 0.5


def test_why_a_delivery_is_given_up_has_a_name() -> None:
    assert after(http_error(404)).reason is GiveUp.PERMANENT
    assert after(http_error(500), 19).at is not None
    assert after(http_error(500), 20) == NextAttempt(reason=GiveUp.ATTEMPTS)
    assert after(http_error(500), first=NOW - 86399.0).at is not None
    assert after(http_error(500), first=NOW - 86400.0) == NextAttempt(reason=GiveUp.AGE)
    assert is_too_old(RetryRules(), NOW - 86400.0, NOW)


@given(rules=rules, attempts=st.integers(1, 2000), rand=fractions)
def test_no_wait_is_longer_than_the_cap_or_negative(rules: RetryRules, attempts: int, rand: float) -> None:
    assert 0 <= delay_s(rules, attempts, rand) <= rules.cap_s


@given(rules=rules, attempts=st.integers(1, 60), rand=fractions, pause_s=st.floats(0, 3600), status=st.just(503))
def test_there_is_a_moment_or_a_reason_and_never_both(
    rules: RetryRules, attempts: int, rand: float, pause_s: float, status: int
) -> None:
    found = next_attempt(
        rules,
        http_error(status, pause_s=pause_s),
        sink_type="slack",
        attempts=attempts,
        first_attempt_at=NOW,
        now=NOW,
        rand=rand,
    )
    assert (found.at is None) is not (found.reason is None)
    if found.at is not None:
        assert attempts < rules.max_attempts
        assert pause_s <= found.at - NOW + 1e-6
        assert found.at - NOW < rules.max_age_s
