"""``python -m tools --write | --check``: the files that are made from the code."""

from __future__ import annotations

import sys
from pathlib import Path

from tools.dashboards import dashboards
from tools.operator_rules import manifest
from tools.reference import commands, metrics, reasons, remote, settings

ROOT = Path(__file__).resolve().parents[1]
_PAGES = {"commands": commands, "metrics": metrics, "reasons": reasons, "settings": settings}


def generate() -> dict[Path, str]:
    """Every file by its path, with its text."""
    files = {ROOT / "docs" / "reference" / f"{name}.md": module.document() for name, module in _PAGES.items()}
    files[ROOT / "docs" / "api.md"] = remote.document(ROOT / "docs" / "api.md")
    for name, text in dashboards().items():
        files[ROOT / "deploy" / "grafana" / "dashboards" / name] = text
    files[ROOT / "deploy" / "kubernetes" / "prometheus-operator" / "prometheusrule.yaml"] = manifest()
    return files


def main(argv: list[str]) -> int:
    """0; with ``--check`` 1 when a file is not what it has to be."""
    if argv not in (["--write"], ["--check"]):
        sys.stderr.write("usage: python -m tools --write | --check\n")
        return 2
    stale = [path for path, text in generate().items() if not path.is_file() or path.read_text() != text]
    for path in stale:
        if argv == ["--check"]:
            sys.stderr.write(f"error: {path.relative_to(ROOT)} is not what the code says: run `make docs`\n")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(generate()[path])
    return 1 if stale and argv == ["--check"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
