"""How ``opsd reconcile`` prints what a pass answers, on the loop's own host and over a server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from opsd.cli.arguments import Arguments
from opsd.cli.page import Page, loop_place, tell

if TYPE_CHECKING:
    from opsd.contract.jsoncodec import JsonObject


def present(arguments: Arguments, document: JsonObject, place: Sequence[str] = (), *, failure: str = "") -> None:
    """Print the state that the pass has stored, or the health that a failed one leaves.

    Args:
        failure: what was said when it failed, for a person; the document has the code alone.
    """

    def page() -> Page:
        flags = loop_place(arguments, place)
        if "transition" in document:
            from opsd.cli.loop.run_page import pass_page

            return pass_page(document, flags)
        from opsd.cli.loop.health_page import health_page

        return health_page(document, arguments.optional("--loop"), flags, said=failure)

    tell(arguments, document, page)
