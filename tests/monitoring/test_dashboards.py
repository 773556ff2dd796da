"""Grafana dashboards: every query is one, what it names exists, and nothing is bound to one installation."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring.known import ROOT, promtool, unknown

GRAFANA = ROOT / "deploy" / "grafana"
DASHBOARDS = {path.stem: json.loads(path.read_text()) for path in sorted((GRAFANA / "dashboards").glob("*.json"))}


def expressions(dashboard: dict[str, Any]) -> Iterator[str]:
    """Every query of its panels and variables."""
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield target["expr"]
    for variable in dashboard["templating"]["list"]:
        found = (
            re.fullmatch(r"label_values\((.*), \w+\)", str(variable["query"].get("query")))
            if isinstance(variable["query"], dict)
            else None
        )
        if found:
            yield found[1]


def test_these_are_all() -> None:
    about = {"fleet", "loop", "alerts", "autonomy", "daemon", "sprites"}
    assert set(DASHBOARDS) == {f"opsd-{one}" for one in about}
    assert all(one["uid"] == name for name, one in DASHBOARDS.items())


@pytest.mark.parametrize("name", DASHBOARDS)
def test_what_a_dashboard_asks_for_is_exported(name: str) -> None:
    assert {expr: unknown(expr) for expr in expressions(DASHBOARDS[name]) if unknown(expr)} == {}


@pytest.mark.parametrize("name", DASHBOARDS)
def test_prometheus_understands_every_query(name: str, tmp_path: Path) -> None:
    rules = [
        {"record": f"test:{number}", "expr": expr.replace("$__rate_interval", "5m")}
        for number, expr in enumerate(expressions(DASHBOARDS[name]))
    ]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "test", "rules": rules}]}))
    done = subprocess.run(
        [promtool(), "check", "rules", "--lint=none", file], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", DASHBOARDS)
def test_no_dashboard_names_a_data_source(name: str) -> None:
    def sources(value: Any) -> Iterator[Any]:
        if isinstance(value, dict):
            for key, inner in value.items():
                if key == "datasource":
                    yield inner["uid"]
                yield from sources(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from sources(inner)

    assert set(sources(DASHBOARDS[name])) == {"${datasource}"}


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_panel_has_its_place_to_itself(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARDS[name]["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_provisioning_brings_the_dashboards_and_a_source() -> None:
    provider = yaml.safe_load((GRAFANA / "provisioning" / "dashboards" / "opsd.yml").read_text())["providers"][0]
    assert provider["type"] == "file"
    source = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text())["datasources"][0]
    assert source["type"] == "prometheus"
