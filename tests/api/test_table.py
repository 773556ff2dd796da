"""Table of routes, document and application: none knows a route that another does not."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest
from aiohttp import web
from openapi_spec_validator import OpenAPIV31SpecValidator

from opsd.api.failure import ERRORS, ErrorCode
from opsd.api.models.loops import State
from opsd.api.openapi import openapi_document
from opsd.api.route import PREFIX
from opsd.api.table import ROUTES, control_api
from opsd.contract.reasons import RunStatus
from opsd.supervisor.redaction import redact
from tests.api.world import ApiWorld


def application() -> tuple[web.Application, dict[str, Any]]:
    app = web.Application()
    gate: Any = SimpleNamespace(principals=lambda: 0)
    api = control_api(None, gate)  # type: ignore[arg-type]
    api.mount(app)
    return app, api.document


def test_every_route_of_the_application_is_in_the_document_and_the_other_way_round() -> None:
    app, document = application()
    served = {
        (route.method.lower(), route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    listed = {(method, path) for path, operations in document["paths"].items() for method in operations}
    assert served == listed


async def test_the_running_daemon_serves_nothing_below_the_prefix_that_the_document_lacks(tmp_path: Path) -> None:
    world = ApiWorld(tmp_path, "alpha")
    async with world.running() as running:
        status, document = await running.json(f"{PREFIX}/openapi.json")
    assert status == 200
    assert document["paths"].keys() == application()[1]["paths"].keys()


def test_the_document_is_valid_openapi() -> None:
    OpenAPIV31SpecValidator(application()[1]).validate()


def test_operations_have_names_of_their_own_and_every_change_needs_a_scope() -> None:
    assert len({route.name for route in ROUTES}) == len(ROUTES)
    assert all(route.scope is not None for route in ROUTES)
    assert all(route.scope != "read" for route in ROUTES if route.mutates)
    assert all(route.body is not None for route in ROUTES if route.mutates)


def test_what_a_path_names_hides_nothing_in_the_log_the_audit_or_the_feed() -> None:
    """They carry a path's parameters under the same names, beside who asked and what for; and `token` is masked."""
    taken = {"action", "principal", "credential", "trace", "status", "code", "event", "level", "timestamp"}
    for route in ROUTES:
        for name in re.findall(r"\{(\w+)\}", route.path):
            assert name not in taken, route.name
            assert redact.value({name: "x"}) == {name: "x"}, route.name


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_every_error_that_a_route_may_answer_is_documented(route: Any) -> None:
    operation = openapi_document([route])["paths"][route.full_path][route.method.lower()]
    for code in route.errors:
        assert f"`{code.value}`" in operation["responses"][str(ERRORS[code][0])]["description"]


def test_models_say_of_every_field_what_it_is() -> None:
    for name, schema in application()[1]["components"]["schemas"].items():
        for field, described in schema.get("properties", {}).items():
            assert name == "Error" or described.get("description"), f"{name}.{field}"


def test_every_number_of_a_query_has_its_bounds_in_the_document() -> None:
    for operations in application()[1]["paths"].values():
        for operation in operations.values():
            for one in operation["parameters"]:
                if one["schema"].get("type") == "integer":
                    assert {"minimum", "maximum"} <= one["schema"].keys(), one["name"]


def test_the_reference_is_what_the_table_says() -> None:
    from opsd.api.reference import reference

    page = Path(__file__).parents[2] / "docs" / "api.md"
    shown = page.read_text()
    assert reference(application()[1]) in shown, "write it anew: python -m opsd.api.reference --write"
    for code in ErrorCode:
        assert re.search(rf"`{code.value}`", shown)


def test_loops_are_listed_by_every_state_that_the_contract_knows() -> None:
    assert get_args(State) == tuple(RunStatus)
