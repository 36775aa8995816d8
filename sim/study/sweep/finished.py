"""What a study gives back: how far it is while it runs, and its folder, dataset and charts when it is finished."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.results.polars_frames import polars_frame
from sim.results.shown import NOTEBOOK, STUDY_PLOTS, shown
from sim.study.sweep.folder import points_of

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from sim.report.study_plots import StudyPlots


@dataclass
class Progress:
    """How far a study is; ``points`` is 0 until all are ``checked``."""

    points: int
    checked: int = 0
    done: int = 0
    began_with: int = 0
    failed: int = 0
    refused: int = 0
    simulations: int = 0
    to_simulate: int = 0
    simulated: int = 0
    found: int = 0
    identical: int = 0
    seconds: float = 0.0
    workers: int = 1


@dataclass(frozen=True)
class StudyResults:
    """A finished study: its folder, its manifest (``study.json``), and how it went."""

    folder: Path
    study: dict[str, Any]
    progress: Progress

    def table(self) -> pa.Table:
        """The dataset, one row a point."""
        return points_of(self.folder, self.study)

    def frame(self) -> pd.DataFrame:
        """The dataset as a pandas frame."""
        frame: pd.DataFrame = self.table().to_pandas()
        return frame

    def polars(self) -> pl.DataFrame:
        """The dataset as a Polars frame. Raises ``RunError`` where Polars is not installed."""
        return polars_frame(self.table())

    @property
    def plot(self) -> StudyPlots:
        """Charts: ``study.plot.pareto()``, ``.effects()``, ``.heat()`` and ``.parallel()``, those of the study's page;
        each shows itself in a notebook, and saves itself as a page or as Vega-Lite.

        >>> import sim
        >>> axes = {"site.grid.intensity": ["30 gCO2e/kWh", "57 gCO2e/kWh"]}
        >>> study = sim.sweep({"name": "two grids", "base": "bloom-training", "axes": axes}, workers=1)
        >>> study.plot.effects("carbon_kg.total").title
        'What moves total carbon, kg'
        """
        plots: StudyPlots = shown(STUDY_PLOTS, "StudyPlots")(self)
        return plots

    def __repr__(self) -> str:
        return f"StudyResults({self.study['name']!r}, {self.study['points']} points)"

    def _repr_html_(self) -> str:
        """What Jupyter shows: how many points were done, and the first of them by carbon."""
        html: str = shown(NOTEBOOK, "study_html")(self)
        return html

    def as_dict(self) -> dict[str, Any]:
        """The manifest and how it went, for scripts."""
        return {**self.study, "session": session_of(self.progress)}


def session_of(progress: Progress) -> dict[str, Any]:
    """How a study went, as its folder keeps it."""
    return {
        "seconds": progress.seconds,
        "workers": progress.workers,
        "points": progress.points,
        "done_before": progress.began_with,
        "identical_points": progress.identical,
        "simulations_of_all_points": progress.simulations,
        "simulated": progress.simulated,
        "found_in_cache": progress.found,
    }
