"""The normalized registry, as every step of the fleet obtains it (contract 60, 1.4).

Built in, or from the program in ``OPS_MANAGER_FLEET_REGISTRY_SCRIPT``.
"""

from __future__ import annotations

import os
import time

from opsd.cli.output import write_error
from opsd.contract import jsoncodec
from opsd.contract.errors import OpsError, ReplacedStepError
from opsd.contract.ids import parse_loop_id
from opsd.contract.jsoncodec import JsonObject
from opsd.fleet.registry import load_registry
from opsd.storage.files import read_bytes

SCRIPT_VARIABLE = "OPS_MANAGER_FLEET_REGISTRY_SCRIPT"


def normalized_registry(repo: str, registry_file: str) -> JsonObject:
    """The normalized document of ``registry_file``; ``repo`` is canonical, the file's path is used as given.

    Whoever made the document, its ``loops`` is a list of objects, each with a ``loopId`` that is safe in a path and
    unique. A program's document may lack everything else.

    Raises:
        UsageError: the registry cannot be used; a command prints the error's lines and ends with its exit code.
        ReplacedStepError: the program failed; its stderr has passed through and its exit status is the error's.
        OpsError: the program did not print such a document.
    """
    program = os.environ.get(SCRIPT_VARIABLE)
    if program:
        return _from_program(program, repo, registry_file)
    return load_registry(read_bytes(registry_file), source=registry_file, now=time.time()).document


def _from_program(program: str, repo: str, registry_file: str) -> JsonObject:
    from opsd.runtime.process import run_program

    answer = run_program([program, "--repo", repo, "--registry-file", registry_file])
    if answer.stderr:
        write_error(answer.stderr.decode("utf-8", "replace").rstrip("\n"))
    if answer.exit != 0:
        raise ReplacedStepError(f"the fleet registry script ended with {answer.exit}", exit_code=answer.exit)
    document = jsoncodec.object_in(answer.stdout)
    if document is None or not isinstance(document.setdefault("loops", []), list):
        raise OpsError("fleet registry script did not print a normalized registry")
    seen: set[str] = set()
    for item in document["loops"]:
        loop_id = item.get("loopId") if isinstance(item, dict) else None
        if not isinstance(loop_id, str):
            raise OpsError("fleet registry script printed a loop without an id")
        if parse_loop_id(loop_id, reserved=True) in seen:
            raise OpsError(f"fleet registry script printed a loop twice: {loop_id}")
        seen.add(loop_id)
    return document
