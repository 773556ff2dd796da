"""A run for a pipeline: what is left on disk never looks newer or better than it is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from opsd.contract.errors import OpsError, UsageError
from opsd.promotion.ci import CiOutcome, CiRequest, run_ci
from opsd.promotion.run import Evaluation
from opsd.storage.fleet_store import FileFleetStore
from tests.promotion.factories import NOW, fleet_folder, write_evidence

HOLD = {"summary": {"decision": "hold"}}


class Runner:
    """Runs CI over one repo with an evaluator that notes its arguments and what it finds on disk."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.arguments: list[str] = []
        self.found_while_evaluating: list[str] = []

    def __call__(self, answer: Any = HOLD, exit_code: int = 0, **request: Any) -> CiOutcome:
        def evaluator(argv: Sequence[str]) -> Evaluation:
            self.arguments = [*argv]
            self.found_while_evaluating = self.outputs()
            if isinstance(answer, OpsError):
                raise answer
            return Evaluation(answer, exit_code)

        store = FileFleetStore(str(self.root))
        return run_ci(store, CiRequest(str(self.root), **request), evaluator, clock=lambda: NOW)

    def outputs(self) -> list[str]:
        return sorted(path.name for path in fleet_folder(self.root).glob("promotion-ci-*"))

    def result(self) -> Any:
        return json.loads((fleet_folder(self.root) / "promotion-ci-result.json").read_text())


@pytest.fixture
def ci(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


BOTH = ["promotion-ci-result.json", "promotion-ci-summary.md"]


def test_the_evaluators_object_and_exit_code_are_the_runs(ci: Runner) -> None:
    assert ci(HOLD, 2) == (HOLD, 2, "")
    assert (ci.outputs(), ci.result()) == (BOTH, HOLD)


def test_former_results_are_gone_before_anything_is_evaluated(ci: Runner) -> None:
    ci(HOLD)
    with pytest.raises(UsageError):
        ci(UsageError("--max-failure-rate must be a number between 0 and 1"))
    assert (ci.found_while_evaluating, ci.outputs()) == ([], [])


def test_zero_never_stands_for_no_decision(ci: Runner) -> None:
    outcome = ci({"summary": {}}, 0)
    assert (outcome.exit_code, outcome.complaint) == (1, "the promotion gates printed no decision")
    assert "Decision: `unknown`" in (fleet_folder(ci.root) / "promotion-ci-summary.md").read_text()
    assert ci({}, 7).exit_code == 7


def test_missing_evidence_is_named_in_order_and_skips_only_when_asked(ci: Runner) -> None:
    assert ci(HOLD, status_file="no.json").document == HOLD
    outcome = ci(HOLD, 2, status_file="no.json", skip_on_missing_evidence=True)
    fleet = fleet_folder(ci.root)
    missing = ["no.json", f"{fleet}/telemetry/handoff.jsonl", f"{fleet}/drills/promotion.v1.json"]
    assert outcome.exit_code == 0
    assert ci.result() == outcome.document
    assert outcome.document == {
        "schemaVersion": "v1",
        "generatedAt": "2026-11-26T08:00:00Z",
        "source": {"repoPath": str(ci.root)},
        "summary": {
            "decision": "skipped",
            "promote": False,
            "reasonCodes": ["promotion_ci_missing_evidence"],
            "missingEvidencePaths": missing,
        },
    }


def test_with_evidence_skip_mode_evaluates(ci: Runner) -> None:
    status_file = write_evidence(ci.root, now=NOW)
    outcome = ci(HOLD, status_file=str(status_file), skip_on_missing_evidence=True)
    assert outcome.document == HOLD
    assert ci.arguments[-2:] == ["--fleet-status-file", str(status_file)]


def test_arguments_keep_their_order_and_stay_whole(ci: Runner) -> None:
    ci(options=[("--trace-id", "a b; $(c)")], switches=["--pretty"], status_file="s t.json")
    assert ci.arguments[:2] == ["--repo", str(ci.root)]
    assert ci.arguments[-5:] == ["--fleet-status-file", "s t.json", "--trace-id", "a b; $(c)", "--pretty"]


def test_every_run_adds_to_the_step_summary(ci: Runner, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n")
    ci(HOLD, step_summary=str(page))
    ci(HOLD, step_summary=str(page), skip_on_missing_evidence=True)
    text = page.read_text()
    assert text.startswith("before\n## Ops Manager Promotion CI\n\nDecision: `hold`\n")
    assert text.endswith((fleet_folder(ci.root) / "promotion-ci-summary.md").read_text())
    assert text.count("## Ops Manager Promotion CI") == 2
