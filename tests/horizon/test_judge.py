"""The verdict on a file: one bad line rejects it, the last reason counts, and it takes its envelopes along."""

from __future__ import annotations

from opsd.horizon.dedupe import KnownKeys
from opsd.horizon.envelope import Rejection
from opsd.horizon.judge import MAX_NAMED, FileJudge, FileVerdict
from tests.horizon.factories import line


def verdict_on(*lines: bytes, known: KnownKeys | None = None) -> FileVerdict:
    judge = FileJudge("a.jsonl.claim.1.2", known or KnownKeys())
    for text in lines:
        judge.take(text.removesuffix(b"\n"))
    return judge.verdict()


def test_new_and_known_envelopes_and_empty_lines_are_counted() -> None:
    known = KnownKeys(pairs=[("old", "t")])
    verdict = verdict_on(line("a"), b"", line("a"), line("b"), line("old"), known=known)
    assert (verdict.lines, verdict.queued, verdict.duplicates, verdict.invalid) == (5, 2, 2, 0)
    assert [envelope.packet_id for envelope in verdict.new] == ["a", "b"]
    assert not verdict.rejected
    assert known.wire_keys() == ["old::t"], "what is known is the caller's to change"


def test_an_empty_file_is_fine() -> None:
    assert not verdict_on().rejected


def test_one_bad_line_rejects_all_and_the_last_reason_wins() -> None:
    verdict = verdict_on(line("a"), b"{", line("b"), line("a"), b"null", line("c"))
    assert verdict.rejected
    assert verdict.new == ()
    assert verdict.last_reason is Rejection.FIELD_MISSING
    assert (verdict.lines, verdict.queued, verdict.duplicates, verdict.invalid) == (6, 3, 1, 2)
    assert verdict.invalid_lines == ((2, Rejection.INVALID_JSON), (5, Rejection.FIELD_MISSING))


def test_only_so_many_lines_are_named() -> None:
    verdict = verdict_on(*[b"{"] * 1000)
    assert verdict.invalid == 1000
    assert len(verdict.invalid_lines) == MAX_NAMED
    assert verdict.reasons == {Rejection.INVALID_JSON: 1000}


def test_a_file_that_was_cut_off_is_rejected() -> None:
    judge = FileJudge("a", KnownKeys())
    judge.take(line("a")[:-1])
    judge.cut_off()
    assert (judge.verdict().rejected, judge.verdict().lines) == (True, 2)


def test_envelopes_that_share_a_key_are_both_queued_and_the_key_is_told() -> None:
    verdict = verdict_on(line("a::b", "c"), line("a", "b::c"), line("x", "y"))
    assert verdict.queued == 3
    assert verdict.ambiguous_keys == ("a::b::c",)
