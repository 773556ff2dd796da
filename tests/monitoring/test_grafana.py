"""Dashboards against Grafana's own schema: every field is one that it knows, every value one that it can mean.

Grafana publishes its schema as generated Python types. They leave out what they do not know, so a document that comes
back whole holds no such field; what a field may hold is in their annotations. What the types leave open, such as units
and colours, is checked beside that.
"""

from __future__ import annotations

import enum
import json
import os
import re
import types
import typing
from collections.abc import Iterator
from typing import Any

import pytest

from tests.monitoring.known import known_series
from tests.monitoring.promql import parse
from tests.monitoring.test_dashboards import DASHBOARDS

#: Named colours of Grafana's palette, and the theme's own.
_COLOURS = {"green", "orange", "red", "blue", "purple", "yellow", "text"}
_BUILT_IN = {"__rate_interval", "__all"}


def _schema() -> Any:
    try:
        from grafana_foundation_sdk.cog import plugins
        from grafana_foundation_sdk.models import dashboard
    except ImportError:
        assert os.environ.get("CI") != "true", "install tests/deploy/requirements.txt"
        pytest.skip("install tests/deploy/requirements.txt")
    plugins.register_default_plugins()
    return dashboard


def _as_grafana_has_it(document: dict[str, Any]) -> Any:
    return _schema().Dashboard.from_json(document)


def _again(model: Any) -> Any:
    from grafana_foundation_sdk.cog.encoder import JSONEncoder

    return json.loads(JSONEncoder().encode(model))


def _lost(ours: Any, theirs: Any, place: str = "") -> Iterator[str]:
    """The places of what is in one document and not, or otherwise, in the other."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key, value in ours.items():
            yield from _lost(value, theirs[key], f"{place}.{key}") if key in theirs else (f"{place}.{key}",)
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, pair in enumerate(zip(ours, theirs, strict=True)):
            yield from _lost(*pair, f"{place}[{index}]")
    elif ours != theirs:
        yield place


def _wrong(value: Any, hint: Any, place: str) -> Iterator[str]:
    """The places where a value is none that its annotation allows."""
    if isinstance(value, dict) and hasattr(hint, "from_json"):  # the types leave what is in some lists as it comes
        made = hint.from_json(value)
        yield from (f"{place}{lost} is not known" for lost in _lost(value, _again(made)))
        value = made
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint in (object, Any) or (value is None and type(None) in inner):
        fits = True
    elif origin in (typing.Union, types.UnionType):
        kinds = [one for one in inner if one is not type(None)]
        yield from min((list(_wrong(value, one, place)) for one in kinds), key=len)
        return
    elif origin is typing.Literal:
        fits = value in inner
    elif origin is list and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _wrong(item, inner[0], f"{place}[{index}]")
        fits = True
    elif origin is dict:
        fits = isinstance(value, dict)
    elif hint is float:
        fits = isinstance(value, int | float) and not isinstance(value, bool)
    elif isinstance(hint, type) and issubclass(hint, enum.Enum):
        fits = value in [one.value for one in hint]
    else:
        fits = isinstance(value, origin or hint)
    if not fits:
        yield f"{place}: {value!r} is not {hint}"
    elif type(value).__module__.startswith("grafana_foundation_sdk."):
        for name, inner_hint in typing.get_type_hints(type(value)).items():
            yield from _wrong(getattr(value, name), inner_hint, f"{place}.{name}")


def _panels(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = DASHBOARDS[name]["panels"]
    return found


@pytest.mark.parametrize("name", DASHBOARDS)
def test_grafana_knows_every_field(name: str) -> None:
    assert list(_lost(DASHBOARDS[name], _again(_as_grafana_has_it(DASHBOARDS[name])))) == []


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_value_is_one_that_its_field_may_have(name: str) -> None:
    model = _as_grafana_has_it(DASHBOARDS[name])
    assert list(_wrong(model, type(model), name)) == []


def test_a_field_or_a_value_that_grafana_does_not_know_is_found() -> None:
    document = json.loads(json.dumps(DASHBOARDS["opsd-fleet"]))
    graph = next(panel for panel in document["panels"] if panel["type"] == "timeseries")
    table = next(panel for panel in document["panels"] if panel["type"] == "table")
    table["transformations"][0]["kind"] = "organize"
    graph["options"]["legend"]["colour"] = "red"
    graph["fieldConfig"]["defaults"]["custom"]["stacking"]["mode"] = "sometimes"
    model = _as_grafana_has_it(document)
    assert [place.rpartition(".")[2] for place in _lost(document, _again(model))] == ["colour"]
    wrong = {place.rpartition("]")[2] for place in _wrong(model, type(model), "")}
    mode = ".field_config.defaults.custom.stacking.mode: 'sometimes' is not <enum 'StackingMode'>"
    assert wrong == {mode, ".kind is not known"}


@pytest.mark.parametrize("name", DASHBOARDS)
def test_units_are_grafanas(name: str) -> None:
    _schema()
    from grafana_foundation_sdk.models import units

    known = {unit for unit in vars(units).values() if isinstance(unit, str)}
    assert {panel["fieldConfig"]["defaults"]["unit"] for panel in _panels(name)} <= known


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_panel_has_a_number_of_its_own_and_tells_what_it_shows(name: str) -> None:
    numbers = [panel["id"] for panel in _panels(name)]
    assert len(set(numbers)) == len(numbers)
    assert [panel["title"] for panel in _panels(name) if not panel["description"]] == []
    for panel in _panels(name):
        letters = [target["refId"] for target in panel["targets"]]
        assert letters
        assert len(set(letters)) == len(letters)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_colours_are_grafanas_and_thresholds_rise(name: str) -> None:
    text = json.dumps(_panels(name))
    assert set(re.findall(r'"(?:fixedColor|color)": "([^"]+)"', text)) - {"value"} <= _COLOURS
    for panel in _panels(name):
        steps = [step["value"] for step in panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", [])]
        assert steps[:1] in ([], [None])
        assert steps[1:] == sorted(steps[1:])


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_legend_shows_labels_that_its_query_leaves(name: str) -> None:
    for panel in _panels(name):
        for target in panel["targets"]:
            selectors, grouped = parse(target["expr"])
            aggregated = re.search(r"\b(sum|max|min|count|avg)\b", target["expr"])
            left = grouped if aggregated else {label for one in selectors for label in known_series()[one.metric]}
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= left, panel["title"]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_variable_that_is_used_is_offered_and_the_other_way_round(name: str) -> None:
    variables = DASHBOARDS[name]["templating"]["list"]
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARDS[name])))
    assert used - _BUILT_IN == {variable["name"] for variable in variables}
    names = [variable["name"] for variable in variables]
    assert names[0] == "datasource"
    for index, variable in enumerate(variables[1:], 1):  # one that depends on another comes after it
        assert set(re.findall(r"\$(\w+)", variable["query"]["query"])) <= set(names[:index])


def test_titles_and_uids_are_the_dashboards_own() -> None:
    assert len({one["title"] for one in DASHBOARDS.values()}) == len(DASHBOARDS)
    assert all(re.fullmatch(r"[\w-]{1,40}", one["uid"]) for one in DASHBOARDS.values())
