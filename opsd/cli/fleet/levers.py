"""``opsd fleet pause | resume | kill-switch``: what stops autonomy, and lets it go on. One switch of the registry.

The change is in the audit log before it is made and after, with who made it, as over the API. On a terminal it is told
in a readable page, elsewhere (and with ``--pretty``) as one JSON document.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from opsd.cli.arguments import Arguments, CommandSpec, Flag
from opsd.cli.asker import asker
from opsd.cli.page import Page, as_typed, tell
from opsd.contract.errors import OpsError, UsageError
from opsd.runtime.layout import absolute_repo

if TYPE_CHECKING:
    from opsd.contract.jsoncodec import JsonObject
    from opsd.promotion.rollout.levers import Lever

_FLAGS = (
    Flag("--repo", "the managed repo (required)", "<path>"),
    Flag("--registry-file", "default <repo>/.superloop/ops-manager/fleet/registry.v1.json", "<path>"),
    Flag("--by", "who does this, for the audit; default $USER, else the login name", "<name>"),
    Flag("--note", "why", "<text>"),
    Flag("--pretty", "the document, indented by two spaces"),
)

PAUSE = CommandSpec("opsd fleet pause", "Pauses all autonomous dispatch: sets the rollout's manual pause.", _FLAGS)
RESUME = CommandSpec("opsd fleet resume", "Ends the manual pause.", _FLAGS)
KILL_SWITCH = CommandSpec(
    "opsd fleet kill-switch",
    "Engages or releases the kill switch, which stops all autonomy.",
    (Flag("--engage", "stop all autonomy"), Flag("--release", "let it go on"), *_FLAGS),
)


def pause(argv: Sequence[str]) -> int:
    """Set the pause.

    Raises:
        OpsError: bad arguments, no registry, or a file that cannot be written.
    """
    from opsd.promotion.rollout.levers import Lever

    return _pull(PAUSE.parse(argv), Lever.PAUSE, stop=True)


def resume(argv: Sequence[str]) -> int:
    """Take the pause back.

    Raises:
        OpsError: as above, or the registry would not be valid.
    """
    from opsd.promotion.rollout.levers import Lever

    return _pull(RESUME.parse(argv), Lever.PAUSE, stop=False)


def kill_switch(argv: Sequence[str]) -> int:
    """Engage or release.

    Raises:
        OpsError: as above.
    """
    from opsd.promotion.rollout.levers import Lever

    arguments = KILL_SWITCH.parse(argv)
    return _pull(arguments, Lever.KILL_SWITCH, stop=engaged(arguments))


def engaged(arguments: Arguments) -> bool:
    """What was asked for.

    Raises:
        UsageError: both or neither.
    """
    if arguments.switch("--engage") == arguments.switch("--release"):
        raise UsageError("one of --engage and --release is required")
    return arguments.switch("--engage")


def _pull(arguments: Arguments, lever: Lever, *, stop: bool) -> int:
    from opsd.contract.ids import new_trace_id
    from opsd.promotion.rollout.levers import pull
    from opsd.storage.fleet_parts import FleetDocument
    from opsd.storage.fleet_store import FileFleetStore
    from opsd.storage.operations import ended, requested, write

    repo, file = absolute_repo(arguments.required("--repo")), arguments.optional("--registry-file")
    store = FileFleetStore(repo, {FleetDocument.REGISTRY: file} if file else None)
    by, trace_id = asker(arguments), new_trace_id()
    action = {(True, "pause"): "pauseFleet", (False, "pause"): "resumeFleet"}.get((stop, lever.value), "setKillSwitch")
    request: JsonObject = {"note": arguments.given("--note") or ""}
    if action == "setKillSwitch":
        request = {"engaged": stop, **request}
    now = time.time()
    write(store, requested(action, by, "", trace_id, {}, request, now))
    try:
        document = pull(store, lever, stop=stop)
    except OpsError as error:
        write(store, ended(action, by, "", trace_id, 409, error.code, time.time()))
        raise
    write(store, ended(action, by, "", trace_id, 200, None, time.time()))
    present(arguments, document, as_typed(arguments, "--repo", "--registry-file"))
    return 0


def present(arguments: Arguments, lever: JsonObject, place: Sequence[str]) -> None:
    """Print how the lever stands; the command on the page repeats ``place``."""

    def page() -> Page:
        from opsd.cli.fleet.levers_page import lever_page

        return lever_page(lever, place)

    tell(arguments, lever, page)
