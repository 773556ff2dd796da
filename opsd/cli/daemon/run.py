"""``opsd run``: the daemon in the foreground, until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import resource
from collections.abc import Sequence

from opsd.cli.daemon.settings_flags import add_settings_flags, collect_flags
from opsd.runtime.credentials import CredentialEnvironment
from opsd.supervisor import logs
from opsd.supervisor.daemon import Daemon
from opsd.supervisor.settings.load import LoadedSettings, load_settings

#: Of a daemon, at most.
_DESCRIPTORS = 65_536


def main(argv: Sequence[str]) -> int:
    """Supervise; 0 after a signal, 1 when it cannot start.

    Raises:
        OpsError: settings or registry cannot be used at the start.
    """
    parser = argparse.ArgumentParser(prog="opsd run", description="Supervises every loop of a repo's fleet registry.")
    parser.add_argument("--no-uvloop", action="store_true", help="run on asyncio's own event loop")
    add_settings_flags(parser)
    options = parser.parse_args(argv)
    flags = collect_flags(options)
    env = CredentialEnvironment(os.environ)

    def load() -> LoadedSettings:
        env.refresh()  # a reload takes new secrets along
        return load_settings(flags, env, options.config)

    def look() -> tuple[LoadedSettings, CredentialEnvironment]:
        fresh = CredentialEnvironment(os.environ)
        return load_settings(flags, fresh, options.config), fresh

    _take_descriptors()
    loaded = load()
    logs.configure(loaded.settings.log.level, loaded.settings.log.format)
    loop_factory = None
    if not options.no_uvloop:
        with contextlib.suppress(ImportError):
            import uvloop

            loop_factory = uvloop.new_event_loop

    async def supervise() -> int:
        return await Daemon(loaded, env, load, look).run()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(supervise())


def _take_descriptors() -> None:
    """Connections and streams cost one each: as many as the host allows, where the default is less than they may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
