"""How one command of the promotion starts another one (contract 95, 1.6).

A step is called with the argument vector of the contract, whether it is a program of the operator's or the command of
this manager, and answers like a program. So both leave the same artifacts and exit codes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from opsd.contract import jsoncodec
from opsd.contract.jsoncodec import JsonValue
from opsd.runtime.process import Answer


@dataclass(frozen=True, slots=True)
class Step:
    """One command. ``is_program``: it is the operator's, and knows the contract's arguments only."""

    call: Callable[[Sequence[str]], Answer]
    is_program: bool = False

    def __call__(self, argv: Sequence[str]) -> Answer:
        """Run it to its end."""
        return self.call(argv)


def said(answer: Answer) -> str:
    """What a step printed, both streams, without the final newlines."""
    return answer.output.decode("utf-8", "replace").rstrip("\n")


class Unreadable(ValueError):
    """A file that is there and holds no JSON document."""


def document_in(data: bytes | None) -> JsonValue:
    """The document in a step's output file, whose bytes are ``data``; an empty file holds none.

    Raises:
        FileNotFoundError: there is no file.
        Unreadable: it is not one JSON document.
    """
    if data is None:
        raise FileNotFoundError
    try:
        return jsoncodec.loads(data)
    except ValueError:
        raise Unreadable from None
