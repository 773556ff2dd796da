"""At a start: what earlier processes began and did not record is recorded as what it is, ambiguous (30, weakness 5)."""

from __future__ import annotations

import os
import time as clocks
from collections.abc import Callable

from opsd.contract.errors import OpsError
from opsd.contract.ids import parse_loop_id
from opsd.contract.jsoncodec import JsonObject
from opsd.control.ledger import Ledger


def recover_all(repo: str, *, clock: Callable[[], float] = clocks.time) -> list[JsonObject]:
    """The intents rows that were added, over all loops; a loop whose files cannot be used is left for its next control.

    Costs one read of a small file for each loop that was ever controlled.
    """
    root = f"{repo.rstrip('/')}/.superloop/ops-manager"
    added: list[JsonObject] = []
    try:
        names = sorted(os.listdir(root))
    except (FileNotFoundError, NotADirectoryError):
        return added
    for name in names:
        if not os.path.isfile(f"{root}/{name}/intent-journal.jsonl"):
            continue
        try:
            added += Ledger(repo, parse_loop_id(name), clock=clock).recover()
        except (OpsError, OSError):
            continue
    return added
