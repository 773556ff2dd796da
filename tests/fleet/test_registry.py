"""The registry's loop entries: what is refused, with which words, and what comes out."""

from __future__ import annotations

from typing import Any

import pytest

from opsd.contract.errors import UsageError
from opsd.contract.reasons import TransportKind
from opsd.fleet.registry import LoopEntry, ObserveMode, load_registry, parse_registry
from tests.fleet.factories import NOW, registry


def bullets(document: Any) -> list[str]:
    with pytest.raises(UsageError) as refused:
        parse_registry(document, source="r.json", now=NOW)
    first, *rest = refused.value.message.split("\n")
    assert first == "invalid fleet registry: r.json"
    assert all(line.startswith(" - ") for line in rest)
    return [line.removeprefix(" - ") for line in rest]


def test_a_minimal_entry_takes_every_default() -> None:
    assert parse_registry(registry({"loopId": "a"}), source="r", now=NOW).loops == (LoopEntry("a"),)  # type: ignore[arg-type]


def test_a_service_entry_is_taken_over() -> None:
    (entry,) = parse_registry(
        registry(
            {
                "loopId": "a",
                "enabled": False,
                "transport": "sprite_service",
                "sprite": {"serviceBaseUrl": "http://b"},
                "service": {"tokenEnv": "T", "retryAttempts": 5, "retryBackoffSeconds": 0},
                "observe": "poll",
            }
        ),
        source="r",
        now=NOW,
    ).loops
    assert entry == LoopEntry(
        "a",  # type: ignore[arg-type]
        enabled=False,
        transport=TransportKind.SPRITE_SERVICE,
        base_url="http://b",
        token_env="T",
        retry_attempts=5,
        retry_backoff_s=0,
        observe=ObserveMode.POLL,
    )


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ([], ["registry must be an object"]),
        ({}, ['schemaVersion must be "v1"', "loops must be an array"]),
        (registry(), ["loops must include at least one loop entry"]),
        (registry({"loopId": "a"}, {"loopId": "a"}), ["loopId values must be unique"]),
        (registry({"loopId": "a"}, fleetId=5), ["fleetId must be a string when present"]),
        (registry(None), ["loops[0]: entry must be an object", "loops[0]: loopId must be a non-empty string"]),
        (registry({"loopId": "fleet"}), ["loops[0]: loopId must not be fleet"]),
        (registry({"loopId": ".."}), ["loops[0]: loopId must not be .."]),
        (
            registry({"loopId": "a\\b"}),
            ["loops[0]: loopId must not contain path separators or control characters"],
        ),
        (
            registry({"loopId": "a", "transport": "sprite_service", "service": {"baseUrl": ""}}),
            ["loops[0]: sprite_service loops require service.baseUrl or sprite.serviceBaseUrl"],
        ),
        (
            registry({"loopId": "a", "enabled": "no", "transport": "ssh", "service": {"retryAttempts": 0}}),
            [
                "loops[0]: enabled must be boolean when present",
                "loops[0]: transport must be local or sprite_service",
                "loops[0]: service.retryAttempts must be >= 1 when present",
            ],
        ),
        (
            registry({"loopId": "a", "sprite": [], "service": 5, "metadata": "x", "observe": "often"}),
            [
                "loops[0]: sprite must be an object when present",
                "loops[0]: service must be an object when present",
                "loops[0]: metadata must be an object when present",
                "loops[0]: observe must be auto, stream or poll when present",
            ],
        ),
    ],
)
def test_every_violation_has_its_bullet(document: Any, expected: list[str]) -> None:
    assert bullets(document) == expected


@pytest.mark.parametrize("data", [b"", b"{", b"{} {}", b"[" * 1000])
def test_what_is_not_one_document_is_told(data: bytes) -> None:
    with pytest.raises(UsageError, match=r"^invalid fleet registry JSON: r\.json$"):
        load_registry(data, source="r.json", now=NOW)


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(UsageError, match=r"^fleet registry file not found: r\.json$"):
        load_registry(None, source="r.json", now=NOW)


@pytest.mark.parametrize("field", ["retryAttempts", "retryBackoffSeconds"])
def test_a_fraction_passes_here_and_is_named_where_whole_numbers_are_needed(field: str) -> None:
    (entry,) = parse_registry(registry({"loopId": "a", "service": {field: 1.5}}), source="r", now=NOW).loops
    with pytest.raises(UsageError, match=rf"^service\.{field} must be"):
        entry.retries()


def test_whole_retries_are_taken_over() -> None:
    assert LoopEntry("a").retries() == (3, 1)  # type: ignore[arg-type]
