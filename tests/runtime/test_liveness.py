"""Is the run's process still there: dead only on positive evidence, and never for a recording."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.contract.ids import LoopId
from opsd.contract.timestamps import format_utc
from opsd.runtime import liveness
from opsd.runtime.liveness import Host, Process, judge_liveness, this_host
from opsd.runtime.reader import LoopReader
from tests.recordings import FINALS, STEPS, Recorded, install

WRITTEN = 1_790_000_000
FILE: dict[str, Any] = {"repo": "/r", "pid": 500, "loop_id": "demo", "updated_at": format_utc(WRITTEN)}


def verdict(
    changes: dict[str, Any] | None = None,
    *,
    process: Process | None = None,
    mtime: float = WRITTEN,
    newest: int = 900,
) -> tuple[str, str]:
    host = Host(lambda _pid: process, lambda pid: pid <= newest)
    found, reason = judge_liveness({**FILE, **(changes or {})}, mtime, repo="/r", loop_id="demo", host=host)
    return found.value, reason


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (verdict(), ("dead", "no_such_process")),
        (verdict(process=Process("Z", WRITTEN - 5)), ("dead", "zombie")),
        (verdict(process=Process("S", WRITTEN - 5)), ("alive", "process_found")),
        (verdict(process=Process("S", WRITTEN + 60)), ("unknown", "process_id_reused")),
        (verdict(newest=499), ("unknown", "process_id_never_given_out")),
        (verdict({"repo": "/srv/repo"}), ("unknown", "another_repo")),
        (verdict({"repo": None}), ("unknown", "another_repo")),
        (verdict({"loop_id": "other"}), ("unknown", "another_loop")),
        (verdict({"loop_id": None}), ("dead", "no_such_process")),
        (verdict({"pid": "500"}), ("unknown", "no_process_id")),
        (verdict({"pid": 1}), ("unknown", "no_process_id")),
        (verdict({"pid": True}), ("unknown", "no_process_id")),
        (verdict({"updated_at": "soon"}), ("unknown", "not_written_here")),
        (verdict(mtime=WRITTEN + 3600), ("unknown", "not_written_here")),
    ],
)
def test_only_positive_evidence_is_death(found: tuple[str, str], expected: tuple[str, str]) -> None:
    assert found == expected


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(list(FILE)), inner),
)


@given(_ANY)
def test_any_file_is_judged(value: Any) -> None:
    host = Host(lambda _pid: None, lambda _pid: True)
    found, _ = judge_liveness(value, float(WRITTEN), repo="/r", loop_id="demo", host=host)
    assert found.value == "unknown" or value["repo"] == "/r"


@pytest.mark.parametrize("recorded", [one for one in (*FINALS, *STEPS) if one.expected_state is not None], ids=str)
def test_no_recording_is_ever_dead(recorded: Recorded, tmp_path: Path) -> None:
    install(recorded, tmp_path)
    snapshot = LoopReader(str(tmp_path), LoopId(recorded.loop_id)).snapshot(now=format_utc(time.time()), trace_id=None)
    assert snapshot["runtime"]["liveness"]["verdict"] == "unknown"


def test_a_real_process_is_alive_until_it_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / ".superloop" / "loops" / "demo"
    folder.mkdir(parents=True)
    (folder / "events.jsonl").touch()
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        active = {"repo": str(tmp_path), "pid": process.pid, "loop_id": "demo", "updated_at": format_utc(time.time())}
        (tmp_path / ".superloop" / "active-run.json").write_text(json.dumps(active))
        reader = LoopReader(str(tmp_path), LoopId("demo"))

        def seen() -> str:
            now = format_utc(time.time())
            shown = json.loads(reader.snapshot_bytes(now=now, trace_id=None))["runtime"]["liveness"]
            assert shown == reader.snapshot(now=now, trace_id=None)["runtime"]["liveness"]
            verdict: str = shown["verdict"]
            return verdict

        assert seen() == "alive"
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert seen() == "dead"  # a zombie, although no file changed
        process.wait()
        assert seen() == "dead"
        (tmp_path / ".superloop" / "active-run.json").unlink()
        assert seen() == "unknown"


def test_this_process_is_found_on_this_host() -> None:
    host = this_host()
    found = host.lookup(os.getpid())
    assert found is not None
    assert 0 <= time.time() - found.started_at < 24 * 3600
    assert host.gave_out(os.getpid())


@pytest.mark.parametrize(
    ("last", "in_use", "expected"),
    [
        (600, ["self", "590"], True),
        (400, ["self", "1", "400"], False),
        (400, ["self", "1", "401"], True),  # above the last one: the ids have begun again
    ],
)
def test_where_ids_have_begun_again_each_was_given_out(
    monkeypatch: pytest.MonkeyPatch, last: int, in_use: list[str], expected: bool
) -> None:
    monkeypatch.setattr(liveness, "_last_pid", lambda: last)
    monkeypatch.setattr(liveness.os, "listdir", lambda _path: in_use)
    assert this_host().gave_out(500) is expected
    assert not this_host().gave_out(2**31)


def test_an_id_that_was_seen_in_use_was_given_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liveness, "_last_pid", lambda: 1)
    monkeypatch.setattr(liveness.os, "listdir", lambda _path: ["1"])
    host, pid = this_host(), os.getpid()
    assert not host.gave_out(pid)
    assert host.lookup(pid) is not None
    assert host.gave_out(pid)
    assert not host.gave_out(pid + 1)
