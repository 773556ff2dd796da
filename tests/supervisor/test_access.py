"""Who asks the daemon, and may they?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import structlog
from aiohttp.test_utils import make_mocked_request
from pydantic import SecretStr

from opsd.access.authenticate import Extent, Identity, RefusalReason, Target
from opsd.access.limiter import BURST, REFILL_S
from opsd.access.model import Principal, Scope
from opsd.access.source import PrincipalsSource
from opsd.access.token_format import TokenPurpose
from opsd.supervisor.http.access import (
    API_TOKEN,
    LOCAL,
    AccessRefused,
    Authenticator,
    current_identity,
    identified,
    log_fields,
)
from opsd.supervisor.http.access_metrics import AccessMetrics
from tests.access.factories import NOW, principal, secret, token, write

SHARED = "a-shared-token"


class Daemon:
    """An authenticator with clocks that a test moves."""

    def __init__(
        self, tmp_path: Path, *principals: Principal, shared: str | None = None, host: str = "0.0.0.0"
    ) -> None:
        self.now, self.monotonic = float(NOW), 0.0
        self.metrics = AccessMetrics()
        source = None
        if principals:
            source = PrincipalsSource(str(write(tmp_path / "p.json", principals)), clock=lambda: self.now)
            source.load()
        self.access = Authenticator(
            host,
            self.metrics,
            api_token=SecretStr(shared) if shared else None,
            source=source,
            clock=lambda: self.now,
            monotonic=lambda: self.monotonic,
        )

    async def ask(
        self,
        presented: str | None = None,
        scope: Scope = Scope.READ,
        target: Target = "demo",
        *,
        local: bool = False,
        **headers: str,
    ) -> Identity:
        sent = {"Host": "127.0.0.1", **headers}
        if presented is not None:
            sent["Authorization"] = f"Bearer {presented}"
        return await self.access.check(make_mocked_request("GET", "/x", sent), scope, target, open_on_loopback=local)

    async def refused(self, *arguments: Any, **options: Any) -> AccessRefused:
        with pytest.raises(AccessRefused) as refusal:
            await self.ask(*arguments, **options)
        return refusal.value


async def test_a_token_makes_its_principal_known_and_the_shared_one_has_every_right(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, principal("ci", Scope.CONTROL), shared=SHARED)
    found = await daemon.ask(secret(), Scope.CONTROL)
    assert found == Identity("ci", frozenset({Scope.CONTROL}), ("*",), token().id)
    assert log_fields(found) == {"principal": "ci", "credential": token().id}
    assert await daemon.ask(SHARED, Scope.ADMIN, Extent.FLEET) == API_TOKEN
    assert log_fields(API_TOKEN) == {"principal": "api_token"}


@pytest.mark.parametrize(
    ("presented", "reason"),
    [
        (None, RefusalReason.MISSING),
        ("", RefusalReason.MISSING),
        ("x", RefusalReason.MALFORMED),
        (secret(9), RefusalReason.UNKNOWN),
        (secret(1), RefusalReason.EXPIRED),
        (secret(2), RefusalReason.REVOKED),
        (secret(3, TokenPurpose.SPRITE), RefusalReason.FOREIGN),
        ("\u20ac", RefusalReason.MALFORMED),
    ],
)
async def test_the_caller_learns_nothing_of_why_and_the_metrics_do(
    tmp_path: Path, presented: str | None, reason: RefusalReason
) -> None:
    tokens = [token(1, expires_at=NOW), token(2, revoked_at=NOW - 1), token(3, purpose=TokenPurpose.SPRITE)]
    daemon = Daemon(tmp_path, principal(tokens=tokens))
    with structlog.testing.capture_logs() as lines:
        refused = await daemon.refused(presented)
    assert (refused.status, refused.code, refused.message, refused.headers) == (
        401,
        "unauthorized",
        "missing or invalid token",
        {"WWW-Authenticate": "Bearer"},
    )
    assert daemon.metrics.refusals(reason) == 1
    told = [line["reason"] for line in lines if line["event"] == "http.token_refused"]
    assert told == ([] if reason is RefusalReason.MISSING else [reason.value])
    assert not presented or presented not in str(lines)


@pytest.mark.parametrize(
    ("scope", "target", "message"),
    [
        (Scope.POLICY, "web-1", "this needs the scope policy for this loop"),
        (Scope.CONTROL, "db", "this needs the scope control for this loop"),
        (Scope.READ, Extent.FLEET, "this needs the scope read for every loop"),
        (Scope.ADMIN, Extent.LISTING, "this needs the scope admin for any loop"),
    ],
)
async def test_who_is_known_and_may_not_is_told_what_it_needs(
    tmp_path: Path, scope: Scope, target: Target, message: str
) -> None:
    daemon = Daemon(tmp_path, principal("ci", Scope.CONTROL, loops=("web-*",)))
    refused = await daemon.refused(secret(), scope, target)
    assert (refused.status, refused.code, refused.message) == (403, "forbidden", message)
    assert daemon.metrics.refusals(RefusalReason.FORBIDDEN) == 1


async def test_guessing_the_shared_token_is_limited_even_for_the_right_guess(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, principal(), shared=SHARED)
    for number in range(BURST):
        assert (await daemon.refused(f"guess-{number}")).status == 401
    for guess in ("guess", SHARED, secret(9)):
        refused = await daemon.refused(guess)
        assert (refused.status, refused.code, refused.headers) == (429, "too_many_failures", {"Retry-After": "6"})
    assert daemon.metrics.refusals(RefusalReason.THROTTLED) == 3
    daemon.monotonic += REFILL_S
    assert await daemon.ask(SHARED) == API_TOKEN


async def test_a_guesser_locks_nobody_out_whose_token_cannot_be_guessed(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, principal(), shared=SHARED)
    for _ in range(3 * BURST):
        await daemon.refused("guess")
    assert (await daemon.ask(secret())).name == "ci"


async def test_refused_tokens_fill_no_log(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, principal())
    with structlog.testing.capture_logs() as lines:
        for _ in range(10 * BURST):
            await daemon.refused(secret(9))
    assert len(lines) == BURST


async def test_a_token_that_expires_while_the_daemon_runs_is_refused_from_that_second_on(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, principal(tokens=[token(expires_at=NOW + 1)]))
    daemon.now = NOW + 0.9
    assert (await daemon.ask(secret())).name == "ci"
    daemon.now = NOW + 1.0
    assert (await daemon.refused(secret())).status == 401


LOCALLY: dict[str, Any] = {"local": True}


async def test_without_any_token_set_up_a_loopback_listener_trusts_local_requests_where_a_route_says_so(
    tmp_path: Path,
) -> None:
    daemon = Daemon(tmp_path, host="127.0.0.1")
    assert await daemon.ask(scope=Scope.CONTROL, **LOCALLY) == LOCAL
    assert await daemon.ask("nothing to compare it with", **LOCALLY) == LOCAL
    assert (await daemon.refused(scope=Scope.CONTROL)).status == 403
    assert (await daemon.refused(scope=Scope.POLICY, **LOCALLY)).status == 403
    for headers in ({"Origin": "http://127.0.0.1"}, {"Host": "evil.example"}):
        assert (await daemon.refused(**LOCALLY, **headers)).status == 403


async def test_with_a_shared_token_local_requests_may_only_read_without_it(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, shared=SHARED, host="127.0.0.1")
    assert await daemon.ask(**LOCALLY) == LOCAL
    assert (await daemon.refused(scope=Scope.CONTROL, **LOCALLY)).status == 401
    assert (await daemon.refused("wrong", **LOCALLY)).status == 401
    assert (await daemon.refused(**LOCALLY, Host="evil.example")).status == 401


async def test_with_a_principals_file_nobody_is_anonymous(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, principal(), host="127.0.0.1")
    assert (await daemon.refused(**LOCALLY)).status == 401


async def test_off_loopback_nothing_is_open(tmp_path: Path) -> None:
    refused = await Daemon(tmp_path).refused(**LOCALLY)
    assert (refused.status, refused.message) == (
        403,
        "the API is off: not on loopback and neither http.api_token nor http.principals_file is set",
    )


async def test_of_two_authorization_headers_neither_counts(tmp_path: Path) -> None:
    from multidict import CIMultiDict

    daemon = Daemon(tmp_path, shared=SHARED)
    twice = CIMultiDict([("Authorization", f"Bearer {SHARED}"), ("Authorization", "Bearer x")])
    with pytest.raises(AccessRefused):
        await daemon.access.check(make_mocked_request("GET", "/x", twice), Scope.READ, "demo")


async def test_what_lasts_ends_with_its_token(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, principal("ci", loops=("web-*",), tokens=[token(expires_at=NOW + 5)]), shared=SHARED)
    found = await daemon.ask(secret(), target="web-1")
    assert daemon.access.renewed(found) == found
    daemon.now = NOW + 5
    assert daemon.access.renewed(found) is None
    assert daemon.access.renewed(API_TOKEN) == API_TOKEN


def test_nobody_with_a_right_asks_outside_of_a_request() -> None:
    with identified(API_TOKEN):
        assert current_identity() == API_TOKEN
    assert current_identity().scopes == frozenset()
