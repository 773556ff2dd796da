"""The contract's vectors, run through the doors in ``scripts/`` as real processes."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.contract_vectors.left_out import DROPPED, DROPPED_STEPS, LEFT_OUT
from tests.contract_vectors.matching import mismatches, text_mismatches, widened, without
from tests.contract_vectors.world import SCRIPTS, Receiver, Service, Templates, http_exchange, write_files

FOLDER = Path(__file__).parent / "vectors"
NAMES = sorted(str(path.relative_to(FOLDER).with_suffix("")) for path in FOLDER.rglob("*.json"))
_COMMAND_TIMEOUT_S = 120


@pytest.mark.parametrize("name", NAMES)
def test_the_commands_answer_and_write_what_the_vector_says(name: str, tmp_path: Path) -> None:
    vector = json.loads((FOLDER / f"{name}.json").read_text())
    numbered = enumerate(vector["steps"], 1)
    vector["steps"] = [(number, step) for number, step in numbered if number not in DROPPED_STEPS.get(name, {})]
    found = list(_differences(vector, DROPPED.get(name, frozenset()), tmp_path))
    assert not found, f"{vector['title']}\n" + "\n".join(found[:12])


def test_every_exception_names_a_vector_and_gives_a_reason() -> None:
    assert set(DROPPED) | set(DROPPED_STEPS) <= set(NAMES)
    assert not set(LEFT_OUT) & set(NAMES)
    assert all(LEFT_OUT.values())


def _differences(vector: dict[str, Any], dropped: frozenset[str], folder: Path) -> Iterator[str]:
    root = folder / "repo"
    root.mkdir()
    templates = Templates(root)
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("OPS_", "OPSD_", "SUPERLOOP_"))}
    env: dict[str, str] = {}
    with ExitStack() as stack:
        receiver = Receiver(vector.get("receiver", {}).get("responses", [200]))
        stack.callback(receiver.close)
        templates.values["receiver"] = receiver.url
        env = {**inherited, **templates.expand(vector.get("env", {}))}
        write_files(root, templates.expand(vector.get("files", {})))
        if "service" in vector:
            spec = vector["service"]
            service_env = {**env, **templates.expand(spec.get("env", {}))}
            service = Service(
                root / spec.get("repo", "."), spec.get("token", "vector-token"), service_env, folder / "service.log"
            )
            stack.callback(service.close)
            templates.values["service"] = service.url
        for number, step in vector["steps"]:
            yield from _step_differences(templates, templates.expand(step), f"step {number}", root, env, dropped)
        if "received" in vector:
            expected = widened(templates.expand(vector["received"]), templates.late_s)
            yield from mismatches(expected, receiver.requests, "received")


def _step_differences(
    templates: Templates, step: dict[str, Any], where: str, root: Path, env: dict[str, str], dropped: frozenset[str]
) -> Iterator[str]:
    write_files(root, step.get("write", {}))
    for name in step.get("remove", []):
        (root / name).unlink()
    if "sleep" in step:
        time.sleep(step["sleep"])
    if "http" in step:
        spec = step["http"]
        status, body = http_exchange(spec)
        if status != spec.get("status", 200):
            yield f"{where}: HTTP {status}, expected {spec.get('status', 200)}: {body[:300]!r}"
        if "json" in spec:
            yield from text_mismatches(widened(spec["json"], templates.late_s), body, f"{where} body")
    if "command" in step:
        yield from _command_differences(templates, step, f"{where} ({step['command']})", root, env, dropped)
    for name, expected in widened(without(step.get("after", {}), dropped), templates.late_s).items():
        target = root / name
        if expected == "<absent>":
            if target.exists():
                yield f"{where}: {name} exists"
        elif not target.is_file():
            yield f"{where}: {name} was not written"
        else:
            yield from text_mismatches(expected, target.read_text(), f"{where} {name}")


def _command_differences(
    templates: Templates, step: dict[str, Any], where: str, root: Path, env: dict[str, str], dropped: frozenset[str]
) -> Iterator[str]:
    done = subprocess.run(
        [str(SCRIPTS / f"ops-manager-{step['command']}.sh"), *step.get("args", [])],
        env={**env, **step.get("env", {})},
        cwd=root,
        capture_output=True,
        text=True,
        timeout=_COMMAND_TIMEOUT_S,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode != step.get("exit", 0):
        yield f"{where}: exit {done.returncode}, expected {step.get('exit', 0)}; stderr {done.stderr[-300:]!r}"
    if "stdout" in step:
        expected = widened(without(step["stdout"], dropped), templates.late_s)
        yield from text_mismatches(expected, done.stdout, f"{where} stdout")
    for part in step.get("stderr_contains", []):
        if part not in done.stderr:
            yield f"{where}: stderr {done.stderr[-300:]!r} does not contain {part!r}"
