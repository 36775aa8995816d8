"""How often a proof is repeated that has seen nearly all it will after a few: so often in CI, and more each night."""

from __future__ import annotations

import os


def repeats(ci: int, *, nightly: int) -> int:
    """One of both, by the profile of Hypothesis that is asked for."""
    return nightly if os.environ.get("HYPOTHESIS_PROFILE") == "nightly" else ci
