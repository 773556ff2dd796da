"""What HTTP clients share: addresses, proxies, ``Retry-After``."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.net.addresses import is_blocked, shown_url, travels_in_clear
from opsd.net.proxies import Proxies
from opsd.net.retry_after import parse_retry_after

#: 2026-11-24T08:00:00Z, a Tuesday.
NOW = 1795507200.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(None, None), ("5", 5.0), (" 5 ", 5.0), ("-5", None), ("1.5", None), ("9" * 12, None), ("٣", None), ("", None)],
)
def test_whole_seconds_of_a_retry_after_are_believed(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value) == seconds
    assert parse_retry_after(value, now=NOW) == seconds


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("Tue, 24 Nov 2026 08:00:30 GMT", 30.0),
        ("Tuesday, 24-Nov-26 08:00:30 GMT", 30.0),
        ("Tue Nov 24 08:00:30 2026", 30.0),
        ("Tue, 24 Nov 2026 07:00:00 GMT", 0.0),
        ("Tue, 99 Nov 2026 07:00:00 GMT", None),
        ("soon", None),
    ],
)
def test_a_date_is_understood_where_the_time_is_known(value: str, seconds: float | None) -> None:
    assert parse_retry_after(value, now=NOW) == seconds
    assert parse_retry_after(value) is None


@given(st.text(max_size=40))
def test_whatever_a_server_says_is_a_wait_or_nothing(value: str) -> None:
    found = parse_retry_after(value, now=NOW)
    assert found is None or found >= 0


@pytest.mark.parametrize(
    ("url", "clear"),
    [
        ("http://sprite.example:8787", True),
        ("http://10.0.0.1", True),
        ("http://localhost.evil.example", True),
        ("HTTP://Sprite.example", True),
        ("https://sprite.example", False),
        ("http://127.0.0.1:1", False),
        ("http://[::1]:1", False),
        ("http://localhost", False),
        ("http://[bad", False),
    ],
)
def test_what_travels_in_clear_is_recognised(url: str, clear: bool) -> None:
    assert travels_in_clear(url) is clear


@pytest.mark.parametrize(
    ("address", "blocked"),
    [
        ("169.254.169.254", True),
        ("169.254.0.1", True),
        ("fe80::1", True),
        ("fe80::1%eth0", True),
        ("::ffff:169.254.169.254", True),
        ("64:ff9b::a9fe:a9fe", True),
        ("fd00:ec2::254", True),
        ("100.100.100.200", True),
        ("168.63.129.16", True),
        ("127.0.0.1", False),
        ("::1", False),
        ("10.0.0.1", False),
        ("2001:db8::1", False),
        ("hooks.example", False),
    ],
)
def test_link_local_and_metadata_addresses_are_blocked(address: str, blocked: bool) -> None:
    assert is_blocked(address) is blocked


@given(st.ip_addresses(v=4, network="169.254.0.0/16"))
def test_no_form_of_a_link_local_address_slips_through(address: ipaddress.IPv4Address) -> None:
    assert is_blocked(str(address))
    assert is_blocked(f"::ffff:{address}")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://hooks.example/services/T0/B0/secret?x=1", "https://hooks.example"),
        ("https://user:pass@hooks.example:8443/a", "https://hooks.example"),
        ("http://[::1]:9/x", "http://[::1]"),
        ("file:///etc/passwd", "an address that is no URL"),
        ("secret-without-scheme", "an address that is no URL"),
        ("http://[bad", "an address that is no URL"),
    ],
)
def test_of_a_url_only_scheme_and_host_are_shown(url: str, shown: str) -> None:
    assert shown_url(url) == shown


def test_the_usual_variables_name_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:3128")
    monkeypatch.setenv("no_proxy", "localhost,.inside.example")
    proxies = Proxies()
    assert proxies.for_url("http://hooks.example:1/x") == "http://127.0.0.1:3128"
    assert proxies.for_url("https://hooks.example/x") is None
    assert proxies.for_url("http://a.inside.example/x") is None
    assert proxies.for_url("http://[bad") is None
