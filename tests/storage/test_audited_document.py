"""No change of the document without its row in the audit log."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from opsd.contract.errors import ManagerFileError
from opsd.storage.audit_chain import verify
from opsd.storage.audited_document import AuditedDocument


def add(document: AuditedDocument, word: str) -> list[str]:
    def change(data: bytes | None) -> tuple[dict[str, list[str]], list[dict[str, str]], list[str]]:
        words = [*(json.loads(data)["words"] if data else []), word]
        return {"words": words}, [{"added": word}], words

    return document.update(change, wait_s=5)


def test_every_change_is_in_the_chain_and_both_files_are_private(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    document = AuditedDocument(str(path))
    assert (add(document, "a"), add(document, "b")) == (["a"], ["a", "b"])
    assert json.loads(path.read_text()) == {"words": ["a", "b"]}
    rows = [json.loads(line)["added"] for line in Path(document.audit_log).read_text().splitlines()]
    assert rows == ["a", "b"]
    report = verify(document.audit_log)
    assert report is not None
    assert report.ok
    assert [os.stat(name).st_mode & 0o777 for name in (path, document.audit_log)] == [0o600, 0o600]


def test_where_the_row_cannot_be_written_nothing_changes(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    document = AuditedDocument(str(path))
    Path(document.audit_log).mkdir()
    with pytest.raises((ManagerFileError, OSError)):
        add(document, "a")
    assert not path.exists()


def test_nothing_is_written_where_nothing_changed(tmp_path: Path) -> None:
    document = AuditedDocument(str(tmp_path / "d.json"))
    assert document.update(lambda _data: ({"x": 1}, [], "same"), wait_s=5) == "same"
    assert document.read() is None
    assert not Path(document.audit_log).exists()


def test_a_file_keeps_the_mode_that_its_owner_gave_it(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    document = AuditedDocument(str(path))
    add(document, "a")
    path.chmod(0o640)
    add(document, "b")
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_root_leaves_the_file_to_the_user_that_it_belongs_to(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    document = AuditedDocument(str(path))
    add(document, "a")
    os.chown(path, 12345, 23456)
    add(document, "b")
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 23456)
