"""Who asks, and may they?"""

from __future__ import annotations

from hmac import compare_digest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.access.authenticate import Extent, Identity, Refusal, RefusalReason, Target, authenticate, authorize, renewed
from opsd.access.model import Principal, Scope, Token
from opsd.access.token_format import TokenPurpose
from tests.access.factories import NOW, principal, secret, token

DAEMON, SPRITE = TokenPurpose.DAEMON, TokenPurpose.SPRITE

tokens = st.builds(
    token,
    st.integers(0, 5),
    purpose=st.sampled_from(TokenPurpose),
    expires_at=st.none() | st.integers(NOW - 5, NOW + 5),
    revoked_at=st.none() | st.just(NOW - 1),
)
everybody = st.lists(
    st.builds(
        Principal,
        st.text(max_size=5),
        st.frozensets(st.sampled_from(Scope)),
        st.lists(st.text(max_size=5), max_size=3).map(tuple),
        st.lists(tokens, max_size=3).map(tuple),
    ),
    max_size=4,
).map(tuple)
presented = st.text() | st.builds(secret, st.integers(0, 6), st.sampled_from(TokenPurpose))


def test_a_token_names_its_principal() -> None:
    known = (principal("ann", tokens=[token(1)]), principal("ci", Scope.CONTROL, loops=("web-*",), tokens=[token(2)]))
    found = authenticate(known, secret(2), NOW, purpose=DAEMON)
    assert found == Identity("ci", frozenset({Scope.CONTROL}), ("web-*",), "tok_0000000000000002")


def test_both_tokens_of_a_rotation_work_until_the_former_is_revoked() -> None:
    both = (principal(tokens=[token(1), token(2)]),)
    names = [authenticate(both, secret(seed), NOW, purpose=DAEMON) for seed in (1, 2)]
    assert [isinstance(found, Identity) and found.name for found in names] == ["ci", "ci"]
    rotated = (principal(tokens=[token(1, revoked_at=NOW), token(2)]),)
    refused = authenticate(rotated, secret(1), NOW, purpose=DAEMON)
    assert refused == Refusal(RefusalReason.REVOKED, "ci", "tok_0000000000000001")
    assert isinstance(authenticate(rotated, secret(2), NOW, purpose=DAEMON), Identity)


def test_a_token_works_up_to_the_very_second_of_its_expiry() -> None:
    known = (principal(tokens=[token(expires_at=NOW)]),)
    assert isinstance(authenticate(known, secret(), NOW - 0.001, purpose=DAEMON), Identity)
    refused = authenticate(known, secret(), NOW, purpose=DAEMON)
    assert isinstance(refused, Refusal)
    assert refused.reason is RefusalReason.EXPIRED


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", RefusalReason.MALFORMED),
        (secret()[:-1] + "?", RefusalReason.MALFORMED),
        (secret(0, SPRITE), RefusalReason.FOREIGN),
        (secret(99), RefusalReason.UNKNOWN),
    ],
)
def test_every_reason_is_told_apart_for_the_log(text: str, reason: RefusalReason) -> None:
    assert authenticate((principal(),), text, NOW, purpose=DAEMON) == Refusal(reason)


def test_a_token_of_the_daemon_opens_no_sprite() -> None:
    known = (principal(tokens=[token(1), token(2, purpose=SPRITE)]),)
    assert isinstance(authenticate(known, secret(2, SPRITE), NOW, purpose=SPRITE), Identity)
    assert authenticate(known, secret(1), NOW, purpose=SPRITE) == Refusal(RefusalReason.FOREIGN)


@given(everybody, presented, st.floats(NOW - 10, NOW + 10), st.sampled_from(TokenPurpose))
def test_whatever_is_presented_there_is_an_answer(
    known: tuple[Principal, ...], text: str, now: float, purpose: TokenPurpose
) -> None:
    answer = authenticate(known, text, now, purpose=purpose)
    if isinstance(answer, Identity):
        whose = [one for one in known for item in one.live_tokens(now) if item.id == answer.credential]
        assert answer.name in [one.name for one in whose]


@given(everybody, presented)
def test_all_tokens_are_compared_whatever_matches(known: tuple[Principal, ...], text: str) -> None:
    compared: list[str] = []

    def counting(one: str, other: str) -> bool:
        compared.append(one)
        return compare_digest(one, other)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("opsd.access.authenticate.compare_digest", counting)
        answer = authenticate(known, text, NOW, purpose=DAEMON)
    every: list[Token] = [item for one in known for item in one.tokens]
    before_any = (RefusalReason.MALFORMED, RefusalReason.FOREIGN)
    looked_at = [] if isinstance(answer, Refusal) and answer.reason in before_any else every
    assert compared == [item.sha256 for item in looked_at]


R, C, P, A = Scope.READ, Scope.CONTROL, Scope.POLICY, Scope.ADMIN


@pytest.mark.parametrize(
    ("held", "allowed"), [({R}, {R}), ({C}, {R, C}), ({P}, {R, P}), ({C, P}, {R, C, P}), ({A}, {R, C, P, A})]
)
def test_scopes_include_reading_and_admin_includes_all(held: set[Scope], allowed: set[Scope]) -> None:
    identity = Identity("x", frozenset(held))
    assert {scope for scope in Scope if authorize(identity, scope, "any")} == allowed


@pytest.mark.parametrize(
    ("loops", "target", "allowed"),
    [
        (("*",), "anything", True),
        (("*",), Extent.FLEET, True),
        (("web-*", "db"), "web-1", True),
        (("web-*", "db"), "db", True),
        (("web-*", "db"), "db2", False),
        (("web-*",), "WEB-1", False),
        (("web-*",), Extent.FLEET, False),
        (("web-*",), Extent.LISTING, True),
        ((), Extent.LISTING, False),
        (("[ab]?",), "b1", True),
        (("**",), Extent.FLEET, False),
    ],
)
def test_loops_are_globs_and_only_a_star_reaches_the_fleet(
    loops: tuple[str, ...], target: Target, allowed: bool
) -> None:
    assert authorize(Identity("x", frozenset({R}), loops), R, target) is allowed


@given(
    st.frozensets(st.sampled_from(Scope)),
    st.lists(st.text(max_size=8), max_size=4).map(tuple),
    st.sampled_from(Scope),
    st.text(max_size=8) | st.sampled_from(Extent),
)
def test_who_may_not_do_it_to_anything_may_not_do_it_to_one(
    scopes: frozenset[Scope], loops: tuple[str, ...], scope: Scope, target: Target
) -> None:
    identity = Identity("x", scopes, loops)
    if not authorize(identity, scope, Extent.LISTING):
        assert not authorize(identity, scope, target)
    if authorize(identity, scope, Extent.FLEET):
        assert authorize(identity, scope, target)


def test_what_lasts_goes_on_with_the_rights_of_now_for_as_long_as_its_token_works() -> None:
    ann = Identity("ann", frozenset({Scope.READ}), ("*",), "tok_0000000000000001")
    before, other = token(1, expires_at=NOW), principal("bob", tokens=[token(2)])
    known = (other, principal("ann", Scope.CONTROL, loops=("web-*",), tokens=[token(3), before]))
    now = Identity("ann", frozenset({Scope.CONTROL}), ("web-*",), "tok_0000000000000001")
    assert renewed(known, ann, NOW - 1) == now
    assert renewed(known, ann, NOW) is None
    assert renewed((principal("ann", tokens=[token(1, revoked_at=NOW - 5)]),), ann, NOW - 1) is None
    assert renewed((other,), ann, NOW - 1) is None
