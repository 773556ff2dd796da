"""The ring of changes: numbered, bounded, and honest about what it lost."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from opsd.api.changes import ChangeFeed, ChangeKind


@given(st.integers(1, 20), st.integers(0, 60), st.integers(0, 60), st.integers(1, 70))
def test_a_reader_gets_what_is_behind_it_or_is_told_that_some_is_gone(
    frames: int, published: int, position: int, most: int
) -> None:
    feed = ChangeFeed(frames=frames)
    for number in range(published):
        feed.publish(ChangeKind.LOOP, {"number": number})
    found, gap = feed.behind(position, most)
    wanted = list(range(max(position, published - frames) + 1, published + 1))
    assert [frame.number for frame in found] == wanted[:most]
    assert gap is (position < published and position < published - frames)


@given(st.lists(st.integers(0, 300), max_size=30))
def test_the_ring_holds_so_many_bytes_and_the_newest_frame_in_any_case(sizes: list[int]) -> None:
    feed = ChangeFeed(ring_bytes=500)
    for size in sizes:
        feed.publish(ChangeKind.OPERATION, {"text": "x" * size})
    found, gap = feed.behind(0)
    assert [frame.number for frame in found] == list(range(len(sizes) - len(found) + 1, len(sizes) + 1))
    assert sum(len(frame.data) for frame in found) <= 500
    assert gap is (len(found) < len(sizes))
    assert bool(found) is bool(sizes)


def test_a_frame_larger_than_the_ring_is_told_all_the_same() -> None:
    feed = ChangeFeed(ring_bytes=500)
    for size in (1, 5000):
        feed.publish(ChangeKind.OPERATION, {"text": "x" * size})
    assert [frame.number for frame in feed.behind(1)[0]] == [2]


def test_what_is_no_news_is_not_told() -> None:
    feed = ChangeFeed()
    feed.loop_changed("alpha", {"loopId": "alpha", "state": "running", "lastPassAt": "1"})
    feed.loop_changed("alpha", {"loopId": "alpha", "state": "running", "lastPassAt": "2"})
    assert feed.last == 1
    feed.loop_gone("alpha")
    feed.loop_gone("alpha")
    assert feed.last == 2


def test_an_id_of_another_life_or_of_the_future_is_no_place() -> None:
    feed, other = ChangeFeed(), ChangeFeed()
    feed.publish(ChangeKind.LOOP, {})
    assert feed.position_of(feed.id_of(1)) == 1
    for text in (other.id_of(1), feed.id_of(2), "", "1", feed.id_of(1) + "x", feed.id_of(1).replace("-", "--")):
        assert feed.position_of(text) is None


async def test_everybody_who_listens_hears_once_of_all_changes_of_a_turn_and_of_the_end() -> None:
    feed = ChangeFeed()
    heard: list[tuple[str, int]] = []

    def ann() -> None:
        heard.append(("ann", feed.last))
        feed.unlisten(ann)

    def bob() -> None:
        heard.append(("bob", feed.last))

    for listener in (ann, bob, bob):
        feed.listen(listener)
    feed.publish(ChangeKind.LOOP, {})
    feed.publish(ChangeKind.LOOP, {})
    assert heard == []
    await asyncio.sleep(0)
    assert heard == [("ann", 2), ("bob", 2)]
    feed.publish(ChangeKind.LOOP, {})
    await asyncio.sleep(0)
    feed.end()
    await asyncio.sleep(0)
    assert heard[2:] == [("bob", 3), ("bob", 3)]
    assert feed.ended


def test_a_feed_that_nobody_listens_to_needs_no_event_loop() -> None:
    feed = ChangeFeed()
    feed.publish(ChangeKind.LOOP, {})
    feed.end()
    assert feed.last == 1
