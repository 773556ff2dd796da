"""What a silence or an inhibition speaks of: matchers over the labels of a row (contract 50, R13 and R14).

A label may have several values (a row has several reason codes): a matcher that wants equality holds when any of
them fits, its negation when none does. A missing label equals an empty one. Regular expressions are anchored at both
ends, and none that could be tried for long is taken (:mod:`opsd.alerts.muting.patterns`). Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from opsd.alerts.checks import known_object
from opsd.alerts.muting import patterns
from opsd.contract.errors import UsageError
from opsd.contract.jsoncodec import JsonObject, JsonValue

#: What a matcher may look at.
LABEL_NAMES = ("loopId", "category", "severity", "transport", "reasonCode", "sinkId")

#: Label name -> its values; none is the same as one that is empty.
Labels = Mapping[str, tuple[str, ...]]

_MAX_VALUE_CHARS = 1024
_KEYS = frozenset(("name", "value", "isRegex", "isEqual"))
#: (is_regex, is_equal) -> how a person writes it.
_SIGNS = {(False, True): "=", (False, False): "!=", (True, True): "=~", (True, False): "!~"}
_TEXT = re.compile(r"(\w+)(=~|!~|!=|=)(.*)", re.DOTALL | re.ASCII)


class Matcher(NamedTuple):
    """One condition on one label."""

    name: str
    value: str
    is_regex: bool = False
    is_equal: bool = True

    def __str__(self) -> str:
        """As a person writes it: ``category=~health_.*``."""
        return f"{self.name}{_SIGNS[self.is_regex, self.is_equal]}{self.value}"

    def as_json(self) -> JsonObject:
        """The contract's object, in its key order."""
        return {"name": self.name, "value": self.value, "isRegex": self.is_regex, "isEqual": self.is_equal}

    def holds(self, labels: Labels) -> bool:
        """Whether the labels are as this matcher wants them."""
        return any(map(self._fits, values_of(labels, self.name))) is self.is_equal

    def _fits(self, text: str) -> bool:
        return patterns.fits(self.value, text) if self.is_regex else text == self.value


def matches(matchers: Sequence[Matcher], labels: Labels) -> bool:
    """Whether every matcher holds."""
    return all(matcher.holds(labels) for matcher in matchers)


def values_of(labels: Labels, name: str) -> tuple[str, ...]:
    """The values of a label; a missing one has one that is empty."""
    return labels.get(name) or ("",)


def parse_matchers(value: JsonValue, where: str) -> tuple[Matcher, ...]:
    """The matchers of a document; ``where`` names their place in it for a person.

    ``isRegex`` may be left out for false, ``isEqual`` for true.

    Raises:
        UsageError: no list of at least one good matcher.
    """
    if not isinstance(value, list) or not value:
        raise UsageError(f"{where} must be a list of at least one matcher")
    return tuple(_parse(item, f"{where}[{index}]") for index, item in enumerate(value))


def parse_matcher_text(text: str) -> Matcher:
    """The matcher in ``name=value``, ``name!=value``, ``name=~regex`` or ``name!~regex``.

    Raises:
        UsageError: it is none.
    """
    found = _TEXT.fullmatch(text)
    if found is None:
        raise UsageError(f"a matcher is name=value, name!=value, name=~regex or name!~regex, not: {text}")
    name, sign, value = found.groups()
    return _checked(Matcher(name, value, is_regex=sign[-1] == "~", is_equal=sign[0] == "="), f"matcher {text}")


def _parse(item: JsonValue, where: str) -> Matcher:
    item = known_object(item, where, _KEYS)
    name, value = item.get("name"), item.get("value")
    if not isinstance(name, str) or not isinstance(value, str):
        raise UsageError(f"{where} needs a name and a value, both texts")
    is_regex, is_equal = item.get("isRegex", False), item.get("isEqual", True)
    if not isinstance(is_regex, bool) or not isinstance(is_equal, bool):
        raise UsageError(f"{where}: isRegex and isEqual must be true or false")
    return _checked(Matcher(name, value, is_regex, is_equal), where)


def _checked(matcher: Matcher, where: str) -> Matcher:
    if matcher.name not in LABEL_NAMES:
        raise UsageError(f"{where}: name must be one of: {', '.join(LABEL_NAMES)}")
    if len(matcher.value) > _MAX_VALUE_CHARS:
        raise UsageError(f"{where}: value is longer than {_MAX_VALUE_CHARS} characters")
    if matcher.is_regex:
        try:
            patterns.compiled(matcher.value)
        except ValueError as error:
            raise UsageError(f"{where}: not a regular expression that can be used: {error}") from None
    return matcher
