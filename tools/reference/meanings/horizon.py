"""Codes of the Horizon bridge."""

from __future__ import annotations

from opsd.horizon.envelope import Rejection
from tools.reference.meanings.codes import Codes

HORIZON = (
    Codes(
        "The Horizon bridge",
        "Rejected lines in `fleet/telemetry/horizon-bridge.jsonl`.",
        Rejection,
        {
            "contract_invalid_json": "no JSON object, or a file that is too large",
            "contract_required_field_missing": "a field that has to be there is missing",
            "contract_schema_version_unsupported": "another version of the contract",
            "contract_evidence_refs_not_array": "`evidenceRefs` is no list",
        },
    ),
    Codes(
        "The bridge's queue",
        "`reasonCodes` of the bridge's state.",
        "opsd/horizon/records.py",
        {
            "horizon_bridge_confirmation_pending": "intents wait for a person",
            "horizon_bridge_queue_empty": "nothing waits",
            "horizon_bridge_manual_confirmation_required": "an intent of the bridge is never carried out by itself",
        },
    ),
)
