"""One execution per key, where the records of keys fail."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from opsd.api.failure import ApiError, ErrorCode
from opsd.api.once import Once, Outcome, RequestPrint
from opsd.contract.errors import ManagerFileError, OpsError
from opsd.contract.jsoncodec import JsonObject

_REQUEST = RequestPrint("controlLoop", {"loop": "alpha"}, {"intent": "cancel"})
_DONE = Outcome(200, {"ok": True})
_BUSY = Outcome(503, {"ok": False}, begun=False)


class Records:
    """Records that can be taken, and neither settled nor given back."""

    def __init__(self) -> None:
        self.taken: JsonObject | None = None

    def take(self, _owner: str, _key: str, record: JsonObject) -> JsonObject | None:
        known, self.taken = self.taken, self.taken or record
        return known

    def settle(self, *_record: object) -> None:
        raise ManagerFileError("no space left on device")

    free = settle


def once() -> Once:
    records = Records()

    async def in_thread(work: Any, *arguments: Any) -> Any:
        return work(*arguments)

    host: Any = SimpleNamespace(in_thread=in_thread, fleet_store=lambda: SimpleNamespace(key_records=lambda: records))
    return Once(host)


@pytest.mark.parametrize("outcome", [_DONE, _BUSY])
async def test_the_answer_is_true_also_where_it_cannot_be_recorded_and_the_key_stays_taken(outcome: Outcome) -> None:
    answers, asked = once(), 0

    async def execute() -> Outcome:
        nonlocal asked
        asked += 1
        return outcome

    assert await answers.run("ann", "k", _REQUEST, execute) == (outcome, False)
    with pytest.raises(ApiError) as refused:
        await answers.run("ann", "k", _REQUEST, execute)
    assert (refused.value.code, asked) == (ErrorCode.OUTCOME_UNKNOWN, 1)


async def test_why_nothing_was_begun_is_told_also_where_the_key_cannot_be_given_back() -> None:
    async def execute() -> Outcome:
        raise OpsError("not in the audit")

    with pytest.raises(OpsError, match="not in the audit"):
        await once().run("ann", "k", _REQUEST, execute)
