"""Recorded runs through the HTTP transport: where they end, and that no cut loses or repeats an event."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsd.transport.base import IngestCursor, Observation, ObservationQuery
from opsd.transport.http_client import ServiceClient
from opsd.transport.sprite_service import SpriteServiceTransport
from tests.daemon.support import TOKEN, sprite
from tests.recordings import FINALS, STEPS, Recorded, install

MOMENTS = [one for one in [*STEPS, *FINALS] if one.expected_state is not None and not one.invalid_lines]


async def observe(transport: SpriteServiceTransport, cursor: int) -> tuple[Observation, IngestCursor]:
    observation = await transport.observe(ObservationQuery(cursor=cursor, trace_id="t"))
    assert observation.failure is None
    assert observation.cursor is not None
    return observation, observation.cursor


@pytest.mark.parametrize("recorded", MOMENTS, ids=str)
async def test_every_recorded_moment_has_its_state(recorded: Recorded, tmp_path: Path) -> None:
    install(recorded, tmp_path)
    async with sprite(tmp_path) as service:
        client = ServiceClient()
        transport = SpriteServiceTransport(client, base_url=service.url, loop_id=recorded.loop_id, token=TOKEN)
        observation, cursor = await observe(transport, 0)
        await client.close()
    assert observation.snapshot is not None
    assert observation.snapshot["run"]["status"] == recorded.expected_state
    assert (observation.events.count, cursor.offset) == (recorded.lines, recorded.lines)


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_a_journal_cut_anywhere_gives_each_event_once_and_in_order(data: st.DataObject) -> None:
    recorded = data.draw(st.sampled_from([one for one in FINALS if not one.invalid_lines and one.lines]))
    journal = recorded.journal.read_bytes()
    cuts = [*sorted(data.draw(st.lists(st.integers(0, len(journal)), max_size=5))), len(journal)]
    seen: list[Any] = []

    async def follow(repo: Path) -> None:
        target = repo / ".superloop" / "loops" / recorded.loop_id / "events.jsonl"
        target.parent.mkdir(parents=True)
        written = reached = 0
        async with sprite(repo) as service:
            client = ServiceClient()
            transport = SpriteServiceTransport(client, base_url=service.url, loop_id=recorded.loop_id, token=TOKEN)
            for cut in cuts:
                with target.open("ab") as file:
                    file.write(journal[written:cut])
                written = cut
                observation, cursor = await observe(transport, reached)
                reached = cursor.offset
                seen.extend(observation.events.envelopes)  # type: ignore[attr-defined]
            await client.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(follow(Path(folder)))
    assert [envelope["event"]["raw"] for envelope in seen] == [
        json.loads(line) for line in journal.splitlines()[: recorded.lines]
    ]
    assert [envelope["sequence"]["value"] for envelope in seen] == list(range(1, recorded.lines + 1))
