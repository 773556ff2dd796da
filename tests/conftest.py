"""What holds for all tests."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# A busy machine is no reason to fail: nothing here asserts how long something takes, also not Hypothesis. The cases are
# the same in every run, so that a change is judged by itself; OPSD_PROPERTY_RANDOM=1 looks at others each time.
settings.register_profile(
    "patient",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="OPSD_PROPERTY_RANDOM" not in os.environ,
)
settings.load_profile("patient")
