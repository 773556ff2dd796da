"""``opsd audit verify``: whether the audit logs are what was written (contract 70, weakness 16). Writes nothing.

On a terminal it is readable, elsewhere (and with ``--pretty``) one JSON document. 1 when a log is broken.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from opsd.access.keeper import FILE_VARIABLE, PrincipalsKeeper
from opsd.cli.arguments import Arguments, CommandSpec, Flag
from opsd.cli.output import write_bytes, write_json
from opsd.cli.page import counted, for_a_person
from opsd.contract.values import printable
from opsd.runtime.layout import absolute_repo

if TYPE_CHECKING:
    from opsd.contract.jsoncodec import JsonObject

SPEC = CommandSpec(
    "opsd audit verify",
    "Checks the hash chain of every audit log: an edited, deleted, reordered or cut off row is found. 1 if one is.\n"
    f"The log of tokens lies beside the principals file, and is checked too where ${FILE_VARIABLE} names that.",
    (
        Flag("--repo", "the managed repo (required)", "<path>"),
        Flag("--file", "check this log only", "<path>"),
        Flag("--pretty", "the document, indented by two spaces"),
    ),
    exits={1: "a log is not what was written, or an error"},
)


def main(argv: Sequence[str]) -> int:
    """Print the verdict; 0 when all that there is is in order.

    Raises:
        OpsError: a bad argument, or a log that cannot be read.
    """
    arguments = SPEC.parse(argv)
    repo = absolute_repo(arguments.required("--repo"))

    from opsd.storage.audit_report import audit_report
    from opsd.storage.fleet_store import FileFleetStore

    principals = os.environ.get(FILE_VARIABLE)
    also = [PrincipalsKeeper(principals).audit_log] if principals else []
    document = audit_report(FileFleetStore(repo), arguments.optional("--file"), also=also)
    present(arguments, document)
    return 0 if document["ok"] else 1


def present(arguments: Arguments, document: JsonObject, _place: Sequence[str] = ()) -> None:
    """Print the verdict."""
    if for_a_person(arguments):
        write_bytes(_page(document).encode())
    else:
        write_json(document, pretty=arguments.switch("--pretty"))


def _page(document: JsonObject) -> str:
    lines: list[str] = []
    for log in document["logs"]:
        lines.append(f"{log['status']:<7} {printable(log['file'])}")
        if log["status"] == "absent":
            continue
        rows, last = counted(log["rows"], "row"), _short(log["lastRowHash"])
        lines.append(f"        {rows}, {log['chainedRows']} of them chained; last {last}")
        lines += [f"        row {one['row']}: {one['problem']}: {one['message']}" for one in log["problems"]]
    lines.append("the audit is in order" if document["ok"] else "THE AUDIT IS BROKEN")
    return "\n".join(lines) + "\n"


def _short(digest: str | None) -> str:
    """Enough of a hash to compare by eye; the document has all of it."""
    return f"{digest[:12]}…" if digest else "-"
