"""``opsd token list`` as a person sees it."""

from __future__ import annotations

from pathlib import Path

from tests.cli.process import on_a_terminal
from tests.cli.support import Shell


async def test_principals_and_tokens_fit_80_columns_with_their_words_whole(opsd: Shell, tmp_path: Path) -> None:
    file = str(tmp_path / "principals.json")
    for flags in (("ann", "--loops", "web-*"), ("scraper", "--for", "sprite"), ("ci", "--note", "deploys")):
        assert opsd("token", "new", "--file", file, "--principal", *flags, "--scope", "control").exit == 0
    ids = [token["id"] for one in opsd("token", "list", "--file", file).json["principals"] for token in one["tokens"]]
    status, shown = await on_a_terminal("token", "list", "--file", file, env={"COLUMNS": "80"})
    assert status == 0
    assert max(map(len, shown.splitlines())) <= 80
    for word in ("principal", "scraper", "control", "web-*", "active", "sprite", "deploys", *ids):
        assert word in shown
