"""Set how long hypothesis looks: few examples, always the same, in the default tests; many others by `make fuzz`."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

LONG = os.environ.get("AKIN_FUZZ") == "long"
_COMMON = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None, "print_blob": True}


def examples(short: int, long: int, steps: int = 10) -> settings:
    """Return the settings of a test with these numbers of examples, and of steps of a stateful one."""
    if LONG:
        return settings(max_examples=long, stateful_step_count=3 * steps, **_COMMON)  # type: ignore[arg-type]
    return settings(max_examples=short, stateful_step_count=steps, derandomize=True, **_COMMON)  # type: ignore[arg-type]
