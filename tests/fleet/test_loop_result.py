"""The result of one loop: what is decided before it runs, how its answer is read, what a failure is called."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsd.fleet.loop_answer import LoopAnswer, find_document, judge
from opsd.fleet.loop_result import LoopTime, excerpt, loop_job, loop_result, loop_trace_id

TIME = LoopTime(1_780_000_000.9, 1_780_000_002.1, 1.2)


def result(item: dict[str, Any], answer: LoopAnswer | None = None, env: dict[str, str] | None = None) -> Any:
    job = loop_job({"loopId": "a", **item}, "T", env or {})
    return loop_result("/r/", job, None if job.refusal else answer, TIME)


def refused(item: dict[str, Any], env: dict[str, str] | None = None) -> tuple[str, str]:
    found = result(item, LoopAnswer(True), env)
    return found["status"], found.get("reasonCode", "")


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({}, ("success", "")),
        ({"enabled": None}, ("success", "")),
        ({"enabled": False, "service": {"tokenEnv": "UNSET"}}, ("skipped", "loop_disabled")),
        ({"transport": "sprite_service", "service": {"tokenEnv": "UNSET"}}, ("failed", "missing_service_base_url")),
        ({"transport": "sprite_service", "service": {"baseUrl": ""}}, ("failed", "missing_service_base_url")),
        ({"transport": "sprite_service", "service": {"baseUrl": "http://x"}}, ("success", "")),
        ({"service": {"tokenEnv": "UNSET"}}, ("failed", "missing_service_token_env")),
        ({"service": {"tokenEnv": "EMPTY"}}, ("failed", "missing_service_token_env")),
        ({"service": {"tokenEnv": "no name\0=\ud800"}}, ("failed", "missing_service_token_env")),
        ({"service": {"tokenEnv": "SET"}}, ("success", "")),
        ({"service": {"tokenEnv": ""}}, ("success", "")),
    ],
)
def test_the_first_reason_not_to_try_counts(item: dict[str, Any], expected: tuple[str, str]) -> None:
    assert refused(item, {"SET": "x", "EMPTY": ""}) == expected


def test_a_result_holds_what_the_contract_names_in_its_order() -> None:
    document = {
        "health": {"status": "degraded", "reasonCodes": ["ingest_stale"]},
        "transition": {"currentState": "running"},
    }
    assert json.dumps(result({"sprite": {"id": "vm"}}, LoopAnswer(True, document))) == json.dumps(
        {
            "timestamp": "2026-05-28T20:26:42Z",
            "startedAt": "2026-05-28T20:26:40Z",
            "loopId": "a",
            "transport": "local",
            "enabled": True,
            "status": "success",
            "reconcileStatus": "success",
            "healthStatus": "degraded",
            "healthReasonCodes": ["ingest_stale"],
            "transitionState": "running",
            "durationSeconds": 1,
            "traceId": "T-a",
            "sprite": {"id": "vm"},
            "metadata": {},
            "files": {
                "stateFile": "/r/.superloop/ops-manager/a/state.json",
                "healthFile": "/r/.superloop/ops-manager/a/health.json",
                "cursorFile": "/r/.superloop/ops-manager/a/cursor.json",
                "reconcileTelemetryFile": "/r/.superloop/ops-manager/a/telemetry/reconcile.jsonl",
            },
        }
    )


@pytest.mark.parametrize("document", [None, [], 5, "x", {"health": []}, {"health": {"reasonCodes": "x"}}])
def test_a_success_that_says_nothing_of_health_is_unknown(document: Any) -> None:
    found = result({}, LoopAnswer(True, document))
    assert (found["status"], found["healthStatus"], found["healthReasonCodes"]) == ("success", "unknown", [])
    assert "transitionState" not in found


@pytest.mark.parametrize(
    ("stdout", "document"),
    [
        (b"", None),
        (b"\n \n", None),
        (b'{"a": 1}\n', {"a": 1}),
        (b'{\n "a": 1\n}\n', {"a": 1}),
        (b'warming up\n{"a": 1}\n\n  \n', {"a": 1}),
        (b'{"a": 1}\n{"a": 2}\n', {"a": 2}),
        (b'{"a": 1}\ndone\n', None),
        (b"5", 5),
    ],
)
def test_the_document_is_the_whole_or_the_last_line(stdout: bytes, document: Any) -> None:
    assert find_document(stdout) == document


@pytest.mark.parametrize(
    ("document", "output", "reason"),
    [
        ({"reasonCodes": ["reconcile_failed", "transport_unreachable"]}, "", "transport_unreachable"),
        ({"reasonCodes": ["projection_failed"], "transport": {"failureCode": "x"}}, "", "projection_failed"),
        (
            {"reasonCodes": [["x"], None], "transport": {"failureCode": "snapshot_unavailable"}},
            "",
            "transport_unreachable",
        ),
        ({"transport": {"failureCode": "service_response_invalid"}}, "", "invalid_transport_payload"),
        ({"transport": {"failureCode": "clock_skewed"}}, "", "clock_skewed"),
        ({"transport": {"failureCode": ""}}, "Missing Required Artifact", "missing_runtime_artifacts"),
        ([], "the events artifact", "missing_runtime_artifacts"),
        (None, "Connection Refused", "transport_unreachable"),
        (None, "INVALID\nwhatever\nJson", "invalid_transport_payload"),
        (None, "json is invalid", "reconcile_failed"),
        (None, "an invalid payload", "invalid_transport_payload"),
        (None, "", "reconcile_failed"),
    ],
)
def test_a_failure_is_called_by_its_document_else_by_its_words(document: Any, output: str, reason: str) -> None:
    assert judge(LoopAnswer(False, document, output)).reason == reason


def test_a_failures_health_is_what_it_printed() -> None:
    found = result(
        {}, LoopAnswer(False, {"status": "critical", "reasonCodes": ["x"], "transition": {"currentState": "y"}}, "z")
    )
    assert (found["healthStatus"], found["healthReasonCodes"], found["outputExcerpt"]) == ("critical", ["x"], "z ")
    assert "transitionState" not in found


def test_a_trace_id_keeps_the_fleets_part_and_cleans_the_loops() -> None:
    assert loop_trace_id("T/1 x", "c d") == "T/1 x-c-d"
    assert loop_trace_id("T", "é😀_1.2-Z") == "T---_1.2-Z"


@pytest.mark.parametrize(
    ("output", "expected"),
    [("", " "), ("\n\n", " "), ("a\r\n\tb\n\n", "a b "), ("  a", " a "), ("é" * 400, "é" * 300)],
)
def test_an_excerpt_is_one_line(output: str, expected: str) -> None:
    assert excerpt(output) == expected


@given(st.text(), st.text("ABCDEFGH", min_size=6))
def test_an_excerpt_fits_and_shows_no_token(output: str, token: str) -> None:
    shown = excerpt(f"{output}{token}{output}", token)
    assert len(shown.encode()) <= 600
    assert token not in shown


def test_a_token_is_hidden_also_inside_json() -> None:
    assert excerpt(json.dumps({"t": 'a"bcd'}), 'a"bcd') == '{"t": "[redacted]"} '
    assert "s3cret" not in repr(loop_job({"loopId": "a", "service": {"tokenEnv": "T"}}, "t", {"T": "s3cret"}))
