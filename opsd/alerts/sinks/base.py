"""What a sink type is: one module each beside this one, registered in :mod:`opsd.alerts.sinks`."""

from __future__ import annotations

import re
from typing import Protocol

from opsd.alerts.model import Environment, HttpAnswer, Notification, RateRules, ResolvedSink, SinkRequest
from opsd.contract.errors import OpsError
from opsd.contract.jsoncodec import JsonObject, JsonValue

_ENV_NAME = re.compile(r"[A-Z_][A-Z0-9_]*", re.ASCII)


class MissingSecretError(OpsError):
    """The variable that holds a sink's address or key is unset or empty; the message is the contract's (50, 5.1)."""

    default_code = "missing_secret"


def is_absent(value: JsonValue) -> bool:
    """Whether a setting counts as not given: absent, null or false (50, section 1)."""
    return value is None or value is False


def is_env_name(value: JsonValue) -> bool:
    """Whether this is the name of a variable, in full (50, W21)."""
    return isinstance(value, str) and _ENV_NAME.fullmatch(value) is not None


def is_optional_env_name(value: JsonValue) -> bool:
    """:func:`is_env_name`, or nothing."""
    return is_absent(value) or is_env_name(value)


class SinkType(Protocol):
    """Everything that is particular about one kind of receiver. All of it is pure."""

    name: str
    default_rate: RateRules
    #: Keys of ``secret_refs`` whose variables may be unset: an old secret that is there only while it is replaced.
    optional_secret_refs: frozenset[str]
    #: Every dedup key that was triggered has to be resolved; other kinds are told of an end once (R8).
    resolves_by_key: bool
    #: It forgets what it is not told again and again (R17).
    forgets: bool

    def is_valid(self, config: JsonObject) -> bool:
        """Whether a catalog entry of this type is valid beyond what all types share (50, 2.3, pass 2)."""
        ...

    def secret_refs(self, config: JsonObject) -> JsonObject:
        """Names of the variables that hold its secrets (50, 3.3)."""
        ...

    def shown_config(self, config: JsonObject) -> JsonObject:
        """``config`` of the resolver's sink object (50, 3.4)."""
        ...

    def target(self, sink: ResolvedSink, env: Environment) -> str | None:
        """The secret that names the receiver; None when it is unset. What rate limits and breakers share (50, R9)."""
        ...

    def request(self, notification: Notification, sink: ResolvedSink, env: Environment, *, now: float) -> SinkRequest:
        """What to send; ``now`` in seconds since 1970.

        Raises:
            MissingSecretError: its address or key is unset.
        """
        ...

    def closes_target(self, answer: HttpAnswer) -> bool:
        """Whether this answer means that nothing will get through until somebody changes something (50, R10)."""
        ...
