"""``opsd alerts resolve``: the catalog of sinks, or where one category goes (contract 50, section 3).

On a terminal the answer is readable, elsewhere (and with ``--pretty``) it is JSON.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from opsd.cli.arguments import Arguments, CommandSpec, Flag
from opsd.cli.output import write_bytes, write_json
from opsd.cli.page import for_a_person, show
from opsd.contract.errors import UsageError
from opsd.runtime.credentials import CredentialEnvironment

if TYPE_CHECKING:
    from opsd.alerts.model import AlertSeverity
    from opsd.contract.jsoncodec import JsonObject

SPEC = CommandSpec(
    "opsd alerts resolve",
    "Checks the catalog of alert sinks and shows it, or where escalations of one category go.",
    (
        Flag("--config-file", "default $OPS_MANAGER_ALERT_SINKS_FILE, else the shipped catalog", "<path>"),
        Flag("--category", "show where this category goes", "<name>"),
        Flag("--severity", "info, warning or critical instead of the category's own", "<severity>"),
        Flag("--list-sinks", "print id, type and whether it is enabled, one sink per line"),
        Flag("--no-env-check", "do not require the secrets of enabled sinks"),
        Flag("--pretty", "indent by two spaces"),
    ),
)


def main(argv: Sequence[str]) -> int:
    """Print the answer.

    Raises:
        UsageError: flags that do not go together, a catalog that cannot be used, secrets that are not set.
    """
    arguments = SPEC.parse(argv)
    category, severity = wanted(arguments)

    from opsd import compose
    from opsd.alerts.routing import resolve
    from opsd.alerts.routing.catalog import check_environment

    catalog = compose.alert_catalog(
        arguments.optional("--config-file", "OPS_MANAGER_ALERT_SINKS_FILE") or compose.alert_catalog_file(os.environ)
    )
    env = CredentialEnvironment(os.environ)  # the secrets of sinks may be files
    checked = not arguments.switch("--no-env-check")
    if checked:
        check_environment(catalog, env)
    if category is None:
        document = resolve.summary(catalog, env, env_checked=checked)
    else:
        document = resolve.resolve_route(catalog, category, severity, env, env_checked=checked)
    present(arguments, document)
    return 0


def wanted(arguments: Arguments) -> tuple[str | None, AlertSeverity | None]:
    """The category and the severity that are asked for, None where they are not.

    Raises:
        UsageError: flags that do not go together, or no severity.
    """
    category, severity = arguments.optional("--category"), arguments.optional("--severity")
    if arguments.switch("--list-sinks") and category is not None:
        raise UsageError("--list-sinks cannot be combined with --category")
    if severity is not None and category is None:
        raise UsageError("--severity requires --category")

    from opsd.alerts.routing.resolve import parse_severity

    return category, parse_severity(severity) if severity is not None else None


def present(arguments: Arguments, document: JsonObject, _place: Sequence[str] = ()) -> None:
    """Print the catalog, or where the category goes."""
    if arguments.switch("--list-sinks"):
        from opsd.alerts.routing.resolve import list_sinks

        write_bytes(list_sinks(document).encode("utf-8", "replace"))
    elif for_a_person(arguments):
        from opsd.cli.alerts.pages import catalog_page, route_page

        show(catalog_page(document) if arguments.optional("--category") is None else route_page(document))
    else:
        write_json(document, pretty=arguments.switch("--pretty"))
