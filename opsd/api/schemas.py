"""The JSON schemas that members of many routes' answers have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

OBJECT: Schema = {"type": "object"}
OBJECTS: Schema = {"type": "array", "items": OBJECT}
OBJECT_OR_NULL: Schema = {"anyOf": [OBJECT, {"type": "null"}]}
TEXT: Schema = {"type": "string"}
TEXTS: Schema = {"type": "array", "items": TEXT}
TEXT_OR_NULL: Schema = {"anyOf": [TEXT, {"type": "null"}]}
