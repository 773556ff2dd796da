"""``opsd promotion gates`` and ``opsd promotion ci`` as commands."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from opsd.cli.promotion.gates_page import gates_page
from opsd.promotion.decision import evaluate_gates
from opsd.promotion.inputs import DrillRecords, Missing
from tests.cli.process import on_a_terminal
from tests.cli.support import Result, Shell, printed
from tests.promotion.factories import autonomous, drill, fleet_folder, inputs, write_evidence

LIMITS = ("--window-executions", 3, "--min-sample-size", 3)
GATES, CI = ("promotion", "gates"), ("promotion", "ci")
FLAGS = ("--repo", "/srv/my repo")
EVIL = "\x1b[2Jred [bold]alert[/bold]"


@pytest.fixture(autouse=True)
def no_step_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repo whose evidence promotes."""
    path = tmp_path / "my repo"
    path.mkdir()
    write_evidence(path, now=time.time())
    return path


def program(path: Path, body: str) -> str:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def gates(opsd: Shell, root: Path, *more: object) -> Result:
    return opsd(*GATES, "--repo", root, "--fleet-status-file", root / "status.json", *LIMITS, *more)


def ci(opsd: Shell, root: Path, *more: object) -> Result:
    return opsd(*CI, "--repo", root, "--fleet-status-file", root / "status.json", *LIMITS, *more)


def shown(document: Any) -> str:
    return printed(gates_page(document, FLAGS), width=120)


class TestGates:
    def test_they_print_what_they_recorded(self, opsd: Shell, root: Path) -> None:
        done = gates(opsd, root, "--fail-on-hold")
        assert (done.exit, done.err, done.json["summary"]["decision"]) == (0, "", "promote")
        assert done.out == (fleet_folder(root) / "promotion-state.json").read_bytes()

    def test_a_hold_is_an_exit_code_only_when_asked(self, opsd: Shell, root: Path) -> None:
        (root / "status.json").write_text("null")
        assert gates(opsd, root).exit == 0
        done = gates(opsd, root, "--fail-on-hold")
        assert (done.exit, done.err, done.json["summary"]["promote"]) == (2, "", False)

    @pytest.mark.parametrize(
        ("given", "printed"), [(".5", b"0.5"), ("1.0", b"1"), ("007", b"7"), ("08", b"8"), ("0", b"0"), ("1", b"1")]
    )
    def test_numbers_are_emitted_as_json_numbers(self, opsd: Shell, root: Path, given: str, printed: bytes) -> None:
        rate = given in (".5", "1.0", "0", "1")
        flag, key = (
            ("--max-failure-rate", b"maxFailureRate") if rate else ("--max-drill-age-hours", b"maxDrillAgeHours")
        )
        assert b'"' + key + b'":' + printed in gates(opsd, root, flag, given).out

    @pytest.mark.parametrize("rate", ["", "1.", "+1", "-0", "1e-1", "1.01", "0x1", " 1", "1 ", "NaN", "²", "1,0"])
    def test_anything_else_is_no_rate(self, opsd: Shell, root: Path, rate: str) -> None:
        done = gates(opsd, root, "--max-ambiguity-rate", rate)
        message = "error: --max-ambiguity-rate must be a number between 0 and 1\n"
        assert (done.exit, done.out, done.err) == (1, b"", message)
        assert not (fleet_folder(root) / "promotion-state.json").exists()

    def test_the_status_is_made_here_and_its_trouble_is_told(self, opsd: Shell, root: Path) -> None:
        done = opsd(*GATES, "--repo", root, *LIMITS, "--fail-on-hold")
        path = fleet_folder(root) / "state.json"
        assert (done.exit, done.out) == (1, b"")
        assert done.err == (
            f"error: fleet state file not found: {path}\nerror: failed to read fleet status via opsd fleet status\n"
        )
        path.write_text("{}")
        (fleet_folder(root) / "registry.v1.json").write_text('{"schemaVersion":"v1","loops":[{"loopId":"a"}]}')
        done = opsd(*GATES, "--repo", root, *LIMITS)
        assert (done.exit, done.err, done.json["summary"]["decision"]) == (0, "", "hold")
        assert done.json["source"]["fleetStatusSource"] == "generated"

    @pytest.mark.parametrize("printed", ["", "Status: fine", "{} {}", "[]", "7"])
    def test_a_status_program_has_to_print_one_object(
        self, opsd: Shell, root: Path, monkeypatch: pytest.MonkeyPatch, printed: str
    ) -> None:
        monkeypatch.setenv("OPS_MANAGER_FLEET_STATUS_SCRIPT", program(root / "status", f"echo '{printed}'"))
        done = opsd(*GATES, "--repo", root, "--fail-on-hold")
        assert (done.exit, done.out) == (1, b"")
        assert done.err == "error: fleet status output was not valid JSON\n"

    def test_a_failed_registry_program_does_not_read_as_a_hold(
        self, opsd: Shell, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (fleet_folder(root) / "state.json").write_text("{}")
        monkeypatch.setenv("OPS_MANAGER_FLEET_REGISTRY_SCRIPT", program(root / "reg", "echo no registry >&2; exit 2"))
        done = opsd(*GATES, "--repo", root, "--fail-on-hold")
        assert (done.exit, done.out) == (1, b"")
        assert done.err == "no registry\nerror: failed to read fleet status via opsd fleet status\n"

    async def test_the_page_is_for_terminals_and_the_document_for_everybody_else(self, root: Path) -> None:
        argv = [*GATES, "--repo", str(root), "--fleet-status-file", str(root / "status.json")]
        code, page = await on_a_terminal(*argv)
        assert code == 0
        assert "promotion_autonomous_sample_insufficient" in page
        assert "schemaVersion" not in page

    def test_the_page_tells_what_fails_from_what_nobody_knows(self) -> None:
        page = shown(
            evaluate_gates(
                inputs(
                    section=autonomous(outcomeRollup={"manual_backlog": 9}),
                    handoff=Missing(),
                    drills=DrillRecords([drill("kill_switch", status=EVIL, age_s=200 * 3600)]),
                )
            )
        )
        for text in (
            "hold",
            "2 of 5 gates pass",
            "no evidence",
            "fail",
            "9 wait for a person, at most 5",
            "8 d 8 h ago",
            "unknown",
        ):
            assert text in page
        assert "\x1b" not in page
        assert "[bold]" in page
        assert "promotion_manual_backlog_exceeded  too much waits for a person" in page
        assert "opsd fleet handoff --repo '/srv/my repo'" in page
        assert "opsd drill run all --repo '/srv/my repo'" in page

    @pytest.mark.parametrize("spoiled", [None, 5, [5], {"outcome": "fail"}, {"outcome": "fail", "judged": [5]}])
    def test_a_decision_of_another_shape_still_makes_a_page(self, spoiled: Any) -> None:
        document = evaluate_gates(inputs())
        document["gates"] = dict.fromkeys(document["gates"], spoiled)
        document["thresholds"] = spoiled
        assert "5 of 5 gates pass" in shown(document)


class TestCi:
    async def test_a_person_sees_the_page_of_the_gates_or_what_evidence_is_missing(self, root: Path) -> None:
        argv = [*CI, "--repo", str(root), "--fleet-status-file", str(root / "status.json")]
        code, page = await on_a_terminal(*argv)
        assert (code, page.splitlines()[0].split(" · ")[0]) == (0, "promotion  hold")
        assert "promotion_autonomous_sample_insufficient  too few autonomous executions" in page
        drills = fleet_folder(root) / "drills" / "promotion.v1.json"
        drills.unlink()
        code, page = await on_a_terminal(*argv, "--skip-on-missing-evidence")
        assert code == 0
        assert "promotion  skipped" in page
        assert f"no evidence  {drills}" in page

    def test_result_and_summary_are_of_this_run(self, opsd: Shell, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(root / "page.md"))
        done = ci(opsd, root, "--pretty")
        fleet = fleet_folder(root)
        assert (done.exit, done.err) == (0, "")
        assert done.json == json.loads((fleet / "promotion-ci-result.json").read_text())
        assert (fleet / "promotion-ci-result.json").read_bytes() == (fleet / "promotion-state.json").read_bytes()
        assert (root / "page.md").read_bytes() == (fleet / "promotion-ci-summary.md").read_bytes()

    def test_an_error_leaves_nothing_that_looks_current(self, opsd: Shell, root: Path) -> None:
        assert ci(opsd, root).exit == 0
        done = ci(opsd, root, "--max-failure-rate", 7, "--fail-on-hold")
        message = "error: --max-failure-rate must be a number between 0 and 1\n"
        assert (done.exit, done.out, done.err) == (1, b"", message)
        assert not list(fleet_folder(root).glob("promotion-ci-*"))

    def test_an_empty_threshold_is_the_evaluators_default(self, opsd: Shell, root: Path) -> None:
        assert ci(opsd, root, "--max-failure-rate", "").json["thresholds"]["maxFailureRate"] == 0.2

    def test_a_warning_of_the_evaluator_spoils_no_decision(
        self, opsd: Shell, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        body = """echo warning >&2; echo '{"summary":{"decision":"hold"}}'; exit 2"""
        monkeypatch.setenv("OPS_MANAGER_PROMOTION_GATES_SCRIPT", program(root / "eval", body))
        done = ci(opsd, root, "--fail-on-hold")
        assert (done.exit, done.err, done.json) == (2, "", {"summary": {"decision": "hold"}})

    @pytest.mark.parametrize(
        ("body", "exit_code", "said"),
        [
            ("echo out; echo err >&2; exit 0", 1, {"out", "err"}),
            ("echo '{} {}'; exit 0", 1, {"{} {}"}),
            ("echo '[]'; exit 3", 3, {"[]"}),
            ("exit 0", 1, {"printed no decision"}),
        ],
    )
    def test_without_a_document_it_fails_and_says_what_the_evaluator_said(
        self, opsd: Shell, root: Path, monkeypatch: pytest.MonkeyPatch, body: str, exit_code: int, said: set[str]
    ) -> None:
        ci(opsd, root)
        monkeypatch.setenv("OPS_MANAGER_PROMOTION_GATES_SCRIPT", program(root / "eval", body))
        done = ci(opsd, root)
        assert (done.exit, done.out) == (exit_code, b"")
        assert all(word in done.err for word in said)
        assert not list(fleet_folder(root).glob("promotion-ci-*"))

    def test_an_object_without_a_decision_is_shown_and_fails(
        self, opsd: Shell, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OPS_MANAGER_PROMOTION_GATES_SCRIPT", program(root / "eval", "echo '{}'"))
        done = ci(opsd, root)
        assert (done.exit, done.out, done.err) == (1, b"{}\n", "error: the promotion gates printed no decision\n")

    def test_a_missing_evaluator_is_an_error_of_its_own(
        self, opsd: Shell, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OPS_MANAGER_PROMOTION_GATES_SCRIPT", str(root / "nothing"))
        done = ci(opsd, root)
        assert (done.exit, done.out) == (127, b"")
        assert "cannot run" in done.err

    def test_no_path_is_ever_run(self, opsd: Shell, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(root)
        done = ci(opsd, root, "--drill-state-file", "touch gone", "--skip-on-missing-evidence")
        assert (done.exit, done.err) == (0, "")
        assert "- `touch gone`\n" in (fleet_folder(root) / "promotion-ci-summary.md").read_text()
        assert not (root / "gone").exists()
