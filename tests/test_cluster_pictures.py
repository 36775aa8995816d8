"""Pictures of a cluster: areas are slot-time, peaks survive any grouping, and no bar is drawn over another."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.accounting.batch import batch_metrics, held_milli_ns
from sim.accounting.queueing import cluster_series
from sim.results import gantt as gantt_module
from sim.results.cluster_report import cluster_pictures
from sim.results.gantt import gantt
from sim.results.job_rows import cluster_rows, job_rows, jobs_table, stint_rows
from sim.results.plots import BEYOND, BOTTOM, LEFT, RIGHT, SHADES, TOP, WITHIN, Time, areas, shades
from sim.results.report import report
from sim.units import NS_PER_S
from sim.workload.allocations import MILLI
from sim.workload.jobs.batch import Batch, DomainSeries
from sim.workload.jobs.table import JobTable
from tests.job_batches import a_batch, batch_of, fifo, ints, inventory, table, tables
from tests.small import small
from tests.test_report import checked

EDGES = np.arange(0, 61, 6) * NS_PER_S
SIZE = re.compile(r'x="([-\d.]+)" y="([-\d.]+)" width="([\d.]+)" height="([\d.]+)"')


def pictures(batch: Batch, domains: Any = ()) -> str:
    edges = np.unique(np.linspace(0, batch.end_ns, 11).astype(np.int64))
    return cluster_pictures(stint_rows([batch]), cluster_rows(cluster_series([batch], edges), domains), job_rows(batch))


def test_the_page_of_a_run_with_jobs_has_its_figures_and_pictures() -> None:
    batch, results = a_batch(), sim.run(small())
    whole = replace(
        results,
        summary={**results.summary, "batch": {"research": batch_metrics(batch)}},
        job_table=jobs_table(results.job_table, [batch]),
        stint_table=stint_rows([batch]),
        cluster_table=cluster_rows(cluster_series([batch], EDGES)),
    )
    page = report([whole])
    assert {"svg", "figure", "table"} <= checked(page)
    for title in ("Slots held", "Jobs waiting and running", "Jobs by node", "How long jobs waited"):
        assert f"<h3>{title}</h3>" in page
    assert "Power by" not in page  # nothing is limited
    assert "bounded slowdown" in page
    assert not re.search(r"(src|href)=|url\(|@import|nan|inf\b", page)


def test_every_picture_has_words_for_those_who_do_not_see_it() -> None:
    drawn = pictures(a_batch())
    assert drawn.count("<svg") == len(re.findall(r'<svg [^>]*role="img" aria-label="[^"]{20,}"', drawn)) == 5
    assert drawn.count("from the start") == 4  # what the axes of time are in
    assert "waited, s (log)" in drawn


def test_areas_are_what_was_held() -> None:
    """Two pools, one with twice of the other throughout, and a limit above both."""
    time = Time.of(np.arange(0, 5) * 3600 * NS_PER_S)
    drawn = areas(
        time, {"a": np.array([1.0, 2, 0, 1]), "b": np.array([2.0, 4, 0, 2])}, None, np.full(4, 8.0), "slots", "x"
    )
    low, high = (_area(points) for points in re.findall(r'<polygon points="([^"]+)"', drawn))
    assert high == pytest.approx(2 * low, rel=0.01)
    marks = 8.0  # the axis reaches the limit
    pixels = (860 - LEFT - RIGHT) / 4 * (240 - TOP - BOTTOM) / marks
    assert low == pytest.approx((1 + 2 + 1) * pixels, rel=0.01)


def _area(points: str) -> float:
    corners = [tuple(map(float, point.split(","))) for point in points.split()]
    following = [*corners[1:], corners[0]]
    return abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(corners, following, strict=True))) / 2


def test_shades_keep_peaks_and_show_what_is_beyond() -> None:
    time = Time.of(np.arange(0, 3) * NS_PER_S)
    mean, most = np.array([[0.0, 0.05]]), np.array([[0.0, 1.2]])
    drawn = shades(time, ["row"], mean, most, "x", unit="node")
    assert re.findall(r'<path [^>]*fill="(#\w+)" fill-opacity="([\d.]+)"', drawn) == [(WITHIN, "0.1"), (BEYOND, "1")]


def test_a_peak_of_a_second_among_ten_thousand_nodes_is_drawn() -> None:
    """All slots of the nodes of one row for 1 s of a week: next to nothing in the mean, everything in the most."""
    nodes, second = 9600, NS_PER_S
    week = 7 * 86400 * second
    own = nodes // gantt_module.MOST_GROUPS
    stints = [
        {"job": i, "start": 5 * second, "end": 6 * second, "outcome": "completed", "places": {i: 4 * MILLI}}
        for i in range(own)
    ]
    batch = batch_of(table([0] * own, [1] * own, [4] * own), stints, inventory(nodes), week)
    drawn = gantt(stint_rows([batch]), dict)
    assert f'fill="{WITHIN}" fill-opacity="1"' in drawn
    assert drawn.count("<path") == 2  # the lightest for the mean, the darkest for the most
    assert len(drawn) < 10_000
    assert f"{nodes:,} nodes in {gantt_module.MOST_GROUPS} rows" in drawn


@given(tables(), st.integers(1, 3), st.integers(1, 4))
def test_bars_of_a_node_do_not_overlap_and_have_the_area_of_what_was_held(
    jobs: JobTable, nodes: int, slots: int
) -> None:
    end_ns = 10**6
    batch = fifo(jobs, inventory(nodes, slots), end_ns)
    drawn = gantt(stint_rows([batch]), dict)
    boxes = [tuple(map(float, found.groups())) for found in SIZE.finditer(drawn)]
    for i, (x, y, w, h) in enumerate(boxes):
        for left, top, wide, tall in boxes[:i]:
            across = min(x + w, left + wide) - max(x, left)
            down = min(y + h, top + tall) - max(y, top)
            assert across < 0.6 or down < 0.15  # what rounding to tenths of px, and the least width, come to
    whole = (860 - LEFT - RIGHT) * 32.0 * nodes  # a row of 34 px has 2 between it and the next
    area = sum(w * h for _, _, w, h in boxes)
    held = held_milli_ns(batch) / (nodes * slots * MILLI * end_ns)
    assert area / whole == pytest.approx(held, abs=0.01)


def test_each_bar_says_whose_it_is() -> None:
    drawn = pictures(a_batch())
    bars = re.findall(r'class="job"><title>([^<]+)</title>', drawn)
    assert len(set(bars)) == len(a_batch().log.node)  # one that lies in two gaps says so twice
    assert {"2 (cid): 2 on a/0, 1 to 8 s", "2 (cid): 1 on a/1, 1 to 8 s"} <= set(bars)


def test_waits_as_recorded_stand_beside_those_that_were_simulated() -> None:
    jobs = table([0, 10], [100, 10], [1, 4], recorded_start_ns=ints(5 * NS_PER_S, 20 * NS_PER_S))
    drawn = pictures(fifo(jobs, inventory(), 200 * NS_PER_S))
    assert "research, as recorded" in drawn
    assert "half below 0 s (research), 5 s (research, as recorded)" in drawn


def test_power_stands_against_its_limit_and_many_limits_are_rows() -> None:
    def limited(i: int, watts: float) -> DomainSeries:
        bins = len(EDGES) - 1
        return DomainSeries(
            f"rack {i}", "rack", EDGES, np.full(bins, watts), np.full(bins, watts * 1.1), np.full(bins, 10e3)
        )

    few = pictures(a_batch(), [limited(0, 5e3)])
    assert "Power by rack against its limit" in few
    assert "Power of rack 0 over time: at most 5.5 kW, 55.0 % of its limit" in few
    assert "stroke-dasharray" in few.partition("Power by rack")[2]
    many = pictures(a_batch(), [limited(i, 5e3 if i else 9.5e3) for i in range(200)])
    assert "Power over its limit of 200 domains over time: at most 104.5 %" in many
    assert many.count("<h4>rack") == 4
    assert "<h4>rack 0</h4>" in many  # the fullest is drawn by itself
    assert BEYOND in many.partition("200 domains")[2].partition("</svg>")[0]
    assert SHADES == 10


def test_limits_of_trainings_alone_are_drawn_without_jobs_as_rows() -> None:
    whole = np.ones(len(EDGES) - 1)
    feed = DomainSeries("feed a", "feed", EDGES, 3e3 * whole, 4e3 * whole, np.inf * whole)
    results = sim.run(small())
    rows = cluster_rows(cluster_series([], EDGES), [feed])
    page = report([replace(results, cluster_table=rows)])
    checked(page)
    assert "Power by feed against its limit" in page
    assert "Power of feed a over time: at most 4 kW, without a limit" in page
    assert "Slots held" not in page


def test_a_run_in_which_nothing_started_is_drawn_without_waits() -> None:
    batch = fifo(table([0], [10], [9]), inventory(), 5 * NS_PER_S)
    drawn = pictures(batch)
    assert "How long jobs waited" not in drawn
    checked(f"<div>{drawn}</div>")
    assert isinstance(stint_rows([batch]), pa.Table)
