"""Commands about the daemon itself, what it works with and its audit, as clients."""

from __future__ import annotations

from collections.abc import Sequence

from opsd.cli.arguments import Arguments
from opsd.cli.client.api_client import ApiRequest, get_request, segment
from opsd.cli.remote.command import Answered, RemoteCommand
from opsd.contract.errors import UsageError
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.values import printable

_SPECS = "opsd.cli.remote.settings_specs:"
_HERE = "opsd.cli.remote.daemon:"


def _ping(arguments: Arguments) -> ApiRequest:
    from opsd.cli.daemon.ping import TIMEOUT_S, check_timeout

    given = arguments.optional("--timeout")
    try:
        timeout_s = TIMEOUT_S if given is None else float(given)
    except ValueError:
        raise UsageError("--timeout must be a number of seconds above 0, at most 3600") from None
    check_timeout(timeout_s)
    return ApiRequest("GET", "/readyz", prefix="", timeout_s=timeout_s, once=True)


def _whole(document: JsonObject) -> Answered:
    return document, 0


def _checked(document: JsonObject) -> Answered:
    return document["check"], 0 if document["check"]["usable"] else 1


def _audited(document: JsonObject) -> Answered:
    return document["audit"], 0 if document["audit"]["ok"] else 1


def _profile(arguments: Arguments) -> ApiRequest:
    name = arguments.optional("--profile")
    if name is None or arguments.switch("--list"):
        return get_request("/threshold-profiles")
    return get_request(f"/threshold-profiles/{segment(name)}")


def present_nothing(_arguments: Arguments, _answered: JsonObject, _place: Sequence[str]) -> None:
    """The exit code says it."""


def present_version(_arguments: Arguments, answered: JsonObject, _place: Sequence[str]) -> None:
    """What ``opsd version`` prints."""
    from opsd.cli.version import print_version

    print_version(printable(str(answered["version"])))


def present_settings(arguments: Arguments, document: JsonObject, _place: Sequence[str]) -> None:
    """What ``opsd config show`` prints."""
    from opsd.cli.daemon.config import print_settings

    print_settings(document, as_json=arguments.switch("--json"))


def present_check(_arguments: Arguments, document: JsonObject, _place: Sequence[str]) -> None:
    """What ``opsd config check`` prints."""
    from opsd.cli.daemon.config import print_check

    print_check(document)


def present_profile(arguments: Arguments, answered: JsonObject, _place: Sequence[str]) -> None:
    """What ``opsd threshold-profile`` prints: the profile that was named, the names, or the default."""
    from opsd.cli.loop.threshold_profile import list_names, present

    if arguments.switch("--list"):
        list_names(printable(str(name)) for name in answered["profiles"])
    else:
        present(arguments, answered["profile"] if "profile" in answered else answered["default"])


COMMANDS: dict[str, RemoteCommand] = {
    "ping": RemoteCommand(
        f"{_SPECS}PING",
        "GET /readyz",
        ("--timeout",),
        _ping,
        answer=_whole,
        present=f"{_HERE}present_nothing",
    ),
    "version": RemoteCommand(
        "opsd.cli.version:SPEC",
        "GET /version",
        (),
        lambda _given: get_request("/version"),
        answer=_whole,
        present=f"{_HERE}present_version",
    ),
    "config show": RemoteCommand(
        f"{_SPECS}SHOW",
        "GET /settings",
        ("--json",),
        lambda _given: get_request("/settings"),
        "settings",
        present=f"{_HERE}present_settings",
    ),
    "config check": RemoteCommand(
        f"{_SPECS}CHECK",
        "GET /settings/check",
        (),
        lambda _given: get_request("/settings/check"),
        answer=_checked,
        present=f"{_HERE}present_check",
    ),
    "threshold-profile": RemoteCommand(
        "opsd.cli.loop.threshold_profile:SPEC",
        "GET /threshold-profiles",
        ("--profile", "--list"),
        _profile,
        answer=_whole,
        present=f"{_HERE}present_profile",
        also=("GET /threshold-profiles/{profile}",),
    ),
    "audit verify": RemoteCommand(
        "opsd.cli.audit_verify:SPEC",
        "GET /audit",
        (),
        lambda _given: get_request("/audit"),
        answer=_audited,
        present="opsd.cli.audit_verify:present",
    ),
}
