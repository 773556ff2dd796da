"""The sliding window: whatever jobs do, each has one result, in order, and never too many run at a time."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsd.fleet.window import Window

_LONG_S = 60.0


class Work:
    """Jobs are words that say what they do; counts how many run at a time."""

    def __init__(self, limit: int, deadline_s: float = _LONG_S) -> None:
        self.release = threading.Event()
        self.running = self.most = 0
        self._lock = threading.Lock()
        self.window: Window[str, str] = Window(
            self.do, failed=lambda job, error: f"{job}: {error}", given_up=lambda job: f"{job}: late",
            limit=limit, deadline_s=deadline_s,
        )  # fmt: skip

    def do(self, job: str) -> str:
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        try:
            if job == "raise":
                raise ValueError("no")
            if job == "exit":
                raise SystemExit(3)
            if job == "hang":
                self.release.wait()
            return f"{job}: done"
        finally:
            with self._lock:
                self.running -= 1

    def run(self, jobs: Sequence[str]) -> list[str]:
        try:
            return self.window.run(jobs)
        finally:
            self.release.set()
            self.window.join(_LONG_S)
            assert self.running == 0


_ANSWERS = {"well": "well: done", "raise": "raise: no", "exit": "exit: 3", "hang": "hang: late"}


@given(st.lists(st.sampled_from(["well", "well", "raise", "exit"]), max_size=40), st.integers(1, 50))
def test_every_job_has_one_result_in_order(jobs: list[str], limit: int) -> None:
    work = Work(limit)
    assert work.run(jobs) == [_ANSWERS[job] for job in jobs]
    assert work.most <= limit


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from([*_ANSWERS]), max_size=12), st.integers(1, 12))
def test_jobs_that_hang_are_given_up_and_hold_up_no_other(jobs: list[str], limit: int) -> None:
    assert Work(limit, deadline_s=0.01 if "hang" in jobs else _LONG_S).run(jobs).count("hang: late") == jobs.count(
        "hang"
    )


def test_the_window_slides_past_a_job_that_takes_long() -> None:
    second_ended, order = threading.Event(), []

    def do(job: int) -> int:
        if job == 0:
            assert second_ended.wait(_LONG_S)
        elif job == 9:
            second_ended.set()
        order.append(job)
        return job

    window: Window[int, int] = Window(
        do, failed=lambda job, error: -1, given_up=lambda job: -2, limit=2, deadline_s=_LONG_S
    )
    assert window.run(range(10)) == list(range(10))
    assert order[-1] == 0


def test_what_comes_after_its_deadline_is_dropped() -> None:
    work = Work(1, deadline_s=0.01)

    def late(job: str) -> str:
        work.release.set()
        return f"{job}: late"

    work.window._given_up = late
    results = work.run(["hang", "well"])
    assert (results[0], len(results)) == ("hang: late", 2)


def test_a_system_without_threads_still_gives_every_result(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_more(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    work = Work(3)
    monkeypatch.setattr(threading.Thread, "start", no_more)
    assert work.window.run(["a", "b"]) == ["a: can't start new thread", "b: can't start new thread"]


def test_an_exception_of_the_caller_ends_it_at_once() -> None:
    work = Work(1)
    work.window._monotonic = iter([0.0]).__next__  # the second look at the clock raises
    with pytest.raises(StopIteration):
        work.window.run(["hang"])
    work.window._monotonic = lambda: 0.0
    work.release.set()
    work.window.join(_LONG_S)
