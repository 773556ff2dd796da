"""The flags of commands that take the daemon's settings, for the commands as clients.

On the host :mod:`argparse` reads them. Apart from :mod:`opsd.cli.remote.daemon`, because settings are much to import.
"""

from __future__ import annotations

from opsd.cli.arguments import Flag
from opsd.cli.daemon import config, ping
from opsd.cli.daemon.settings_flags import settings_spec

SHOW = settings_spec("opsd config show", config.SHOW_TEXT, Flag("--json", config.JSON_TEXT))
CHECK = settings_spec("opsd config check", config.CHECK_TEXT)
PING = settings_spec("opsd ping", ping.TEXT, Flag("--timeout", ping.TIMEOUT_TEXT, "<seconds>"))
