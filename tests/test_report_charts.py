"""Charts of a run: flows conserve energy, areas are energy, no peak is lost, and limits stand where they are."""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.accounting.ledger import Key, Ledger
from sim.accounting.queueing import cluster_series
from sim.report.chart import Chart
from sim.report.charts.cluster import cluster_charts, queue, waits
from sim.report.charts.distributions import Curve, latency, objectives, percentiles
from sim.report.charts.flows import IT, SITE, Flow, Flows, flows_of
from sim.report.charts.gantt import gantt
from sim.report.charts.lines import line_chart
from sim.report.charts.parts import bars, carbon_parts, training
from sim.report.charts.power import power
from sim.report.charts.sankey import laid_out, sankey
from sim.report.charts.site import Sites, site_charts, sites_of, throughout
from sim.report.charts.times import MOST_BUCKETS, Axis, Buckets
from sim.report.charts.tornado import tornado
from sim.report.charts.trace import power_within_steps
from sim.results.job_rows import cluster_rows, job_rows, stint_rows
from sim.results.results import Results
from sim.units import HOUR_NS, J_PER_KWH, NS_PER_S, SECONDS_PER_NS
from tests.job_batches import a_batch
from tests.small import small
from tests.training_worlds import failing_world

KILO = 1000.0


@pytest.fixture(scope="module")
def results() -> Results:
    return sim.run(small())


@pytest.fixture(scope="module")
def everything() -> Results:
    """A site with the sun, a battery, a plant, and warm air."""
    return sim.run("solar-and-battery", set={"duration": "12 h"})


def conserved(flows: Flows) -> None:
    """What flows into a node flows out of it, unless it ends or begins there."""
    arrives: dict[str, float] = defaultdict(float)
    leaves: dict[str, float] = defaultdict(float)
    for one in flows.flows:
        arrives[one.target] += one.kwh
        leaves[one.source] += one.kwh
    for name in arrives.keys() & leaves.keys():
        assert arrives[name] == pytest.approx(leaves[name], rel=1e-8), name
    assert sum(kwh for _, kwh in flows.ends()) == pytest.approx(flows.total, rel=1e-8)


def test_flows_conserve_energy_and_are_those_of_the_summary(results: Results) -> None:
    flows, energy = flows_of(results), results.summary["energy_kwh"]
    assert flows is not None
    conserved(flows)
    assert flows.total == pytest.approx(energy["facility"], rel=1e-12)
    assert flows.through(IT) == energy["it"]
    for owner in ("tune", "api"):
        assert flows.through(owner) == energy["by_workload"][owner]
    assert flows.sources() == ["grid"]


def test_flows_of_a_site_with_everything_conserve_energy(everything: Results) -> None:
    flows, energy = flows_of(everything), everything.summary["energy_kwh"]
    assert flows is not None
    conserved(flows)
    assert flows.through(SITE) == energy["facility"]
    assert flows.through("UPS losses") == energy["overhead_by_component"]["ups_loss"]
    assert flows.through("grid") == energy["grid_import"]
    stored = everything.summary["stored_energy"]
    change = stored["end_kwh"] - stored["start_kwh"]
    told = "kept in the battery" if change > 0.0 else "battery, as it stood"
    assert flows.through(told) == pytest.approx(abs(change), rel=1e-9)
    balance = {one.source: one.kwh for one in flows.flows if one.target == "supply"}
    assert "not served" not in balance  # the dispatch closes


def test_flows_of_faults_and_of_a_convention_conserve_energy() -> None:
    failing = sim.run(failing_world())
    flows = flows_of(failing)
    assert flows is not None
    conserved(flows)
    split = failing.summary["jobs"]["llama"]["energy_split_kwh"]
    assert flows.through("useful FLOPs") == pytest.approx(split["productive"], rel=1e-12)
    assert flows.through("lost") == pytest.approx(split["lost"], rel=1e-12)
    told = flows_of(sim.run("bloom-training"))
    assert told is not None
    conserved(told)
    assert "convention" in told.note
    assert training(failing)[-1].name == "faults"


@st.composite
def any_flows(draw: st.DrawFn) -> Flows:
    """A site, some workloads, and what each went into."""
    amount = st.floats(1e-3, 1e3)
    flows: list[Flow] = []
    kinds: dict[str, Any] = {"grid": "source", SITE: "site", "cooling": "cooling"}
    for at, parts in enumerate(draw(st.lists(st.lists(amount, min_size=1, max_size=3), min_size=1, max_size=6))):
        name = f"w{at}"
        kinds[name] = "work"
        flows.append(Flow(SITE, name, sum(parts)))
        for i, part in enumerate(parts):
            kinds[f"use {i}"] = "useful"
            flows.append(Flow(name, f"use {i}", part))
    flows.append(Flow(SITE, "cooling", draw(amount)))
    inside = sum(one.kwh for one in flows if one.source == SITE)
    return Flows((Flow("grid", SITE, inside), *flows), kinds, "")


@given(any_flows())
def test_boxes_do_not_overlap_and_are_as_high_as_their_flows(flows: Flows) -> None:
    conserved(flows)
    height = 600.0
    boxes, bands = laid_out(flows, height)
    scale = (boxes[0].high - boxes[0].low) / flows.through(boxes[0].name)
    assert scale > 0.0
    for box in boxes:
        assert box.high - box.low == pytest.approx(scale * flows.through(box.name), rel=1e-6, abs=1e-9)
        assert box.low >= -1e-9
        assert box.high <= height + 1e-6
    for x in {box.x for box in boxes}:
        column = sorted((box.low, box.high) for box in boxes if box.x == x)
        assert all(above[1] <= below[0] + 1e-6 for above, below in itertools.pairwise(column))
    tall = sum(row[0]["y2"] - row[0]["y"] for row in bands)
    assert tall == pytest.approx(scale * sum(one.kwh for one in flows.flows), abs=1e-4 * len(bands))


def test_the_sankey_names_its_ends_and_has_a_row_a_flow(results: Results) -> None:
    chart, flows = sankey(results), flows_of(results)
    assert chart is not None
    assert flows is not None
    assert len(chart.rows) == len(flows.flows)
    assert chart.alt.startswith(f"{results.summary['energy_kwh']['facility']:.2f} kWh from grid go to: ")


edges_of = st.lists(st.integers(1, 10**9), min_size=1, max_size=300).map(lambda gaps: np.cumsum([0, *gaps]))


@given(edges_of, st.integers(1, 20), st.data())
def test_buckets_keep_every_peak_and_the_integral(edges: Any, most: int, data: st.DataObject) -> None:
    values = np.array(data.draw(st.lists(st.floats(-1e6, 1e6), min_size=len(edges) - 1, max_size=len(edges) - 1)))
    buckets = Buckets.of(edges, most)
    assert len(buckets.firsts) <= most
    assert buckets.most(values).max() == values.max()
    assert buckets.least(values).min() == values.min()
    mean = buckets.mean(values)
    whole = float((values * np.diff(edges)).sum())
    assert float((mean * np.diff(buckets.edges_ns)).sum()) == pytest.approx(whole, rel=1e-9, abs=1e-6 * edges[-1])
    slack = 1e-9 * np.abs(values).max()  # of a mean of equal values
    assert bool((mean <= buckets.most(values) + slack).all())
    assert bool((mean >= buckets.least(values) - slack).all())


def million() -> Ledger:
    """A second a bin for eleven days and a half, at 1 kW but for one bin at 50 and one at 0."""
    count = 1_000_000
    joules = np.full((1, count), 1000.0)
    joules[0, 654_321], joules[0, 123_456] = 50_000.0, 0.0
    key = Key("s", "p", "h", "gpu", "w", "active")
    return Ledger(np.arange(count + 1) * NS_PER_S, (key,), joules, np.zeros((1, count), np.int64))


def test_a_million_rows_keep_the_peak_of_a_second(results: Results) -> None:
    chart = power(replace(results, energy=million()))
    assert chart is not None
    envelope = chart.spec["layer"][1]["data"]["values"]
    assert len(envelope) <= MOST_BUCKETS + 1
    assert max(row["most"] for row in envelope) == 50.0
    assert min(row["least"] for row in envelope) == 0.0
    assert "at most 50.00 kW" in chart.alt
    assert "no peak is lost" in chart.note
    at = next(row["t"] for row in envelope if row["most"] == 50.0)
    assert at <= 654_321 / 86_400 <= at + 11.6 / MOST_BUCKETS + 1e-6


def test_the_area_of_power_is_the_energy_of_the_meters(results: Results) -> None:
    chart = power(results)
    assert chart is not None
    rows: dict[str, list[Any]] = defaultdict(list)
    for row in chart.spec["layer"][0]["data"]["values"]:
        rows[row["series"]].append(row)
    per_hour = Axis.of(results.energy.end_ns).ns_per_unit / HOUR_NS
    kwh = sum(
        (row["y2"] - row["y"]) * (after["t"] - row["t"]) * per_hour
        for own in rows.values()
        for row, after in itertools.pairwise(own)
    )
    assert kwh == pytest.approx(results.energy.total_j() / J_PER_KWH, rel=1e-5)  # six digits a number


def test_a_limit_and_peaks_within_bins_are_drawn() -> None:
    edges = np.arange(4) * HOUR_NS
    chart = line_chart(
        "x", "X", edges, {"a": np.array([1.0, 2.0, 3.0])}, "kW", axis=Axis.of(int(edges[-1])),
        peaks={"a": np.array([1.0, 9.0, 3.0])}, limit=np.full(3, 10.0),
    )  # fmt: skip
    assert chart.header == ("hours", "a, mean", "a, least", "a, most")
    assert chart.rows[1] == ("1", "2", "2", "9")
    assert "from 1 to 9 kW (1 hours in)" in chart.alt
    dashed = [layer for layer in chart.spec["layer"] if layer["mark"].get("strokeDash")]
    assert {row["y"] for row in dashed[0]["data"]["values"]} == {10.0}


def test_accounts_over_time_add_up_to_the_summary(everything: Results) -> None:
    sites = sites_of(everything)
    assert isinstance(sites, Sites)
    seconds = np.diff(sites.edges_ns) * SECONDS_PER_NS
    assert bool((seconds > 0).all())
    facility = sum(float(one.facility_j.sum()) for one in sites.accounts.values()) / J_PER_KWH
    assert facility == pytest.approx(everything.summary["energy_kwh"]["facility"], rel=1e-9)
    drawn = {chart.name: chart for chart in site_charts(sites)}
    assert {"pue", "carbon-intensity", "water", "supply"} == set(drawn)
    litres = float(drawn["water"].alt.partition("on site: ")[2].partition(" L/h")[0].replace(",", ""))
    hours = float(seconds.sum()) / 3600.0
    assert litres * hours == pytest.approx(everything.summary["water_l"]["onsite"], rel=1e-3)  # four digits


def test_what_never_changes_is_told_and_not_drawn(results: Results) -> None:
    sites = sites_of(results)
    assert isinstance(sites, Sites)
    assert not {"pue", "carbon-intensity"} & {chart.name for chart in site_charts(sites)}
    assert any("PUE 1.25 throughout" in line for line in throughout(sites))
    assert any("400.0 gCO2e/kWh" in line for line in throughout(sites))


SERVICE = {
    "ttft_s": {"p50": 0.1, "p90": 0.4, "p99": 2.0, "mean": 0.2},
    "tpot_s": {"p50": 0.01, "p90": 0.02, "p99": 0.03, "mean": 0.01},
}


def test_latencies_stand_against_their_objectives() -> None:
    scenario = {"workloads": {"chat": {"slo": {"ttft": "1 s", "tpot": "50 ms"}}}}
    limits = objectives(scenario, "chat")
    assert limits == {"ttft_s": 1.0, "tpot_s": 0.05}
    chart = percentiles("latency-0", "chat", SERVICE, limits)
    assert chart is not None
    assert "p99 of TTFT 2 s against an objective of 1 s" in chart.alt
    ticks = [layer for layer in chart.spec["layer"] if layer["mark"]["type"] == "tick"]
    assert {row["x"] for row in ticks[0]["data"]["values"]} == {1.0, 0.05}
    assert objectives(scenario, "other") == {}
    assert percentiles("x", "x", {}, {}) is None


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=2000))
def test_a_curve_ends_at_its_largest_value_and_all_of_them(values: list[float]) -> None:
    curve = Curve.of(np.array(values))
    assert (float(curve.values[-1]), float(curve.shares[-1])) == (max(values), 1.0)
    for value, share in zip(curve.values, curve.shares, strict=True):
        assert share == pytest.approx(float((np.array(values) <= value).mean()))


def test_requests_that_were_kept_are_drawn_as_a_curve(results: Results) -> None:
    drawn = {chart.name: chart for chart in latency(results)}
    curve = drawn["e2e-s-0"]
    kept = results.requests()
    longest = float((kept["done_ns"] - kept["arrival_ns"]).max()) * SECONDS_PER_NS
    assert curve.spec["layer"][0]["data"]["values"][-1]["x"] == pytest.approx(longest, rel=1e-5)
    assert curve.spec["layer"][0]["data"]["values"][-1]["y"] == 1.0
    assert f"half within {results.at('serving.api.e2e_s.p50'):.3g}" in curve.alt


def with_jobs(results: Results) -> Results:
    batch = a_batch()
    edges = np.unique(np.linspace(0, results.energy.end_ns, 11).astype(np.int64))
    return replace(
        results,
        job_table=job_rows(batch),
        stint_table=stint_rows([batch]),
        cluster_table=cluster_rows(cluster_series([batch], edges), ()),
    )


def test_jobs_on_nodes_do_not_overlap_and_have_the_area_of_what_was_held(results: Results) -> None:
    batch = a_batch()
    chart = gantt(with_jobs(results))
    assert chart is not None
    boxes = [(r["t"], r["t2"], r["low"], r["high"]) for r in chart.spec["layer"][0]["data"]["values"]]
    for i, (t, t2, low, high) in enumerate(boxes):
        assert all(min(t2, b[1]) <= max(t, b[0]) + 1e-9 or min(high, b[3]) <= max(low, b[2]) + 1e-3 for b in boxes[:i])
    per_ns = 1.0 / Axis.of(results.energy.end_ns).ns_per_unit
    counts = np.diff(batch.log.first_place)
    lasted = np.repeat(batch.log.end_ns - batch.log.start_ns, counts)
    held = float((batch.log.milli * lasted).sum()) / batch.inventory.milli[0] * per_ns
    area = sum((t2 - t) * (high - low) for t, t2, low, high in boxes)
    assert area == pytest.approx(0.92 * held, rel=1e-3)
    assert len(chart.rows) == len(batch.log.node)


def test_the_queue_and_the_waits_are_drawn_and_keep_their_peaks(results: Results) -> None:
    whole = with_jobs(results)
    drawn = {chart.name: chart for chart in cluster_charts(whole)}
    assert {"slots-held", "queue"} == set(drawn)
    assert whole.cluster_table is not None
    rows = whole.cluster_table.to_pylist()
    most = max(row["most"] for row in rows if row["series"] == "waiting")
    told = drawn["queue"]
    assert any(float(row[3]) == most for row in told.rows)
    assert queue(whole) == told
    waited = waits(whole)
    assert waited is not None
    assert waited.rows[-1][1] == "100.0 %"
    assert (queue(results), waits(results), cluster_charts(results)) == (None, None, [])


def test_samples_within_steps_keep_their_peaks(results: Results) -> None:
    watts = np.full(50_000, 4e5)
    watts[33_333] = 9e5
    begins = np.arange(50_000) * 10_000_000
    names = pa.array(["job"] * 50_000)
    table = pa.table({"start_ns": begins, "workload": names, "gpus_w": watts})
    (chart,) = power_within_steps(replace(results, trace_table=table))
    band = chart.spec["layer"][0]["data"]["values"]
    assert max(row["high"] for row in band) == 900.0
    assert "to 900.0 kW" in chart.alt
    assert len(band) <= MOST_BUCKETS + 1


def test_bars_are_sorted_and_say_their_shares(results: Results) -> None:
    chart = bars("x", "X", {"a": 1.0, "b": 3.0, "c": 0.0}, "kg")
    assert chart is not None
    assert chart.rows == (("b", "3", "75.0 %"), ("a", "1", "25.0 %"))
    assert bars("x", "X", {"a": 0.0}, "kg") is None
    carbon = carbon_parts(results.summary)["Carbon by component"]
    drawn = sum(row["x"] for row in carbon.spec["data"]["values"])
    assert drawn == pytest.approx(results.summary["carbon_kg"]["total"], rel=1e-9)


def test_a_tornado_shows_both_ends_of_each_input() -> None:
    effects = {
        "site.grid.intensity": {"at_p05": 50.0, "at_p95": 90.0, "at_median": 70.0, "swing": 40.0},
        "accounting.gpu_lifetime": {"at_p05": 75.0, "at_p95": 68.0, "at_median": 70.0, "swing": 7.0},
    }
    chart = tornado("carbon_kg.total", {"method": "oat", "evaluations": 5, "effects": effects})
    rows = chart.spec["layer"][0]["data"]["values"]
    assert [(row["x"], row["x2"]) for row in rows] == [(70.0, 50.0), (70.0, 90.0), (70.0, 75.0), (70.0, 68.0)]
    assert chart.rows[0] == ("site.grid.intensity", "50.00", "70.00", "90.00", "40.00")
    assert "most of all it is moved by site.grid.intensity" in chart.alt


def test_every_chart_of_a_run_draws_the_numbers_of_its_table(results: Results, everything: Results) -> None:
    """Specifications are plain data: no address to load from, and finite."""

    def plain(value: Any) -> None:
        if isinstance(value, dict):
            assert not {"url", "loader", "calculate"} & value.keys()
            for item in value.values():
                plain(item)
        elif isinstance(value, list):
            for item in value:
                plain(item)
        elif isinstance(value, float):
            assert np.isfinite(value)
        else:
            assert value is None or isinstance(value, bool | int | str)

    for run in (results, everything, with_jobs(results)):
        sites = sites_of(run)
        assert isinstance(sites, Sites)
        found = [power(run), sankey(run), *latency(run), *cluster_charts(run), *site_charts(sites), gantt(run)]
        for chart in filter(None, found):
            assert isinstance(chart, Chart)
            plain(chart.spec)
            assert all(len(row) == len(chart.header) for row in chart.rows)
            assert chart.alt.endswith(".")
