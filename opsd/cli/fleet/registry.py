"""``opsd fleet registry``: checks the fleet's registry and prints it normalized (contract 60, 2). Writes nothing.

On a terminal it is a readable page, elsewhere (and with ``--pretty``) the document.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from opsd.cli.arguments import Arguments, CommandSpec, Flag
from opsd.cli.output import write_json
from opsd.cli.page import for_a_person, show
from opsd.contract.errors import UsageError
from opsd.contract.jsoncodec import JsonObject
from opsd.runtime.layout import absolute_repo
from opsd.storage.layout import fleet_registry_file

SPEC = CommandSpec(
    "opsd fleet registry",
    "Checks the fleet's registry, every rule at once, and prints it with every default filled in.",
    (
        Flag("--repo", "the managed repo (required)", "<path>"),
        Flag("--registry-file", "default <repo>/.superloop/ops-manager/fleet/registry.v1.json", "<path>"),
        Flag("--loop", "print this loop only", "<id>"),
        Flag("--pretty", "the document, indented by two spaces"),
    ),
    exits={5: "--loop names a loop that the registry does not have"},
)


def main(argv: Sequence[str]) -> int:
    """Print the document; 0.

    Raises:
        UsageError: exit code 1 for a bad argument or registry, 5 for a loop that the registry does not know.
    """
    arguments = SPEC.parse(argv)
    repo = absolute_repo(arguments.required("--repo"))

    from opsd.fleet.registry import load_registry
    from opsd.storage.files import read_bytes

    path = arguments.optional("--registry-file") or fleet_registry_file(repo)
    document = load_registry(read_bytes(path), source=path, now=time.time()).document
    present(arguments, asked_for(arguments, document))
    return 0


def asked_for(arguments: Arguments, document: JsonObject) -> JsonObject:
    """The document, with ``--loop`` that loop's part of it.

    Raises:
        UsageError: exit code 5, there is no such loop.
    """
    loop_id = arguments.optional("--loop")
    if loop_id is None:
        return document

    from opsd.fleet.normalize import only_loop

    found = only_loop(document, loop_id)
    if found is None:
        raise UsageError(f"loop not found in registry: {loop_id}", exit_code=5)
    return found


def present(arguments: Arguments, document: JsonObject, _place: Sequence[str] = ()) -> None:
    """Print the normalized registry, or what ``--loop`` left of it."""
    if not for_a_person(arguments):
        write_json(document, pretty=arguments.switch("--pretty"))
        return
    from opsd.cli.fleet.registry_page import registry_page

    show(registry_page(document))
