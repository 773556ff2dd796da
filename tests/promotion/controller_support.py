"""A controller over real files and a real apply; only the evaluation is made up."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from opsd.contract import jsoncodec
from opsd.contract.errors import OpsError, StepFailedError
from opsd.contract.timestamps import format_utc
from opsd.promotion.controller.budget import Budget
from opsd.promotion.controller.request import STEP_FILES, ControllerRequest
from opsd.promotion.controller.run import Controller
from opsd.promotion.controller.words import Mode
from opsd.promotion.rollout import words
from opsd.promotion.rollout.apply import Apply
from opsd.promotion.rollout.context import Seam
from opsd.promotion.rollout.orchestrate import Orchestrate
from opsd.promotion.rollout.stages import OrchestrateRequest
from opsd.promotion.rollout.words import Intent
from opsd.promotion.steps import Step
from opsd.runtime.process import Answer
from opsd.storage.fleet_parts import FleetDocument
from opsd.storage.fleet_store import FileFleetStore
from tests.promotion.rollout_factories import GOVERNANCE, NOW, Rules, apply_request


def value(argv: Sequence[str], flag: str, default: str = "") -> str:
    return argv[argv.index(flag) + 1] if flag in argv else default


def answer(code: int = 0, out: bytes = b"", err: bytes = b"") -> Answer:
    return Answer(code, out, err, out + err)


class World:
    """One fleet and the commands that its controller starts.

    Attributes:
        decisions: what each evaluation says, the last one for all that follow; an exit code instead fails it.
        calls: which commands were started, in order.
        tick: called before every evaluation and every apply.
    """

    def __init__(
        self, store: FileFleetStore, *decisions: str | int, tick: Callable[[], None] = lambda: None, now: int = NOW
    ) -> None:
        self.store = store
        self.decisions: list[str | int] = list(decisions) or ["promote"]
        self.calls: list[str] = []
        self.tick = tick
        self.now = now

    def controller(self) -> Controller:
        return Controller(self.store, Step(self._orchestrate), Step(self._ci), clock=lambda: self.now, lock_wait_s=5.0)

    def run(self, **changes: Any) -> Any:
        return self.controller().run(request(self.store, **changes))

    def _ci(self, argv: Sequence[str]) -> Answer:
        self.calls.append("ci")
        self.tick()
        decision = self.decisions.pop(0) if len(self.decisions) > 1 else self.decisions[0]
        if isinstance(decision, int):
            return answer(decision, err=b"ci: no\n")
        document = {"generatedAt": format_utc(self.now), "summary": {"decision": decision}}
        Path(value(argv, "--result-file")).write_text(json.dumps(document))
        return answer()

    def _apply(self, argv: Sequence[str]) -> Answer:
        self.calls.append(f"apply {value(argv, '--intent')}")
        self.tick()
        state = value(argv, "--promotion-state-file")
        store = type(self.store)(value(argv, "--repo"), {FleetDocument.PROMOTION: state})
        wanted = apply_request(
            Intent(value(argv, "--intent")), int(value(argv, "--expand-step", "25")), emergency="--emergency" in argv
        )
        try:
            record = Apply(store, Rules(), clock=lambda: self.now).run(wanted)
        except OpsError as error:
            return answer(1, err=error.message.encode())
        return answer(out=jsoncodec.dumps(record))

    def _orchestrate(self, argv: Sequence[str]) -> Answer:
        mode = words.Mode(value(argv, "--mode"))
        self.calls.append(mode.value)
        wanted = OrchestrateRequest(
            repo=value(argv, "--repo"),
            mode=mode,
            apply_intent=Intent(value(argv, "--apply-intent", "expand")),
            expand_step=int(value(argv, "--expand-step", "25")),
            governance=GOVERNANCE,
            seam=Seam(),
            result_file=value(argv, "--result-file"),
            summary_file=value(argv, "--summary-file"),
            ci_result_file=value(argv, "--promotion-ci-result-file"),
            ci_summary_file=value(argv, "--promotion-ci-summary-file"),
            emergency="--emergency" in argv,
        )
        try:
            Orchestrate(Step(self._ci), Step(self._apply)).run(wanted)
        except StepFailedError as error:
            return answer(error.exit_code, err=error.output.encode())
        except OpsError as error:
            return answer(1, err=error.message.encode())
        return answer()


def request(store: FileFleetStore, **changes: Any) -> ControllerRequest:
    folder = store.folder
    paths = {
        "stateFile": store.location(FleetDocument.PROMOTION_CONTROLLER),
        "telemetryFile": f"{folder}/telemetry/promotion-controller.jsonl",
        **{key: f"{folder}/{name}" for key, name in STEP_FILES.items()},
    }
    return ControllerRequest(
        **{
            "repo": folder.removesuffix("/.superloop/ops-manager/fleet"),
            "mode": Mode.GUARDED_AUTO_APPLY,
            "apply_intent": Intent.EXPAND,
            "expand_step": 25,
            "decision_ttl_minutes": 60,
            "budget": Budget(),
            "governance": GOVERNANCE,
            "seam": Seam(),
            "trace_id": "t",
            "files": paths,
            **changes,
        }
    )
