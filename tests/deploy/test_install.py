"""docs/install.md from its first block to its last: what a newcomer has then, on a machine that systemd booted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.deploy.documents import blocks
from tests.deploy.installation import DOCUMENT, INSTEAD, STEPS, installed_machine, step, type_steps
from tests.deploy.machine import Booted
from tests.monitoring.test_dashboards import DASHBOARDS, expressions

MANAGER = "/var/lib/opsd/.superloop/ops-manager"


@dataclass(frozen=True, slots=True)
class Walked:
    """The machine at the end of the path, and what its last step printed, block by block."""

    machine: Booted
    printed: list[str]

    def rows(self, file: str) -> list[dict[str, Any]]:
        """Those of a log on the machine."""
        return [json.loads(line) for line in self.machine.sh(f"cat {file}").splitlines()]

    def prometheus(self, query: str) -> list[dict[str, str]]:
        """The labels of what Prometheus answers, once it has an answer; it scrapes every 15 seconds."""
        ask = f"promtool query instant --format=json http://127.0.0.1:9090 '{query}' | grep metric"
        return [one["metric"] for one in json.loads(self.machine.until(ask, within_s=300))]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walked]:
    """The whole path, gone."""
    with installed_machine(tmp_path_factory, prometheus=True) as machine:
        type_steps(machine, *range(2, len(STEPS)))
        yield Walked(machine, type_steps(machine, len(STEPS)))


def test_all_but_what_needs_a_network_is_run_as_it_is_printed() -> None:
    printed = [line for heading in STEPS for block in blocks(DOCUMENT, heading) for line in block.splitlines()]
    assert [printed.count(line) for line in INSTEAD] == [1] * len(INSTEAD)
    assert [heading.partition(".")[0] for heading in STEPS] == [str(number + 1) for number in range(len(STEPS))]


@pytest.mark.parametrize(
    ("unit", "user"), [("opsd", "opsd"), ("sprite-service", "superloop"), ("prometheus", "prometheus")]
)
def test_every_unit_runs_under_its_own_account_and_will_after_a_boot(path: Walked, unit: str, user: str) -> None:
    pid = path.machine.sh(f"systemctl is-enabled --quiet {unit} && systemctl show --property=MainPID --value {unit}")
    assert path.machine.sh(f"stat -c %U /proc/{pid.strip()}").strip() == user


def test_the_approval_is_confirmed_and_every_side_has_it_on_record(path: Walked) -> None:
    waiting, answered, recorded = path.printed
    assert '"demo"' in waiting
    answer = json.loads(answered)
    assert (answer["ok"], answer["result"]["status"]) == (True, "confirmed")
    assert answer["result"]["confirm"]["reason"] == "completion_observed"
    assert json.loads(recorded.splitlines()[0]) == answer["result"]
    assert json.loads(recorded.splitlines()[1])["ok"] is True
    # The manager's two records, the sprite's, and the run's own.
    assert path.rows(f"{MANAGER}/demo/intents.jsonl") == [answer["result"]]
    asked = path.rows(f"{MANAGER}/fleet/telemetry/operations.jsonl")
    expected = [("ann", answer["traceId"], "requested"), ("ann", answer["traceId"], "ended")]
    assert [(row["principal"], row["traceId"], row["phase"]) for row in asked[:2]] == expected
    (in_sprite,) = path.rows("/srv/repo/.superloop/ops-manager/demo/intents.jsonl")
    assert (in_sprite["traceId"], in_sprite["status"]) == (answer["traceId"], "confirmed")
    events = path.rows("/srv/repo/.superloop/loops/demo/events.jsonl")
    assert [event["event"] for event in events][-4:] == [
        "approval_decision",
        "loop_start",
        "approval_consumed",
        "loop_complete",
    ]
    assert events[-4]["data"]["by"] == "ann"


def test_the_printed_request_sent_again_is_answered_from_its_record(path: Walked) -> None:
    _run, approve, _show = blocks(DOCUMENT, step(len(STEPS)))
    again = json.loads(path.machine.sh(approve))
    assert again["replayed"] is True
    assert again["result"] == json.loads(path.printed[1])["result"]
    assert len(path.rows(f"{MANAGER}/demo/intents.jsonl")) == 1


def test_prometheus_scrapes_by_the_shipped_files_and_sees_what_was_done(path: Walked) -> None:
    assert {one["instance"] for one in path.prometheus('up{job="opsd"} == 1')} == {"127.0.0.1:9464"}
    assert path.prometheus('opsd_loop_last_control{loop="demo", status="confirmed"} == 1')
    assert path.prometheus('opsd_loop_state{loop="demo", state="complete"} == 1')
    assert path.prometheus('instance_state:opsd_loop_state:count{state="complete"} == 1')
    rules = json.loads(path.machine.sh("curl -sS http://127.0.0.1:9090/api/v1/rules"))["data"]["groups"]
    health = {rule["name"]: rule["health"] for group in rules for rule in group["rules"]}
    assert "OpsdLoopAwaitsApproval" in health
    assert "err" not in health.values()


def _scrape_the_sprite(path: Walked) -> None:
    """What the comment in the shipped prometheus.yml says: a file of targets, and a token in a file."""
    path.machine.sh(
        "install -d /etc/prometheus/sprites\n"
        "install -m 0640 -g prometheus /etc/sprite-service/token /etc/prometheus/sprite.token\n"
        'echo \'[{"targets": ["127.0.0.1:8787"]}]\' > /etc/prometheus/sprites/local.json\n'
        "sed -i '/job_name: sprite-service/a\\    authorization: {credentials_file: sprite.token}'"
        " /etc/prometheus/prometheus.yml\n"
        "promtool check config /etc/prometheus/prometheus.yml && systemctl reload prometheus"
    )
    assert path.prometheus('up{job="sprite-service"} == 1')


def test_prometheus_answers_every_query_of_every_dashboard(path: Walked) -> None:
    _scrape_the_sprite(path)
    queries = {
        expr: (name, re.sub(r"\$\w+", ".*", expr.replace("$__rate_interval", "5m").replace("$loop", "demo")))
        for name, dashboard in DASHBOARDS.items()
        for expr in expressions(dashboard)
    }
    ask = 'curl -sS --data-urlencode "query=$query" http://127.0.0.1:9090/api/v1/query; echo'
    lines = "\n".join(query for _name, query in queries.values())
    printed = path.machine.sh(f"while IFS= read -r query; do {ask}; done <<'EOF'\n{lines}\nEOF")
    answers = dict(zip(queries, map(json.loads, printed.splitlines()), strict=True))
    assert {expr: answer["error"] for expr, answer in answers.items() if answer["status"] != "success"} == {}
    assert {name for expr, (name, _) in queries.items() if answers[expr]["data"]["result"]} == set(DASHBOARDS)


def test_the_token_is_in_its_file_only_and_without_it_the_api_is_closed(path: Walked) -> None:
    machine = path.machine
    token = machine.sh("cat /root/ann.header").split()[-1]
    assert machine.sh("stat -c %a /root/ann.header; stat -c %U:%G:%a /etc/opsd/principals.json").split() == [
        "600",
        "root:opsd:640",
    ]
    kept = machine.sh(
        f"cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ /var/log/*.log || true; grep -r . {MANAGER}/fleet"
    )
    assert "CREDENTIALS_DIRECTORY=" in kept
    assert token not in kept
    status = "curl -sS -o /dev/null -w '%{http_code}' http://127.0.0.1:9464"
    assert machine.sh(f"{status}/api/v1/loops") == "401"
    assert machine.sh(f"{status}/metrics") == "200"
