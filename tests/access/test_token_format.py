"""What a token looks like, to us and to a scanner."""

from __future__ import annotations

import math
import re
import secrets
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.access.token_format import (
    ALPHABET,
    PATTERN,
    RANDOM_CHARS,
    TokenPurpose,
    digest_of,
    holds_token,
    mask_tokens,
    mint,
    purpose_of,
)
from tests.access.factories import secret

ROOT = Path(__file__).resolve().parents[2]
purposes = st.sampled_from(TokenPurpose)
seeds = st.integers(0, 2**64)


@given(seeds, purposes)
def test_a_token_is_recognised_as_what_it_is_for(seed: int, purpose: TokenPurpose) -> None:
    made = secret(seed, purpose)
    assert purpose_of(made) is purpose
    assert re.fullmatch(PATTERN, made)


@given(seeds, purposes, st.integers(0, 53), st.sampled_from(ALPHABET))
def test_a_token_with_a_wrong_character_is_none(seed: int, purpose: TokenPurpose, place: int, letter: str) -> None:
    made = secret(seed, purpose)
    changed = made[:place] + letter + made[place + 1 :]
    assert purpose_of(changed) is (purpose if changed == made else None)


@given(st.text())
def test_no_text_makes_the_check_stumble(text: str) -> None:
    assert purpose_of(text) is None
    assert len(digest_of(text)) == 64


@pytest.mark.parametrize("around", ["{}\n", " {}", "{} ", "x{}", "{}x", "{}\x00", "\u0660{}"])
def test_nothing_may_stand_around_a_token(around: str) -> None:
    assert purpose_of(around.format(secret())) is None


def test_tokens_hold_256_bits_of_chance_and_are_never_the_same() -> None:
    assert math.log2(len(ALPHABET) ** RANDOM_CHARS) >= 256
    asked: list[int] = []

    def random_below(bound: int) -> int:
        asked.append(bound)
        return bound - 1

    assert purpose_of(mint(TokenPurpose.DAEMON, random_below)) is TokenPurpose.DAEMON
    assert asked == [len(ALPHABET) ** RANDOM_CHARS]
    assert len({mint(TokenPurpose.SPRITE, secrets.randbelow) for _ in range(1000)}) == 1000


@given(seeds, purposes, st.text("abc ,;:=\"'/\n", max_size=20), st.text("abc ,;:=\"'/\n", max_size=20))
def test_a_token_in_a_text_is_masked(seed: int, purpose: TokenPurpose, before: str, after: str) -> None:
    made = secret(seed, purpose)
    assert holds_token(before + made + after)
    assert mask_tokens(before + made + after, "[redacted]") == f"{before}[redacted]{after}"


def test_what_only_resembles_a_token_stays_readable() -> None:
    text = "opsd_loop_events_ingested_total opsd_ opss_short"
    assert mask_tokens(text, "x") == text
    assert not holds_token(text)


def test_the_documented_pattern_is_the_one_that_a_scanner_needs() -> None:
    document = (ROOT / "docs" / "security.md").read_text()
    (pattern,) = re.findall(r"^regex: (\S+)$", document, re.MULTILINE)
    leaked = f'{{"authorization": "Bearer {secret(1)}"}} curl -H "X-Ops-Token: {secret(2, TokenPurpose.SPRITE)}"'
    assert re.findall(pattern, leaked) == [secret(1), secret(2, TokenPurpose.SPRITE)]
    assert pattern == PATTERN
    sources = [path for room in ("opsd", "sprite_service", "docs", "scripts") for path in (ROOT / room).rglob("*")]
    readable = [path.read_text("utf-8", "replace") for path in sources if path.is_file() and "data" not in path.parts]
    assert not [text for text in readable if re.search(pattern, text)]
