"""Addresses that may stand in a configuration."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.net.addresses import is_public_endpoint


@pytest.mark.parametrize(
    "url",
    [
        "https://events.eu.example/v2/enqueue",
        "http://127.0.0.1:8080/v2/enqueue",
        "http://localhost/x",
        "http://[::1]:9/x",
        "HTTPS://h/x",
    ],
)
def test_https_and_this_host_are_endpoints(url: str) -> None:
    assert is_public_endpoint(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "events.example/v2",
        "https://",
        "https:///v2",
        "http://events.example/v2",
        "http://127.0.0.1.evil.example/",
        "http://127.0.0.1@evil.example/",
        "https://user:pass@events.example/",
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "https://h:99999/",
        "https://h:0/",
        "https://h/a b",
        "https://h/a\nb",
        "https://h\\@evil.example/",
        "https://[::1/",
    ],
)
def test_nothing_else_is(url: str) -> None:
    assert not is_public_endpoint(url)


@given(st.text())
def test_any_text_gets_an_answer(url: str) -> None:
    assert is_public_endpoint(url) in (True, False)
