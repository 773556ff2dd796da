"""What is said of commands and flags that mean nothing to a server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from opsd.cli.arguments import Flag
from opsd.cli.host_only import HOST_ONLY

_PRINCIPAL = "the principal of the token is who does it"
_REGISTRY = "the server's registry says how a loop is reached"
_DAEMON = "the passes are the daemon's own, as its settings have them"
_FLAGS: Mapping[str, str] = {
    "--max-parallel": _DAEMON,
    "--deterministic-order": _DAEMON,
    "--by": _PRINCIPAL,
    "--created-by": _PRINCIPAL,
    "--trace-id": "the server gives every request a trace id of its own",
    "--commit": "the manager that is drilled is the server's",
    "--transport": _REGISTRY,
    "--service-base-url": _REGISTRY,
    "--service-token": _REGISTRY,
    "--service-token-file": _REGISTRY,
    "--retry-attempts": _REGISTRY,
    "--retry-backoff-seconds": _REGISTRY,
    "--repo": "the server's own is meant",
}
_KINDS: Mapping[str, str] = {
    "<path>": "it names a file of this host, the server has its own",
    "<file>": "it names a file of this host, the server has its own",
    "<setting>": "the settings of the daemon that is asked are meant",
}


def flags_of_this_host(flags: Iterable[Flag]) -> set[str]:
    """Those that say by themselves that this host is meant."""
    every = {flag.name: flag.value for flag in flags}
    if every.get("--repo") == "<path>":
        return {"--repo"}
    return {name for name, value in every.items() if value in _KINDS}


def command_refusal(name: str) -> str:
    """What is said of a command that no server can be asked for."""
    why = HOST_ONLY.get(name)
    said = f"opsd {name} works on this host only: "
    return said + ("--server cannot be used with it" if why is None else why)


def flag_refusal(flag: Flag, means: str) -> str:
    """What is said of a flag that means nothing to a server; ``means`` is by what the server was named."""
    why = _FLAGS.get(flag.name) or _KINDS.get(flag.value, "")
    return f"{flag.name} cannot be combined with {means}" + (f": {why}" if why else "")
