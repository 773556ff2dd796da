"""Counting bytes by replacing them gives what ``bytes.count`` gives."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from opsd.contract.bytecount import count_byte


@given(st.binary() | st.text("ab\n[{").map(str.encode), st.sampled_from([b"\n", b"{", b"["]))
def test_it_counts_like_bytes_count(data: bytes, byte: bytes) -> None:
    assert count_byte(data, byte) == data.count(byte)
