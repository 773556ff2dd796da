"""The catalog of threshold profiles, as ``opsd threshold-profile`` shows it. Blocking."""

from __future__ import annotations

from opsd import compose
from opsd.api.failure import ApiError, ErrorCode
from opsd.contract.jsoncodec import JsonObject
from opsd.loop.thresholds import check_catalog


def profiles(path: str | None) -> JsonObject:
    """The names of the catalog's profiles, and the one that is its default.

    Raises:
        OpsError: the catalog or its default cannot be used.
    """
    names = sorted(check_catalog(compose.threshold_catalog(path)))
    return {"profiles": [*names], "default": compose.threshold_profile(path, None)}


def profile(path: str | None, name: str) -> JsonObject:
    """One profile.

    Raises:
        ApiError: there is none of this name.
        OpsError: it or the catalog cannot be used.
    """
    if check_catalog(compose.threshold_catalog(path)).get(name) is None:
        raise ApiError(ErrorCode.NOT_FOUND, f"unknown threshold profile: {name}")
    return compose.threshold_profile(path, name)
