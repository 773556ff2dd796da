"""Codes of audit logs, refused callers and answers of the control API."""

from __future__ import annotations

from opsd.access.authenticate import RefusalReason
from opsd.api.failure import ERRORS, ErrorCode
from opsd.storage.audit_verify import Problem
from tools.reference.meanings.codes import Codes

ACCESS = (
    Codes(
        "Audit logs",
        "`opsd audit verify`.",
        Problem,
        {
            "log_missing": "the log is gone, and its head says that there was one",
            "row_does_not_follow": "a row is not linked to the one before it: edited, removed or put in between",
            "row_unreadable": "a line that is no row",
            "row_not_chained": "a row without a link behind rows that have one",
            "rows_cut_off": "the head remembers more rows than there are",
            "last_row_altered": "the last row is not the one that the head remembers",
            "head_missing": "the head file is gone",
            "head_unreadable": "the head file cannot be read",
            "head_was_missing": "the head had been lost, and was made anew at some row",
        },
    ),
    Codes(
        "Who is not let in",
        "The log, `opsd_http_refusals_total{reason}` and `sprite_service_refused_tokens_total{reason}`; the caller is "
        "told 401, 403 or 429 and no reason.",
        RefusalReason,
        {
            "missing": "no token",
            "malformed": "not of a token's form, or its checksum is wrong",
            "foreign": "a token of the other kind of service",
            "unknown": "nobody has this token",
            "expired": "its time is over",
            "revoked": "it was revoked",
            "throttled": "too many failures from that address",
            "forbidden": "known, and not allowed to do this",
        },
    ),
    Codes(
        "Answers of the control API",
        "`error.code` of an answer, with its HTTP status; see [api.md](../api.md).",
        ErrorCode,
        {code.value: f"{status}: {meaning}" for code, (status, meaning) in ERRORS.items()},
    ),
)
