"""Alert delivery on a timeline: what is done when, and what receivers must have got by when.

In the manner of Alertmanager's acceptance tests: a test first says everything (``line.push(at=0)``,
``desk.want(3, between=(0, 20))``), then plays it. Commands are real processes, receivers real servers that answer as
they are told. Moments are seconds since the timeline began; an action happens at its moment or, behind a slow one,
later; a window's end is generous, since only its beginning means something.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

#: Retries that a test can wait for.
QUICK = {"baseSeconds": 0.02, "capSeconds": 0.05}
#: Later than anything a test waits for.
LATE = 300.0
#: An execution that has not ended by then hangs.
_COMMAND_LIMIT_S = 180.0
#: Rows and documents have their own time: seconds since 1970 of moment 0.
_EPOCH = 1_795_500_000


def stamp(moment: float) -> str:
    """The wire timestamp that rows and documents of a moment carry; whole seconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(_EPOCH + int(moment)))


def wall(offset_s: float = 0.0) -> str:
    """The wire timestamp of this very moment, or of one beside it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + offset_s))


@dataclass(frozen=True)
class Answer:
    """How a receiver answers one request; ``hang`` never does, ``reset`` breaks the connection instead."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = "ok"
    hang: bool = False
    reset: bool = False


HANG = Answer(hang=True)
RESET = Answer(reset=True)


@dataclass(frozen=True)
class Arrival:
    """One request that arrived, ``at`` seconds after the timeline began."""

    at: float
    path: str
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        """The decoded body."""
        return json.loads(self.raw)

    @property
    def id(self) -> str:
        """The delivery's id, as a webhook is told it."""
        return self.headers["Idempotency-Key"]

    @property
    def category(self) -> str:
        """What it is about, in the body of a webhook."""
        found: str = self.body["event"]["category"]
        return found

    @property
    def resolves(self) -> bool:
        """It tells an end, in the body of a webhook."""
        return bool(self.body["event"].get("action") == "resolve")


@dataclass(frozen=True)
class _Want:
    count: int
    between: tuple[float, float]


class Receiver:
    """A receiver that answers as scripted; the last answer is given to everything behind it."""

    def __init__(self, clock: Callable[[], float], answers: Sequence[Answer | int]) -> None:
        self._clock = clock
        self.answers = [Answer(one) if isinstance(one, int) else one for one in answers] or [Answer()]
        self.arrivals: list[Arrival] = []
        self.wants: list[_Want] = []
        self.url = ""
        self._over = asyncio.Event()

    def want(self, count: int = 1, *, between: tuple[float, float]) -> None:
        """So many further requests arrive between two moments, behind those of the wants before."""
        self.wants.append(_Want(count, between))

    @property
    def wanted(self) -> int:
        """How many requests are wanted altogether."""
        return sum(want.count for want in self.wants)

    @property
    def ids(self) -> list[str]:
        """Ids of the deliveries that arrived, in the order of arrival."""
        return [arrival.id for arrival in self.arrivals]

    @property
    def bodies(self) -> list[Any]:
        """What arrived."""
        return [arrival.body for arrival in self.arrivals]

    @property
    def told(self) -> list[tuple[str, bool]]:
        """Category, and whether it was its end, of what arrived at a webhook."""
        return [(arrival.category, arrival.resolves) for arrival in self.arrivals]

    def check(self) -> None:
        """Every want came true, and nothing else arrived."""
        arrivals = list(self.arrivals)
        times = [round(arrival.at, 2) for arrival in arrivals]
        for want in self.wants:
            begins, ends = want.between
            found, arrivals = arrivals[: want.count], arrivals[want.count :]
            assert len(found) == want.count, f"wanted {want}, requests came at {times}"
            assert all(begins <= arrival.at <= ends for arrival in found), f"wanted {want}, requests came at {times}"
        assert not arrivals, f"wanted {self.wants}, requests came at {times}"

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Listen on a port of this host."""
        application = web.Application(client_max_size=64 * 1024 * 1024)
        application.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            host, port = runner.addresses[0][:2]
            self.url = f"http://{host}:{port}"
            yield
        finally:
            self._over.set()
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        answer = self.answers[min(len(self.arrivals), len(self.answers) - 1)]
        raw = await request.read()
        self.arrivals.append(Arrival(self._clock(), request.path, dict(request.headers), raw))
        if answer.hang:
            await self._over.wait()
        if answer.reset and request.transport is not None:
            request.transport.abort()
        return web.Response(status=answer.status, headers=dict(answer.headers), text=answer.body)


@dataclass(frozen=True)
class Done:
    """What a command answered; ``killed`` when a signal ended it."""

    exit: int
    out: bytes
    err: str

    @property
    def json(self) -> Any:
        """Its document."""
        return json.loads(self.out)

    @property
    def killed(self) -> bool:
        """A signal ended it."""
        return self.exit < 0


Action = Callable[[], Awaitable[object]]

_REFS = {
    "webhook": "urlEnv",
    "slack": "webhookUrlEnv",
    "pagerduty_events": "routingKeyEnv",
    "alertmanager": "urlEnv",
}


class Timeline:
    """A managed repo with one loop, its catalog, its receivers, and what happens."""

    def __init__(self, root: Path, stack: AsyncExitStack, loop_id: str = "demo") -> None:
        self.root = root
        self.loop_id = loop_id
        self._stack = stack
        self._began = time.monotonic()
        self._actions: list[tuple[float, Action]] = []
        self.receivers: dict[str, Receiver] = {}
        self.sinks: dict[str, Any] = {}
        self.routes: list[Any] = []
        self.delivery: dict[str, Any] = {}
        self.done: list[Done] = []
        unwanted = ("OPS_MANAGER_", "OPSD_")
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
        self.env = {name: value for name, value in self.env.items() if not name.lower().endswith("_proxy")}
        self.env |= {"OPS_MANAGER_ALERT_SINKS_FILE": str(root / "sinks.json")}
        self.ops.mkdir(parents=True)

    # -- what there is ---------------------------------------------------------------------------------------------

    @property
    def ops(self) -> Path:
        """The loop's folder."""
        return self.root / ".superloop" / "ops-manager" / self.loop_id

    @property
    def escalations(self) -> Path:
        """The rows."""
        return self.ops / "escalations.jsonl"

    @property
    def state(self) -> Any:
        """The dispatch state."""
        return json.loads((self.ops / "alert-dispatch-state.json").read_bytes())

    @property
    def incidents(self) -> Any:
        """The ledger."""
        return json.loads((self.ops / "alert-incidents.json").read_bytes())["incidents"]

    @property
    def sink_health(self) -> Any:
        """How the targets of the repo stand."""
        return json.loads((self.ops.parent / "fleet" / "alert-sink-health.json").read_bytes())

    @property
    def telemetry(self) -> list[Any]:
        """What telemetry says, in its order."""
        return self.lines("telemetry/alerts.jsonl")

    @property
    def attempts(self) -> list[Any]:
        """The rows of single attempts."""
        return self.lines("telemetry/alert-deliveries.jsonl")

    @property
    def dead(self) -> list[Any]:
        """The dead letters."""
        return self.lines("alert-dead-letter.jsonl")

    @property
    def journal(self) -> list[Any]:
        """What the write-ahead journal still holds."""
        return self.lines("alert-outbox.jsonl")

    def lines(self, name: str) -> list[Any]:
        """The lines of a file of the loop; none when there is no file."""
        path = self.ops / name
        return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []

    async def receiver(self, name: str, *answers: Answer | int, kind: str = "webhook", **settings: Any) -> Receiver:
        """A receiver, and the sink that sends to it. It hears of whatever has no route of its own."""
        found = Receiver(lambda: time.monotonic() - self._began, answers)
        await self._stack.enter_async_context(found.serving())
        secret = f"SECRET_{name.upper()}"
        self.receivers[name] = found
        self.env[secret] = f"key-{name}-0123456789" if kind == "pagerduty_events" else f"{found.url}/hook-{name}"
        own = {"apiUrl": f"{found.url}/v2/enqueue"} if kind == "pagerduty_events" else {}
        sink = {"enabled": True, "type": kind, _REFS[kind]: secret, "timeoutSeconds": 60, "retry": QUICK, **own}
        self.sinks[name] = {**sink, **settings}
        return found

    def write_settings(self) -> None:
        """The catalog and the delivery file."""
        routing = {"defaultSinks": list(self.sinks), "categorySeverity": {}, "routes": self.routes}
        catalog = {"schemaVersion": "v1", "defaultMinSeverity": "info", "sinks": self.sinks, "routing": routing}
        (self.root / "sinks.json").write_text(json.dumps(catalog))
        (self.root / "delivery.json").write_text(json.dumps({"schemaVersion": "v1", **self.delivery}))
        self.env["OPS_MANAGER_ALERT_DELIVERY_FILE"] = str(self.root / "delivery.json")

    # -- what happens ----------------------------------------------------------------------------------------------

    def at(self, moment: float, action: Callable[[], object]) -> None:
        """Do something of the test's own."""

        async def do() -> None:
            action()

        self._actions.append((moment, do))

    def push(self, category: str = "health_critical", *, at: float = 0.0, **more: Any) -> None:
        """Escalate; the row's time is the moment unless ``timestamp`` says another."""
        self.at(at, lambda: self.write_row(category, **{"timestamp": stamp(at), **more}))

    def health(self, status: str, *, at: float = 0.0) -> None:
        """The loop's health as a pass found it at a moment."""
        self.document("health.json", {"status": status, "updatedAt": stamp(at)}, at=at)

    def document(self, name: str, value: Any, *, at: float = 0.0) -> None:
        """Replace a document of the loop."""
        self.at(at, lambda: self.write_document(name, value))

    def dispatch(self, *flags: str, at: float = 0.0, until: Callable[[], bool] | None = None) -> None:
        """Run the dispatcher; again and again ``until`` something holds."""

        async def run() -> None:
            async with asyncio.timeout(_COMMAND_LIMIT_S):
                while True:
                    await self.command("alerts", "dispatch", *self.target, *flags)
                    if until is None or until():
                        return

        self._actions.append((at, run))

    def run(self, *argv: str, at: float = 0.0) -> None:
        """Run any other command of the manager."""
        self._actions.append((at, lambda: self.command(*argv)))

    @property
    def target(self) -> tuple[str, ...]:
        """The flags that name repo and loop."""
        return ("--repo", str(self.root), "--loop", self.loop_id)

    def nothing_pending(self) -> bool:
        """The last run left nothing undone."""
        return bool(self.done and self.done[-1].json["delivery"]["pendingCount"] == 0)

    def is_through(self) -> bool:
        """Everything was read, and no incident is open."""
        if not (self.ops / "alert-dispatch-state.json").exists():
            return False
        return bool(self.state["escalationsLineOffset"] == self.escalations.read_bytes().count(b"\n")) and not (
            (self.ops / "alert-incidents.json").exists() and self.incidents
        )

    def write_row(self, category: str = "health_critical", **more: Any) -> bytes:
        """Append a row now."""
        row = {"timestamp": stamp(0), "loopId": self.loop_id, "traceId": "tr-row", "category": category, **more}
        line = json.dumps({key: value for key, value in row.items() if value is not None}).encode()
        with self.escalations.open("ab") as file:
            file.write(line + b"\n")
        return line

    def write_document(self, name: str, value: Any) -> None:
        """Replace a document of the loop now, as its writer does."""
        new = self.ops / f"{name}.new"
        new.write_text(json.dumps(value))
        new.replace(self.ops / name)

    # -- playing it ------------------------------------------------------------------------------------------------

    async def play(self) -> None:
        """Everything in its time; then every want has to come true, and nothing else may arrive."""
        await self.play_only()
        for receiver in self.receivers.values():
            receiver.check()

    async def play_only(self) -> None:
        """Everything in its time."""
        self.write_settings()
        self._began = time.monotonic()
        for moment, action in sorted(self._actions, key=lambda item: item[0]):
            await asyncio.sleep(max(0.0, self._began + moment - time.monotonic()))
            await action()
        self._actions.clear()

    async def command(self, *argv: str, module: str = "opsd", check: bool = True) -> Done:
        """A command of the manager as a process of its own; ``check``: it has to end well."""
        process = await self.start(*argv, module=module)
        async with asyncio.timeout(_COMMAND_LIMIT_S):
            out, err = await process.communicate()
        done = Done(process.returncode or 0, out, err.decode())
        assert not check or (done.exit, done.err) == (0, ""), done
        self.done.append(done)
        return done

    async def start(self, *argv: str, module: str = "opsd") -> asyncio.subprocess.Process:
        """Start a command and do not wait for it."""
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, *argv, stdout=pipe, stderr=pipe, env=self.env
        )


@asynccontextmanager
async def timeline(root: Path, loop_id: str = "demo") -> AsyncIterator[Timeline]:
    """A timeline with nothing on it yet."""
    async with AsyncExitStack() as stack:
        yield Timeline(root, stack, loop_id)
