"""Which vectors of the contract are not run yet, and which expectations are taken out of those that are.

Everything here waits for a part of the manager that does not exist yet; when it does, its names leave this file.
"""

from __future__ import annotations

ALERTS = "is about the alert dispatcher"

#: Vectors that are not copied into ``vectors/``, by name, with the reason.
LEFT_OUT: dict[str, str] = {
    "reconcile/replaced-steps": ALERTS,
}

#: Steps that are not taken, by vector and number (from 1), with the reason; the vector's other steps are.
DROPPED_STEPS: dict[str, dict[int, str]] = {}

#: Expectations that are dropped from a vector, by vector: keys of printed and stored objects, and file names (by
#: their end). Everything else in these vectors is checked.
DROPPED: dict[str, frozenset[str]] = {}
