"""Which commands the daemon runs beside its loops, by its settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from opsd.cli import horizon_bridge
from opsd.cli.promotion import controller as promotion_controller
from opsd.cli.promotion import gates as promotion_gates
from opsd.supervisor.jobs.job import JobName, job_of
from opsd.supervisor.settings.doubts import misses_the_registry
from opsd.supervisor.settings.load import SettingsError, load_settings
from opsd.supervisor.settings.model import Settings

GOVERNED = {"by": "lead", "approval_ref": "CHG-1", "rationale": "two words", "review_by": "2096-01-01T00:00:00Z"}
SPECS = {
    JobName.GATES: (promotion_gates.SPEC, ("promotion", "gates")),
    JobName.CONTROLLER: (promotion_controller.SPEC, ("promotion", "controller")),
    JobName.BRIDGE: (horizon_bridge.SPEC, ("horizon-bridge",)),
}


def settings(**flags: Any) -> Settings:
    return load_settings({key.replace("__", "."): value for key, value in flags.items()}, {}, "/dev/null").settings


def controller(mode: str, **more: Any) -> Settings:
    return settings(controller__mode=mode, **{f"controller__{key}": value for key, value in more.items()})


def test_out_of_the_box_the_gates_are_looked_at_and_nothing_changes_anything() -> None:
    wanted = {name: job_of(name, "/r", Settings()) for name in JobName}
    assert wanted[JobName.GATES] is not None
    assert wanted[JobName.CONTROLLER] is wanted[JobName.BRIDGE] is None


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        (JobName.GATES, settings(promotion__max_failure_rate=0.000001)),
        (JobName.CONTROLLER, controller("propose_only")),
        (JobName.CONTROLLER, controller("guarded_auto_apply", freeze_windows_file="/f", **GOVERNED)),
        (JobName.BRIDGE, settings(horizon__enabled=True, horizon__outbox_dir="out")),
    ],
)
def test_a_job_is_a_command_that_its_own_parser_accepts(name: JobName, wanted: Settings) -> None:
    job = job_of(name, "/r", wanted)
    assert job is not None
    spec, words = SPECS[name]
    assert tuple(job.argv[: len(words)]) == words
    assert spec.parse(job.argv[len(words) :]).required("--repo") == "/r"
    assert not any("e-" in word for word in job.argv if word[:1].isdigit())


def test_the_controller_is_told_who_answers_for_it() -> None:
    job = job_of(JobName.CONTROLLER, "/r", controller("guarded_auto_apply", **GOVERNED))
    assert job is not None
    arguments = promotion_controller.SPEC.parse(job.argv[2:])
    given = [arguments.given(flag) for flag in ("--by", "--approval-ref", "--rationale", "--review-by")]
    assert given == list(GOVERNED.values())
    assert arguments.switch("--hold-while-paused")


@pytest.mark.parametrize("missing", GOVERNED)
def test_a_controller_that_may_apply_needs_all_of_its_governance(missing: str) -> None:
    given = {key: value for key, value in GOVERNED.items() if key != missing}
    with pytest.raises(SettingsError, match=f"guarded_auto_apply needs {missing}"):
        controller("guarded_auto_apply", **given)


def test_with_a_registry_elsewhere_the_promotion_commands_are_not_run_and_that_is_told() -> None:
    elsewhere = settings(registry__file="/etc/registry.json", controller__mode="propose_only")
    assert [job_of(name, "/r", elsewhere) for name in JobName] == [None, None, None]
    assert misses_the_registry(elsewhere)
    assert not misses_the_registry(settings(promotion__enabled=False, registry__file=str(Path("/x"))))
