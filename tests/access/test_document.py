"""The principals file, strictly read."""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.access.document import document_of, parse_principals
from opsd.access.model import Principal, Scope
from opsd.access.token_format import TokenPurpose
from opsd.contract.errors import UsageError
from tests.access.factories import NOW, principal, secret, token

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


def good() -> tuple[Principal, ...]:
    return (
        principal("ann", Scope.ADMIN, tokens=[token(1, expires_at=NOW + 9, note="laptop"), token(2, revoked_at=NOW)]),
        principal("ci", Scope.READ, Scope.CONTROL, loops=("web-*",), tokens=[token(3, purpose=TokenPurpose.SPRITE)]),
    )


def encoded(document: Any) -> bytes:
    return json.dumps(document).encode()


def test_what_was_written_is_read_again() -> None:
    assert parse_principals(encoded(document_of(good())), NOW) == good()


def test_neither_a_token_nor_a_right_can_be_hidden_from_the_reader() -> None:
    text = encoded(document_of(good())).decode()
    assert not [seed for seed in range(5) if secret(seed) in text]


@given(st.binary(max_size=200) | json_values.map(encoded))
def test_no_bytes_make_the_reader_stumble(data: bytes) -> None:
    with suppress(UsageError):
        parse_principals(data, NOW)


@given(st.data())
def test_a_file_with_one_value_replaced_is_refused_or_read_strictly(data: st.DataObject) -> None:
    document = document_of(good())
    item: Any = data.draw(
        st.sampled_from([document, document["principals"][0], document["principals"][0]["tokens"][0]])
    )
    item[data.draw(st.sampled_from(sorted(item)))] = data.draw(json_values)
    try:
        parsed = parse_principals(encoded(document), NOW)
    except UsageError:
        return
    assert parse_principals(encoded(document_of(parsed)), NOW) == parsed


def _with(path: str, value: Any) -> bytes:
    document: Any = copy.deepcopy(document_of(good()))
    item: Any = document
    keys = [int(key) if key.isdigit() else key for key in path.split(".")]
    for key in keys[:-1]:
        item = item[key]
    if value is KeyError:
        del item[keys[-1]]
    else:
        item[keys[-1]] = value
    return encoded(document)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("schemaVersion", "v2", 'schemaVersion must be "v1"'),
        ("extra", 1, "the document has an unknown key: extra"),
        ("principals", {}, "principals must be a list"),
        ("principals.0.loops", KeyError, "principals[0] lacks loops"),
        ("principals.0.loops", [], "principals[0] needs at least one scope and one loop pattern"),
        ("principals.0.scopes", [], "principals[0] needs at least one scope and one loop pattern"),
        ("principals.0.scopes", ["root"], "principals[0].scopes must be one of: read, control, policy, admin"),
        ("principals.0.scopes", ["admin"] * 5, "principals[0].scopes has more than 4 entries"),
        ("principals.0.name", "api_token", "principals[0].name: the name api_token is reserved"),
        ("principals.0.name", "a b", "principals[0].name must be 1 to 64 letters"),
        ("principals.0.name", "ci", "the name occurs twice: ci"),
        ("principals.0.role", "x", "principals[0] has an unknown key: role"),
        ("principals.0.tokens.0.id", "1", "principals[0].tokens[0].id must be tok_"),
        ("principals.0.tokens.0.id", "tok_0000000000000003", "the token id occurs twice: tok_0000000000000003"),
        ("principals.0.tokens.0.sha256", "00", "principals[0].tokens[0].sha256 must be 64"),
        ("principals.0.tokens.0.expiresAt", 5, "principals[0].tokens[0].expiresAt must be a time like"),
        ("principals.0.tokens.0.expiresAt", KeyError, "principals[0].tokens[0] lacks expiresAt"),
        ("principals.0.tokens.0.purpose", "all", "principals[0].tokens[0].purpose must be one of: daemon, sprite"),
        ("principals.0.tokens.0.note", secret(), "principals[0].tokens[0].note must not hold a token"),
    ],
)
def test_a_mistake_is_named_with_its_place(path: str, value: Any, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_principals(_with(path, value), NOW)
    assert refused.value.message.startswith(message)


def test_a_third_live_token_is_refused_and_dead_ones_do_not_count() -> None:
    three = (principal(tokens=[token(1), token(2), token(3, expires_at=NOW)]),)
    assert parse_principals(encoded(document_of(three)), NOW) == three
    with pytest.raises(UsageError, match="more than 2 live tokens"):
        parse_principals(encoded(document_of(three)), NOW - 1)
