"""What commands print: one JSON document and a newline, or exact bytes, on stdout only (contract 10, 1.5).

Pipes and files get exactly what there is. A terminal obeys nothing of what others have said, on either stream.
"""

from __future__ import annotations

import re
import sys

from opsd.contract import jsoncodec
from opsd.contract.jsoncodec import JsonValue
from opsd.contract.values import printable

#: What JSON leaves as it is and a terminal obeys: the C1 controls, and marks that turn the direction of what follows.
_OBEYED = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def encode(value: JsonValue, *, pretty: bool = False) -> bytes:
    """The document as it is printed, with its newline."""
    return (jsoncodec.dumps_pretty(value) if pretty else jsoncodec.dumps(value)) + b"\n"


def write_json(value: JsonValue, *, pretty: bool = False) -> None:
    """Print one document. On a terminal nothing in it is obeyed: it is the same document, with more escapes."""
    data = encode(value, pretty=pretty)
    if sys.stdout.isatty():  # in JSON all of these stand in texts only
        data = _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", data.decode()).encode()
    write_bytes(data)


def write_foreign(data: bytes) -> None:
    """Print what somebody else has said: exactly, but on a terminal as text."""
    write_bytes(_text(data.decode("utf-8", "replace")).encode() if sys.stdout.isatty() else data)


def write_error(text: str) -> None:
    """Print a text and a newline on stderr; it may quote what somebody else has said."""
    sys.stderr.write((_text(text) if sys.stderr.isatty() else text) + "\n")
    sys.stderr.flush()


def _text(said: str) -> str:
    return "\n".join(printable(line.expandtabs()) for line in said.split("\n"))


def write_bytes(data: bytes) -> None:
    """Print exactly ``data``; it has left the process when this returns.

    Raises:
        BrokenPipeError: nobody reads any more.
    """
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
