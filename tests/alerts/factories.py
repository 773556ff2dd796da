"""Small builders of what the stages of delivery speak about."""

from __future__ import annotations

from collections.abc import Collection

from opsd.alerts.model import (
    AttemptResult,
    Environment,
    HttpAnswer,
    Notification,
    RateRules,
    ResolvedSink,
    SinkRequest,
    SinkRules,
)
from opsd.contract.jsoncodec import JsonObject

SUCCESS = AttemptResult(succeeded=True, http_status=200)


def http_error(status: int = 500, *, pause_s: float = 0.0, closes: bool = False) -> AttemptResult:
    """A judged answer that is no success."""
    retryable = status in (408, 425, 429) or status >= 500
    return AttemptResult(False, "http_error", status, "why", retryable, pause_s, closes)


def sink(name: str = "wh", **config: object) -> ResolvedSink:
    """An enabled sink."""
    refs: JsonObject = {"urlEnv": "URL"}
    return ResolvedSink(name, "webhook", 5.0, {"id": name}, refs, dict(config), SinkRules(rate=RateRules(1, 3)))


class FakeSinkType:
    """A sink type of which a test needs only the judgement of answers."""

    name = "fake"
    default_rate = RateRules(10, 20)

    def __init__(self, closing: Collection[int] = ()) -> None:
        self._closing = closing

    def is_valid(self, config: JsonObject) -> bool:
        return True

    def secret_refs(self, config: JsonObject) -> JsonObject:
        return {}

    def shown_config(self, config: JsonObject) -> JsonObject:
        return {}

    def target(self, sink: ResolvedSink, env: Environment) -> str | None:
        return None

    def request(self, notification: Notification, sink: ResolvedSink, env: Environment, *, now: float) -> SinkRequest:
        raise NotImplementedError

    def closes_target(self, answer: HttpAnswer) -> bool:
        return answer.status in self._closing
