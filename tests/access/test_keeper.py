"""Tokens made and revoked: what the command and the API share."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from opsd.access.changes import Grant, ScopesNeededError
from opsd.access.keeper import Asker, PrincipalsKeeper, TokenOrder, parse_lifetime, shown
from opsd.access.model import Scope
from opsd.access.token_format import TokenPurpose, digest_of
from opsd.contract.errors import ManagerFileError, UsageError
from opsd.storage.audit_chain import verify
from tests.access.factories import NOW

ANN = Asker("ann")
READ = Grant("ci", frozenset({Scope.READ}))


def order(grant: Grant = READ, purpose: TokenPurpose = TokenPurpose.DAEMON, lifetime_s: int | None = 60) -> TokenOrder:
    return TokenOrder(grant, purpose, lifetime_s, "laptop")


def test_time_and_chance_alone_decide_what_a_token_is(tmp_path: Path) -> None:
    made = [
        PrincipalsKeeper(str(tmp_path / name)).create(order(), ANN, NOW + 0.5, random.Random(1).randrange)
        for name in ("a.json", "b.json")
    ]
    assert made[0] == made[1]
    secret, principal, token = made[0]
    assert (token.sha256, token.created_at, token.expires_at) == (digest_of(secret), NOW, NOW + 60)
    assert (principal.name, principal.tokens) == ("ci", (token,))


def test_the_token_itself_is_in_no_file_and_in_nothing_that_is_shown(tmp_path: Path) -> None:
    keeper = PrincipalsKeeper(str(tmp_path / "p.json"))
    secret, principal, token = keeper.create(order(), ANN, NOW, random.Random(1).randrange)
    told = [path.read_text() for path in tmp_path.iterdir()]
    told += [json.dumps(shown(one, NOW, everything=True)) for one in keeper.read(NOW)]
    assert not [text for text in told if secret in text]
    assert token.sha256 not in told[-1]
    assert shown(principal, NOW + 60, everything=False)["tokens"] == []
    assert shown(principal, NOW + 60, everything=True)["tokens"][0]["state"] == "expired"


def test_the_audit_tells_what_came_over_the_api_from_what_a_command_said(tmp_path: Path) -> None:
    keeper = PrincipalsKeeper(str(tmp_path / "p.json"))
    token = keeper.create(order(), ANN, NOW, random.Random(1).randrange).token
    ended = keeper.revoke(token.id, Asker("bob", "trace-1"), NOW + 1)
    assert keeper.revoke(token.id, ANN, NOW + 2) == ended
    rows = [json.loads(line) for line in Path(keeper.audit_log).read_text().splitlines()]
    assert [(row["action"], row["by"], row.get("traceId")) for row in rows] == [
        ("token_created", "ann", None),
        ("token_revoked", "bob", "trace-1"),
    ]
    report = verify(keeper.audit_log)
    assert report is not None
    assert report.ok


def test_what_makes_no_sense_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    keeper = PrincipalsKeeper(str(path))
    chance = random.Random(1).randrange
    with pytest.raises(ScopesNeededError):
        keeper.create(order(Grant("ci")), ANN, NOW, chance)
    with pytest.raises(UsageError, match="a sprite service knows"):
        keeper.create(order(Grant("ci", frozenset({Scope.POLICY})), TokenPurpose.SPRITE), ANN, NOW, chance)
    with pytest.raises(UsageError, match="not found"):
        keeper.read(NOW)
    assert not path.exists()
    path.write_text("{")
    for change in (lambda: keeper.create(order(), ANN, NOW, chance), lambda: keeper.revoke("tok_1", ANN, NOW)):
        with pytest.raises(ManagerFileError, match="it is not JSON"):
            change()
    assert path.read_text() == "{"
    assert not Path(keeper.audit_log).exists()


@pytest.mark.parametrize(("text", "seconds"), [("90d", 7_776_000), ("1h30m", 5400), ("never", None)])
def test_a_lifetime_is_a_duration_or_never(text: str, seconds: int | None) -> None:
    assert parse_lifetime(text, "expires") == seconds


@pytest.mark.parametrize("text", ["", "0d", "soon", "-1h", "30m1h", "1e9d", "٣d"])
def test_what_is_no_lifetime_is_named(text: str) -> None:
    with pytest.raises(UsageError, match=r"^expires must be like 12h, 30d or never, not "):
        parse_lifetime(text, "expires")
