"""The superloop command line (contract 30, section 2)."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping, Sequence

#: Set by the contract-named commands to the folder above ``scripts/``.
INSTALL_ROOT_VARIABLE = "OPSD_INSTALL_ROOT"


def superloop_program(env: Mapping[str, str]) -> str:
    """``$SUPERLOOP_BIN``, looked up in ``PATH`` when it is a bare name, else ``<install root>/superloop.sh``."""
    program = env.get("SUPERLOOP_BIN")
    if not program:
        return f"{env.get(INSTALL_ROOT_VARIABLE, '.').rstrip('/')}/superloop.sh"
    if "/" in program:
        return program
    return shutil.which(program, path=env.get("PATH", os.defpath)) or program


def superloop_arguments(intent: str, *, repo: str, loop_id: str, by: str, note: str) -> list[str]:
    """What follows the program. Cancel is repo-wide: the runtime knows no other."""
    if intent == "cancel":
        return ["cancel", "--repo", repo]
    arguments = ["approve", "--repo", repo, "--loop", loop_id, "--by", by]
    if intent == "reject":
        arguments.append("--reject")
    return [*arguments, "--note", note] if note else arguments


def shown_command(argv: Sequence[str]) -> str:
    """The command as a person would type it."""
    return " ".join(map(shlex.quote, argv))
