"""An envelope is known by packet id and trace id, also where the wire's key could be read in more than one way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from opsd.horizon.dedupe import KnownKeys, Seen, key_of, readings

#: Ids with many colons, so that keys are ambiguous often.
IDS = st.text(alphabet="a:", min_size=1, max_size=6)
PAIRS = st.tuples(IDS, IDS)


def test_two_envelopes_with_one_key_are_two() -> None:
    known = KnownKeys(pairs=[("a::b", "c")])
    assert known.look_up(("a", "b::c")) is Seen.NEW_BUT_SAME_KEY
    assert known.look_up(("a::b", "c")) is Seen.KNOWN
    assert known.look_up(("a", "b")) is Seen.NEW


def test_a_key_that_nobody_explains_counts_as_seen_and_is_told() -> None:
    known = KnownKeys(keys=["a::b::c", "p::t"])
    assert known.look_up(("a", "b::c")) is Seen.MAYBE_KNOWN
    assert known.look_up(("a::b", "c")) is Seen.MAYBE_KNOWN
    assert known.look_up(("p", "t")) is Seen.KNOWN


def test_a_key_that_a_pair_explains_stands_for_that_pair_only() -> None:
    known = KnownKeys(keys=["a::b::c"], pairs=[("a", "b::c")])
    assert known.look_up(("a::b", "c")) is Seen.NEW_BUT_SAME_KEY


def test_texts_that_are_no_keys_stay_and_match_nothing() -> None:
    known = KnownKeys(keys=["::t", "p::", "x", ""])
    assert known.wire_keys() == ["", "::t", "p::", "x"]
    assert known.look_up(("x", "x")) is Seen.NEW


@given(PAIRS)
def test_a_key_can_be_read_as_what_it_was_made_of(pair: tuple[str, str]) -> None:
    found = list(readings(key_of(pair)))
    assert pair in found
    assert all(key_of(other) == key_of(pair) for other in found)


@given(st.sets(PAIRS, max_size=12), PAIRS)
def test_a_state_gives_back_exactly_what_was_known(pairs: set[tuple[str, str]], other: tuple[str, str]) -> None:
    before = KnownKeys(pairs=pairs)
    after = KnownKeys(before.wire_keys(), before.ambiguous_pairs())
    assert all(after.look_up(pair) is Seen.KNOWN for pair in pairs)
    assert after.look_up(other) is before.look_up(other)
    assert before.look_up(other).is_new == (other not in pairs)
    assert after.wire_keys() == sorted({key_of(pair) for pair in pairs})


@given(st.sets(PAIRS, max_size=8), PAIRS)
def test_what_is_seen_in_the_same_file_counts_too(pairs: set[tuple[str, str]], other: tuple[str, str]) -> None:
    assert KnownKeys().look_up(other, pairs) is KnownKeys(pairs=pairs).look_up(other)
