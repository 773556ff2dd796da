"""Settings that can be loaded and cannot be meant."""

from __future__ import annotations

from typing import Any

import pytest

from opsd.supervisor.settings.doubts import doubts
from opsd.supervisor.settings.load import load_settings
from opsd.supervisor.settings.model import Settings


def settings(flags: dict[str, Any]) -> Settings:
    return load_settings(flags, {}, "/dev/null").settings


def test_the_settings_out_of_the_box_leave_no_doubt() -> None:
    assert list(doubts(Settings())) == []


@pytest.mark.parametrize(
    ("flags", "event", "fields"),
    [
        ({"fleet.max_pass_age_seconds": 300}, "config.fleet_wakes_idle_sprites", {"max_pass_age": 300}),
        ({"registry.file": "/srv/r.json"}, "config.promotion_needs_the_usual_registry", {"registry": "/srv/r.json"}),
        ({"drift.summary_window": 29}, "config.drift_cannot_become_active", {"summary_window": 29}),
    ],
)
def test_what_cannot_be_meant_is_named_with_its_value(
    flags: dict[str, Any], event: str, fields: dict[str, object]
) -> None:
    assert list(doubts(settings(flags))) == [(event, fields)]


def test_a_steps_setting_that_is_switched_off_leaves_no_doubt() -> None:
    assert list(doubts(settings({"fleet.enabled": False, "fleet.max_pass_age_seconds": 300}))) == []
    assert list(doubts(settings({"drift.min_confidence": "low", "drift.summary_window": 29}))) == []
