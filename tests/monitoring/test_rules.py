"""Rules of Prometheus: what they name exists, each alert has its section of the runbook, its unit test, its words."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring.known import PROMETHEUS, ROOT, known_series, labels_of_template, promtool, rules, unknown
from tests.monitoring.promql import parse

ALERTS = rules("opsd.rules.yml")
RECORDED = rules("opsd.recording.yml")
TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()


def _name(rule: dict[str, Any]) -> str:
    return str(rule.get("alert") or rule.get("record"))


def _unit_tests() -> list[dict[str, Any]]:
    return [test for file in TESTS for test in yaml.safe_load(file.read_text())["tests"]]


def _run(*arguments: str | Path) -> None:
    done = subprocess.run([promtool(), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", ["opsd.rules.yml", "opsd.recording.yml"])
def test_prometheus_accepts_the_rules(file: str) -> None:
    _run("check", "rules", PROMETHEUS / file)


def test_prometheus_accepts_the_configuration() -> None:
    _run("check", "config", PROMETHEUS / "prometheus.yml")


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.stem)
def test_rules_do_what_their_unit_tests_say(file: Path) -> None:
    _run("test", "rules", file)


@pytest.mark.parametrize("rule", [*RECORDED, *ALERTS], ids=_name)
def test_what_a_rule_names_is_exported(rule: dict[str, Any]) -> None:
    assert not unknown(rule["expr"])


@pytest.mark.parametrize("rule", ALERTS, ids=_name)
def test_an_alert_says_how_bad_it_is_what_and_where_to_read_on(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    told = rule["annotations"]["summary"] + rule["annotations"]["description"]
    assert "{{" in told
    exported = {label for one in parse(rule["expr"])[0] for label in known_series()[one.metric]}
    assert labels_of_template(told) <= exported


@pytest.mark.parametrize("rule", ALERTS, ids=_name)
def test_an_alert_has_its_section_in_the_runbook(rule: dict[str, Any]) -> None:
    name = rule["alert"]
    assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{name.lower()}"
    section = re.search(rf"^#### {name}\n(.*?)(?=^#|\Z)", RUNBOOK, re.MULTILINE | re.DOTALL)
    assert section is not None
    means, do = section[1].strip().split("\n\n", 1)
    assert means
    assert do


def test_the_runbook_has_no_section_of_an_alert_that_is_none() -> None:
    assert set(re.findall(r"^#### (\w+)$", RUNBOOK, re.MULTILINE)) == {rule["alert"] for rule in ALERTS}


@pytest.mark.parametrize("rule", ALERTS, ids=_name)
def test_an_alert_has_a_unit_test_that_sees_it_quiet_and_sees_it_fire(rule: dict[str, Any]) -> None:
    looks = [
        bool(look["exp_alerts"])
        for test in _unit_tests()
        for look in test.get("alert_rule_test", ())
        if look["alertname"] == rule["alert"]
    ]
    assert set(looks) == {True, False}


@pytest.mark.parametrize("rule", RECORDED, ids=_name)
def test_a_recording_rule_has_a_unit_test(rule: dict[str, Any]) -> None:
    tested = {
        one.metric
        for test in _unit_tests()
        for look in test.get("promql_expr_test", ())
        for one in parse(look["expr"])[0]
    }
    assert rule["record"] in tested


def test_no_rule_stands_twice() -> None:
    names = [_name(rule) for rule in (*RECORDED, *ALERTS)]
    assert sorted(names) == sorted(set(names))
