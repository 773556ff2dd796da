"""What the status is made of comes from one pass, and one damaged file hides nothing but itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from opsd.contract.errors import ManagerFileError
from opsd.contract.ids import LoopId
from opsd.loop.status import status
from opsd.loop.status_inputs import read_inputs
from opsd.loop.summary_files import summary_of
from opsd.storage.layout import ManagerLayout
from opsd.storage.model import Document, RowLog


class Files:
    """The manager files of one loop."""

    def __init__(self, root: Path) -> None:
        self.repo = str(root)
        layout = ManagerLayout(self.repo, LoopId("demo"))
        self.paths = {part: layout.path(part) for part in (*Document, *RowLog)}
        Path(layout.telemetry_folder).mkdir(parents=True)

    def write(self, part: Document | RowLog, value: Any) -> None:
        Path(self.paths[part]).write_text(value if isinstance(value, str) else json.dumps(value) + "\n")

    def read(self, **options: Any) -> dict[str, Any]:
        def summarize(reconcile: str, control: str) -> dict[str, Any]:
            return summary_of(self.repo, "demo", reconcile, control, 10)

        return status(read_inputs(self.repo, "demo", self.paths, 10, summarize, **options))


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_a_commit_that_is_under_way_is_waited_for(files: Files) -> None:
    files.write(Document.STATE, {"health": {"status": "healthy", "traceId": "t-1"}})
    files.write(RowLog.RECONCILE, {"status": "success", "traceId": "t-2"})
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        files.write(Document.STATE, {"health": {"status": "critical", "traceId": "t-2"}})

    document = files.read(sleep=sleep)
    assert (document["health"]["traceId"], document["reconcile"]["lastTraceId"]) == ("t-2", "t-2")
    assert len(pauses) == 1


def test_files_that_stay_apart_are_shown_as_they_stand(files: Files) -> None:
    files.write(Document.STATE, {"health": {"traceId": "t-1"}})
    files.write(RowLog.RECONCILE, {"traceId": "t-2"})
    pauses: list[float] = []
    document = files.read(sleep=pauses.append)
    assert (document["health"]["traceId"], document["reconcile"]["lastTraceId"]) == ("t-1", "t-2")
    assert len(pauses) == 4


@pytest.mark.parametrize("content", ["", "{", "[]", "5"])
def test_a_damaged_file_is_an_error_or_a_problem_that_names_it(files: Files, content: str) -> None:
    files.write(Document.STATE, {"projection": {"status": "running"}})
    files.write(Document.SEQUENCE, content)
    message = f"invalid sequence state JSON: {files.paths[Document.SEQUENCE]}"
    with pytest.raises(ManagerFileError) as raised:
        files.read()
    assert raised.value.message == message
    document = files.read(tolerant=True)
    assert document["problems"] == [message]
    assert document["lifecycle"]["state"] == "running"
    files.write(Document.SEQUENCE, {})
    assert "problems" not in files.read()


def test_rows_that_cannot_be_summarised_are_told(files: Files) -> None:
    files.write(Document.HEALTH, {})
    files.write(RowLog.RECONCILE, "nonsense\n")
    tuning = files.read()["tuning"]
    assert tuning["telemetrySummary"] is None
    assert tuning["error"].startswith("invalid JSON row at line 1 of ")
