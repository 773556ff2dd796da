"""Routes about what the daemon works with: its settings, and the catalog of threshold profiles."""

from __future__ import annotations

from opsd.access.model import Scope
from opsd.api.failure import FILES
from opsd.api.operations import thresholds
from opsd.api.route import Answer, Call, Route
from opsd.api.schemas import OBJECT, TEXTS


async def settings(call: Call) -> Answer:
    """What ``opsd config show`` prints, of the settings that are in force."""
    return Answer({"settings": call.host.settings()})


async def check(call: Call) -> Answer:
    """What ``opsd config check`` says, of what the daemon's sources hold now."""
    return Answer({"check": await call.host.in_thread(call.host.check_settings)})


async def profiles(call: Call) -> Answer:
    """What ``opsd threshold-profile`` prints, of the catalog that the daemon works with."""
    return Answer(await call.host.in_thread(thresholds.profiles, call.host.configured().threshold_catalog_file))


async def profile(call: Call) -> Answer:
    """One profile of it."""
    path, name = call.host.configured().threshold_catalog_file, call.path["profile"]
    return Answer({"profile": await call.host.in_thread(thresholds.profile, path, name)})


ROUTES = (
    Route(
        "GET",
        "/settings",
        "showSettings",
        "Every setting that is in force, its value and where it came from; secrets are masked",
        "configuration",
        settings,
        scope=Scope.ADMIN,
        members={"settings": OBJECT},
    ),
    Route(
        "GET",
        "/settings/check",
        "checkSettings",
        "Whether a reload would succeed, what is wrong, and what would need a new start",
        "configuration",
        check,
        scope=Scope.ADMIN,
        members={"check": OBJECT},
    ),
    Route(
        "GET",
        "/threshold-profiles",
        "listThresholdProfiles",
        "The names of the threshold profiles, and the one that is the catalog's default",
        "configuration",
        profiles,
        members={"profiles": TEXTS, "default": OBJECT},
        errors=FILES,
    ),
    Route(
        "GET",
        "/threshold-profiles/{profile}",
        "showThresholdProfile",
        "One threshold profile, resolved",
        "configuration",
        profile,
        members={"profile": OBJECT},
        errors=FILES,
    ),
)
