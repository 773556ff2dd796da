"""deploy/systemd/: how much the units are allowed to do, and the documented installation in a machine of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.documents import ROOT, blocks
from tests.deploy.installation import installed_machine, type_steps
from tests.deploy.machine import Booted, output, required

UNITS = ROOT / "deploy" / "systemd"
REGISTRY = "/var/lib/opsd/.superloop/ops-manager/fleet/registry.v1.json"


@pytest.mark.parametrize("unit", ["opsd.service", "sprite-service.service"])
def test_a_unit_exposes_no_more_than_1_2(unit: str) -> None:
    required("systemd-analyze")
    output(["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=12", str(UNITS / unit)])


@pytest.mark.parametrize("unit", ["opsd.service", "sprite-service.service"])
def test_a_unit_holds_no_key_that_systemd_does_not_know(unit: str, tmp_path: Path) -> None:
    required("systemd-analyze")
    program = f"/opt/opsd/bin/{unit.removesuffix('.service')}"
    (tmp_path / unit).write_text((UNITS / unit).read_text().replace(program, "/bin/true"))
    command = ["systemd-analyze", "verify", str(tmp_path / unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert [line for line in done.stderr.splitlines() if unit in line] == []


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booted]:
    """A machine that was set up by the documentation: manager, sprite and registry."""
    with installed_machine(tmp_path_factory) as booted:
        type_steps(booted, 2, 3, 4)
        yield booted


def _again(unit: str, before: str) -> str:
    """A script that succeeds once the unit runs as another process than ``before``."""
    return f"systemctl is-active {unit} && test $(systemctl show --property=MainPID --value {unit}) != {before}"


def main_process(machine: Booted, unit: str) -> str:
    return machine.sh(f"systemctl show --property=MainPID --value {unit}").strip()


@pytest.mark.parametrize(("unit", "user"), [("opsd", "opsd"), ("sprite-service", "superloop")])
def test_a_service_runs_under_a_users_rights_and_without_any_capability(machine: Booted, unit: str, user: str) -> None:
    pid = main_process(machine, unit)
    assert machine.sh(f"stat -c %U /proc/{pid}").strip() == user
    status = machine.sh(f"cat /proc/{pid}/status")
    for line in ("CapPrm:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"):
        assert line in status


def test_no_secret_is_in_a_process_list_or_an_environment(machine: Booted) -> None:
    secrets = machine.sh("cat /etc/opsd/credentials/*").split()
    assert len(secrets) == 2
    seen = machine.sh("cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ || true; cat /var/log/*.log")
    assert "CREDENTIALS_DIRECTORY=/run/credentials/opsd.service" in seen
    assert not [secret for secret in secrets if secret in seen]
    assert machine.sh("ls -ld /etc/opsd/credentials /etc/sprite-service").count("drwx------ 2 root root") == 2


def test_the_manager_follows_a_run_in_the_sprite_and_cancels_it_through_both_units(machine: Booted) -> None:
    run = "/opt/opsd/bin/opsd simulate run --repo /srv/repo --loop demo --seconds 1 --iterations 9999"
    machine.sh(f"setsid runuser -u superloop -- {run} </dev/null >/dev/null 2>&1 &")
    machine.until('curl -sS localhost:9464/metrics | grep -F \'opsd_loop_state{loop="demo",state="running"} 1\'')
    machine.until('curl -sS localhost:9464/metrics | grep -F \'opsd_loop_health{loop="demo",status="healthy"} 1\'')
    # The sandbox of the sprite's unit leaves it what control needs: the repo, the run's process, its signals.
    answer = machine.sh(
        "export OPS_MANAGER_SERVICE_TOKEN=$(cat /etc/opsd/credentials/OPS_MANAGER_SERVICE_TOKEN)\n"
        "runuser -u opsd -w OPS_MANAGER_SERVICE_TOKEN -- /opt/opsd/bin/opsd control --repo /var/lib/opsd --loop demo"
        " --intent cancel --transport sprite_service --service-base-url http://127.0.0.1:8787"
    )
    assert json.loads(answer)["status"] == "confirmed"
    assert machine.sh("pgrep -u superloop -f 'simulate run' || true") == ""
    running = 'curl -sS localhost:9464/metrics | grep -cF \'opsd_loop_state{loop="demo",state="running"} 1\''
    machine.until(f'test "$({running} || true)" = 0')


def test_the_sprite_sees_that_the_process_of_a_run_has_gone_also_from_its_sandbox(machine: Booted) -> None:
    run = "/opt/opsd/bin/opsd simulate run --repo /srv/repo --loop demo --seconds 600"
    machine.sh(f"setsid runuser -u superloop -- {run} </dev/null >/dev/null 2>&1 &")
    machine.until("test -e /srv/repo/.superloop/active-run.json")
    ask = 'curl -sS -H "X-Ops-Token: $(cat /etc/sprite-service/token)" "localhost:8787/ops/snapshot?loopId=demo"'
    machine.until(f'{ask} | grep -F \'"verdict":"alive"\'')
    machine.sh("pkill --signal KILL -u superloop -f 'simulate run'")
    machine.until(f'{ask} | grep -F \'"verdict":"dead"\'')


def test_a_reload_changes_nothing_that_runs_and_a_killed_service_comes_back(machine: Booted) -> None:
    machine.sh("printf '[log]\\nlevel = \"warning\"\\n' > /etc/opsd/opsd.toml")
    machine.sh("systemctl reload opsd")
    machine.until("test $(systemctl show --property=StatusText --value opsd | grep -c 'supervising 1 loops') = 1")
    for unit in ("opsd", "sprite-service"):
        before = main_process(machine, unit)
        machine.sh(f"systemctl kill --signal=KILL {unit}")
        machine.until(_again(unit, before))
    machine.until("/opt/opsd/bin/opsd ping")


def test_a_stop_is_told_to_the_service_alone_and_no_failure_is_the_last(machine: Booted) -> None:
    for unit, pauses in (("opsd", "5s"), ("sprite-service", "1s")):
        shown = machine.sh(f"systemctl show {unit} --property=KillMode,RestartUSec,StartLimitIntervalUSec").split()
        assert sorted(shown) == ["KillMode=mixed", f"RestartUSec={pauses}", "StartLimitIntervalUSec=0"]


def test_a_daemon_that_hangs_is_ended_by_the_watchdog(machine: Booted) -> None:
    before = main_process(machine, "opsd")
    machine.sh("systemctl service-watchdogs true && mkdir -p /run/systemd/system/opsd.service.d")
    machine.sh("printf '[Service]\\nWatchdogSec=10\\n' > /run/systemd/system/opsd.service.d/watchdog.conf")
    machine.sh("systemctl daemon-reload && systemctl restart opsd")
    running = main_process(machine, "opsd")
    assert running != before
    machine.sh(f"kill -STOP {running}")
    machine.until(_again("opsd", running))
    machine.sh("rm -r /run/systemd/system/opsd.service.d && systemctl daemon-reload && systemctl restart opsd")


def test_a_stop_drains_and_ends_with_success(machine: Booted) -> None:
    machine.sh("systemctl stop opsd sprite-service")
    for unit in ("opsd", "sprite-service"):
        assert machine.sh(f"systemctl show --property=Result --value {unit}").strip() == "success"
    assert REGISTRY in machine.sh(f"ls {REGISTRY}")
    assert machine.sh("stat -c %U:%G:%a /var/lib/opsd").strip() == "opsd:opsd:750"
    machine.sh("systemctl start opsd sprite-service")  # as the other tests expect it, in whatever order they come


def test_without_systemd_the_script_keeps_the_sprites_service_running(machine: Booted) -> None:
    machine.sh("systemctl stop sprite-service")
    (start,) = blocks("deployment.md", "A sprite without systemd")
    machine.sh(start, cwd="/root/opsd")
    token = '-H "X-Ops-Token: $(cat /etc/sprite-service/token)"'
    answers = f'test "$(curl -sS {token} localhost:8787/healthz)" = \'{{"ok":true}}\''
    machine.until(answers)
    service = machine.sh("cat /run/sprite-service/service.pid").strip()
    assert machine.sh(f"stat -c %U /proc/{service}").strip() == "superloop"
    machine.sh(f"kill -KILL {service}")
    machine.until(f"test $(cat /run/sprite-service/service.pid) != {service}\n{answers}")
