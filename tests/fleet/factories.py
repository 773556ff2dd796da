"""Small builders of registries."""

from __future__ import annotations

from typing import Any

NOW = 1_780_000_000  # 2026-05-28T20:26:40Z
PAST, FUTURE = "2026-05-01T00:00:00Z", "2026-12-31T00:00:00Z"


def registry(*loops: Any, **top: Any) -> dict[str, Any]:
    return {"schemaVersion": "v1", "loops": list(loops), **top}


def governance(**changes: Any) -> dict[str, Any]:
    full = {"actor": "me", "approvalRef": "CHG-1", "rationale": "nights", "changedAt": PAST, "reviewBy": FUTURE}
    return {**full, **changes}


def guarded(*loops: Any, **changes: Any) -> dict[str, Any]:
    """A registry that permits autonomy; ``changes`` are those of its governance."""
    policy = {"mode": "guarded_auto", "autonomous": {"governance": governance(**changes)}}
    return registry(*(loops or ({"loopId": "a"},)), policy=policy)
