"""Who held which node when: every job by itself where they can be told apart, else how full groups of nodes were."""

from __future__ import annotations

import pyarrow as pa

from sim.report.chart import Chart
from sim.report.charts.lines import rounded
from sim.report.charts.look import ACTIVE, AXIS_PX, AXIS_W, IDLE, LEGEND_PX, SERIES, Spec, colours, over_time, time_axis
from sim.report.charts.times import Axis
from sim.report.parts import label, labels
from sim.results.formats import hours, number, percent
from sim.results.gantt import Grouped, Held, Lanes, largest_owners, owners_of
from sim.results.results import Results
from sim.units import SECONDS_PER_NS
from sim.workload.allocations import MILLI

MOST_NODES, MOST_BARS = 32, 3000
"""Beyond which nodes are drawn in groups."""
MOST_GROUPS, MOST_COLUMNS = 24, 120
ROW_PX = 22
TITLE_PX = 17
"""What a title takes beside the other charts' axes, so that this one's begins where theirs do."""
OTHERS = "others"


def gantt(results: Results) -> Chart | None:
    """Jobs on nodes over time; trainings by themselves where a run has no jobs as rows; None without either."""
    axis = Axis.of(results.energy.end_ns)
    if results.stint_table is None:
        return trainings(results.job_table, axis)
    held = Held.of(results.stint_table)
    if held.nodes <= MOST_NODES and len(held.node) <= MOST_BARS:
        return _each(held, owners_of(results.job_table), axis)
    return _grouped(held, axis)


def _rows_axis(count: int, title: str) -> Spec:
    """A vertical channel from row 0 at the top; the names of rows are drawn as text, for they are data."""
    return {
        "field": "low",
        "type": "quantitative",
        "title": title,
        "scale": {"domain": [count, 0], "nice": False, "zero": False},
        "axis": {
            "labels": False,
            "ticks": False,
            "grid": False,
            "domain": False,
            "minExtent": AXIS_W + TITLE_PX,
            "maxExtent": AXIS_W + TITLE_PX,
        },
    }


def _names(rows: list[str], count: int, title: str, every: int = 1) -> Spec:
    names = [{"low": at + 0.5, "name": label(name)} for at, name in enumerate(rows) if at % every == 0]
    return {
        "data": {"values": names},
        "mark": {"type": "text", "align": "right", "fontSize": 11, "limit": AXIS_W + TITLE_PX - 6, "aria": False},
        "encoding": {"x": {"value": -6}, "y": _rows_axis(count, title), "text": {"field": "name", "type": "nominal"}},
    }


def _boxes(values: list[dict[str, object]], axis: Axis, count: int, title: str, **encoding: object) -> Spec:
    return {
        "data": {"values": values},
        "mark": {"type": "rect", "clip": True, "stroke": "var(--paper)", "strokeWidth": 0.4, "aria": False},
        "encoding": {
            "x": time_axis(axis.unit),
            "x2": {"field": "t2"},
            "y": _rows_axis(count, title),
            "y2": {"field": "high"},
            **encoding,
        },
    }


def _each(held: Held, owner_of: dict[tuple[str, int], str], axis: Axis) -> Chart:
    nodes = [f"{pool}/{i}" for pool, (count, _) in held.pools.items() for i in range(count)]
    slots = [milli for count, milli in held.pools.values() for _ in range(count)]
    workloads, numbers, jobs = (held.stints[name].to_pylist() for name in ("workload", "row", "job"))
    owners = [owner_of.get(key, key[0]) for key in zip(workloads, numbers, strict=True)]
    largest = largest_owners(owners, held)
    short = labels(largest)
    lanes = [Lanes(milli) for milli in slots]
    begins, ends = axis.at(held.start_ns), axis.at(held.end_ns)
    boxes: list[dict[str, object]] = []
    rows = []
    for place, (t, t2) in enumerate(rounded(begins, ends)):  # in the order in which they began
        stint, node = int(held.stint[place]), int(held.node[place])
        owner = short.get(owners[stint], OTHERS)
        taken = f"{held.milli[place] / MILLI:g} slots on {nodes[node]}"
        span = f"{number(t)} to {number(t2)} {axis.unit}"
        rows.append((str(jobs[stint]), owners[stint], taken, span))
        for top, milli in lanes[node].take(int(held.milli[place]), int(held.start_ns[place]), int(held.end_ns[place])):
            low = node + 0.04 + 0.92 * top / slots[node]
            told = f"{label(str(jobs[stint]))} ({owner})\n{taken}\n{span}"
            boxes.append(
                {
                    "t": t,
                    "t2": t2,
                    "low": round(low, 4),
                    "high": round(low + 0.92 * milli / slots[node], 4),
                    "owner": owner,
                    "tip": told,
                }
            )
    others = len(largest) < len(set(owners))
    domain = [*short.values(), *([OTHERS] if others else [])]
    picked = [*(SERIES[i % len(SERIES)] for i in range(len(short))), *([IDLE] if others else [])]
    colour = {"field": "owner", "type": "nominal", "scale": colours(domain, picked)}
    tip = {"field": "tip", "type": "nominal"}
    spec = over_time(0.0, axis.high, ROW_PX * len(nodes) + AXIS_PX + LEGEND_PX)
    spec["layer"] = [
        _boxes(boxes, axis, len(nodes), "", color=colour, tooltip=tip),
        _names(nodes, len(nodes), ""),
    ]
    alt = f"{len(held.stints):,} stints of jobs on {len(nodes)} nodes."
    return Chart(
        "gantt",
        "Jobs by node",
        alt,
        spec,
        ("job", "whose", "held", "when"),
        tuple(rows),
        "A row is a node, a bar what a job held of its slots.",
    )


def _grouped(held: Held, axis: Axis) -> Chart:
    found = Grouped.of(held, MOST_GROUPS, MOST_COLUMNS)
    edges = axis.at(found.edges_ns)
    count = len(found.rows)
    values: list[dict[str, object]] = []
    for at, name in enumerate(found.rows):
        for i, (t, t2) in enumerate(rounded(edges[:-1], edges[1:])):
            mean, most = float(found.mean[at, i]), float(found.most[at, i])
            if most <= 0.0:
                continue
            words = (
                f"{label(name)}\n{number(t)} to {number(t2)} {axis.unit}\nheld {percent(mean)}, at most {percent(most)}"
            )
            values.append({"t": t, "t2": t2, "low": at + 0.02, "high": at + 0.7, "share": round(mean, 4), "tip": words})
            values.append({"t": t, "t2": t2, "low": at + 0.7, "high": at + 0.98, "share": round(most, 4), "tip": words})
    shade = {"field": "share", "type": "quantitative", "scale": {"domain": [0, 1], "range": [0.05, 1]}, "legend": None}
    spec = over_time(0.0, axis.high, ROW_PX * count + AXIS_PX)
    boxes = _boxes(values, axis, count, "", fillOpacity=shade, tooltip={"field": "tip", "type": "nominal"})
    boxes["mark"] |= {"fill": ACTIVE, "strokeWidth": 0}
    spec["layer"] = [boxes, _names(list(found.rows), count, "")]
    rows = tuple(
        (name, percent(float(found.mean[at].mean())), percent(float(found.most[at].max())))
        for at, name in enumerate(found.rows)
    )
    alt = f"Share of slots held on {held.nodes:,} nodes in {count} rows: {percent(found.share)} in the mean."
    note = (
        "How much of their slots was held in the mean of a column, the darker the more; in the lower part of each row, "
        "the most at any instant of it."
    )
    return Chart("gantt", "Nodes over time", alt, spec, ("nodes", "held in the mean", "at most"), rows, note)


def trainings(jobs: pa.Table, axis: Axis) -> Chart | None:
    """Each training from its beginning to its end."""
    named = {"workload", "started_s", "ended_s"}
    if not named <= set(jobs.column_names):
        return None
    per_s = 1.0 / (axis.ns_per_unit * SECONDS_PER_NS)
    rows = [row for row in jobs.select([*named]).to_pylist() if row["started_s"] is not None]
    rows = rows[:MOST_NODES]
    if len(rows) < 2:
        return None  # a single bar says nothing that the figures do not
    names = labels([str(row["workload"]) for row in rows])
    values: list[dict[str, object]] = []
    told = []
    for at, row in enumerate(rows):
        ended = row["ended_s"] if row["ended_s"] is not None else axis.high / per_s
        t, t2 = row["started_s"] * per_s, ended * per_s
        span = f"{number(t)} to {number(t2)} {axis.unit}"
        values.append(
            {"t": t, "t2": t2, "low": at + 0.15, "high": at + 0.85, "tip": f"{names[str(row['workload'])]}\n{span}"}
        )
        told.append((str(row["workload"]), span, hours(ended - row["started_s"])))
    spec = over_time(0.0, axis.high, ROW_PX * len(rows) + AXIS_PX)
    boxes = _boxes(values, axis, len(rows), "", tooltip={"field": "tip", "type": "nominal"})
    boxes["mark"] |= {"fill": ACTIVE}
    spec["layer"] = [boxes, _names(list(names.values()), len(rows), "")]
    return Chart(
        "gantt",
        "Jobs over time",
        f"{len(rows)} jobs, each from its beginning to its end.",
        spec,
        ("job", "when", "took"),
        tuple(told),
    )
