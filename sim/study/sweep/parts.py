"""Names of the files that hold the rows of a study."""

from __future__ import annotations

import re

POINTS = "points"
"""Their folder, in that of the study."""


def part_name(number: int) -> str:
    """Name of a part's file."""
    return f"part-{number:05d}.parquet"


def is_part(name: str) -> bool:
    """Whether ``part_name`` gives such a name."""
    return re.fullmatch(r"part-\d{5,9}\.parquet", name) is not None
