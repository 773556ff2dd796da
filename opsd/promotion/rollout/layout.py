"""A JSON text in the layout that its owner gave it: on one line, or indented as before."""

from __future__ import annotations

import json
import re

from opsd.contract import jsoncodec
from opsd.contract.jsoncodec import JsonObject

#: The indentation of the first member of a document that stands on several lines.
_INDENT = re.compile(rb"^\s*\{[ \t]*\r?\n([ \t]+)\S")


def in_layout_of(original: bytes, document: JsonObject) -> bytes:
    """``document`` as text with a final newline, indented as ``original`` is; compact where that is on one line."""
    found = _INDENT.match(original)
    if found is None:
        return jsoncodec.dumps(document) + b"\n"
    indent = found[1].decode()
    if indent == "  ":
        return jsoncodec.dumps_pretty(document) + b"\n"
    # Decoded from our own codec's text, so that its rules (numbers, broken characters) hold for this one too.
    text = json.dumps(json.loads(jsoncodec.dumps(document)), indent=indent, ensure_ascii=False)
    return text.replace("\x7f", "\\u007f").encode() + b"\n"
