"""Regular expressions of silences and inhibitions, which come from whoever may mute an alert (contract 50, R13).

Python tries the ways to read a text one after the other, and nothing else runs in the process meanwhile: a pattern
such as ``(a+)+!`` would stop the daemon for hours. So a pattern is refused when there are too many ways to read a label
with it, and of a label no more is compared than was counted with. Pure.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from functools import lru_cache
from math import prod
from re import _parser as parser  # type: ignore[attr-defined]  # the only description of a pattern there is
from typing import Any

#: Characters of a label that are compared; no loop id is longer.
MAX_LABEL_CHARS = 256
#: Ways to read a label; three ``.*`` are within it.
_MAX_WAYS = 2 * MAX_LABEL_CHARS**3
_TOO_MANY = "it could be tried for too long; repeat no group that repeats or has alternatives, and use at most three .*"


@lru_cache(maxsize=256)
def compiled(pattern: str) -> re.Pattern[str]:
    """The pattern, ready for :func:`fits`.

    Raises:
        ValueError: it is none, or one that could be tried for too long; the message says which.
    """
    with warnings.catch_warnings():  # a command that succeeds writes nothing to stderr
        warnings.simplefilter("ignore")
        try:
            ready = re.compile(pattern, re.DOTALL)
            ways = _ways(parser.parse(pattern, re.DOTALL))
        except (re.error, RecursionError, OverflowError) as error:
            raise ValueError(str(error)) from None
    if ways > _MAX_WAYS:
        raise ValueError(_TOO_MANY)
    return ready


def fits(pattern: str, text: str) -> bool:
    """Whether a good pattern describes the whole of a label."""
    return compiled(pattern).fullmatch(text[:MAX_LABEL_CHARS]) is not None


def _ways(items: Iterable[tuple[Any, Any]]) -> int:
    """How many ways there are at most to read a label with a sequence of parsed items."""
    found = 1
    for operation, argument in items:
        found = min(found * _ways_of_one(str(operation), argument), _MAX_WAYS + 1)
    return found


def _ways_of_one(operation: str, argument: Any) -> int:
    match operation:
        case "BRANCH":
            return sum(map(_ways, argument[1]))
        case "SUBPATTERN" | "ASSERT" | "ASSERT_NOT":
            return _ways(argument[-1])
        case "ATOMIC_GROUP":
            return _ways(argument)
        case "GROUPREF_EXISTS":
            return sum(_ways(branch) for branch in argument[1:] if branch is not None)
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            least, most, body = argument
            return _ways_of_repeat(int(least), min(int(most), MAX_LABEL_CHARS), _ways(body))
    return 1  # one character, a class, an anchor, what a group has read


def _ways_of_repeat(least: int, most: int, body: int) -> int:
    if body == 1:
        return max(most - least, 0) + 1
    # each time again, or no further time
    return prod([body + (least < most)] * min(most, _MAX_WAYS.bit_length()))
