"""``docs/api.md`` below its mark: the reference of all routes, written from the OpenAPI document.

``python -m opsd.api.reference --write`` renews it; a test holds the two together.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from opsd.api.failure import ERRORS
from opsd.api.openapi import openapi_document
from opsd.api.routes import system
from opsd.api.table import ROUTES

MARK = "<!-- from here on written by python -m opsd.api.reference --write -->\n"


def reference(document: Mapping[str, Any]) -> str:
    """The reference as Markdown."""
    parts = ["## Errors\n", _errors(), "## Routes\n"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            parts.append(_route(document, method.upper(), path, operation))
    return "\n".join(parts)


def _errors() -> str:
    rows = [f"| `{code.value}` | {status} | {text} |" for code, (status, text) in ERRORS.items()]
    return "\n".join(["| code | status | meaning |", "| --- | --- | --- |", *rows, ""])


def _route(document: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]) -> str:
    scope = operation.get("x-opsd-scope")
    reach = {"loop": "for the loop", "listing": "for any loop", "fleet": "for every loop"}
    needs = f"`{scope}` {reach[operation['x-opsd-reach']]}" if scope else "nothing"
    lines = [f"### `{method} {path}`\n", f"{operation['summary']}. Needs {needs}.\n"]
    fields = [
        (f"{one['name']} ({one['in']})", one["schema"], one.get("description", ""), one["required"])
        for one in operation["parameters"]
    ]
    body = operation.get("requestBody")
    if body is not None:
        name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        schema = document["components"]["schemas"][name]
        needed = schema.get("required", ())
        fields += [
            (f"{field} (body)", described, described.get("description", ""), field in needed)
            for field, described in schema.get("properties", {}).items()
        ]
    if fields:
        lines += ["| parameter | type | meaning |", "| --- | --- | --- |"]
        lines += [f"| `{name}` | {_type(schema, needed)} | {text} |" for name, schema, text, needed in fields]
        lines.append("")
    success = next(status for status in operation["responses"] if status.startswith("2"))
    content = operation["responses"][success].get("content", {})
    media, described = next(iter(content.items()))
    members = ", ".join(f"`{name}`" for name in described["schema"].get("properties", ()))
    told = f" ({media})" if media != "application/json" or not members else ""
    lines.append(f"Answers {success}{told}{': ' + members if members else ''}.\n")
    return "\n".join(lines)


def _type(schema: Mapping[str, Any], needed: bool) -> str:
    kinds = [kind for kind in schema.get("anyOf", (schema,)) if kind.get("type") != "null"]
    kind = kinds[0]
    if "$ref" in kind:
        text = "object"
    elif "enum" in kind:
        text = ", ".join(f"`{value}`" for value in kind["enum"])
    elif "const" in kind:
        text = f"`{str(kind['const']).lower()}`"
    else:
        text = str(kind.get("type", "any"))
    if "minimum" in kind and "maximum" in kind:
        text += f" {kind['minimum']} to {kind['maximum']}"
    if needed:
        return f"{text}, required"
    default = schema.get("default")
    return text if default in (None, "", []) else f"{text}, default `{str(default).lower()}`"


def main() -> int:
    """Write the page anew."""
    document = openapi_document((*ROUTES, system.openapi_route({})))
    page = Path(__file__).parents[2] / "docs" / "api.md"
    if "--write" in sys.argv[1:]:
        head = page.read_text().partition(MARK)[0]
        page.write_text(head + MARK + "\n" + reference(document))
    return 0


if __name__ == "__main__":
    sys.exit(main())
