"""An open incident may mute others: its receivers know already (contract 50, R14). Pure.

The rule that the documentation offers: an open ``health_critical`` mutes ``health_degraded`` of the same loop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from opsd.alerts.checks import known_object
from opsd.alerts.muting.matchers import LABEL_NAMES, Labels, Matcher, matches, parse_matchers, values_of
from opsd.contract.errors import UsageError
from opsd.contract.jsoncodec import JsonValue

_KEYS = frozenset(("source", "target", "equal"))
_MAX_RULES = 1000


@dataclass(frozen=True, slots=True)
class InhibitRule:
    """While an incident that ``source`` describes is open, what ``target`` describes is muted, provided that both
    agree in every label of ``equal``.
    """

    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...] = ()


def parse_inhibit_rules(value: JsonValue, where: str = "inhibitRules") -> tuple[InhibitRule, ...]:
    """The rules of a delivery file; none when ``value`` is null.

    Raises:
        UsageError: they are not as they have to be; the message begins with their place.
    """
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > _MAX_RULES:
        raise UsageError(f"{where} must be a list of at most {_MAX_RULES} rules")
    return tuple(_parse(item, f"{where}[{index}]") for index, item in enumerate(value))


def inhibiting(rules: Sequence[InhibitRule], labels: Labels, incidents: Mapping[str, Labels]) -> str | None:
    """The key of the first open incident that mutes a row with ``labels``; None when it is told.

    A row that both sides of a rule describe is not muted by an incident that both sides describe, above all not by
    its own; otherwise two of them would mute each other.
    """
    for rule in rules:
        if not matches(rule.target, labels):
            continue
        two_sided = matches(rule.source, labels)
        for key, source in incidents.items():
            if (
                matches(rule.source, source)
                and not (two_sided and matches(rule.target, source))
                and all(set(values_of(source, name)) == set(values_of(labels, name)) for name in rule.equal)
            ):
                return key
    return None


def _parse(item: JsonValue, where: str) -> InhibitRule:
    item = known_object(item, where, _KEYS)
    equal = item.get("equal", [])
    if not isinstance(equal, list) or not all(isinstance(name, str) and name in LABEL_NAMES for name in equal):
        raise UsageError(f"{where}.equal must be a list of: {', '.join(LABEL_NAMES)}")
    return InhibitRule(
        source=parse_matchers(item.get("source"), f"{where}.source"),
        target=parse_matchers(item.get("target"), f"{where}.target"),
        equal=tuple(equal),
    )
