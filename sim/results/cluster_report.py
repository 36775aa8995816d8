"""The part of the page that is about jobs as rows: their figures, and pictures of machines, queue, nodes, power,
waits."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sim.results.charts import legend
from sim.results.formats import number, percent
from sim.results.gantt import gantt
from sim.results.job_rows import cluster_series_of
from sim.results.plots import Time, areas, distribution_curves, shades

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MOST_STEPS = 360
"""Columns drawn over time: of a longer run, the mean of each group of bins, and the most of it."""
MOST_POINTS = 400
"""Steps drawn of a distribution."""
MOST_DOMAINS = 4
"""Limits of power that are drawn by themselves; more are drawn as rows of shades."""
MOST_ROWS = 48
SHORTEST_S = 1.0
"""Waits below are drawn as if they took so long: most jobs of an empty cluster do not wait at all."""
POWER, KILO = "power of ", 1000.0


def cluster_pictures(stints: pa.Table | None, cluster: pa.Table, jobs: pa.Table) -> str:
    """All pictures of the cluster of a run, each under its title; from the tables that a run writes. Without jobs as
    rows there are no ``stints``, and power against its limits is all."""
    series = cluster_series_of(cluster)
    if stints is None:
        return "".join(_power(series))
    parts = [
        _picture("Slots held", _held(series)),
        _picture("Jobs waiting and running", _queue(series)),
        _picture("Jobs by node", gantt(stints, lambda: owners_of(jobs))),
        *_power(series),
        _picture("How long jobs waited", _waits(jobs)),
    ]
    return "".join(parts)


def _picture(title: str, drawn: str) -> str:
    return f"<figure><h3>{escape(title)}</h3>{drawn}</figure>" if drawn else ""


class _Grouped:
    """A series in at most ``MOST_STEPS`` columns."""

    def __init__(self, rows: pa.Table) -> None:
        edges = np.append(rows["start_ns"].to_numpy(), rows["end_ns"].to_numpy()[-1:])
        first = np.unique(np.linspace(0, len(edges) - 1, MOST_STEPS + 1).astype(np.int64))
        lengths = np.diff(edges)
        self.edges_ns: Ints = edges[first]
        sums = np.add.reduceat(rows["mean"].to_numpy() * lengths, first[:-1])
        self.mean: Floats = sums / np.diff(self.edges_ns)
        self.most: Floats = np.maximum.reduceat(rows["most"].to_numpy(), first[:-1])
        limit = pc.fill_null(rows["limit"], np.inf).to_numpy()
        self.limit: Floats = np.minimum.reduceat(limit, first[:-1])


def _of(series: Mapping[tuple[str, str], pa.Table], what: str) -> dict[str, _Grouped]:
    return {name: _Grouped(rows) for (kind, name), rows in series.items() if kind == what}


def _held(series: Mapping[tuple[str, str], pa.Table]) -> str:
    pools = _of(series, "held")
    first = next(iter(pools.values()))
    limit = np.sum([one.limit for one in pools.values()], axis=0)
    mean = sum(float((one.mean * np.diff(one.edges_ns)).sum()) for one in pools.values())
    share = mean / float((limit * np.diff(first.edges_ns)).sum())
    most = first.most if len(pools) == 1 else None
    alt = f"Slots held by jobs over time: {percent(share)} of {number(float(limit[0]))} in the mean"
    drawn = areas(Time.of(first.edges_ns), {name: one.mean for name, one in pools.items()}, most, limit, "slots", alt)
    note = f"{percent(share)} held in the mean. Dashed: all there are."
    return f"{legend(list(pools))}{drawn}{_note(note + (MOST_WORDS if most is not None else ''))}"


MOST_WORDS = " Thin line: the most at any instant of a column."


SHADES_WORDS = (
    "Power of the limit: the mean of a column, in the lower part of each row the most in it; orange beyond the limit. "
    "Then those that came nearest."
)


def _queue(series: Mapping[tuple[str, str], pa.Table]) -> str:
    drawn = []
    for name, waiting in _of(series, "waiting").items():
        running = _of(series, "running")[name]
        time = Time.of(waiting.edges_ns)
        for what, one in (("waiting", waiting), ("running", running)):
            alt = f"Jobs of {name} {what} over time: at most {number(float(one.most.max()))}"
            drawn.append(f"<h4>{escape(name)}: {what}</h4>{areas(time, {what: one.mean}, one.most, None, 'jobs', alt)}")
    return "".join(drawn) + _note("Filled: the mean of a column." + MOST_WORDS)


def _power(series: Mapping[tuple[str, str], pa.Table]) -> list[str]:
    """Each level of limits (rack, row, site): its domains by themselves, or as rows of shades where they are many."""
    levels = dict.fromkeys(kind for kind, _ in series if kind.startswith(POWER))
    return [
        _picture(f"Power by {kind.removeprefix(POWER)} against its limit", _level(_of(series, kind))) for kind in levels
    ]


def _level(domains: Mapping[str, _Grouped]) -> str:
    fullest = sorted(domains, key=lambda name: -float((domains[name].most / domains[name].limit).max()))
    drawn = []
    if len(domains) > MOST_DOMAINS:
        first, names = next(iter(domains.values())), list(domains)
        mean = np.array([one.mean / one.limit for one in domains.values()])
        most = np.array([one.most / one.limit for one in domains.values()])
        alt = f"Power over its limit of {len(domains)} domains over time: at most {percent(float(most.max()))}"
        firsts = np.unique(np.linspace(0, len(names), MOST_ROWS + 1).astype(np.int64))[:-1]  # of many, groups of them
        counts = np.diff(np.append(firsts, len(names)))
        mean = np.add.reduceat(mean, firsts, axis=0) / counts[:, None]
        rows = [
            names[at] if count == 1 else f"{names[at]} and {count - 1} more"
            for at, count in zip(firsts.tolist(), counts.tolist(), strict=True)
        ]
        most = np.maximum.reduceat(most, firsts, axis=0)
        drawn.append(shades(Time.of(first.edges_ns), rows, mean, most, alt, unit="domain"))
        drawn.append(_note(SHADES_WORDS))
    for name in fullest[:MOST_DOMAINS]:
        one = domains[name]
        finite = np.isfinite(one.limit)
        near = f", {percent(float((one.most / one.limit).max()))} of its limit" if finite.any() else ", without a limit"
        alt = f"Power of {name} over time: at most {number(float(one.most.max()) / KILO)} kW{near}"
        limit = one.limit / KILO if finite.any() else None
        picture = areas(Time.of(one.edges_ns), {name: one.mean / KILO}, one.most / KILO, limit, "kW", alt)
        drawn.append(f"<h4>{escape(name)}</h4>{picture}")
    return "".join(drawn) + _note("Filled: the mean of a column. Dashed: the limit in force." + MOST_WORDS)


def _waits(jobs: pa.Table) -> str:
    curves: dict[str, tuple[Floats, Floats]] = {}
    rows = jobs.filter(pc.is_valid(jobs["wait_s"]))
    recorded_s = pc.subtract(jobs["recorded_started_s"], jobs["submitted_s"])
    for name in pc.unique(rows["workload"]).to_pylist():
        own = pc.equal(jobs["workload"], name)
        curves[name] = _distribution(jobs["wait_s"].filter(own))
        recorded = recorded_s.filter(own).drop_null()
        if len(recorded):
            curves[f"{name}, as recorded"] = _distribution(recorded)
    if not curves:
        return ""
    high = max(float(seconds[-1]) for seconds, _ in curves.values())
    half = {name: float(np.interp(0.5, shares, seconds)) for name, (seconds, shares) in curves.items()}
    alt = "Share of jobs by how long they waited: half below " + ", ".join(
        f"{number(seconds)} s ({name})" for name, seconds in half.items()
    )
    drawn = distribution_curves(curves, SHORTEST_S, max(high, 10.0 * SHORTEST_S), alt)
    return f"{legend(list(curves))}{drawn}{_note('Of jobs that started. Waits below 1 s are drawn at 1 s.')}"


def _distribution(waits: pa.ChunkedArray) -> tuple[Floats, Floats]:
    """Waits in s and the share of jobs that waited no longer, at ``MOST_POINTS`` of them."""
    ordered = np.sort(np.maximum(waits.drop_null().to_numpy(), 0.0))
    chosen = np.unique(np.linspace(0, len(ordered) - 1, MOST_POINTS).astype(np.int64))
    return ordered[chosen], (np.searchsorted(ordered, ordered[chosen], side="right")) / len(ordered)


def owners_of(jobs: pa.Table) -> dict[tuple[str, int], str]:
    """Whose each row of a workload is, where somebody's names are known: a user, else a queue or a kind."""
    rows = jobs.filter(pc.is_valid(jobs["job"]))
    label = next((name for name in ("user", "queue", "kind") if rows[name].null_count < len(rows)), None)
    if label is None:
        return {}
    owners: dict[tuple[str, int], str] = {}
    seen: dict[str, int] = {}
    for workload, owner in zip(rows["workload"].to_pylist(), rows[label].to_pylist(), strict=True):
        row = seen[workload] = seen.get(workload, -1) + 1
        if owner is not None:
            owners[workload, row] = owner
    return owners


def _note(words: str) -> str:
    return f'<p class="note">{escape(words)}</p>'
