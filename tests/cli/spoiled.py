"""Documents with one value replaced by anything: what other programs and hostile loops make of them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st

from opsd.cli.page import Page
from tests.cli.support import printed

EVIL = "\x1b[2Jred\x9b31m\u202e [bold]alert[/bold]"
_SCALARS = st.sampled_from([None, True, False, 0, -1, 7.5, 10**30, "", "text", "7", EVIL])
ANYTHING = st.recursive(
    _SCALARS, lambda more: st.lists(more, max_size=3) | st.dictionaries(st.sampled_from(["a", EVIL]), more, max_size=2)
)


@st.composite
def spoiled(draw: st.DrawFn, document: dict[str, Any]) -> dict[str, Any]:
    """The document, and somewhere in it something else."""
    copied = copy.deepcopy(document)
    container, key = draw(st.sampled_from(list(_places(copied))))
    container[key] = draw(ANYTHING)
    return copied


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(pairs):
        yield value, key
        yield from _places(inner)


def check(page: Callable[[Any], Page], document: dict[str, Any]) -> None:
    """It is a page, and a terminal obeys nothing in it."""
    shown = printed(page(document), width=100)
    assert shown.strip()
    assert not {"\x1b", "\x9b", "\u202e"} & set(shown)
