"""The tables of a run as Polars frames, from the same Arrow tables as pandas' and under the same names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sim.errors import RunError

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

    from sim.results.results import Results


def polars_frame(table: pa.Table) -> pl.DataFrame:
    """An Arrow table as a Polars frame, sharing its memory where Polars can.

    Raises ``RunError`` where Polars is not installed.

    >>> import pyarrow as pa
    >>> polars_frame(pa.table({"w": [1.0, 2.0]})).to_dict(as_series=False)
    {'w': [1.0, 2.0]}
    """
    try:
        import polars as pl
    except ImportError:
        raise RunError("Polars frames need Polars: pip install 'coldaisle[polars]'") from None
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


@dataclass(frozen=True, eq=False)
class PolarsFrames:
    """``results.polars``: rows, columns, units and errors are those of the method of the same name of ``Results``.

    >>> import sim
    >>> frame = sim.run("bloom-training-physical").polars.ledger()
    >>> round(frame["energy_j"].sum() / 3.6e6)  # kWh
    461040
    """

    results: Results

    def ledger(self) -> pl.DataFrame:
        """Where every joule went, one row per time bin and key."""
        return polars_frame(self.results.table("ledger"))

    def jobs(self) -> pl.DataFrame:
        """One row a job."""
        return polars_frame(self.results.table("jobs"))

    def trials(self) -> pl.DataFrame:
        """One row a trial of a campaign."""
        return polars_frame(self.results.table("trials"))

    def stints(self) -> pl.DataFrame:
        """One row each time a job held something."""
        return polars_frame(self.results.table("stints"))

    def cluster(self) -> pl.DataFrame:
        """One row a time bin of each series of a cluster of jobs."""
        return polars_frame(self.results.table("cluster"))

    def iterations(self) -> pl.DataFrame:
        """One row an iteration of a replica of a service."""
        return polars_frame(self.results.table("iterations"))

    def job_energy(self) -> pl.DataFrame:
        """One row for each job as a row and time bin."""
        return polars_frame(self.results.table("job_energy"))

    def attribution(self) -> pl.DataFrame:
        """One row a job as a row: what it answers for."""
        return polars_frame(self.results.table("attribution"))

    def requests(self) -> pl.DataFrame:
        """One row a finished request."""
        return polars_frame(self.results.table("requests"))

    def draws(self) -> pl.DataFrame:
        """One row a draw and seed of an uncertain scenario."""
        return polars_frame(self.results.table("draws"))

    def power_trace(self) -> pl.DataFrame:
        """One row a sample of a job that keeps its ``trace``."""
        return polars_frame(self.results.table("power_trace"))
