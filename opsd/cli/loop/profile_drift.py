"""``opsd profile-drift``: compares the applied with the recommended profile, and remembers (contract 40, section 5).

On a terminal it is a readable page, elsewhere (and with ``--pretty``) the drift state.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from opsd.cli.arguments import Arguments, CommandSpec, Flag
from opsd.cli.page import Page, loop_place, tell
from opsd.contract.errors import ManagerFileError, UsageError
from opsd.contract.ids import parse_loop_id
from opsd.runtime.layout import absolute_repo

if TYPE_CHECKING:
    from opsd.contract.jsoncodec import JsonObject
    from opsd.storage.layout import Part

_LEVELS = ("low", "medium", "high")

SPEC = CommandSpec(
    "opsd profile-drift",
    "Evaluates whether the applied threshold profile still suits what is observed, and records the result.",
    (
        Flag("--repo", "the managed repo (required)", "<path>"),
        Flag("--loop", "the loop's id (required)", "<id>"),
        Flag("--applied-profile", "the profile in force", "<name>"),
        Flag("--recommended-profile", "the profile that is recommended", "<name>"),
        Flag("--thresholds-file", "default $OPS_MANAGER_THRESHOLD_PROFILES_FILE, else the shipped catalog", "<path>"),
        Flag("--recommendation-confidence", "low (default), medium or high", "<level>"),
        Flag("--min-confidence", "low, medium (default) or high", "<level>"),
        Flag("--required-streak", "default 3", "<n>"),
        Flag("--summary-window", "recorded only, default 200", "<n>"),
        Flag("--rationale", "recorded only", "<text>"),
        Flag("--drift-state-file", "default <ops>/profile-drift.json", "<path>"),
        Flag("--drift-history-file", "default <ops>/telemetry/profile-drift.jsonl", "<path>"),
        Flag("--pretty", "the document, indented by two spaces"),
    ),
)


def main(argv: Sequence[str]) -> int:
    """Evaluate, record, print.

    Raises:
        OpsError: bad arguments, an unusable catalog, or a damaged drift state. Nothing is written then.
    """
    arguments = SPEC.parse(argv)
    given_repo, given_loop = arguments.required("--repo"), arguments.required("--loop")
    streak, window = arguments.positive("--required-streak", 3), arguments.positive("--summary-window", 200)
    confidence = _level(arguments, "--recommendation-confidence", "low")
    min_confidence = _level(arguments, "--min-confidence", "medium")
    loop_id = parse_loop_id(given_loop, reserved=True)
    repo = absolute_repo(given_repo)
    applied = arguments.given("--applied-profile") or ""
    recommended = arguments.given("--recommended-profile") or ""

    from opsd import compose

    catalog = arguments.optional("--thresholds-file", "OPS_MANAGER_THRESHOLD_PROFILES_FILE")
    known = compose.known_profiles(catalog or compose.threshold_catalog_file(os.environ))
    for kind, name in (("applied", applied), ("recommended", recommended)):
        if name and name not in known:
            raise UsageError(f"unknown {kind} profile: {name}")

    from opsd.contract.timestamps import format_utc
    from opsd.loop.profile_drift import Confidence, DriftSettings, evaluate_drift, history_row
    from opsd.storage.model import Commit, Document, RowLog

    flags: dict[Part, str] = {Document.DRIFT: "--drift-state-file", RowLog.DRIFT: "--drift-history-file"}
    overrides = {part: path for part, flag in flags.items() if (path := arguments.optional(flag)) is not None}
    store = compose.loop_store(repo, loop_id, overrides=overrides)
    held = store.lock(wait_s=10.0)
    try:
        memory = store.load()
        if Document.DRIFT in memory.damaged:
            raise ManagerFileError(f"invalid drift state JSON: {store.location(Document.DRIFT)}")
        drift = evaluate_drift(
            memory.get(Document.DRIFT),
            DriftSettings(Confidence(min_confidence), streak, window),
            loop_id=loop_id,
            applied=applied,
            recommended=recommended,
            confidence=Confidence(confidence),
            rationale=arguments.given("--rationale") or "",
            now=format_utc(time.time()),
        )
        store.commit(Commit(rows=[(RowLog.DRIFT, history_row(drift))], documents=[(Document.DRIFT, drift)]))
    finally:
        store.unlock(held)
    present(arguments, drift)
    return 0


def present(arguments: Arguments, drift: JsonObject, place: Sequence[str] = ()) -> None:
    """Print the drift state."""

    def page() -> Page:
        from opsd.cli.loop.tuning_page import drift_page

        return drift_page(drift, loop_place(arguments, place))

    tell(arguments, drift, page)


def _level(arguments: Arguments, flag: str, default: str) -> str:
    return arguments.choice(flag, default, _LEVELS, f"{flag} must be one of: low, medium, high")
