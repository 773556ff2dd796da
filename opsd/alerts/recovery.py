"""When an incident is over (contract 50, R7): one rule per category. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from opsd.contract.jsoncodec import JsonObject
from opsd.contract.timestamps import parse_epoch
from opsd.contract.values import get


class Evidence(NamedTuple):
    """What shows a recovery: the loop's document, the key of its time, and the question that is put to it."""

    document: str
    time_key: str
    shows: Callable[[JsonObject], bool]


#: Category -> its evidence. Any other category recovers by silence alone (``resolveAfterSeconds``).
EVIDENCE: Mapping[str, Evidence] = {
    "health_critical": Evidence("health", "updatedAt", lambda it: _is_status(it) and it["status"] != "critical"),
    "health_degraded": Evidence("health", "updatedAt", lambda it: _is_status(it) and it["status"] != "degraded"),
    "divergence_detected": Evidence("state", "generatedAt", lambda it: get(it, "divergence", "any") is False),
    "ordering_drift_detected": Evidence("sequence", "updatedAt", lambda it: it.get("driftActive") is False),
    "profile_drift_detected": Evidence("drift", "updatedAt", lambda it: it.get("driftActive") is False),
}


def _is_status(health: JsonObject) -> bool:
    return health.get("status") in ("healthy", "degraded", "critical")


def has_recovered(
    category: str,
    last_row_at: float,
    read: Callable[[str], JsonObject],
    *,
    own_loop: bool,
    resolve_after_s: float | None,
    now: float,
) -> bool:
    """Whether an incident is over.

    Args:
        last_row_at: seconds since 1970 of its last row; an artifact that is not newer says nothing.
        read: a document of the loop by name, empty when it is missing or unreadable: that is no recovery.
        own_loop: the rows are about the loop whose documents ``read`` gives.
        resolve_after_s: silence that ends an incident of a category without evidence; None: it never does.
    """
    evidence = EVIDENCE.get(category)
    if evidence is None or not own_loop:
        return resolve_after_s is not None and now - last_row_at >= resolve_after_s
    document = read(evidence.document)
    moment = parse_epoch(document.get(evidence.time_key))
    return moment is not None and moment > last_row_at and evidence.shows(document)
