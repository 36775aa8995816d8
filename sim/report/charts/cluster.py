"""What a cluster of jobs did over time: slots held, the queue of the scheduler, power against limits, and waits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sim.accounting.ledger import Floats, Ints
from sim.report.chart import Chart
from sim.report.charts.distributions import Curve, curves_chart
from sim.report.charts.lines import line_chart
from sim.report.charts.times import Axis
from sim.results.formats import number, percent
from sim.results.job_rows import cluster_series_of
from sim.results.results import Results

MOST_DOMAINS = 3
"""Limits of power of a level that are drawn: those that came nearest to their limit."""
POWER, KILO = "power of ", 1000.0
SHORTEST_S = 1.0
"""Waits below are drawn as if they took so long: most jobs of an empty cluster do not wait at all."""


def cluster_charts(results: Results) -> list[Chart]:
    """Slots held, jobs waiting and running, and power against limits; none without a cluster of jobs or limits."""
    if results.cluster_table is None:
        return []
    series = cluster_series_of(results.cluster_table)
    axis = Axis.of(results.energy.end_ns)
    found = [held(series, axis), queue_chart(series, axis), *power_limits(series, axis)]
    return [chart for chart in found if chart is not None]


def queue(results: Results) -> Chart | None:
    """Jobs that wait and jobs that run, over time; None without jobs as rows."""
    if results.cluster_table is None:
        return None
    return queue_chart(cluster_series_of(results.cluster_table), Axis.of(results.energy.end_ns))


Series = Mapping[tuple[str, str], pa.Table]


def _edges(rows: pa.Table) -> Ints:
    return np.append(rows["start_ns"].to_numpy(), rows["end_ns"].to_numpy()[-1:])


def _of(rows: pa.Table, column: str) -> Floats:
    return np.asarray(rows[column].to_numpy(), dtype=np.float64)


def held(series: Series, axis: Axis) -> Chart | None:
    """Accelerator slots that jobs held, by pool, against all there are."""
    pools = {name: rows for (kind, name), rows in series.items() if kind == "held"}
    if not pools:
        return None
    first = next(iter(pools.values()))
    limit = np.sum([_of(rows, "limit") for rows in pools.values()], axis=0)
    lengths = np.diff(_edges(first))
    share = sum(float((_of(rows, "mean") * lengths).sum()) for rows in pools.values()) / float((limit * lengths).sum())
    return line_chart(
        "slots-held",
        "Accelerator slots held",
        _edges(first),
        {name: _of(rows, "mean") for name, rows in pools.items()},
        "slots",
        axis=axis,
        peaks={name: _of(rows, "most") for name, rows in pools.items()},
        limit=limit if len(pools) == 1 else None,
        note=f"{percent(share)} of {number(float(limit[0]))} slots held in the mean. Dashed: all there are. "
        "The band reaches to the most at any instant.",
    )


def queue_chart(series: Series, axis: Axis) -> Chart | None:
    """Jobs waiting and running of every workload of jobs."""
    drawn = {f"{name}: {kind}": rows for (kind, name), rows in series.items() if kind in ("waiting", "running")}
    if not drawn:
        return None
    first = next(iter(drawn.values()))
    return line_chart(
        "queue",
        "Jobs waiting and running",
        _edges(first),
        {name: _of(rows, "mean") for name, rows in drawn.items()},
        "jobs",
        axis=axis,
        peaks={name: _of(rows, "most") for name, rows in drawn.items()},
        note="Means of each bin; the band reaches to the most at any instant.",
    )


def power_limits(series: Series, axis: Axis) -> list[Chart]:
    """Each level of limits (rack, row, site): the domains that came nearest to their limit."""
    charts = []
    levels = dict.fromkeys(kind for kind, _ in series if kind.startswith(POWER))
    for at, kind in enumerate(levels):
        domains = {name: rows for (own, name), rows in series.items() if own == kind}
        level = kind.removeprefix(POWER)

        def fullness(rows: pa.Table) -> float:
            limits = pc.fill_null(rows["limit"], np.inf).to_numpy()
            return float((_of(rows, "most") / limits).max())

        nearest = sorted(domains, key=lambda name: -fullness(domains[name]))
        more = f" Those that came nearest to their limit, of {len(domains):,}." if len(domains) > MOST_DOMAINS else ""
        for place, name in enumerate(nearest[:MOST_DOMAINS]):
            rows = domains[name]
            limits = np.asarray(pc.fill_null(rows["limit"], np.inf).to_numpy(), dtype=np.float64) / KILO
            near = fullness(rows)
            told = f"At most {percent(near)} of its limit." if near > 0.0 else "Without a limit."
            charts.append(
                line_chart(
                    f"limit-{at}-{place}",
                    f"Power of {name} against its limit",
                    _edges(rows),
                    {name: _of(rows, "mean") / KILO},
                    "kW",
                    axis=axis,
                    peaks={name: _of(rows, "most") / KILO},
                    limit=limits,
                    note=f"A limit of the level '{level}'. {told}{more}",
                )
            )
    return charts


def waits(results: Results) -> Chart | None:
    """The share of jobs that waited no longer, by workload, as simulated and as recorded; None where none started."""
    jobs = results.job_table
    if "wait_s" not in jobs.column_names or results.cluster_table is None:
        return None
    recorded = (
        pc.subtract(jobs["recorded_started_s"], jobs["submitted_s"])
        if "recorded_started_s" in jobs.column_names
        else None
    )
    found: dict[str, Curve] = {}
    for name in pc.unique(jobs.filter(pc.is_valid(jobs["wait_s"]))["workload"]).to_pylist():
        own = pc.equal(jobs["workload"], name)
        for words, column in ((name, jobs["wait_s"]), (f"{name}, as recorded", recorded)):
            values = column.filter(own).drop_null().to_numpy() if column is not None else np.empty(0)
            if len(values):
                found[words] = Curve.of(np.maximum(values, SHORTEST_S))
    if not found:
        return None
    return curves_chart(
        "waits", "How long jobs waited", found, "waited", note="Of jobs that started. Waits below 1 s are drawn at 1 s."
    )
