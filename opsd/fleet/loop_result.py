"""The result of one loop in a fleet's pass, and the decision that comes before it runs (contract 60, 3.3 and 3.6)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from opsd.contract.jsoncodec import JsonObject
from opsd.contract.reasons import TransportKind
from opsd.contract.secrets import mask, secret_forms
from opsd.contract.timestamps import format_utc
from opsd.contract.values import absent, as_object, compact_text, drop_null, first_present
from opsd.fleet.loop_answer import LoopAnswer, LoopReason, LoopVerdict, judge

_EXCERPT_BYTES = 600
_BLANKS = re.compile("[ \t\n\v\f\r]+")
_NOT_IN_TRACE = re.compile("[^A-Za-z0-9._-]")


class LoopStatus(StrEnum):
    """What became of a loop in a fleet's pass."""

    SUCCESS = "success"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class LoopJob:
    """One loop of a normalized registry, ready to be reconciled; the registry may be a program's, and sparse.

    Attributes:
        refusal: why it is not even tried; None when it is.
        retry_attempts, retry_backoff: as text for a command line, whatever the registry holds.
        token: the secret itself, which nothing shows.
    """

    item: JsonObject
    loop_id: str
    transport: str
    trace_id: str
    refusal: LoopReason | None
    base_url: str
    retry_attempts: str
    retry_backoff: str
    token: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class LoopTime:
    """When a loop's work began and ended, in seconds since 1970, and how long it took by a clock that never jumps."""

    started_at: float
    ended_at: float
    duration_s: float


def loop_trace_id(fleet_trace_id: str, loop_id: str) -> str:
    """The trace id of a loop's pass; the fleet's part is left as it is (weakness 20)."""
    return f"{fleet_trace_id}-{_NOT_IN_TRACE.sub('-', loop_id)}"


def loop_job(item: JsonObject, fleet_trace_id: str, env: Mapping[str, str]) -> LoopJob:
    """What is to be done for one item of a normalized registry; tokens come from ``env`` and from nowhere else."""
    service = as_object(item.get("service"))
    transport = _text(first_present(item.get("transport"), TransportKind.LOCAL.value))
    base_url, token_env = (_text(first_present(service.get(key), "")) for key in ("baseUrl", "tokenEnv"))
    token = (env.get(token_env) or None) if token_env else None
    refusal = None
    if item.get("enabled") is False:
        refusal = LoopReason.DISABLED
    elif transport == TransportKind.SPRITE_SERVICE and not base_url:
        refusal = LoopReason.NO_BASE_URL
    elif token_env and token is None:
        refusal = LoopReason.NO_TOKEN
    return LoopJob(
        item=item,
        loop_id=item["loopId"],
        transport=transport,
        trace_id=loop_trace_id(fleet_trace_id, item["loopId"]),
        refusal=refusal,
        base_url=base_url,
        retry_attempts=_text(first_present(service.get("retryAttempts"), 3)),
        retry_backoff=_text(first_present(service.get("retryBackoffSeconds"), 1)),
        token=token,
    )


def loop_result(repo: str, job: LoopJob, answer: LoopAnswer | None, time: LoopTime) -> JsonObject:
    """The result object; ``answer`` is None for a loop that was not tried."""
    if answer is None:
        skipped = job.refusal is LoopReason.DISABLED
        status = LoopStatus.SKIPPED if skipped else LoopStatus.FAILED
        verdict, output = LoopVerdict(job.refusal and job.refusal.value, "unknown", []), ""
    else:
        status = LoopStatus.SUCCESS if answer.succeeded else LoopStatus.FAILED
        verdict, output = judge(answer), answer.output
    folder = f"{repo.rstrip('/')}/.superloop/ops-manager/{job.loop_id}"
    return drop_null(
        {
            "timestamp": format_utc(time.ended_at),
            "startedAt": format_utc(time.started_at),
            "loopId": job.loop_id,
            "transport": job.transport,
            "enabled": job.item.get("enabled") is not False,
            "status": status.value,
            "reasonCode": verdict.reason,
            "reconcileStatus": status.value,
            "healthStatus": verdict.health,
            "healthReasonCodes": verdict.health_reasons,
            "transitionState": verdict.state,
            "durationSeconds": max(0, int(time.duration_s)),
            "traceId": job.trace_id,
            "outputExcerpt": None if status is LoopStatus.SUCCESS else excerpt(output, job.token),
            "sprite": as_object(job.item.get("sprite")),
            "metadata": as_object(job.item.get("metadata")),
            "files": {
                "stateFile": f"{folder}/state.json",
                "healthFile": f"{folder}/health.json",
                "cursorFile": f"{folder}/cursor.json",
                "reconcileTelemetryFile": f"{folder}/telemetry/reconcile.jsonl",
            },
        }
    )


def excerpt(output: str, token: str | None = None) -> str:
    """The beginning of an output on one line, without the token; one blank for no output."""
    text = output.rstrip("\n") + "\n"
    if token:
        text = mask(text, secret_forms(token) or (token,))
    return _BLANKS.sub(" ", text).encode("utf-8", "replace")[:_EXCERPT_BYTES].decode("utf-8", "ignore")


def _text(value: Any) -> str:
    return "" if absent(value) else compact_text(value)
