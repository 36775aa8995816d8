"""What a chart is, before anything draws it: a Vega-Lite specification, and the same numbers as a table."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
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
    spec: dict[str, Any] = field(repr=False)
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...] = field(repr=False)
    note: str = ""

    def save(self, path: str | Path) -> None:
        """Writes the chart: ``.html`` is a page that holds all it needs, with a table of its numbers; ``.json`` is
        Vega-Lite, which editors, slides and Altair read, with the colours of the light page.

        Raises ``ValueError`` for another suffix, ``InputError`` where the file is somebody else's.

        >>> import json, sim, tempfile
        >>> file = Path(tempfile.mkdtemp()) / "carbon.json"
        >>> sim.run("bloom-training").plot.carbon().save(file)
        >>> json.loads(file.read_text())["$schema"]
        'https://vega.github.io/schema/vega-lite/v6.json'
        """
        from sim.report.notebook import save

        save(self, Path(path))

    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> dict[str, Any]:
        """What Jupyter shows: the chart as a page in a frame, or as Vega-Lite where it draws that itself."""
        from sim.report.notebook import chart_bundle

        return chart_bundle(self, include, exclude)
