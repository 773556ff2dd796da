"""Whether a fleet's audit logs are what was written, as one document (contract 70, weakness 16). Writes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from opsd.contract import jsoncodec
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.values import get
from opsd.storage.audit_chain import verify
from opsd.storage.audit_verify import ChainReport, Problem
from opsd.storage.fleet_parts import AUDITED, FleetDocument
from opsd.storage.fleet_port import FleetStore


def audit_report(store: FleetStore, file: str | None = None, *, also: Sequence[str] = ()) -> JsonObject:
    """The verdict on every audit log, or on ``file`` only; ``ok`` is false when one is broken.

    ``also`` are logs that lie elsewhere, such as that of tokens; one that was never begun is absent, and no finding.

    Raises:
        OpsError: a log cannot be read.
    """
    expected = [file] if file else _expected(store)
    paths = dict.fromkeys([*expected, *([] if file else [*map(store.location, AUDITED), *also])])
    logs = [_log(path, verify(path), expected=path in expected) for path in paths]
    return {"schemaVersion": "v1", "ok": all(log["status"] != "broken" for log in logs), "logs": logs}


def _expected(store: FleetStore) -> list[str]:
    """Logs that have to be there: a policy state that was published has an audit, at the place that it names."""
    try:
        state = jsoncodec.loads(store.read(FleetDocument.POLICY) or b"null")
    except ValueError:
        return []
    named = get(state, "autonomous", "governanceAuditFile")
    # A relative place was relative to where policy ran, which is not known here.
    return [named] if isinstance(named, str) and named.startswith("/") else []


def _log(path: str, report: ChainReport | None, *, expected: bool) -> JsonObject:
    if report is None:
        if not expected:
            return {"file": path, "status": "absent"}
        report = ChainReport()
        report.find(Problem.LOG_MISSING, 0, "the log is gone")
    return {
        "file": path,
        "status": "intact" if report.ok else "broken",
        "rows": report.rows,
        "chainedRows": report.chained,
        "unchainedRows": report.rows - report.chained,
        "rowsBehindHead": report.behind_head,
        "tornTail": report.torn_tail,
        "lastRowHash": report.last_row_hash or None,
        "problems": report.problems,
    }
