"""No secret survives in a text for a person."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.contract.secrets import MASK
from opsd.supervisor.redaction import MAX_TEXT_CHARS, Redactor
from tests.access.factories import secret as token_of


def redactor(*known: str) -> Redactor:
    made = Redactor()
    for secret in known:
        made.add(secret)
    return made


@given(
    secret=st.text(alphabet=st.characters(exclude_characters="[]redact"), min_size=4, max_size=20),
    around=st.text("xyz "),
)
def test_a_known_secret_is_in_no_text_however_it_is_written(secret: str, around: str) -> None:
    known = redactor(secret)
    assert secret not in known.text(around + secret + around)
    assert repr(secret)[1:-1] not in known.text(f"{around}{[secret]!r}")
    assert json.dumps(secret)[1:-1] not in known.text(json.dumps({"a": secret}))


@pytest.mark.parametrize("order", [("hush", "hush-hush"), ("hush-hush", "hush")])
def test_a_secret_that_begins_another_leaves_no_rest(order: tuple[str, str]) -> None:
    assert redactor(*order).text("say hush-hush or hush") == f"say {MASK} or {MASK}"


def test_a_secret_in_a_url_is_replaced() -> None:
    assert redactor("pa/ss word").text("http://h/?t=pa%2Fss%20word") == f"http://h/?t={MASK}"


def test_a_text_too_short_to_be_a_secret_is_left_alone() -> None:
    assert redactor("a", "").text("a banana") == "a banana"


def test_values_are_searched_to_the_bottom_and_telling_keys_masked() -> None:
    class Odd:
        def __str__(self) -> str:
            raise RuntimeError

    found = redactor("hush-hush")(
        None,
        "",
        {
            "event": "got hush-hush",
            "token": "unknown",
            "request": {
                "headers": [{"X-Ops-Token": "t", "Authorization": "Bearer t", "Accept": "*/*"}],
                1: b"hush-hush",
            },
            "tuple": ("hush-hush", 3, None, 1.5, True),
            "odd": Odd(),
            "hush-hush-as-key": {"hush-hush": 1},
            "_record": "left alone",
        },
    )
    assert found == {
        "event": f"got {MASK}",
        "token": MASK,
        "request": {"headers": [{"X-Ops-Token": MASK, "Authorization": MASK, "Accept": "*/*"}], "1": f"b'{MASK}'"},
        "tuple": [MASK, 3, None, 1.5, True],
        "odd": "(Odd without a text)",
        "hush-hush-as-key": {MASK: 1},
        "_record": "left alone",
    }


def test_what_refers_to_itself_ends() -> None:
    endless: list[object] = []
    endless.append(endless)
    assert redactor().value(endless)


def test_a_long_text_keeps_its_beginning_and_its_end() -> None:
    cut = redactor().text("begin " + "x" * 10 * MAX_TEXT_CHARS + " end")
    assert len(cut) < MAX_TEXT_CHARS + 100
    assert cut.startswith("begin ")
    assert cut.endswith(" end")


def test_an_error_becomes_one_bounded_text() -> None:
    known = redactor("hush-hush")
    assert known.error(ValueError("bad hush-hush")) == f"ValueError: bad {MASK}"
    assert known.error(TimeoutError()) == "TimeoutError"
    assert len(known.error(ValueError("x" * 9000))) == 500


def test_whatever_looks_like_a_token_of_ours_is_masked_though_nobody_registered_it() -> None:
    planted = token_of(7)
    assert redactor().text(f"GET /v1/loops?t={planted}&x") == f"GET /v1/loops?t={MASK}&x"
    assert planted not in str(redactor()(None, "info", {"event": planted, "deep": {planted: [planted]}}))
    assert redactor().text("opsd_loop_state 1") == "opsd_loop_state 1"
