"""Which loops exist in a repo: the folders under ``.superloop/loops`` whose names are loop ids."""

from __future__ import annotations

import os

from opsd.contract.errors import UsageError
from opsd.contract.ids import LoopId, parse_loop_id


def list_loops(repo: str, *, reserved: bool = False) -> list[LoopId]:
    """Loop ids in name order; folders with unusable names are left out, a repo without loops gives none.

    ``reserved=True`` leaves out ids that the manager keeps for itself.

    Raises:
        OSError: nobody can say which there are.
    """
    try:
        with os.scandir(f"{repo}/.superloop/loops") as found_entries:
            entries = sorted(entry.name for entry in found_entries if entry.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    found: list[LoopId] = []
    for name in entries:
        try:
            found.append(parse_loop_id(name, reserved=reserved))
        except UsageError:
            continue
    return found
