"""Silences: their states, what they keep back, and a document that cannot be understood."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.alerts.muting.matchers import Matcher
from opsd.alerts.muting.silences import (
    Silence,
    SilenceState,
    active_silences,
    added,
    document_of,
    expired,
    parse_silences,
    silences_of_file,
    silences_or_warning,
    silencing,
)
from opsd.contract import jsoncodec
from opsd.contract.errors import ManagerFileError, UsageError

DEMO = Matcher("loopId", "demo")


def silence(starts_at: int = 100, ends_at: int = 200, name: str = "sil_1", *matchers: Matcher) -> Silence:
    return Silence(name, matchers or (DEMO,), starts_at, ends_at, "me", "deploy")


@pytest.mark.parametrize(("now", "state"), [(99.9, "pending"), (100, "active"), (199.9, "active"), (200, "expired")])
def test_a_silence_is_in_force_from_its_start_until_before_its_end(now: float, state: str) -> None:
    assert silence().state(now) is SilenceState(state)
    assert bool(active_silences([silence()], now)) is (state == "active")


def test_a_row_is_kept_back_by_every_active_silence_that_describes_it() -> None:
    known = [
        silence(name="a"),
        silence(100, 200, "b", Matcher("category", "health_.*", is_regex=True)),
        silence(100, 200, "c", Matcher("loopId", "other")),
        silence(300, 400, "d"),
    ]
    labels = {"loopId": ("demo",), "category": ("health_critical",)}
    assert silencing(known, labels, 150) == ("a", "b")
    assert silencing(known, labels, 350) == ("d",)
    assert silencing(known, labels, 250) == ()


def test_an_expired_silence_stays_in_the_document() -> None:
    known = (silence(name="a"), silence(name="b"))
    after, ended = expired(known, "a", 150.7)
    assert [one.id for one in after] == ["a", "b"]
    assert ended.ends_at == 150
    assert ended.state(150.7) is SilenceState.EXPIRED
    assert expired(after, "a", 160)[0] == after


def test_a_silence_that_has_not_begun_never_will_once_it_is_expired() -> None:
    after, _ = expired((silence(),), "sil_1", 50)
    assert {one.state(now) for one in after for now in (50, 100, 150)} == {SilenceState.EXPIRED}
    assert parse_silences(jsoncodec.dumps(document_of(after))) == after


def test_an_id_that_nobody_has_cannot_be_expired() -> None:
    with pytest.raises(UsageError, match="there is no silence with the id nope"):
        expired((silence(),), "nope", 150)


@pytest.mark.parametrize(
    ("new", "message"),
    [
        (silence(200, 200, "x"), "must end after it begins"),
        (silence(10, 50, "x"), "would have ended already"),
        (silence(), "there is a silence with this id already: sil_1"),
        (silence(100, 300000000000, "x"), "after the year 9999"),
    ],
)
def test_what_cannot_silence_anything_is_not_added(new: Silence, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        added((silence(),), new, 100)


@given(
    st.lists(
        st.builds(
            Silence,
            id=st.uuids().map(str),
            matchers=st.lists(
                st.builds(Matcher, st.just("loopId"), st.text(max_size=5), st.just(False)), min_size=1
            ).map(tuple),
            starts_at=st.integers(0, 4_000_000_000),
            ends_at=st.integers(0, 4_000_000_000),
            created_by=st.text(max_size=5),
            comment=st.text(max_size=5),
        ),
        max_size=5,
        unique_by=lambda one: one.id,
    ).map(tuple)
)
def test_a_document_reads_as_it_was_written(known: tuple[Silence, ...]) -> None:
    assert parse_silences(jsoncodec.dumps(document_of(known))) == known


def test_the_document_has_the_contracts_form() -> None:
    assert document_of([silence(0, 60)]) == {
        "schemaVersion": "v1",
        "silences": [
            {
                "id": "sil_1",
                "matchers": [{"name": "loopId", "value": "demo", "isRegex": False, "isEqual": True}],
                "startsAt": "1970-01-01T00:00:00Z",
                "endsAt": "1970-01-01T00:01:00Z",
                "createdBy": "me",
                "comment": "deploy",
            }
        ],
    }


ONE = document_of([silence()])["silences"][0]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "it is not JSON"),
        (b"{", "it is not JSON"),
        (b"[]", 'schemaVersion must be "v1"'),
        (b'{"schemaVersion":"v2","silences":[]}', 'schemaVersion must be "v1"'),
        (b'{"schemaVersion":"v1"}', "silences must be a list"),
        ([1], "silences[0] must be an object"),
        ([ONE | {"id": ""}], "silences[0].id must be a text that is not empty"),
        ([ONE | {"matchers": []}], "silences[0].matchers must be a list of at least one matcher"),
        ([ONE | {"endsAt": None}], "silences[0].endsAt must be a time like 2026-01-31T08:00:00Z"),
        ([ONE | {"comment": 1}], "silences[0].comment must be a text"),
        ([ONE, ONE], "two silences have the same id"),
    ],
)
def test_a_document_that_cannot_be_understood_silences_nothing_and_is_not_overwritten(
    data: bytes | list[object], message: str
) -> None:
    raw = data if isinstance(data, bytes) else jsoncodec.dumps({"schemaVersion": "v1", "silences": data})
    assert silences_or_warning(raw, "F") == ((), f"no alert is silenced: F is invalid: {message}")
    with pytest.raises(ManagerFileError) as refused:
        silences_of_file(raw, "F")
    assert refused.value.message == f"invalid alert silences file: F: {message}"


def test_without_a_document_nothing_is_silenced_and_nothing_is_wrong() -> None:
    assert silences_or_warning(None, "F") == ((), None)
