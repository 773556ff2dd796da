"""Start-up of the sprite service: options, the token, signals (contract 30, 6.1)."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ipaddress
import math
import os
import signal
import ssl
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from opsd.contract.errors import OpsError
from opsd.net.probe import require_ready
from opsd.runtime.credentials import CredentialEnvironment
from opsd.runtime.watcher import WatchMode
from sprite_service.config import Config, Limits
from sprite_service.server import start, tls_context

TOKEN_VARIABLE = "OPS_MANAGER_SERVICE_TOKEN"  # noqa: S105 - the name of a variable
#: What a --scripts-dir must hold; the commands themselves run inside this process.
_SCRIPTS = ("ops-manager-loop-run-snapshot.sh", "ops-manager-poll-events.sh", "ops-manager-control.sh")


#: What each limit bounds, as its flag's help.
_LIMITS = {
    "max_body_bytes": "largest request body, in bytes",
    "max_header_bytes": "longest request line or header, in bytes",
    "max_requests": "requests and long polls answered at the same time; more are told 503",
    "max_connections": "open connections; a further one takes the place of an idle one, or is closed",
    "max_streams": "open event streams; more are told 503",
    "max_streams_per_client": "open event streams of one address",
    "header_timeout_s": "seconds until a new connection must have sent a request",
    "idle_timeout_s": "seconds that a connection may be kept open between requests",
    "write_timeout_s": "seconds without progress after which a client that does not read is dropped",
    "max_wait_s": "longest wait= of /ops/events, in seconds",
    "max_cached_loops": "loops whose reader is kept in memory",
    "max_line_bytes": "longest journal line that is read, in bytes",
    "control_timeout_s": "seconds that a runtime command may take before it is stopped",
    "stop_timeout_s": "seconds that running answers may take to end at a stop",
}


class StartError(Exception):
    """Why the service does not start; exit code 1."""


def positive_float(text: str) -> float:
    """A finite number above zero.

    Raises:
        ValueError: it is not.
    """
    value = float(text)
    if not 0 < value < math.inf:
        raise ValueError(text)
    return value


def positive_int(text: str) -> int:
    """A whole number above zero.

    Raises:
        ValueError: it is not.
    """
    value = int(text)
    if value <= 0:
        raise ValueError(text)
    return value


def parser() -> argparse.ArgumentParser:
    """What the command line may hold."""
    made = argparse.ArgumentParser(prog="sprite-service", description="Serves one repo's loops over HTTP.")
    made.add_argument("--repo", required=True, help="the managed repo; links are resolved")
    made.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    made.add_argument("--port", type=int, default=8787, help="port, 0 for a free one (default 8787)")
    made.add_argument("--token", help=f"visible to other users: prefer ${TOKEN_VARIABLE} or --token-file")
    made.add_argument("--token-file", help="file that holds the token")
    made.add_argument("--principals-file", help="principals with tokens of their own, beside the shared token")
    made.add_argument("--allow-anonymous", action="store_true", help="start without a token")
    made.add_argument("--scripts-dir", help="checked for the contract's commands when given")
    made.add_argument("--tls-cert", help="PEM certificate chain: serve HTTPS")
    made.add_argument("--tls-key", help="PEM key of the certificate")
    made.add_argument(
        "--watch", choices=[mode.value for mode in WatchMode], default="auto", help="how changes are noticed"
    )
    made.add_argument(
        "--poll-interval", type=positive_float, default=0.25, metavar="S", help="where inotify is missing"
    )
    made.add_argument(
        "--keepalive", type=positive_float, default=15.0, metavar="S", help="between keep-alives of a stream"
    )
    made.add_argument("--no-access-log", action="store_true", help="no line per request on stderr")
    made.add_argument(
        "--ping", action="store_true", help="start nothing: exit 0 when the service with these options is ready"
    )
    made.add_argument("--no-uvloop", action="store_true", help="run on asyncio's own event loop")
    limits = made.add_argument_group("limits")
    for name, kind in Limits.__annotations__.items():
        default = getattr(Limits(), name)
        flag = "--" + name.removesuffix("_s").replace("_", "-")
        number = positive_float if kind == "float" else positive_int
        text = f"{_LIMITS[name]} (default {default})"
        limits.add_argument(flag, dest=name, type=number, default=default, metavar="N", help=text)
    return made


def configure(options: argparse.Namespace, env: Mapping[str, str]) -> Config:
    """The configuration.

    Raises:
        StartError: it cannot be used.
    """
    if not os.path.isdir(options.repo):
        raise StartError(f"repo path not found: {options.repo}")
    if options.tls_key and not options.tls_cert:
        raise StartError("--tls-key needs --tls-cert")
    if options.scripts_dir is not None:
        for name in _SCRIPTS:
            if not os.path.isfile(os.path.join(options.scripts_dir, name)):
                raise StartError(f"required script not found: {os.path.join(options.scripts_dir, name)}")
    return Config(
        repo=os.path.realpath(options.repo),
        host=options.host,
        port=options.port,
        token=_token(options, env),
        principals_file=options.principals_file,
        keepalive_s=options.keepalive,
        watch=WatchMode(options.watch),
        poll_s=options.poll_interval,
        access_log=not options.no_access_log,
        limits=Limits(**{name: getattr(options, name) for name in Limits.__annotations__}),
    )


def _token(options: argparse.Namespace, env: Mapping[str, str]) -> str:
    if options.token is not None:
        token = str(options.token)
    elif options.token_file is not None:
        try:
            token = Path(options.token_file).read_text(encoding="utf-8").strip()
        except (OSError, ValueError):
            raise StartError(f"token file cannot be read: {options.token_file}") from None
    else:
        token = env.get(TOKEN_VARIABLE, "")
    if options.principals_file is not None:
        if options.allow_anonymous:
            raise StartError("--allow-anonymous and --principals-file exclude each other")
        return token
    # An explicit empty --token switches authentication off (contract 30, 6.1), but never beyond this host.
    anonymous = options.allow_anonymous or (options.token == "" and _is_loopback(options.host))
    if not token and not anonymous:
        raise StartError(f"no token: set {TOKEN_VARIABLE} or --token-file, or say --allow-anonymous")
    return token


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


async def serve(config: Config, tls: ssl.SSLContext | None) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        OSError: the address cannot be used.
    """
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    running = await start(config, tls)
    print(f"ops-manager sprite service listening on {running.url}", flush=True)
    await ended.wait()
    await running.stop()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the service; 0 after a signal, 1 when it cannot start, 2 for unusable options. Or ask one that runs."""
    options = parser().parse_args(argv)
    loop_factory = None
    if not options.no_uvloop:
        with contextlib.suppress(ImportError):
            import uvloop

            loop_factory = uvloop.new_event_loop
    try:
        config = configure(options, CredentialEnvironment(os.environ))
        if options.ping:
            require_ready(config.host, config.port, tls=bool(options.tls_cert), token=config.token)
            return 0
        tls = tls_context(options.tls_cert, options.tls_key) if options.tls_cert else None
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(serve(config, tls))
    except (StartError, OpsError, OSError, ssl.SSLError) as error:
        print(str(error), file=sys.stderr)
        return 1
    return 0
