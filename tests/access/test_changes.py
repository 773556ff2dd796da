"""A token more, a token less."""

from __future__ import annotations

import pytest

from opsd.access.changes import Grant, TokenAction, audit_row, rights_changed, with_token, with_token_revoked
from opsd.access.document import MAX_TOKENS
from opsd.access.model import Principals, Scope
from opsd.contract.errors import UsageError
from tests.access.factories import NOW, principal, secret, token

READ = frozenset({Scope.READ})


def test_a_new_principal_gets_what_it_was_granted_and_every_loop_by_default() -> None:
    everybody, made = with_token((), Grant("ci", READ), token(1), NOW)
    assert everybody == (made,)
    assert (made.scopes, made.loops, made.tokens) == (READ, ("*",), (token(1),))


def test_rotation_is_a_second_token_then_the_end_of_the_first() -> None:
    everybody, made = with_token((principal(tokens=[token(1)]),), Grant("ci"), token(2), NOW)
    assert made.live_tokens(NOW) == (token(1), token(2))
    everybody, after, ended = with_token_revoked(everybody, token(1).id, NOW + 0.5)
    assert (ended.revoked_at, after.live_tokens(NOW)) == (NOW, (token(2),))
    assert with_token_revoked(everybody, token(1).id, NOW + 9) == (everybody, after, ended)


@pytest.mark.parametrize(
    ("known", "grant", "fields", "message"),
    [
        ((), Grant("ci"), {}, "--scope is required"),
        ((), Grant("ci", READ), {"expires_at": NOW}, "the token would have expired already"),
        ((principal(tokens=[token(1), token(2)]),), Grant("ci"), {}, "principal ci has 2 live tokens; revoke one"),
        ((principal(),), Grant("ci", frozenset({Scope.ADMIN})), {}, "principal ci has live tokens with scopes read"),
        ((principal(),), Grant("ci", READ, ("web-*",)), {}, "principal ci has live tokens with scopes read"),
    ],
)
def test_what_would_not_be_safe_is_refused(
    known: Principals, grant: Grant, fields: dict[str, int], message: str
) -> None:
    with pytest.raises(UsageError) as refused:
        with_token(known, grant, token(9, **fields), NOW)
    assert refused.value.message.startswith(message)


def test_rights_may_change_where_no_token_lives() -> None:
    dead = (principal(tokens=[token(1, revoked_at=NOW)]),)
    _, made = with_token(dead, Grant("ci", frozenset({Scope.ADMIN}), ("db",)), token(2), NOW)
    assert (made.scopes, made.loops) == (frozenset({Scope.ADMIN}), ("db",))


def test_dead_tokens_are_kept_as_long_as_there_is_room() -> None:
    everybody: Principals = ()
    for seed in range(1, 40):
        everybody, made = with_token(everybody, Grant("ci", READ), token(seed), NOW)
        assert len(made.tokens) <= MAX_TOKENS
        if seed > 1:
            everybody, _, _ = with_token_revoked(everybody, token(seed - 1).id, NOW)
    assert [one.id for one in everybody[0].tokens] == [token(seed).id for seed in range(24, 40)]


def test_only_a_known_token_can_be_revoked() -> None:
    with pytest.raises(UsageError, match="there is no token with the id tok_ffff"):
        with_token_revoked((principal(),), "tok_ffff", NOW)


def test_the_audit_row_tells_everything_but_the_secret() -> None:
    row = audit_row(TokenAction.CREATED, principal(tokens=[token(1)]), token(1, note="laptop"), "ann", NOW)
    assert (row["action"], row["by"], row["principal"], row["tokenId"]) == ("token_created", "ann", "ci", token(1).id)
    assert not {secret(1), token(1).sha256} & set(map(str, row.values()))


def test_whose_rights_differ_is_told_and_nothing_else_counts() -> None:
    ann, bob, eve = principal("ann"), principal("bob", loops=("a", "b")), principal("eve", Scope.ADMIN)
    more = principal("ann", Scope.READ, Scope.POLICY)
    assert rights_changed((ann, bob), (bob, more)) == [("ann", ann, more)]
    assert rights_changed((ann,), (eve, ann)) == [("eve", None, eve)]
    assert rights_changed((ann, bob), (bob,)) == [("ann", ann, None)]
    fewer = principal("bob", loops=("a",))
    assert rights_changed((bob,), (fewer,)) == [("bob", bob, fewer)]
    same = principal("bob", loops=("b", "a", "a"), tokens=[token(5)])
    assert rights_changed((ann, bob), (same, ann)) == []
