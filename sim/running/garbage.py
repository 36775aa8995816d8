"""Python's collector of garbage, told to look less often while something makes many objects that all stay."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

AFTER = 50_000
"""Objects made before the collector looks again. Python's own choice is 700: nearly all that a world makes stays until
its end, and is not worth looking through that often."""


@contextmanager
def collected_seldom() -> Iterator[None]:
    """While this lasts; whoever has chosen to collect more seldom still, or never, has their way."""
    before = gc.get_threshold()
    if 0 < before[0] < AFTER:
        gc.set_threshold(AFTER, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
