"""``opsd fleet explain``: why policy decided on a candidate as it did, derived again from what was recorded.

Reads the policy state and nothing else, and writes nothing. On a terminal it is a readable page, elsewhere (and with
``--pretty``) one JSON document.
"""

from __future__ import annotations

from collections.abc import Sequence

from opsd.cli.arguments import Arguments, CommandSpec, Flag
from opsd.cli.output import write_json
from opsd.cli.page import for_a_person, show
from opsd.contract import jsoncodec
from opsd.contract.errors import ManagerFileError, UsageError
from opsd.contract.jsoncodec import JsonObject
from opsd.runtime.layout import absolute_repo

_NAME = "<candidate>"

SPEC = CommandSpec(
    "opsd fleet explain",
    "Shows why a candidate was decided on as it was: each gate's inputs, verdict and reason.\n"
    "A candidate is <loop>:<category>, or a loop for all of its. The decision is derived again from what was recorded; "
    "1 when it is another one.",
    (
        Flag("--repo", "the managed repo (required)", "<path>"),
        Flag("--policy-state-file", "default <repo>/.superloop/ops-manager/fleet/policy-state.json", "<path>"),
        Flag("--pretty", "the document, indented by two spaces"),
    ),
    operand=_NAME,
    exits={1: "the decision derived again is another one, or an error"},
)


def main(argv: Sequence[str]) -> int:
    """Print the explanation; 0 when the decision could be derived again or was recorded without its inputs, else 1.

    Raises:
        OpsError: a bad argument, no policy state, or no such candidate.
    """
    arguments = SPEC.parse(argv)
    name = arguments.operand()
    if not name:
        raise UsageError("a candidate is required, as <loop>:<category>")
    repo = absolute_repo(arguments.required("--repo"))

    from opsd.fleet.policy.explain import explain
    from opsd.storage.fleet_parts import FleetDocument, FleetPart
    from opsd.storage.fleet_store import FileFleetStore

    given = arguments.optional("--policy-state-file")
    overrides: dict[FleetPart, str] = {FleetDocument.POLICY: given} if given else {}
    store = FileFleetStore(repo, overrides)
    path = store.location(FleetDocument.POLICY)
    data = store.read(FleetDocument.POLICY)
    if data is None:
        raise ManagerFileError(f"policy state file not found: {path}")
    state = jsoncodec.object_in(data)
    if state is None:
        raise ManagerFileError(f"invalid policy state JSON: {path}")
    document = explain(state, name)
    present(arguments, document)
    return 1 if document["derivation"]["matches"] is False else 0


def present(arguments: Arguments, document: JsonObject, _place: Sequence[str] = ()) -> None:
    """Print the explanation."""
    if not for_a_person(arguments):
        write_json(document, pretty=arguments.switch("--pretty"))
        return
    from opsd.cli.fleet.explain_page import explain_page

    show(explain_page(document))
