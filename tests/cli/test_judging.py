"""``--config``: a one-shot command judges a loop as a daemon with these settings does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from opsd.cli.loop import reconcile
from opsd.cli.loop.judging import judging_flags
from opsd.contract.ids import LoopId
from opsd.contract.reasons import TransportKind
from opsd.fleet.entries import LoopEntry
from opsd.loop.outcome import Outcome, PassSettings
from opsd.loop.reconcile import Reconciler
from opsd.runtime.watcher import JournalWatcher
from opsd.supervisor.loops.factory import LoopFactory
from opsd.supervisor.settings.load import load_settings
from opsd.supervisor.settings.loop import DriftSettings, ThresholdSettings
from opsd.transport.http_client import ServiceClient
from tests.cli.support import Repo, Shell
from tests.cli.test_fleet_reconcile import program, write_loop, write_registry

#: Another value than the default for every setting that has a part in the judgement.
OTHERS: dict[str, dict[str, Any]] = {
    "thresholds": {
        "profile": "strict",
        "profiles_file": "profiles.json",
        "degraded_heartbeat_lag_seconds": 7,
        "critical_heartbeat_lag_seconds": 900,
        "liveness": False,
        "spare_finished": True,
    },
    "drift": {"min_confidence": "low", "required_streak": 5, "summary_window": 50},
}
SINGLE = [(group, name) for group, settings in OTHERS.items() for name in settings]


def test_every_setting_of_the_judgement_is_tried_here() -> None:
    assert set(OTHERS["thresholds"]) == set(ThresholdSettings.model_fields)
    assert set(OTHERS["drift"]) == set(DriftSettings.model_fields)


def config(folder: Path, *keys: tuple[str, str]) -> str:
    catalog = Path(__file__).parents[2] / "config/ops-manager-threshold-profiles.v1.json"
    (folder / "profiles.json").write_bytes(catalog.read_bytes())
    lines = []
    for group, settings in OTHERS.items():
        lines.append(f"[{group}]")
        for name, value in settings.items():
            if (group, name) in keys:
                meant = str(folder / value) if name == "profiles_file" else value
                lines.append(f"{name} = {json.dumps(meant)}")
    (folder / "opsd.toml").write_text("\n".join(lines) + "\n")
    return str(folder / "opsd.toml")


def of_the_daemon(folder: Path, config_file: str) -> PassSettings:
    settings = load_settings({}, {}, config_file).settings
    factory = LoopFactory(str(folder), settings, {}, ServiceClient(), JournalWatcher(), lambda _loop, _kind: None)
    entry = LoopEntry(LoopId("demo"), transport=TransportKind.SPRITE_SERVICE, base_url="http://127.0.0.1:1")
    return factory.build(entry, factory.judging()).reconciler.settings


def of_the_command(folder: Path, config_file: str) -> PassSettings:
    """What the command would judge by; the pass itself is not made."""
    found: list[PassSettings] = []

    class SeenError(Exception):
        pass

    def seen(reconciler: Reconciler, *_others: object) -> Outcome:
        found.append(reconciler.settings)
        raise SeenError

    argv = ["--repo", str(folder), "--loop", "demo", "--config", config_file]
    argv += ["--transport", "sprite_service", "--service-base-url", "http://127.0.0.1:1"]
    arguments = reconcile.SPEC.parse([*judging_flags(reconcile.SPEC.parse(argv)), *argv])
    with pytest.raises(SeenError):
        reconcile.run_pass(arguments, {}, seen)
    return found[0]


@pytest.mark.parametrize("keys", [(), *((key,) for key in SINGLE), tuple(SINGLE)], ids=str)
def test_command_and_daemon_judge_by_the_same(tmp_path: Path, keys: tuple[tuple[str, str], ...]) -> None:
    file = config(tmp_path, *keys)
    command, daemon = of_the_command(tmp_path, file), of_the_daemon(tmp_path, file)
    assert command.thresholds == daemon.thresholds
    assert command.tuning == daemon.tuning
    assert (command.judge_liveness, command.spare_finished) == (daemon.judge_liveness, daemon.spare_finished)


def finished_long_ago(folder: Path) -> None:
    write_loop(folder, "a")
    journal = folder / ".superloop/loops/a/events.jsonl"
    rows = [
        {"timestamp": "2026-01-01T00:00:00Z", "event": name, "run_id": "r", "data": {}}
        for name in ("loop_start", "loop_stop")
    ]
    journal.write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_registry(folder, {"loopId": "a"})


def test_a_pass_over_the_fleet_judges_as_the_daemon(opsd: Shell, tmp_path: Path) -> None:
    finished_long_ago(tmp_path)
    (by_contract,) = opsd("fleet", "reconcile", "--repo", tmp_path).json["results"]
    assert "ingest_stale" in by_contract["healthReasonCodes"]
    file = config(tmp_path, ("thresholds", "spare_finished"))
    result = opsd("fleet", "reconcile", "--repo", tmp_path, "--config", file)
    (as_configured,) = result.json["results"]
    assert (result.err, as_configured["healthReasonCodes"]) == ("", [])


def test_a_program_in_place_of_the_pass_is_told_by_flags(
    opsd: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "told"
    monkeypatch.setenv("OPS_MANAGER_RECONCILE_SCRIPT", program(tmp_path / "fake", f'echo "$*" > {told}; echo "{{}}"'))
    write_registry(tmp_path, {"loopId": "a"})
    opsd("fleet", "reconcile", "--repo", tmp_path)
    assert "--liveness" not in told.read_text()
    opsd("fleet", "reconcile", "--repo", tmp_path, "--config", config(tmp_path, ("thresholds", "profile")))
    assert " --threshold-profile strict " in told.read_text()
    assert told.read_text().endswith(" --liveness\n")


def test_a_flag_stands_over_the_settings(opsd: Shell, repo: Repo) -> None:
    repo.append("role_end")
    file = config(repo.root, ("thresholds", "profile"), ("thresholds", "degraded_heartbeat_lag_seconds"))
    result = opsd("reconcile", *repo.flags, "--config", file, "--degraded-heartbeat-lag-seconds", 8)
    thresholds = result.json["health"]["thresholds"]
    assert (thresholds["profile"], thresholds["degradedHeartbeatLagSeconds"]) == ("strict", 8)


@pytest.mark.parametrize("command", [("reconcile", "--loop", "demo"), ("fleet", "reconcile")], ids=" ".join)
def test_settings_that_cannot_be_used_stop_the_command_before_it_writes(
    opsd: Shell, tmp_path: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "opsd.toml").write_text("[thresholds]\nspare = 1\n")
    result = opsd(*command, "--repo", tmp_path, "--config", tmp_path / "opsd.toml")
    assert (result.exit, result.out) == (1, b"")
    assert result.err.startswith(f"error: {tmp_path}/opsd.toml: thresholds.spare: unknown setting")
    assert not (tmp_path / ".superloop").exists()
