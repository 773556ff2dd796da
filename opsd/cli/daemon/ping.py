"""``opsd ping``: is the daemon of this host ready? A container's health check; reads the settings of ``opsd run``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from opsd.cli.client.this_host import listener_address
from opsd.cli.daemon.settings_flags import add_settings_flags, collect_flags
from opsd.contract.errors import UsageError
from opsd.net.probe import require_ready

TEXT = "Exit 0 when the daemon with these settings is ready, else 1."
TIMEOUT_TEXT = "seconds to wait. Default 5"
TIMEOUT_S = 5.0


def check_timeout(seconds: float) -> None:
    """That it can be waited for so long.

    Raises:
        UsageError: it cannot.
    """
    if not 0 < seconds <= 3600:
        raise UsageError("--timeout must be a number of seconds above 0, at most 3600")


def main(argv: Sequence[str]) -> int:
    """0 when ``/readyz`` of the daemon with these settings answers 200.

    Raises:
        OpsError: it does not, or the settings cannot be used.
    """
    parser = argparse.ArgumentParser(prog="opsd ping", description=TEXT, allow_abbrev=False)
    parser.add_argument("--timeout", type=float, default=TIMEOUT_S, metavar="S", help=TIMEOUT_TEXT)
    add_settings_flags(parser, can_ask=True)
    options = parser.parse_args(argv)
    check_timeout(options.timeout)
    host, port = listener_address(collect_flags(options), options.config)
    require_ready(host, port, timeout_s=options.timeout)
    return 0
