"""One pass of the Horizon bridge as a readable page: what came in, what was refused, what waits for a person."""

from __future__ import annotations

from rich.console import RenderableType

from opsd.cli.page import SHOWN, aligned, apart, counted, line, more
from opsd.cli.reasons import promotion as reasons
from opsd.cli.reasons.remedies import BRIDGE
from opsd.cli.reasons.told import explained, what_to_do
from opsd.contract.jsoncodec import JsonObject
from opsd.contract.values import as_object, compact_text, list_of

_BAD = "bold red"


def bridge_page(state: JsonObject) -> list[RenderableType]:
    """The page. Names of files come from a producer and are shown as text."""
    summary, files = as_object(state.get("summary")), as_object(state.get("files"))
    refused = summary.get("rejectedFileCount")
    waiting = summary.get("pendingConfirmationCount")
    codes = list_of(state.get("reasonCodes"))
    rejected = list_of(files.get("rejected"))
    ignored = as_object(state.get("ignored"))
    counts = ("claimedFileCount", "queuedEnvelopeCount", "duplicateEnvelopeCount", "recoveredFileCount")
    claimed, queued, known, recovered = (summary.get(name) for name in counts)
    facts = [
        line(
            "taken in",
            counted(claimed, "file") if claimed else None,
            counted(queued, "new intent") if queued else None,
            f"{compact_text(known)} known already" if known else None,
        ),
        line("taken up", f"{counted(recovered, 'file')} of a pass that was ended" if recovered else None),
        line("left there", *(f"{compact_text(count)} {word}" for word, count in ignored.items() if count)),
        line(
            "waits for you",
            f"{counted(waiting, 'intent')} in {compact_text(files.get('queueFile'))}" if waiting else None,
            style="bold yellow",
        ),
        line("which lines", files.get("telemetryFile") if refused else None),
        line("trace", state.get("traceId")),
    ]
    page: list[RenderableType] = [
        line("horizon bridge", state.get("status"), state.get("updatedAt"), style=_BAD if refused else "green"),
        *explained(codes, reasons.BRIDGE),
        *(line("refused", name, style=_BAD) for name in rejected[:SHOWN]),
        *more(len(rejected)),
        *aligned(facts),
    ]
    waits = ["horizon_bridge_confirmation_pending"] if waiting else []
    steps = what_to_do([*codes, *waits], BRIDGE, ())
    return [*page, *apart(steps)]
