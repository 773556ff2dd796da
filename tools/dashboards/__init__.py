"""``deploy/grafana/dashboards/``: Grafana dashboards, one module each, with stable uids and no fixed data source."""

from __future__ import annotations

import json

from tools.dashboards import alerts, autonomy, daemon, fleet, loop, sprites

_MODULES = (fleet, loop, alerts, autonomy, daemon, sprites)


def dashboards() -> dict[str, str]:
    """File name to JSON text."""
    made = [module.dashboard() for module in _MODULES]
    return {f"{one['uid']}.json": json.dumps(one, indent=2, ensure_ascii=False) + "\n" for one in made}
