"""``opsd threshold-profile``: one threshold profile of the catalog, resolved (contract 40, section 3).

On a terminal it is a readable page, elsewhere (and with ``--pretty``) one JSON document.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from opsd.cli.arguments import Arguments, CommandSpec, Flag
from opsd.cli.page import Page, tell

if TYPE_CHECKING:
    from opsd.contract.jsoncodec import JsonObject, JsonValue

SPEC = CommandSpec(
    "opsd threshold-profile",
    "Prints one profile of the threshold catalog, by default the catalog's default.",
    (
        Flag("--profiles-file", "default $OPS_MANAGER_THRESHOLD_PROFILES_FILE, else the shipped catalog", "<path>"),
        Flag("--profile", "default the catalog's defaultProfile", "<name>"),
        Flag("--list", "print the profile names, one per line"),
        Flag("--pretty", "the document, indented by two spaces"),
    ),
)


def main(argv: Sequence[str]) -> int:
    """Print the profile, or the names.

    Raises:
        UsageError: the catalog or the profile cannot be used.
    """
    arguments = SPEC.parse(argv)

    from opsd import compose
    from opsd.loop.thresholds import check_catalog

    path = arguments.optional(
        "--profiles-file", "OPS_MANAGER_THRESHOLD_PROFILES_FILE"
    ) or compose.threshold_catalog_file(os.environ)
    if arguments.switch("--list"):
        list_names(sorted(check_catalog(compose.threshold_catalog(path))))
        return 0
    present(arguments, compose.threshold_profile(path, arguments.optional("--profile")))
    return 0


def present(arguments: Arguments, profile: JsonObject) -> None:
    """Print one profile."""

    def page() -> Page:
        from opsd.cli.loop.tuning_page import profile_page

        return profile_page(profile)

    tell(arguments, profile, page)


def list_names(names: Iterable[JsonValue]) -> None:
    """Print the names of the profiles, one per line."""
    sys.stdout.write("".join(f"{name}\n" for name in names))
