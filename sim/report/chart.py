"""What a chart is, before anything draws it: a Vega-Lite specification, and the same numbers as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Chart:
    """One picture of a run or a study.

    ``name`` is its anchor in a page (``[a-z0-9-]+``), ``title`` stands above it, ``alt`` says in a sentence what it
    shows, for who cannot see it. ``spec`` is plain data: a Vega-Lite 6 specification whose rows stand in it, with no
    address to load from and no expression built from names that a user gave. ``header`` and ``rows`` are what it draws,
    as text, for the table behind it.
    """

    name: str
    title: str
    alt: str
    spec: dict[str, Any]
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
