"""The principals file as a server reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsd.access.source import PrincipalsSource
from opsd.contract.errors import UsageError
from tests.access.factories import NOW, principal, token, write


def source(path: Path) -> PrincipalsSource:
    return PrincipalsSource(str(path), clock=lambda: NOW)


def test_a_change_of_the_file_is_taken_in_and_an_unchanged_one_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "p.json", (principal("ann"),))
    found = source(path)
    found.load()
    assert found.principals == (principal("ann"),)
    write(path, (principal("bob"),))
    assert found.look()
    assert found.principals == (principal("bob"),)
    monkeypatch.setattr("opsd.access.source.read_bytes", None)
    assert not found.look()


@pytest.mark.parametrize("damage", ["truncated", "missing", "writable", "folder", "huge"])
def test_a_damaged_file_keeps_the_last_good_one_and_says_why(
    tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "p.json", (principal("ann"),))
    found = source(path)
    found.load()
    if damage == "truncated":
        path.write_text("{")
    elif damage == "writable":
        write(path, (principal("eve"),)).chmod(0o620)
    elif damage == "huge":
        monkeypatch.setattr("opsd.access.source.MAX_BYTES", 10)
    else:
        path.unlink()
        if damage == "folder":
            path.mkdir()
    assert found.look()
    assert found.principals == (principal("ann"),)
    assert found.problem is not None
    assert found.problem.startswith(f"principals file {path}: ")
    with pytest.raises(UsageError):
        source(path).load()

    monkeypatch.undo()
    if damage == "folder":
        path.rmdir()
    write(path, (principal("bob"),))
    assert found.look()
    assert (found.principals, found.problem) == ((principal("bob"),), None)


def test_permissions_that_are_repaired_are_noticed_although_the_content_is_the_same(tmp_path: Path) -> None:
    path = write(tmp_path / "p.json", (principal(),))
    path.chmod(0o602)
    found = source(path)
    found.look()
    assert found.problem is not None
    path.chmod(0o600)
    assert found.look()
    assert (found.principals, found.problem) == ((principal(),), None)


def test_a_file_that_everybody_may_read_is_used_with_a_warning(tmp_path: Path) -> None:
    path = write(tmp_path / "p.json", (principal(),))
    path.chmod(0o644)
    found = source(path)
    found.load()
    assert found.warning is not None
    assert "everybody on this host may read it" in found.warning


def test_the_next_expiry_is_that_of_a_live_token(tmp_path: Path) -> None:
    tokens = [token(1, expires_at=NOW - 1), token(2, expires_at=NOW + 50), token(3, expires_at=NOW + 9, revoked_at=1)]
    found = source(write(tmp_path / "p.json", (principal(tokens=tokens),)))
    found.load()
    assert found.next_expiry() == NOW + 50
    assert source(tmp_path / "none").next_expiry() is None
