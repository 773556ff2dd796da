"""The service's OpenAPI document: valid, and about exactly the paths that are answered."""

from __future__ import annotations

from pathlib import Path

from openapi_spec_validator import OpenAPIV31SpecValidator

from sprite_service.app import Service
from sprite_service.config import Config
from sprite_service.openapi import openapi_document


def test_the_document_is_valid() -> None:
    OpenAPIV31SpecValidator(openapi_document()).validate()


def test_the_document_lists_exactly_what_is_answered(tmp_path: Path) -> None:
    assert openapi_document()["paths"].keys() == Service(Config(str(tmp_path))).paths
