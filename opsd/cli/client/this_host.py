"""Where the daemon of this host listens, as far as its settings tell: for the commands that ask it over HTTP."""

from __future__ import annotations

import os
from collections.abc import Mapping

from opsd.contract.errors import UsageError
from opsd.net.probe import local_address
from opsd.runtime.credentials import CredentialEnvironment
from opsd.supervisor.settings.load import load_settings


def listener_address(flags: Mapping[str, object], config_file: str | None) -> tuple[str, int]:
    """Host and port that ``opsd run`` with the same settings listens on.

    Raises:
        UsageError: the settings cannot be used, or do not tell the port.
    """
    http = load_settings(flags, CredentialEnvironment(os.environ), config_file).settings.http
    if not http.port:
        raise UsageError("http.port 0 takes any free port: which one it is cannot be known here")
    return http.host, http.port


def daemon_url(config_file: str | None) -> str:
    """The address under which this host reaches its own daemon.

    Raises:
        UsageError: as above.
    """
    host, port = listener_address({}, config_file)
    address = local_address(host)
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"
