"""The closed sets of words of a fleet's registry and policy (contract 60, 2.2)."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class PolicyMode(StrEnum):
    """What the policy may lead to: proposals only, or guarded autonomous action."""

    ADVISORY = "advisory"
    GUARDED_AUTO = "guarded_auto"


#: The words of allow lists, thresholds and suppressions.
CATEGORIES: Final = ("reconcile_failed", "health_critical", "health_degraded")
INTENTS: Final = ("cancel",)
SEVERITIES: Final = ("critical", "warning", "info")
CONFIDENCES: Final = ("high", "medium", "low")
