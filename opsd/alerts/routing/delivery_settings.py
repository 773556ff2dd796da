"""The optional delivery file: what holds for all sinks, and per category (contract 50, 12.3 (b), R7 and R14 to R16).

::

    {
      "schemaVersion": "v1",
      "inhibitRules": [{"source": [matcher, ...], "target": [matcher, ...], "equal": ["loopId"]}],
      "repeatIntervalSeconds": 0,
      "coalesceSeconds": 0,
      "resolveAfterSeconds": 0,
      "routes": {
        "<category>": {
          "group": {"by": ["loopId", "category"], "waitSeconds": 30, "intervalSeconds": 300},
          "repeatIntervalSeconds": 3600, "coalesceSeconds": 60, "resolveAfterSeconds": 0
        }
      }
    }

Every key is optional. The three numbers at the top hold for every category whose own entry does not name another; 0
means never. A category without ``group`` is told row by row. A key that is not known is refused: a misspelt setting
would be a setting that silently does not hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from opsd.alerts.checks import known_object
from opsd.alerts.muting.inhibition import InhibitRule, parse_inhibit_rules
from opsd.alerts.muting.matchers import LABEL_NAMES
from opsd.contract.errors import UsageError
from opsd.contract.jsoncodec import JsonObject, JsonValue

_TIMES = ("repeatIntervalSeconds", "coalesceSeconds", "resolveAfterSeconds")
_MAX_SECONDS = 366 * 86400.0


@dataclass(frozen=True, slots=True)
class GroupRules:
    """Rows that agree in the labels ``by`` are told together (R15); times in seconds.

    ``wait_s``: before the first notification of a group. ``interval_s``: between two of them.
    """

    by: tuple[str, ...] = ("loopId", "category")
    wait_s: float = 30.0
    interval_s: float = 300.0


@dataclass(frozen=True, slots=True)
class CategoryRules:
    """How rows of one category are told; times in seconds, 0 is never.

    Args:
        group: None tells every row by itself.
        repeat_interval_s: an open incident is told again after this time (R16).
        coalesce_s: an equal row of an open incident within this time is not told (R16).
        resolve_after_s: an incident without a new row for this time is over, where nothing else says so (R7).
    """

    group: GroupRules | None = None
    repeat_interval_s: float = 0.0
    coalesce_s: float = 0.0
    resolve_after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """The delivery file. The defaults are those of a manager without one."""

    inhibit_rules: tuple[InhibitRule, ...] = ()
    defaults: CategoryRules = CategoryRules()
    categories: Mapping[str, CategoryRules] = field(default_factory=dict)

    def of(self, category: str) -> CategoryRules:
        """The rules of one category."""
        return self.categories.get(category, self.defaults)


def parse_delivery_settings(document: JsonValue, *, source_file: str) -> DeliverySettings:
    """The settings in ``document``.

    Raises:
        UsageError: ``invalid alert delivery config: <file>: <field> ...``.
    """
    try:
        return _settings(document)
    except UsageError as error:
        raise UsageError(f"invalid alert delivery config: {source_file}: {error.message}") from None


def _settings(document: JsonValue) -> DeliverySettings:
    root = known_object(document, "the document", {"schemaVersion", "inhibitRules", "routes", *_TIMES})
    if root.get("schemaVersion", "v1") != "v1":
        raise UsageError('schemaVersion must be "v1"')
    routes = root.get("routes")
    if routes is not None and not isinstance(routes, dict):
        raise UsageError("routes must be an object")
    defaults = _category_rules(root, "", CategoryRules())
    return DeliverySettings(
        inhibit_rules=parse_inhibit_rules(root.get("inhibitRules")),
        defaults=defaults,
        categories={
            category: _category(entry, f"routes.{category}", defaults) for category, entry in (routes or {}).items()
        },
    )


def _category(entry: JsonValue, where: str, defaults: CategoryRules) -> CategoryRules:
    given = known_object(entry, where, {"group", *_TIMES})
    return _category_rules(given, f"{where}.", defaults, _group(given.get("group"), f"{where}.group"))


def _category_rules(
    given: JsonObject, prefix: str, defaults: CategoryRules, group: GroupRules | None = None
) -> CategoryRules:
    return CategoryRules(
        group=group,
        repeat_interval_s=_seconds(given, "repeatIntervalSeconds", prefix, defaults.repeat_interval_s),
        coalesce_s=_seconds(given, "coalesceSeconds", prefix, defaults.coalesce_s),
        resolve_after_s=_seconds(given, "resolveAfterSeconds", prefix, defaults.resolve_after_s),
    )


def _group(value: JsonValue, where: str) -> GroupRules | None:
    if value is None:
        return None
    given, default = known_object(value, where, {"by", "waitSeconds", "intervalSeconds"}), GroupRules()
    by = given.get("by")
    return GroupRules(
        by=default.by if by is None else _labels(by, f"{where}.by"),
        wait_s=_seconds(given, "waitSeconds", f"{where}.", default.wait_s),
        interval_s=_seconds(given, "intervalSeconds", f"{where}.", default.interval_s),
    )


def _labels(value: JsonValue, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) and name in LABEL_NAMES for name in value):
        raise UsageError(f"{where} must be a list of names among: {', '.join(LABEL_NAMES)}")
    return tuple(dict.fromkeys(value))


def _seconds(given: JsonObject, key: str, prefix: str, default: float) -> float:
    value = given.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _MAX_SECONDS:
        raise UsageError(f"{prefix}{key} must be a number of seconds, 0 or more, at most a year")
    return float(value)
