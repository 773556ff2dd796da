"""Whoever may write to the outbox can spoil their own files, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from opsd.contract.errors import LockTimeoutError, ManagerFileError, UsageError
from opsd.horizon import bridge
from opsd.horizon.bridge import BridgeOptions
from opsd.horizon.envelope import MAX_LINE_BYTES
from opsd.storage.bridge_store import BridgeStore
from tests.horizon.factories import World, line
from tests.horizon.steps import alone, watched


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "repo")


def test_links_pipes_and_folders_are_left_alone_and_counted(world: World, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "x.jsonl").write_bytes(line("stolen"))
    (world.outbox / "link.jsonl").symlink_to(elsewhere / "x.jsonl")
    (world.outbox / "linked").symlink_to(elsewhere)
    (world.outbox / "loop").symlink_to(world.outbox)
    os.mkfifo(world.outbox / "pipe.jsonl")
    (world.outbox / "folder.jsonl").mkdir()
    world.put("good.jsonl", line("good"))
    state = world.run().state
    assert world.pairs == [("good", "t")]
    assert state["ignored"] == {"symlinks": 3, "special": 1}
    assert (elsewhere / "x.jsonl").exists()


def test_an_outbox_that_is_a_link_or_a_file_or_missing_yields_none(world: World, tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (real / "a.jsonl").write_bytes(line())
    world.outbox.rmdir()
    assert world.run().state["reasonCodes"] == ["horizon_bridge_no_outbox_files"]
    world.outbox.symlink_to(real)
    assert world.run().state["ignored"] == {"symlinks": 1}
    world.outbox.unlink()
    world.outbox.write_text("x")
    assert world.run().state["reasonCodes"] == ["horizon_bridge_no_outbox_files"]
    assert (real / "a.jsonl").exists()


def test_a_folder_that_becomes_a_link_meanwhile_takes_no_file_from_elsewhere(world: World, tmp_path: Path) -> None:
    """At each step of a run in turn the outbox's writer swaps a folder, and a file, for links to the manager's own."""
    swapped = True
    at_step = 0
    while swapped:
        world = World(tmp_path / f"swap-{at_step}")
        own = world.root / "own"
        own.mkdir()
        (own / "a.jsonl").write_bytes(line("own"))
        world.put("sub/a.jsonl", line("a"))
        world.put("b.jsonl", line("b"))
        steps, swapped = iter(range(at_step, -1, -1)), False

        def swap(_step: str, world: World = world, own: Path = own, steps: Any = steps) -> None:
            nonlocal swapped
            if next(steps, None) == 0:
                swapped = True
                if (world.outbox / "sub").exists():
                    (world.outbox / "sub").rename(world.root / "away")
                    (world.outbox / "sub").symlink_to(own)
                if (world.outbox / "b.jsonl").exists():
                    (world.outbox / "b.jsonl").unlink()
                    (world.outbox / "b.jsonl").symlink_to(own / "a.jsonl")

        with watched(alone(swap)):
            world.run()
        world.run()
        assert (own / "a.jsonl").read_bytes() == line("own"), f"swapped at step {at_step}"
        assert ("own", "t") not in world.pairs, f"swapped at step {at_step}"
        at_step += 1
    assert at_step > 10


def test_a_claim_that_is_no_file_any_more_is_left_in_flight(world: World) -> None:
    world.put("good.jsonl", line("good"))
    world.leave_in_flight("a.jsonl.claim.1.2", line("a"))
    (world.claims / "inflight" / "a.jsonl.claim.1.2").unlink()
    os.mkfifo(world.claims / "inflight" / "a.jsonl.claim.1.2")
    (world.claims / "inflight" / "not-a-claim.txt").write_text("x")
    state = world.run().state
    assert (state["ignored"], world.pairs) == ({"special": 1}, [("good", "t")])


def test_a_file_that_cannot_be_read_stays_in_flight_and_holds_nothing_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put("a.jsonl", line("a"))
    world.put("b.jsonl", line("b"))
    real, failures = os.read, iter([True])

    def read(descriptor: int, size: int) -> bytes:
        if next(failures, False):
            raise OSError(5, "Input/output error")
        return real(descriptor, size)

    monkeypatch.setattr(os, "read", read)
    state = world.run().state
    assert (state["summary"]["claimedFileCount"], state["ignored"]) == (1, {"unreadable": 1})
    assert list(world.files("inflight").values()) == [line("a")]
    world.run()
    assert world.pairs == [("a", "t"), ("b", "t")]


def test_names_cannot_lead_anywhere(world: World) -> None:
    names = ["..jsonl", "...jsonl", ".jsonl", "-rf.jsonl", "a\nb.jsonl", "a b;$(x).jsonl", "é.jsonl",
             "x.claim.1.2.jsonl", "*.jsonl", "\\..\\x.jsonl"]  # fmt: skip
    for number, name in enumerate(names):
        world.put(name, line(f"p{number}"))
    raw = os.fsencode(world.outbox) + b"/\xff\xfe.jsonl"
    Path(os.fsdecode(raw)).write_bytes(line("raw"))
    state = world.run().state
    assert state["summary"]["processedFileCount"] == len(names) + 1
    assert json.loads(world.state_file.read_bytes())["files"]["claimed"][-1].startswith("\ufffd\ufffd.jsonl.claim.")
    assert len(world.files("processed")) == len(names) + 1
    assert world.run().state["summary"]["claimedFileCount"] == 0


def test_paths_too_long_or_too_deep_are_left_in_the_outbox(world: World) -> None:
    world.put(f"{'n' * 245}.jsonl", line("long name"))
    here = os.open(world.outbox, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d" * 3, dir_fd=here)
        inner = os.open("d" * 3, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(os.open("deep.jsonl", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    world.put("ddd/ddd/fine.jsonl", line("fine"))
    state = world.run().state
    assert world.pairs == [("fine", "t")]
    assert state["ignored"]["unclaimable"] == 1
    assert state["ignored"]["unreadable"] == 1
    # Deeper than the test runner's own clean-up could go.
    subprocess.run(["rm", "-rf", world.outbox / "ddd"], check=True)


def test_a_folder_named_like_a_finished_file_blocks_nothing(world: World) -> None:
    world.put("a.jsonl", line("a"))
    claim_name = world.run().state["files"]["processed"][0]
    world.put(f"{claim_name}/b.jsonl", line("b"))
    state = world.run().state
    assert state["summary"]["processedFileCount"] == 1
    assert world.files("inflight") == {}
    target = world.telemetry[-2]["claimTarget"]
    assert target.startswith(f"processed/again.2/{claim_name}/b.jsonl.claim.")
    assert (world.claims / target).read_bytes() == line("b")


def test_a_finished_file_is_never_replaced(world: World) -> None:
    for text in ("first", "second", "third"):
        world.leave_in_flight("a.jsonl.claim.1.2", line(text))
        world.run()
    assert sorted(world.files("processed").values()) == sorted(line(text) for text in ("first", "second", "third"))


def test_claims_that_would_end_in_one_place_both_stay(world: World) -> None:
    world.leave_in_flight("a.jsonl.claim.1.2", line("first"))
    world.run()
    world.leave_in_flight("a.jsonl.claim.1.2", line("second"))
    world.leave_in_flight("again.2/a.jsonl.claim.1.2", line("third"))
    world.run()
    world.run()
    assert sorted(world.files("processed").values()) == sorted(line(text) for text in ("first", "second", "third"))
    assert world.pairs == [("first", "t"), ("second", "t"), ("third", "t")]


def test_a_claim_in_flight_is_never_replaced(world: World) -> None:
    world.put("a.jsonl", line("new"))
    (world.claims / "inflight").mkdir(parents=True)
    (world.claims / "inflight" / f"a.jsonl.claim.77.{os.getpid()}").mkdir()
    bridge.run_bridge(BridgeStore(str(world.root)), "t", clock=lambda: 77)  # type: ignore[arg-type]
    assert (world.outbox / "a.jsonl").read_bytes() == line("new")


def test_long_lines_are_read_past_and_reject_their_file(world: World) -> None:
    world.put("long.jsonl", line("a"), b"x" * (3 * MAX_LINE_BYTES) + b"\n", line("b"))
    world.put("unfinished.jsonl", b'"' + b"y" * (2 * MAX_LINE_BYTES))
    world.run()
    rows = world.telemetry[:2]
    assert [row["summary"]["lineCount"] for row in rows] == [3, 1]
    assert rows[0]["invalidLines"] == [{"line": 2, "reason": "contract_invalid_json"}]


def test_of_a_huge_file_no_more_than_the_limit_is_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "MAX_FILE_BYTES", 1024 * 1024)
    path = world.put("sparse.jsonl", line("a"))
    os.truncate(path, 1 << 40)
    world.put("good.jsonl", line("good"))
    result = world.run()
    assert result.rejected
    assert world.pairs == [("good", "t")]
    rejected = next((world.claims / "rejected").iterdir())
    assert rejected.stat().st_size == 1 << 40, "it is kept whole"
    os.truncate(rejected, 0)


def test_the_end_of_a_torn_line_is_waited_for(world: World) -> None:
    text = line("slow")
    path = world.put("a.jsonl", line("a"), text[:20])
    handle = path.open("ab", buffering=0)

    def finish(step: str) -> None:
        if step == "sleep" and not handle.closed:
            handle.write(text[20:])
            handle.close()

    with watched(alone(finish)):
        result = world.run(BridgeOptions(patience_s=5))
    assert not result.rejected
    assert world.pairs == [("a", "t"), ("slow", "t")]


def test_patience_is_for_all_files_together(world: World) -> None:
    for number in range(50):
        world.put(f"{number}.jsonl", b"{")
    naps = 0

    def count(step: str) -> None:
        nonlocal naps
        naps += step == "sleep"

    with watched(count):
        assert world.run(BridgeOptions(patience_s=0.2)).rejected
    assert 15 < naps < 25


def test_a_last_line_without_a_newline_counts(world: World) -> None:
    world.put("a.jsonl", line("a"), line("b")[:-1])
    assert world.run().state["summary"]["queuedEnvelopeCount"] == 2


def test_values_that_cannot_be_told_apart_on_disk_are_not_queued_again(world: World) -> None:
    odd = line("p").replace(b'"p"', b'"p\\udc00"')
    for _ in range(2):
        world.put("a.jsonl", odd)
        world.run()
    assert world.pairs == [("p\ufffd", "t")]


def test_envelopes_that_share_a_key_are_queued_also_by_later_runs(world: World) -> None:
    for packet_id, trace_id in (("a::b", "c"), ("a", "b::c"), ("a::b", "c")):
        world.put("a.jsonl", line(packet_id, trace_id))
        world.run()
    assert world.pairs == [("a", "b::c"), ("a::b", "c")]
    world.queue_file.unlink()
    world.put("a.jsonl", line("a::b", "c"), line("a", "b::c"))
    state = world.run().state
    assert state["summary"]["duplicateEnvelopeCount"] == 2
    assert state["dedupe"]["keys"] == ["a::b::c"]


@pytest.mark.parametrize("what", ["queue", "state", "telemetry"])
def test_what_stands_in_the_place_of_a_file_stops_the_run_before_any_claim(world: World, what: str) -> None:
    path = getattr(world, f"{what}_file")
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    world.put("a.jsonl", line("a"))
    with pytest.raises(ManagerFileError, match="not a regular file"):
        world.run()
    assert (world.outbox / "a.jsonl").exists()


@pytest.mark.parametrize("failing", [1, 2, 3])
def test_a_disk_that_is_full_costs_no_envelope(world: World, monkeypatch: pytest.MonkeyPatch, failing: int) -> None:
    """The queue, the state or the telemetry cannot be written."""
    world.put("a.jsonl", line("a"))
    real, left = os.write, iter(range(failing - 1, -1, -1))

    def write(descriptor: int, data: bytes) -> int:
        if next(left, None) == 0:
            raise OSError(28, "No space left on device")
        return real(descriptor, data)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        with pytest.raises(ManagerFileError, match="No space left"):
            world.run()
    assert list(world.files("inflight").values()) == [line("a")]
    world.run()
    assert world.pairs == [("a", "t")]
    assert world.files("inflight") == {}


def test_another_file_system_is_refused_before_any_claim(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.put("a.jsonl", line("a"))
    real = os.lstat

    def lstat(path: Any, **options: Any) -> os.stat_result:
        found = real(path, **options)
        if str(path) != str(world.outbox):
            return found
        return os.stat_result([*found[:2], found.st_dev + 1, *found[3:10]])

    monkeypatch.setattr(os, "lstat", lstat)
    with pytest.raises(ManagerFileError, match="one file system"):
        world.run()
    assert (world.outbox / "a.jsonl").exists()


def test_a_mount_inside_the_outbox_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.put("a.jsonl", line("a"))

    def rename(*_args: Any, **_options: Any) -> None:
        raise OSError(18, "Invalid cross-device link")

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", rename)
        with pytest.raises(ManagerFileError, match="one file system"):
            world.run()
    world.run()
    assert world.pairs == [("a", "t")]


def test_the_bridges_own_files_are_never_taken(world: World) -> None:
    store = {"outbox_dir": "box", "telemetry_file": "box/t.jsonl"}
    with pytest.raises(UsageError, match="telemetry file must not lie in the outbox"):
        BridgeStore(str(world.root), **store)
    with pytest.raises(UsageError, match="must not be the same"):
        BridgeStore(str(world.root), queue_file="a.json", state_file="./x/../a.json")


def test_bridges_that_share_a_queue_only_exclude_each_other(world: World) -> None:
    one = BridgeStore(str(world.root), claims_dir="one", state_file="one.json")
    two = BridgeStore(str(world.root), claims_dir="two", state_file="two.json", queue_file=str(world.queue_file))
    one.prepare()
    two.prepare()
    with one.lock(wait_s=0), pytest.raises(LockTimeoutError, match="another bridge is at work"), two.lock(wait_s=0):
        raise AssertionError("both hold the queue")


def test_folders_may_end_in_slashes(world: World) -> None:
    world.put("a/x.jsonl", line("a"))
    world.put("b/x.jsonl", line("b"))
    store = BridgeStore(str(world.root), outbox_dir=".superloop/horizons/outbox//", claims_dir="claims/")
    state = bridge.run_bridge(store, "t").state  # type: ignore[arg-type]
    assert state["source"] == {"outboxDir": str(world.outbox), "claimsDir": f"{world.root}/claims"}
    assert [name.split(".claim.")[0] for name in state["files"]["processed"]] == ["a/x.jsonl", "b/x.jsonl"]


def test_old_files_and_keys_are_forgotten_when_asked_for(world: World) -> None:
    day = 86_400 * 10**9
    store = BridgeStore(str(world.root))

    def run(days: int, now: int) -> dict[str, Any]:
        options = BridgeOptions(retention_days=days, patience_s=0)
        return bridge.run_bridge(store, "t", options, lambda: now).state  # type: ignore[arg-type]

    world.put("a.jsonl", line("gone"), line("queued"))
    world.put("b.jsonl", b"{\n")
    run(7, 20_000 * day)
    queue = json.loads(world.queue_file.read_bytes())
    queue["intents"] = [intent for intent in queue["intents"] if intent["packetId"] == "queued"]
    world.queue_file.write_text(json.dumps(queue))
    assert run(7, 20_006 * day)["dedupe"]["keys"] == ["gone::t", "queued::t"]
    assert len(world.files("processed")) == len(world.files("rejected")) == 1
    assert run(7, 20_008 * day)["dedupe"]["keys"] == ["queued::t"]
    assert world.files("processed") == world.files("rejected") == {}
    assert "knownSince" not in run(0, 20_009 * day)["dedupe"]


def test_it_can_be_called_from_several_threads(world: World) -> None:
    for number in range(20):
        world.put(f"{number}.jsonl", line(f"p{number}"), line("same"))
    threads = [threading.Thread(target=world.run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert world.pairs == sorted([("same", "t"), *((f"p{number}", "t") for number in range(20))])
