"""``opsd alerts resolve``: the catalog of sinks, or where one category goes (contract 50, section 3)."""

from __future__ import annotations

import os
from collections.abc import Sequence

from opsd.cli.arguments import CommandSpec, Flag
from opsd.cli.output import write_bytes, write_json
from opsd.contract.errors import UsageError

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
    category, severity = arguments.optional("--category"), arguments.optional("--severity")
    if arguments.switch("--list-sinks") and category is not None:
        raise UsageError("--list-sinks cannot be combined with --category")
    if severity is not None and category is None:
        raise UsageError("--severity requires --category")

    from opsd import compose
    from opsd.alerts import routing
    from opsd.alerts.catalog import check_environment

    wanted = routing.parse_severity(severity) if severity is not None else None
    catalog = compose.alert_catalog(
        arguments.optional("--config-file", "OPS_MANAGER_ALERT_SINKS_FILE") or compose.alert_catalog_file(os.environ)
    )
    checked = not arguments.switch("--no-env-check")
    if checked:
        check_environment(catalog, os.environ)
    if arguments.switch("--list-sinks"):
        write_bytes(routing.list_sinks(catalog).encode("utf-8", "replace"))
    elif category is None:
        write_json(routing.summary(catalog, os.environ, env_checked=checked), pretty=arguments.switch("--pretty"))
    else:
        answer = routing.resolve_route(catalog, category, wanted, os.environ, env_checked=checked)
        write_json(answer, pretty=arguments.switch("--pretty"))
    return 0
