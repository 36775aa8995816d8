"""The outcome of one run, in memory: everything that ``--out`` writes, and nothing that needs the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sim.accounting.ledger import Ledger
from sim.results.catalogue.quantity import value_in

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from sim.results.requests import RequestTables


@dataclass(frozen=True, eq=False)
class Results:
    """``summary`` is ``summary.json``; ``scenario`` the resolved scenario; ``manifest`` versions, hashes, wall time.

    ``energy`` is the physical ledger, before any accounting convention. The tables are Arrow; ``ledger()``,
    ``requests()``, ``jobs()`` and ``trials()`` give them as tidy pandas frames. ``request_table`` is None unless it was
    asked for; its rows are made as they are asked for, from a temporary file where they are many.
    """

    summary: dict[str, Any]
    scenario: dict[str, Any]
    manifest: dict[str, Any]
    energy: Ledger
    start_ns: int
    job_table: pa.Table
    request_table: RequestTables | None
    draw_table: pa.Table | None = None
    trial_table: pa.Table | None = None
    trace_table: pa.Table | None = None
    stint_table: pa.Table | None = None
    cluster_table: pa.Table | None = None
    job_energy_table: pa.Table | None = None
    attribution_table: pa.Table | None = None

    def ledger(self) -> pd.DataFrame:
        """One row per time bin and key: ``start`` (UTC), ``start_ns``, ``end_ns``, the key's names, J, slot-ns."""
        from sim.results.frames import ledger_table

        frame: pd.DataFrame = ledger_table(self.energy, self.start_ns).to_pandas()
        return frame

    def jobs(self) -> pd.DataFrame:
        """One row a job: of a training, or of a workload of jobs."""
        frame: pd.DataFrame = self.job_table.to_pandas()
        return frame

    def trials(self) -> pd.DataFrame:
        """One row a trial of a campaign. Raises ``KeyError`` where there was none."""
        if self.trial_table is None:
            raise KeyError("this run had no campaign; give it a workload of the kind 'campaign'")
        frame: pd.DataFrame = self.trial_table.to_pandas()
        return frame

    def stints(self) -> pd.DataFrame:
        """One row each time a job of a workload of jobs held something: on which nodes, from when to when. Raises
        ``KeyError`` where there was no such workload."""
        if self.stint_table is None:
            raise KeyError("this run had no jobs as rows; give it a workload of the kind 'jobs'")
        frame: pd.DataFrame = self.stint_table.to_pandas()
        return frame

    def cluster(self) -> pd.DataFrame:
        """One row a time bin of each series of a cluster of jobs: slots held, jobs waiting and running, and power under
        limits. Raises ``KeyError`` where there was no workload of jobs."""
        if self.cluster_table is None:
            raise KeyError("this run had no jobs as rows; give it a workload of the kind 'jobs'")
        frame: pd.DataFrame = self.cluster_table.to_pandas()
        return frame

    def job_energy(self) -> pd.DataFrame:
        """One row for each job as a row and time bin in which it held anything: whose it is, J of IT energy,
        slot-seconds.

        Raises ``KeyError`` where there was no workload of jobs.
        """
        if self.job_energy_table is None:
            raise KeyError("this run had no jobs as rows; give it a workload of the kind 'jobs'")
        frame: pd.DataFrame = self.job_energy_table.to_pandas()
        return frame

    def attribution(self) -> pd.DataFrame:
        """One row a job as a row that ever held anything: the energy, carbon, water and cost that it answers for.

        Raises ``KeyError`` where there was no workload of jobs.
        """
        if self.attribution_table is None:
            raise KeyError("this run had no jobs as rows; give it a workload of the kind 'jobs'")
        frame: pd.DataFrame = self.attribution_table.to_pandas()
        return frame

    def requests(self) -> pd.DataFrame:
        """One row a finished request, as ``outputs.requests`` asked. Raises ``KeyError`` if it asked for none."""
        if self.request_table is None:
            raise KeyError("this run kept no requests; ask for them with outputs.requests: all")
        frame: pd.DataFrame = self.request_table.table().to_pandas()
        return frame

    def draws(self) -> pd.DataFrame:
        """One row a draw and seed of an uncertain scenario: inputs as drawn, and results by dotted path.

        Raises ``KeyError`` where nothing was uncertain.
        """
        if self.draw_table is None:
            raise KeyError("this run made no draws; give its scenario an 'uncertainty'")
        frame: pd.DataFrame = self.draw_table.to_pandas()
        return frame

    def power_trace(self) -> pd.DataFrame:
        """One row a sample of a job that keeps its ``trace``: means of W until the next. Raises ``KeyError`` if none
        does."""
        if self.trace_table is None:
            raise KeyError("this run kept no power over time; give a training job a 'trace'")
        frame: pd.DataFrame = self.trace_table.to_pandas()
        return frame

    def at(self, path: str) -> Any:
        """A value of the summary by dotted path, e.g. ``carbon_kg.total``. Raises ``KeyError``."""
        value = value_in(self.summary, (*path.split("."),))
        if value is None:
            raise KeyError(path)
        return value
