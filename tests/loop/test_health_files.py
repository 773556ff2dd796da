"""A loop's health as of now: what is not asked for otherwise is as its last pass had it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from opsd.contract.errors import ManagerFileError, UsageError
from opsd.contract.ids import LoopId
from opsd.contract.reasons import TransportKind
from opsd.loop.health import HealthInputs, judge
from opsd.loop.health_files import HealthQuestion, judge_files, thresholds_of
from opsd.loop.thresholds import Thresholds
from opsd.storage.layout import ManagerLayout, Part
from opsd.storage.model import Document, RowLog

NOW = "2026-11-24T08:00:00Z"
STATE = {"projection": {"lastEventAt": "2026-11-24T07:58:00Z"}, "transition": {"currentState": "running"}}


class Files:
    """The loop's files."""

    def __init__(self, root: Path) -> None:
        layout = ManagerLayout(str(root), LoopId("demo"))
        self.paths: dict[Part, str] = {part: layout.path(part) for part in (*Document, *RowLog)}
        (root / ".superloop/ops-manager/demo/telemetry").mkdir(parents=True)

    def write(self, part: Part, value: Any) -> None:
        Path(self.paths[part]).write_text(value if isinstance(value, str) else json.dumps(value))

    def judge(self, thresholds: Thresholds | None = None, **asked: Any) -> dict[str, Any]:
        return judge_files("demo", self.paths, HealthQuestion(**{"now": NOW, **asked}), thresholds=thresholds)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def last(**inputs: Any) -> dict[str, Any]:
    """The health document of a pass."""
    return judge(HealthInputs(**{"now": "2026-11-24T07:58:01Z", "thresholds": Thresholds(profile="strict"), **inputs}))


def test_time_alone_changes_the_answer(files: Files) -> None:
    limits = Thresholds(degraded_ingest_lag_s=60, critical_ingest_lag_s=600, profile="strict")
    files.write(Document.STATE, STATE)
    files.write(Document.HEALTH, last(state=STATE, thresholds=limits))
    assert files.judge(now="2026-11-24T07:58:01Z")["status"] == "healthy"
    found = files.judge()
    assert (found["status"], found["reasonCodes"]) == ("degraded", ["ingest_stale"])
    assert found["metrics"]["ingestLagSeconds"] == 120
    assert found["thresholds"]["profile"] == "strict"
    assert found["updatedAt"] == NOW


def test_how_the_last_pass_ended_and_what_it_saw_of_the_process_count_on(files: Files) -> None:
    dead = {"verdict": "dead", "reason": "no_such_process"}
    files.write(Document.STATE, STATE)
    files.write(
        Document.HEALTH,
        last(
            state=STATE,
            ingest_failed=True,
            failure_code="projection_failed",
            transport=TransportKind.SPRITE_SERVICE,
            liveness=dead,
        ),
    )
    found = files.judge()
    assert found["reasonCodes"] == ["projection_failed", "run_process_missing"]
    assert found["transport"] == {
        "mode": "sprite_service", "ingestStatus": "failed", "failureCode": "projection_failed",
        "lastFailureCode": None,
    }  # fmt: skip
    assert found["evidence"]["liveness"] == dead
    asked = files.judge(ingest_failed=False, transport=TransportKind.LOCAL)
    assert (asked["transport"]["mode"], asked["transport"]["failureCode"]) == ("local", None)
    assert asked["reasonCodes"] == ["run_process_missing"]


def test_a_finished_loop_is_spared_where_its_last_pass_spared_it(files: Files) -> None:
    ended = {**STATE, "transition": {"currentState": "complete"}}
    files.write(Document.STATE, ended)
    for spared, codes in ((False, ["ingest_stale"]), (True, [])):
        files.write(Document.HEALTH, last(state=ended, spare_finished=spared))
        assert files.judge(limits={"degraded_ingest_lag_s": 1})["reasonCodes"] == codes


def test_limits_are_the_questions_then_the_callers_then_the_last_passes(files: Files) -> None:
    files.write(Document.STATE, STATE)
    files.write(Document.HEALTH, last(thresholds=Thresholds(degraded_ingest_lag_s=1, critical_ingest_lag_s=2)))
    assert files.judge()["status"] == "critical"
    assert files.judge(Thresholds())["status"] == "healthy"
    found = files.judge(Thresholds(profile="relaxed"), limits={"degraded_ingest_lag_s": 120}, profile="mine")
    assert (found["status"], found["thresholds"]["profile"]) == ("degraded", "mine")
    with pytest.raises(UsageError, match="critical ingest lag threshold must be >= degraded threshold"):
        files.judge(Thresholds(), limits={"degraded_ingest_lag_s": 901})


def test_the_other_files_are_read_as_they_are_now(files: Files) -> None:
    files.write(Document.HEALTH, last())
    files.write(Document.TRANSPORT_HEALTH, {"failureStreak": 9, "lastFailureCode": "service_request_failed"})
    files.write(Document.SEQUENCE, {"driftActive": True, "status": "drift"})
    files.write(RowLog.INTENTS, json.dumps({"status": "ambiguous"}) + "\n" + '{"status": "conf')
    found = files.judge(trace_id="t")
    assert found["reasonCodes"] == ["control_ambiguous", "ordering_drift_detected", "transport_unreachable"]
    assert found["traceId"] == "t"


def test_nothing_at_all_is_no_health(files: Files) -> None:
    with pytest.raises(ManagerFileError, match="no status artifacts found for loop: demo"):
        files.judge()


@pytest.mark.parametrize(
    ("part", "name"),
    [(Document.STATE, "state"), (Document.HEALTH, "health"), (Document.TRANSPORT_HEALTH, "transport health")],
)
def test_a_damaged_file_is_named(files: Files, part: Document, name: str) -> None:
    files.write(Document.STATE, STATE)
    files.write(part, "[]")
    with pytest.raises(ManagerFileError, match=f"invalid {name} JSON: "):
        files.judge()


@pytest.mark.parametrize("told", [None, [], {"degradedIngestLagSeconds": "7"}, {"criticalIngestLagSeconds": True}])
def test_limits_that_a_document_does_not_tell_are_the_contracts(told: Any) -> None:
    assert thresholds_of({"thresholds": told}) == Thresholds()
