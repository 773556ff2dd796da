"""``opsd version``: the version of this program; with ``--server`` that of the daemon."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from opsd import __version__
from opsd.cli.arguments import CommandSpec

SPEC = CommandSpec("opsd version", "Prints the version of this program, or with --server that of the daemon.", ())


def main(argv: Sequence[str]) -> int:
    """Print it.

    Raises:
        UsageError: there is an argument.
    """
    SPEC.parse(argv)
    print_version(__version__)
    return 0


def print_version(version: str) -> None:
    """One line."""
    sys.stdout.write(f"opsd {version}\n")
