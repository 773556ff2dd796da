"""Settings that can be loaded and cannot be meant (contract 40, weakness 5): told at the start and at every reload."""

from __future__ import annotations

from collections.abc import Iterator

from opsd.supervisor.settings.model import Settings


def doubts(settings: Settings) -> Iterator[tuple[str, dict[str, object]]]:
    """Name and fields of each, as the log has them. Pure."""
    idle_s = settings.observe.idle_resync_seconds * (1 + settings.reconcile.jitter)
    if settings.fleet.enabled and settings.fleet.max_pass_age_seconds < idle_s:
        yield "config.fleet_wakes_idle_sprites", {"max_pass_age": settings.fleet.max_pass_age_seconds}
    if misses_the_registry(settings):
        yield "config.promotion_needs_the_usual_registry", {"registry": str(settings.registry.file)}
    if settings.drift.summary_window < 30 and settings.drift.min_confidence != "low":
        yield "config.drift_cannot_become_active", {"summary_window": settings.drift.summary_window}


def misses_the_registry(settings: Settings) -> bool:
    """The settings want a job that cannot work with the registry where they put it."""
    wanted = settings.promotion.enabled or settings.controller.mode != "off"
    return wanted and settings.registry.file is not None
