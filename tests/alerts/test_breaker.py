"""The circuit breaker: opens, tries one probe, and closes by success alone."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from opsd.alerts.targets.breaker import FIRST_PAUSE_S, MAX_PAUSE_S, THRESHOLD, Breaker, Phase
from tests.alerts.factories import SUCCESS, http_error

T = 1_000_000.0


def failing(times: int, breaker: Breaker | None = None, *, now: float = T) -> Breaker:
    breaker = breaker or Breaker()
    for _ in range(times):
        breaker = breaker.recorded(http_error(), now, digest="d", probe=False)
    return breaker


def probed(breaker: Breaker, now: float, *, ok: bool) -> Breaker:
    assert breaker.wait_s(now) == 0.0
    return breaker.admitted(now, 10).recorded(SUCCESS if ok else http_error(), now, digest="d", probe=True)


def test_five_failures_in_a_row_open_it_for_half_a_minute() -> None:
    assert failing(4).phase(T) is Phase.CLOSED
    opened = failing(5)
    assert opened.phase(T) is Phase.OPEN
    assert opened.wait_s(T + 29) == 1.0
    assert opened.wait_s(T + 30) == 0.0
    assert opened.phase(T + 30) is Phase.HALF_OPEN


@pytest.mark.parametrize("answer", [SUCCESS, http_error(404)])
def test_an_answer_breaks_the_row_of_failures(answer: object) -> None:
    breaker = failing(4).recorded(answer, T, digest="d", probe=False)  # type: ignore[arg-type]
    assert failing(4, breaker).phase(T) is Phase.CLOSED


def test_each_failed_probe_doubles_the_pause_up_to_a_quarter_of_an_hour() -> None:
    breaker, now, pauses = failing(5), T, []
    for _ in range(7):
        wait_s = breaker.wait_s(now) or 0.0
        pauses.append(wait_s)
        now += wait_s
        breaker = probed(breaker, now, ok=False)
    assert pauses == [30, 60, 120, 240, 480, 900, 900]


def test_a_success_closes_it_and_forgets_the_pauses() -> None:
    reopened = probed(failing(5), T + 30, ok=False)
    closed = probed(reopened, T + 90, ok=True)
    assert closed == Breaker()
    assert failing(5, closed).wait_s(T) == 30.0


def test_only_one_probe_goes_until_it_ends_or_its_lease_does() -> None:
    probing = failing(5).admitted(T + 30, 10)
    assert probing.wait_s(T + 31) == 9.0
    assert probing.wait_s(T + 40) == 0.0


def test_a_probe_that_is_refused_for_its_content_is_an_answer_but_no_success() -> None:
    probing = failing(5).admitted(T + 30, 10)
    ended = probing.recorded(http_error(404), T + 31, digest="d", probe=True)
    assert ended.phase(T + 31) is Phase.HALF_OPEN
    assert ended.wait_s(T + 31) == 0.0


def test_late_failures_of_requests_from_before_tell_nothing_new() -> None:
    opened = failing(5)
    assert failing(3, opened, now=T + 1) == opened


def test_a_target_that_was_closed_for_good_is_blocked_for_that_configuration_only() -> None:
    blocked = Breaker().recorded(http_error(404, closes=True), T, digest="old", probe=False)
    assert blocked.phase(T + 1e9, "old") is Phase.BLOCKED
    assert blocked.wait_s(T + 1e9, "old") is None
    assert blocked.wait_s(T, "new") == 0.0
    assert blocked.recorded(SUCCESS, T, digest="new", probe=False).phase(T, "old") is Phase.BLOCKED
    assert blocked.recorded(SUCCESS, T, digest="old", probe=False) == Breaker()


def test_a_clock_that_is_set_back_does_not_keep_it_open() -> None:
    assert failing(5).wait_s(T - 3600) == 0.0
    assert failing(5).wait_s(T - 1) == 31.0


class AnyOrder(RuleBasedStateMachine):
    """Requests are asked for, end in any way and any order, or die, while time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.now = T
        self.breaker = Breaker()
        self.under_way: list[bool] = []
        self.lease_until = 0.0

    @rule(seconds=st.floats(0, 1000))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def ask(self) -> None:
        if self.breaker.wait_s(self.now, "d") == 0:
            probe = self.breaker.open is not None
            if probe:
                assert True not in self.under_way or self.now >= self.lease_until
                self.under_way = [one for one in self.under_way if not one]
                self.lease_until = self.now + 20
            self.breaker = self.breaker.admitted(self.now, 20)
            self.under_way.append(probe)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), result=st.sampled_from([SUCCESS, http_error(500), http_error(404)]))
    def end(self, data: st.DataObject, result: object) -> None:
        probe = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        was_open = self.breaker.open is not None
        self.breaker = self.breaker.recorded(result, self.now, digest="d", probe=probe)  # type: ignore[arg-type]
        if was_open and self.breaker.open is None:
            assert result is SUCCESS
        if self.breaker.open is None:
            self.under_way = [False] * len(self.under_way)

    @invariant()
    def pauses_keep_their_bounds(self) -> None:
        if self.breaker.open is not None:
            length_s = self.breaker.open.until - self.breaker.open.since
            assert FIRST_PAUSE_S - 1e-3 <= length_s <= MAX_PAUSE_S + 1e-3
        else:
            assert self.breaker.failures < THRESHOLD


TestAnyOrder = AnyOrder.TestCase
