"""``opsd <command>``: finds the command, runs it, and turns what goes wrong into one line and an exit code.

Commands are imported when they are called, so that each pays only for what it uses. Every command is a function
``main(argv) -> exit code`` that raises :class:`OpsError` for expected failures; nothing else prints an error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence

from opsd.cli.help_text import columns_of_terminal, paragraphs, two_columns
from opsd.cli.output import write_error
from opsd.contract.errors import OpsError, UsageError, file_trouble

Command = Callable[[Sequence[str]], int]

#: How alike a word has to be to a command that was probably meant.
_NEAR = 0.6

#: name -> (module:function, summary); aliases have no summary. A name of two words belongs to a group of commands.
_COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("opsd.cli.daemon.run:main", "supervise every loop of a repo until told to stop"),
    "ping": ("opsd.cli.daemon.ping:main", "is the daemon of this host ready"),
    "demo": ("opsd.cli.demo:main", "replay recorded runs and follow them live"),
    "snapshot": ("opsd.cli.loop.snapshot:main", "one loop's state as one JSON envelope"),
    "events": ("opsd.cli.loop.events:main", "the events behind a cursor, as JSON lines"),
    "poll-events": ("opsd.cli.loop.events:main", ""),
    "project-state": ("opsd.cli.loop.project_state:main", "the lifecycle projection of a snapshot and its events"),
    "reconcile": ("opsd.cli.loop.reconcile:main", "one full manager pass over one loop"),
    "health": ("opsd.cli.loop.health:main", "judge a loop's health from the files of a pass"),
    "control": ("opsd.cli.loop.control:main", "cancel, approve or reject one loop, with proof"),
    "confirm-intent": ("opsd.cli.loop.confirm_intent:main", "does the runtime show an intent's effect"),
    "status": ("opsd.cli.loop.status:main", "what is known of one loop, readable or as one document"),
    "loops": ("opsd.cli.loop.loops:main", "the loops as a running daemon sees them"),
    "watch": ("opsd.cli.daemon.watch:main", "what changes, as it happens"),
    "escalations": ("opsd.cli.loop.escalations:main", "the newest escalations of a loop"),
    "threshold-profile": ("opsd.cli.loop.threshold_profile:main", "one threshold profile of the catalog"),
    "telemetry-summary": ("opsd.cli.loop.telemetry_summary:main", "figures over a loop's newest passes"),
    "profile-drift": ("opsd.cli.loop.profile_drift:main", "does the applied threshold profile still suit"),
    "alerts dispatch": ("opsd.cli.alerts.dispatch:main", "deliver what a loop has escalated"),
    "alerts resolve": ("opsd.cli.alerts.resolve:main", "the catalog of alert sinks, or where a category goes"),
    "alerts dead-letters": ("opsd.cli.alerts.dead_letters:main", "the deliveries of all loops that were given up"),
    "alerts silence": ("opsd.cli.alerts.silence:main", "add, list or expire what nobody is told for a while"),
    "fleet registry": ("opsd.cli.fleet.registry:main", "check the fleet's registry and print it with every default"),
    "fleet reconcile": ("opsd.cli.fleet.reconcile:main", "one pass over every loop of the fleet's registry"),
    "fleet policy": ("opsd.cli.fleet.policy:main", "who of the fleet is in trouble, and what may be done"),
    "fleet candidates": ("opsd.cli.fleet.candidates:main", "the newest policy's candidates, all or some"),
    "fleet explain": ("opsd.cli.fleet.explain:main", "why policy decided on a candidate as it did"),
    "fleet status": ("opsd.cli.fleet.status:main", "who is in trouble, what the policy proposes, what waits"),
    "fleet pause": ("opsd.cli.fleet.levers:pause", "pause all autonomous dispatch"),
    "fleet resume": ("opsd.cli.fleet.levers:resume", "end the pause"),
    "fleet kill-switch": ("opsd.cli.fleet.levers:kill_switch", "engage or release the kill switch"),
    "fleet handoff": ("opsd.cli.fleet.handoff:main", "candidates as control intents: plan them, confirm them"),
    "promotion apply": ("opsd.cli.promotion.apply:main", "change the rollout as a promotion decision permits"),
    "promotion orchestrate": ("opsd.cli.promotion.orchestrate:main", "evaluate, then preview, apply or roll back"),
    "promotion controller": (
        "opsd.cli.promotion.controller:main",
        "one guarded pass: propose, hold, or apply and verify",
    ),
    "promotion gates": ("opsd.cli.promotion.gates:main", "may a guarded fleet go beyond dogfood: promote or hold"),
    "promotion ci": (
        "opsd.cli.promotion.ci:main",
        "the promotion gates for a pipeline: result, summary, skip, enforce",
    ),
    "promotion state": ("opsd.cli.promotion.state:main", "how far the rollout has come"),
    "drill run": (
        "opsd.cli.promotion.drill_run:main",
        "try out the kill switch, a sprite outage and the retry guard, and record it",
    ),
    "audit verify": ("opsd.cli.audit_verify:main", "are the audit logs what was written"),
    "horizon-bridge": ("opsd.cli.horizon_bridge:main", "move a Horizon outbox into the operator's queue"),
    "whoami": ("opsd.cli.daemon.whoami:main", "who a daemon takes you for, and what you may do"),
    "token new": ("opsd.cli.tokens:new", "a token for the API or a sprite service, shown once"),
    "token list": ("opsd.cli.tokens:list_tokens", "principals, their rights and their tokens"),
    "token revoke": ("opsd.cli.tokens:revoke", "end a token now"),
    "service-client": ("opsd.cli.loop.service_client:main", "one HTTP request to a sprite service, with retries"),
    "simulate": ("opsd.cli.simulate:main", "a simulated runtime: run, cancel, approve"),
    "config show": ("opsd.cli.daemon.config:show", "every setting of the daemon, its value and its origin"),
    "config check": ("opsd.cli.daemon.config:check", "name what is wrong with the daemon's settings"),
    "version": ("opsd.cli.version:main", "the version of this program, or with --server of a daemon"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the result is the exit code: 0, or the error's (mostly 1) after ``error: <message>``."""
    try:
        return _run(sys.argv[1:] if argv is None else argv)
    except OpsError as error:
        return _complain(*error.lines, exit_code=error.exit_code)
    except BrokenPipeError:
        _discard_stdout()
        return 1
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        _show_trace()
        return _complain(file_trouble(error))
    except Exception as error:  # noqa: BLE001 - the border: whatever it is, a person sees one line
        _show_trace()
        return _complain(f"internal error: {type(error).__name__} (OPSD_DEBUG=1 shows where)")


def _run(argv: Sequence[str]) -> int:
    if not argv:
        sys.stdout.write(usage())
        raise UsageError("a command is required")
    name, rest = argv[0], argv[1:]
    if name in ("--help", "-h", "help"):
        sys.stdout.write(usage())
        return 0
    if name == "--version":
        return load(_COMMANDS["version"][0])(rest)
    if name in _COMMANDS:
        return _call(name, rest)
    members = group(name)
    if not members:
        sys.stdout.write(usage())
        groups = (command.partition(" ")[0] for command in _COMMANDS)
        raise UsageError(f"unknown command: {name}{_hint(name, {*_COMMANDS, *groups})}")
    member = f"{name} {rest[0]}" if rest else ""
    if member in members:
        return _call(member, rest[1:])
    sys.stdout.write(usage(name))
    if rest and rest[0] in ("--help", "-h"):
        return 0
    if not rest:
        raise UsageError(f"opsd {name} needs a command")
    words = [command.partition(" ")[2] for command in members]
    raise UsageError(f"unknown command: {member}{_hint(rest[0], words, f'{name} ')}")


def _call(name: str, argv: Sequence[str]) -> int:
    """Run a command: on this host, or through the server that is named."""
    if "--server" in argv or os.environ.get("OPSD_SERVER"):
        from opsd.cli.remote import run as remote

        full = f"{name} {argv[0]}" if name == "alerts silence" and argv else name
        given = argv[1:] if full != name else argv
        server, rest = remote.wanted_server(full, given, os.environ)
        if server is not None:
            return remote.run(full, rest, server)
    return load(_COMMANDS[name][0])(argv)


def _hint(word: str, known: Iterable[str], before: str = "") -> str:
    """The command that was probably meant, with the group that stands ``before`` it; nothing where none is near."""
    import difflib

    close = difflib.get_close_matches(word, sorted(known), n=1, cutoff=_NEAR)
    return f", did you mean {before}{close[0]}?" if close else ""


def load(target: str) -> Command:
    """The function that ``module:function`` names."""
    module_name, _, function = target.partition(":")
    __import__(module_name)
    loaded: Command = getattr(sys.modules[module_name], function)
    return loaded


def table() -> Mapping[str, tuple[str, str]]:
    """Every command: its name, the function behind it, its summary ("" for an alias)."""
    return _COMMANDS


def group(name: str) -> list[str]:
    """The commands of a group, ``fleet registry`` and so on for ``fleet``."""
    return [command for command in _COMMANDS if command.startswith(f"{name} ")]


def usage(of_group: str = "") -> str:
    """The list of commands, or of those of one group."""
    names = group(of_group) if of_group else list(_COMMANDS)
    width = columns_of_terminal()
    lines = two_columns([(name, _COMMANDS[name][1]) for name in names if _COMMANDS[name][1]], width)
    hints = (
        "opsd <command> --help shows the command's flags.\n"
        "opsd <command> --server URL works through a daemon's control API instead of on this host, where it can."
    )
    return f"usage: opsd <command> [--flag value ...]\n\n{lines}\n{paragraphs(hints, width)}"


def _complain(*lines: str, exit_code: int = 1) -> int:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_stdout()
    # Each stays one line, whatever it quotes.
    if lines:
        write_error("error: " + "\n".join(line.replace("\n", "\\n") for line in lines))
    return exit_code


def _discard_stdout() -> None:
    """The interpreter flushes stdout when it ends; without this it would complain about the pipe once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _show_trace() -> None:
    if os.environ.get("OPSD_DEBUG") == "1":
        import traceback

        traceback.print_exc()


if __name__ == "__main__":
    sys.exit(main())
