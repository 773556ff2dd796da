"""Gate, ours and off by default: the permission for autonomy has not run out (contract 60, weakness 5).

A command refuses a registry whose review deadline has passed, so it never comes here with one. A supervisor works on
to keep observing, and asks for this gate.
"""

from __future__ import annotations

from opsd.contract.timestamps import parse_epoch
from opsd.contract.values import get
from opsd.fleet.policy.gates.base import Gate, Subject, Verdict, verdict
from opsd.fleet.policy.words import Mode, Reason


def _judge(subject: Subject) -> Verdict:
    controls, now = subject.controls, subject.review_at
    review_by = get(controls.document, "governance", "reviewBy")
    deadline = parse_epoch(review_by)
    # A deadline that cannot be read permits nothing.
    valid = now is None or controls.mode is Mode.ADVISORY or (deadline is not None and now < deadline)
    return verdict(valid, Reason.REVIEW_EXPIRED, reviewBy=review_by, required=now is not None)


GATE = Gate("review", "", _judge)
