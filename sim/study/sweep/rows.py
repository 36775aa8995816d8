"""What became of a point: its row, and the words for how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DONE, FAILED, TIMED_OUT, OUT_OF_MEMORY = "done", "failed", "timed-out", "out-of-memory"
REFUSED = "refused"
"""Of a point that no scenario can be."""


@dataclass(frozen=True)
class Row:
    """One point as it came out; ``values`` is its summary, flat, by dotted path, without what its task shares."""

    index: int
    status: str
    error: str | None
    values: Mapping[str, Any]
