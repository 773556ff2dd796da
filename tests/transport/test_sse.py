"""The parser of Server-Sent Events: the same frames however the bytes are cut, and never without bound."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.transport.sse import Frame, SseParser, StreamError

_TEXT = st.text(st.characters(blacklist_characters="\r\n\0", blacklist_categories=("Cs",)), max_size=12)
_LINES = st.lists(_TEXT, min_size=1, max_size=3)
_FRAMES = st.lists(st.tuples(st.sampled_from(["", "loop_run_event", "end"]), _LINES, st.integers(0, 10**6)), max_size=8)


@given(_FRAMES, st.lists(st.integers(1, 7), min_size=1, max_size=30), st.booleans())
def test_cut_anywhere_the_frames_are_the_same(
    frames: list[tuple[str, list[str], int]], cuts: list[int], carriage_returns: bool
) -> None:
    written = ""
    for name, data, number in frames:
        written += f"id: {number}\n" + (f"event: {name}\n" if name else "")
        written += "".join(f"data: {line}\n" for line in data) + ": comment\n\n"
    document = (written.replace("\n", "\r\n") if carriage_returns else written).encode()
    parser, found, at, turn = SseParser(10_000), [], 0, 0
    while at < len(document):
        size = cuts[turn % len(cuts)]
        found += parser.feed(document[at : at + size])
        at, turn = at + size, turn + 1
    assert found == [Frame(name or "message", "\n".join(data), str(number)) for name, data, number in frames]


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_no_bytes_break_it(chunks: list[bytes]) -> None:
    parser = SseParser(10_000)
    for chunk in chunks:
        for frame in parser.feed(chunk):
            assert "\0" not in frame.last_id


@pytest.mark.parametrize("piece", [b"x" * 100, b"data: " + b"x" * 94 + b"\n", b"data:\n" * 20])
def test_a_frame_without_end_breaks_the_stream(piece: bytes) -> None:
    parser = SseParser(1000)
    with pytest.raises(StreamError, match="larger than 1000 bytes"):
        _feed_for_ever(parser, piece)


def test_short_lines_cost_what_they_take_in_memory() -> None:
    parser = SseParser(100_000)
    with pytest.raises(StreamError):
        parser.feed(b"data\n" * 2000)


def _feed_for_ever(parser: SseParser, piece: bytes) -> None:
    for _ in range(1000):
        assert parser.feed(piece) == []


def test_an_id_is_kept_and_a_frame_without_data_is_none() -> None:
    parser = SseParser(100)
    assert parser.feed(b"id: 7\n\nevent: x\n\ndata: a\n\nid: 8\0\ndata: b\n\n") == [
        Frame("message", "a", "7"),
        Frame("message", "b", "7"),
    ]
