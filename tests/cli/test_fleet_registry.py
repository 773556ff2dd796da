"""``opsd fleet registry``, and how the fleet's other steps obtain the registry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from opsd.cli.fleet.registry_page import registry_page
from opsd.cli.fleet.registry_step import normalized_registry
from opsd.contract.errors import OpsError, RegistryError, ReplacedStepError, UsageError
from opsd.contract.jsoncodec import JsonObject
from opsd.fleet.registry import parse_registry
from tests.cli.support import Shell, printed
from tests.fleet.factories import registry


def write(repo: Path, document: Any) -> Path:
    path = repo / ".superloop/ops-manager/fleet/registry.v1.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def program(path: Path, body: str) -> str:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_it_prints_the_registry_and_writes_nothing(opsd: Shell, tmp_path: Path) -> None:
    path = write(tmp_path, registry({"loopId": "a"}, {"loopId": "b"}))
    result = opsd("fleet", "registry", "--repo", tmp_path, "--loop", "b")
    assert (result.exit, result.err, result.json["loopCount"]) == (0, "", 1)
    assert result.json["sourceFile"] == str(path)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_loop_that_it_does_not_know_is_five(opsd: Shell, tmp_path: Path) -> None:
    write(tmp_path, registry({"loopId": "a"}))
    result = opsd("fleet", "registry", "--repo", tmp_path, "--loop", "x")
    assert (result.exit, result.out, result.err) == (5, b"", "error: loop not found in registry: x\n")


def test_every_violation_is_a_line_whatever_it_quotes(opsd: Shell, tmp_path: Path) -> None:
    path = write(tmp_path, registry({"loopId": "a"}, policy={"mode": 1, "suppressions": {"x\ny": []}}))
    result = opsd("fleet", "registry", "--repo", tmp_path)
    assert (result.exit, result.out) == (1, b"")
    assert result.err == (
        f"error: invalid fleet registry: {path}\n - policy.mode must be advisory or guarded_auto\n"
        " - policy.suppressions.x\\ny key must reference a declared loopId or *\n"
    )


def test_a_repo_behind_a_link_keeps_the_links_name(opsd: Shell, tmp_path: Path) -> None:
    write(tmp_path / "real", registry({"loopId": "a"}))
    (tmp_path / "link").symlink_to(tmp_path / "real")
    result = opsd("fleet", "registry", "--repo", f"{tmp_path}/real/../link/")
    assert result.json["sourceFile"].startswith(f"{tmp_path}/link/.superloop")


def test_the_registry_of_the_other_steps_is_the_commands(tmp_path: Path) -> None:
    path = write(tmp_path, registry({"loopId": "a"}))
    assert normalized_registry(str(tmp_path), str(path))["loops"][0]["loopId"] == "a"
    with pytest.raises(UsageError, match="fleet registry file not found: none"):
        normalized_registry(str(tmp_path), "none")
    write(tmp_path, registry())
    with pytest.raises(RegistryError, match="at least one loop"):
        normalized_registry(str(tmp_path), str(path))


def test_a_program_in_its_place_is_called_as_the_contract_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    args = tmp_path / "args"
    body = f'printf \'%s|\' "$@" > {args}; echo careful >&2; echo \'{{"loops": [{{"loopId": "p"}}]}}\''
    monkeypatch.setenv("OPS_MANAGER_FLEET_REGISTRY_SCRIPT", program(tmp_path / "reg", body))
    assert normalized_registry("/repo", "r.json") == {"loops": [{"loopId": "p"}]}
    assert args.read_text() == "--repo|/repo|--registry-file|r.json|"
    assert capfd.readouterr().err == "careful\n"


@pytest.mark.parametrize(
    ("body", "message", "exit_code"),
    [
        ("echo 'error: not today' >&2; exit 23", "the fleet registry script ended with 23", 23),
        ("echo hello", "did not print a normalized registry", 1),
        ("echo '{\"loops\": 5}'", "did not print a normalized registry", 1),
        ("echo '{\"loops\": [5]}'", "a loop without an id", 1),
        ('echo \'{"loops": [{"loopId": "../up"}]}\'', r"invalid loop id: \.\./up", 1),
        ('echo \'{"loops": [{"loopId": "a"}, {"loopId": "a"}]}\'', "a loop twice: a", 1),
    ],
)
def test_a_program_that_fails_or_answers_nonsense_ends_the_step(
    body: str, message: str, exit_code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPS_MANAGER_FLEET_REGISTRY_SCRIPT", program(tmp_path / "reg", body))
    with pytest.raises(OpsError, match=message) as failed:
        normalized_registry("/repo", "r.json")
    assert failed.value.exit_code == exit_code
    if exit_code != 1:
        assert isinstance(failed.value, ReplacedStepError)
        assert not failed.value.lines


def test_on_a_terminal_the_registry_says_who_is_in_the_fleet_and_what_the_manager_may_do() -> None:
    policy = {
        "mode": "guarded_auto",
        "suppressions": {"a": ["health_critical"]},
        "autonomous": {
            "safety": {"killSwitch": True},
            "rollout": {"canaryPercent": 20, "pause": {"manual": True}},
            "governance": {
                "actor": "duty\x1b[2J [bold]lead[/bold]",
                "approvalRef": "CHG-88",
                "rationale": "night cover",
                "changedAt": "2026-01-01T00:00:00Z",
                "reviewBy": "2099-01-01T00:00:00Z",
            },
        },
    }
    service = {"baseUrl": "http://127.0.0.1:1", "tokenEnv": "SPRITE_TOKEN"}
    loops = [{"loopId": "a"}, {"loopId": "b", "transport": "sprite_service", "service": service, "enabled": False}]
    document = parse_registry(
        {"schemaVersion": "v1", "fleetId": "yard", "loops": loops, "policy": policy}, source="r.json", now=0
    ).document
    shown = printed(registry_page(document), width=80)
    for words in ("2 loops · 1 enabled", "kill switch", "paused", "20 % of all loops", "SPRITE_TOKEN", "CHG-88"):
        assert words in shown
    assert "\x1b" not in shown
    assert "[bold]lead" in shown
    assert "every action waits for a person" in printed(registry_page({**document, "policy": _advisory(document)}))


def _advisory(document: JsonObject) -> JsonObject:
    return {**document["policy"], "autonomous": {**document["policy"]["autonomous"], "enabled": False}}
