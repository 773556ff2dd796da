"""What a controller pass does about what it has observed, as pure functions (contract 95, 4.2 steps 6 to 16)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from opsd.contract.jsoncodec import JsonObject, JsonValue
from opsd.contract.values import compact_text, first_present, get, uniq
from opsd.promotion.controller.request import ControllerRequest
from opsd.promotion.controller.words import Action, Reason
from opsd.promotion.rollout.words import UNKNOWN
from opsd.promotion.words import Decision


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that a pass decides by.

    Attributes:
        preview: the result of the dry run; a document of any form.
        freshness, budget: the verdicts as the record holds them.
        pause_reasons: why a standing pause forbids to apply; only with ``hold_while_paused``.
    """

    preview: JsonValue
    freshness: JsonObject
    budget: JsonObject
    pause_reasons: Sequence[str] = ()

    @property
    def decision(self) -> str:
        """The promotion decision of the dry run."""
        return compact_text(first_present(get(self.preview, "decision"), UNKNOWN))

    def listed(self, key: str) -> list[JsonValue]:
        """An array of the dry run's summary."""
        found = get(self.preview, "summary", key)
        return found if isinstance(found, list) else []

    @property
    def reasons(self) -> list[str]:
        """Every reason that forbids to apply, but for the decision itself."""
        return uniq((*self.freshness["reasons"], *self.budget["reasons"], *self.pause_reasons))


def planned_action(request: ControllerRequest, observed: Observed) -> Action:
    """Propose, unless the pass may apply; then apply only on ``promote`` and without any reason against it."""
    if not request.guarded:
        return Action.PROPOSE
    return Action.APPLY if observed.decision == Decision.PROMOTE and not observed.reasons else Action.HOLD


def pause_reasons(request: ControllerRequest, is_paused: bool | None) -> list[str]:
    """What a manual pause has to say; ``is_paused`` is None when the registry cannot be read."""
    if not request.hold_while_paused or is_paused is False:
        return []
    return [Reason.PAUSED if is_paused else Reason.PAUSE_UNKNOWN]


@dataclass(frozen=True, slots=True)
class Verification:
    """What the evaluation after an apply has shown; ``reason`` None where it passed or was not run."""

    ran: bool
    decision: str | None = None
    reason: Reason | None = None

    @property
    def failed(self) -> bool:
        """The apply is to be taken back."""
        return self.reason is not None

    def document(self) -> JsonObject:
        """As the record holds it."""
        status = "skipped" if not self.ran else "fail" if self.failed else "pass"
        reasons = [] if self.reason is None else [self.reason.value]
        return {"ran": self.ran, "status": status, "decision": self.decision, "reasonCodes": reasons}


NOT_RUN = Verification(False)


def verified(result: JsonValue) -> Verification:
    """The verdict on a promotion CI result that this pass's verification has written."""
    decision = compact_text(first_present(get(result, "summary", "decision"), UNKNOWN))
    return Verification(True, decision, None if decision == Decision.PROMOTE else Reason.VERIFY_FAILED)


def not_verified(reason: Reason) -> Verification:
    """A verification without a result."""
    return Verification(True, None, reason)
