"""The outcome of one run, in memory: everything that ``--out`` writes, and nothing that needs the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sim.accounting.ledger import Ledger
from sim.paths import keys_of
from sim.results.catalogue.quantity import value_in
from sim.results.shown import NOTEBOOK, PLOTS, shown

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from sim.report.plots import Plots
    from sim.results.polars_frames import PolarsFrames
    from sim.results.requests import RequestTables

NO_BATCH = "this run had no jobs as rows; give it a workload of the kind 'jobs'"


@dataclass(frozen=True, eq=False, repr=False)
class Results:
    """``summary`` is ``summary.json``; ``scenario`` the resolved scenario; ``manifest`` versions, hashes, wall time.

    ``energy`` is the physical ledger, before any accounting convention. Its tables come as tidy pandas frames
    (``ledger()``, ``jobs()``...), as Polars frames (``polars.ledger()``...) or as Arrow (``table("ledger")``); its
    charts are in ``plot``, and a notebook shows it by its headline. ``request_table`` is None unless it was asked for;
    its rows are made as they are asked for, from a temporary file where they are many.

    >>> import sim
    >>> results = sim.run("bloom-training")
    >>> results
    Results('BLOOM-176B training, as published')
    >>> round(results.at("energy_kwh.facility"))
    689842
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
    iteration_table: pa.Table | None = None

    def table(self, name: str) -> pa.Table:
        """One of its tables as Arrow, without a copy: ``ledger``, ``jobs``, ``requests``, ``trials``, ``stints``,
        ``cluster``, ``job_energy``, ``attribution``, ``iterations``, ``draws`` or ``power_trace``, with the columns of
        the method of that name.

        Raises ``KeyError`` where this run has none, with what would give it one.

        >>> import sim
        >>> sim.run("bloom-training").table("ledger").column_names[:3]
        ['start', 'start_ns', 'end_ns']
        """
        if name == "ledger":
            from sim.results.frames import ledger_table

            return ledger_table(self.energy, self.start_ns)
        if name == "requests":
            if self.request_table is None:
                raise KeyError("this run kept no requests; ask for them with outputs.requests: all")
            return self.request_table.table()
        kept = {
            "jobs": (self.job_table, ""),
            "trials": (self.trial_table, "this run had no campaign; give it a workload of the kind 'campaign'"),
            "stints": (self.stint_table, NO_BATCH),
            "cluster": (self.cluster_table, NO_BATCH),
            "job_energy": (self.job_energy_table, NO_BATCH),
            "attribution": (self.attribution_table, NO_BATCH),
            "iterations": (self.iteration_table, "this run kept no iterations; ask for some with outputs.iterations"),
            "draws": (self.draw_table, "this run made no draws; give its scenario an 'uncertainty'"),
            "power_trace": (self.trace_table, "this run kept no power over time; give a training job a 'trace'"),
        }
        if name not in kept:
            raise KeyError(f"there is no table '{name}'; it is one of ledger, requests, {', '.join(kept)}")
        found, without = kept[name]
        if found is None:
            raise KeyError(without)
        return found

    def _frame(self, name: str) -> pd.DataFrame:
        frame: pd.DataFrame = self.table(name).to_pandas()
        return frame

    @property
    def polars(self) -> PolarsFrames:
        """The same tables as Polars frames: ``results.polars.ledger()``. Needs ``pip install 'coldaisle[polars]'``."""
        from sim.results.polars_frames import PolarsFrames

        return PolarsFrames(self)

    @property
    def plot(self) -> Plots:
        """Charts: ``results.plot.power()``, ``.sankey()``, ``.latency()``, ``.queue()`` and others; each shows itself
        in a notebook, and saves itself as a page or as Vega-Lite.

        >>> import sim
        >>> sim.run("bloom-training").plot.power().name
        'power'
        """
        plots: Plots = shown(PLOTS, "Plots")(self)
        return plots

    def ledger(self) -> pd.DataFrame:
        """Where every joule went, one row per time bin and key: ``start`` (UTC), ``start_ns`` and ``end_ns`` (from the
        start of the run), the key's names, ``energy_j`` (J), ``slot_ns`` (slot-ns).

        >>> import sim
        >>> ledger = sim.run("bloom-training-physical").ledger()
        >>> energy_j = ledger.groupby("component", observed=True).energy_j.sum()
        >>> (energy_j / 3.6e6).round().astype(int).nlargest(2).to_dict()  # kWh
        {'gpu': 370490, 'psu_loss': 20401}
        """
        return self._frame("ledger")

    def jobs(self) -> pd.DataFrame:
        """One row a job: of a training, or of a workload of jobs; times in s or ns as the names of columns say.

        >>> import sim
        >>> len(sim.run("bloom-training").jobs())
        1
        """
        return self._frame("jobs")

    def trials(self) -> pd.DataFrame:
        """One row a trial of a campaign. Raises ``KeyError`` where there was none."""
        return self._frame("trials")

    def stints(self) -> pd.DataFrame:
        """One row each time a job of a workload of jobs held something: on which nodes, from when to when (ns).

        Raises ``KeyError`` where there was no such workload.
        """
        return self._frame("stints")

    def cluster(self) -> pd.DataFrame:
        """One row a time bin of each series of a cluster of jobs: slots held, jobs waiting and running, and power (W)
        under limits. Raises ``KeyError`` where there was no workload of jobs."""
        return self._frame("cluster")

    def iterations(self) -> pd.DataFrame:
        """One row an iteration of a replica of a service: from when to when (ns), how many sequences decode in it, how
        many prompts and tokens of these, and J beyond what its GPUs draw while they wait.

        Raises ``KeyError`` where the scenario asked for none.
        """
        return self._frame("iterations")

    def job_energy(self) -> pd.DataFrame:
        """One row for each job as a row and time bin in which it held anything: whose it is, J of IT energy,
        slot-seconds.

        Raises ``KeyError`` where there was no workload of jobs.
        """
        return self._frame("job_energy")

    def attribution(self) -> pd.DataFrame:
        """One row a job as a row that ever held anything: the energy, carbon, water and cost that it answers for.

        Raises ``KeyError`` where there was no workload of jobs.
        """
        return self._frame("attribution")

    def requests(self) -> pd.DataFrame:
        """One row a finished request, as ``outputs.requests`` asked; times in s or ns, energy in J, as columns say.

        Raises ``KeyError`` if it asked for none.

        >>> import sim
        >>> sim.run("bloom-training").requests()
        Traceback (most recent call last):
        ...
        KeyError: 'this run kept no requests; ask for them with outputs.requests: all'
        """
        return self._frame("requests")

    def draws(self) -> pd.DataFrame:
        """One row a draw and seed of an uncertain scenario: inputs as drawn, and results by dotted path, in the
        summary's units.

        Raises ``KeyError`` where nothing was uncertain.
        """
        return self._frame("draws")

    def power_trace(self) -> pd.DataFrame:
        """One row a sample of a job that keeps its ``trace``: means of W until the next. Raises ``KeyError`` if none
        does."""
        return self._frame("power_trace")

    def __repr__(self) -> str:
        return f"Results({self.scenario['name']!r})"

    def _repr_html_(self) -> str:
        """What Jupyter shows: a sentence, four numbers with their intervals, and energy and carbon by component."""
        html: str = shown(NOTEBOOK, "results_html")(self)
        return html

    def at(self, path: str) -> Any:
        """A value of the summary by dotted path, in the unit that its name states. Raises ``KeyError``.

        >>> import sim
        >>> round(sim.run("bloom-training").at("carbon_kg.total") / 1000, 1)
        50.5
        """
        value = value_in(self.summary, keys_of(path))
        if value is None:
            raise KeyError(path)
        return value
