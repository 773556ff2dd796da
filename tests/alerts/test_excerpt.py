"""What is kept of an answer: one short line, no secrets, nothing that commands a terminal."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.alerts.model import SinkRequest
from opsd.alerts.targets.excerpt import excerpt, secrets_in

URL = "https://user:pa55word@hooks.example/services/T0/B0/abcDEF123456xyz?key=q1w2e3r4"
REQUEST = SinkRequest(URL, (("Authorization", "Bearer tok-9876"),), b"{}", secrets=("routing-key-0123",))


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (b"", None),
        (b"\n\n", None),
        (b"ok\n\n", "ok"),
        (b"a\nb\n\nc\n", "a b  c"),
        (b"x" * 301, "x" * 300),
        ("ü".encode() * 301, "ü" * 300),
        (b"\xff", "\ufffd"),
        (b"a\r\tb\x1b[2J\x00\x7f", "a\ufffd\ufffdb\ufffd[2J\ufffd\ufffd"),
        ("a\u202eb\u2028c".encode(), "a\ufffdb\ufffdc"),
    ],
)
def test_an_excerpt_is_one_line_of_at_most_300_characters(body: bytes, kept: str | None) -> None:
    assert excerpt(body) == kept


@pytest.mark.parametrize(
    "said",
    [
        URL,
        "/services/T0/B0/abcDEF123456xyz",
        "abcDEF123456xyz",
        "key=q1w2e3r4",
        "pa55word",
        "Bearer tok-9876",
        "tok-9876",
        "routing-key-0123",
    ],
)
def test_whatever_was_secret_in_the_request_is_masked(said: str) -> None:
    kept = excerpt(f"no such: {said}!".encode(), secrets_in(REQUEST))
    assert kept == "no such: [redacted]!"


def test_a_secret_at_the_cut_is_not_shown_in_part() -> None:
    kept = excerpt(b"x" * 295 + b"tok-9876", secrets_in(REQUEST))
    assert kept == "x" * 295 + "[reda"


def test_short_words_of_a_path_stay_readable() -> None:
    request = SinkRequest("https://hooks.example/alerts", (), b"{}")
    assert excerpt(b"alerts accepted", secrets_in(request)) == "alerts accepted"


@given(body=st.binary(max_size=500), secret=st.text(alphabet="abc01", min_size=4, max_size=8))
def test_no_answer_brings_a_secret_or_a_control_character_through(body: bytes, secret: str) -> None:
    kept = excerpt(body + secret.encode() + body, secrets_in(replace(REQUEST, secrets=(secret,)))) or ""
    assert secret not in kept.replace("[redacted]", "")
    assert all(ord(char) >= 32 and char != "\x7f" for char in kept)
