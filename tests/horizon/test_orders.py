"""Each envelope is queued exactly once, whatever the order of the steps of bridges and producers, and whoever dies."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.horizon.factories import World, line
from tests.horizon.steps import Actor, alone, hold_actor, watched

TURNS = st.lists(
    st.tuples(st.sampled_from(["first", "second", "producer", "kill first", "kill second"]), st.integers(1, 40)),
    max_size=12,
)
#: File and packet of each envelope that is produced while bridges run; some packets come twice.
PRODUCED = st.lists(st.tuples(st.sampled_from(["a.jsonl", "b/c.jsonl"]), st.integers(0, 5)), max_size=6)


@settings(max_examples=80)
@given(turns=TURNS, produced=PRODUCED)
def test_each_envelope_is_queued_once(turns: list[tuple[str, int]], produced: list[tuple[str, int]]) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        world = World(folder)
        world.leave_in_flight("a.jsonl.claim.17.4", line("left"))
        world.put("a.jsonl", line("early-1"), line("left"))
        world.put("bad.jsonl", line("bad"), b"{}\n")
        _play(world, turns, produced)
        world.run()

        expected = {"left", "early-1", *(f"p{number}" for _, number in produced)}
        assert world.pairs == sorted((packet_id, "t") for packet_id in expected)
        assert world.files("inflight") == {}
        assert list(world.files("rejected").values()) == [line("bad") + b"{}\n"]
        done = b"".join(world.files("processed").values()).splitlines()
        assert len(done) == 3 + len(produced), "every line that was put into the outbox is kept"
        assert world.telemetry[-1]["category"] == "horizon_bridge_run"
    finally:
        shutil.rmtree(folder)


def _play(world: World, turns: list[tuple[str, int]], produced: list[tuple[str, int]]) -> None:
    """Take the turns, then let everybody finish; a bridge that was killed is followed by another one."""

    def produce() -> None:
        for name, number in produced:
            hold_actor("append")
            world.put(name, line(f"p{number}"))

    def bridge() -> Actor:
        return Actor(lambda: world.run() and None)

    with watched(hold_actor):
        actors = {"first": bridge(), "second": bridge(), "producer": Actor(produce)}
        dead: list[Actor] = []
        for what, times in turns:
            name = what.removeprefix("kill ")
            if name != what:
                actors[name].kill()
                dead.append(actors[name])
                actors[name] = bridge()
            else:
                for _ in range(times):
                    actors[name].step()
        while any(not actor.done for actor in actors.values()):
            for actor in actors.values():
                actor.step()
    failures = [actor.failure for actor in (*actors.values(), *dead) if actor.failure]
    assert failures == []


def test_what_is_written_through_an_open_handle_is_read_until_its_file_is_done(tmp_path: Path) -> None:
    """A producer that holds a file open writes at each step of a run in turn."""
    outcomes: list[bool] = []
    while len(outcomes) < 10_000:
        world = World(tmp_path / str(len(outcomes)))
        in_time = _write_late(world, world.put("a.jsonl", line("early")), at_step=len(outcomes))
        if in_time is None:
            break
        world.run()
        outcomes.append(in_time)
        if in_time:
            assert world.pairs == [("early", "t"), ("late", "t")], f"written at step {len(outcomes)}"
        assert b"".join(world.files("processed").values()) == line("early") + line("late"), "its bytes are kept"
    assert outcomes.count(True) > 10
    assert not outcomes[-1], "the run came to its end, behind which a write is too late"


def _write_late(world: World, path: Path, at_step: int) -> bool | None:
    """A run, and a write at one step of it: was the file still at work then? None when there is no such step."""
    inode, in_time, steps = path.stat().st_ino, None, iter(range(at_step, -1, -1))
    with path.open("ab", buffering=0) as handle:

        def write(_step: str) -> None:
            nonlocal in_time
            if next(steps, None) == 0:
                handle.write(line("late"))
                in_time = all(file.stat().st_ino != inode for file in world.claims.rglob("processed/*"))

        with watched(alone(write)):
            world.run()
    return in_time
