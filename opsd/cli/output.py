"""What commands print: one JSON document and a newline, or exact bytes, on stdout only (contract 10, 1.5)."""

from __future__ import annotations

import sys

from opsd.contract import jsoncodec
from opsd.contract.jsoncodec import JsonValue


def encode(value: JsonValue, *, pretty: bool = False) -> bytes:
    """The document as it is printed, with its newline."""
    return (jsoncodec.dumps_pretty(value) if pretty else jsoncodec.dumps(value)) + b"\n"


def write_json(value: JsonValue, *, pretty: bool = False) -> None:
    """Print one document."""
    write_bytes(encode(value, pretty=pretty))


def write_bytes(data: bytes) -> None:
    """Print exactly ``data``; it has left the process when this returns.

    Raises:
        BrokenPipeError: nobody reads any more.
    """
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
