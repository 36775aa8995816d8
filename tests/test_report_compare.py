"""The page of several runs: what changed first, exact numbers, and no difference where it would mean nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.report.changed import ABSENT, changes
from sim.report.charts.compared import Line, over_each_other, parts, spreads, wholes
from sim.report.charts.look import SERIES
from sim.report.charts.overlaid import over_time
from sim.report.charts.times import Axis
from sim.report.compare import report
from sim.report.many import Many, fitting
from sim.report.page import policy
from sim.report.work import basis
from sim.results.catalogue.quantity import value_in
from sim.results.compare import Difference
from sim.results.files import write
from sim.results.results import Results
from tests.accessibility import axe as axe
from tests.accessibility import serious
from tests.browser import NO_BROWSER, PHONE, Browser, browser, chromium, kept
from tests.commands import coldaisle
from tests.hostile import LONG, MARKUP, QUOTES, RIGHT_TO_LEFT, renamed
from tests.small import small
from tests.test_report import checked
from tests.test_report_browser import opened
from tests.test_report_page import BLOCK, MOST_BYTES, without_scripts

VALUE = re.compile(r'<data value="([^"]+)" data-path="([^"]+)" data-run="(\d)"')
FOLDERS = ("one", "other", "third")


def uncertain() -> dict[str, Any]:
    data = small()
    over = {"site.grid.intensity": {"kind": "uniform", "low": "300 gCO2e/kWh", "high": "500 gCO2e/kWh"}}
    data["uncertainty"] = {"draws": 8, "seeds": 1, "over": over}
    return data


@pytest.fixture(scope="module")
def first() -> Results:
    return sim.run(uncertain())


@pytest.fixture(scope="module")
def other() -> Results:
    data = uncertain()
    data["site"]["facility"]["pue"] = 1.1
    data["name"] = "small, cooler"
    return sim.run(data)


@pytest.fixture(scope="module")
def unlike() -> Results:
    """Of other work: no training."""
    data = small()
    data["name"] = "service alone"
    del data["workloads"]["tune"]
    return sim.run(data)


@pytest.fixture(scope="module")
def written(first: Results, other: Results) -> str:
    return report([first, other], folders=FOLDERS[:2])


def twice(results: Results, unit: str) -> Results:
    """The same with twice the work and twice of every amount; a functional unit in both."""
    summary = json.loads(json.dumps(results.summary))

    def doubled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: doubled(one) for key, one in value.items()}
        return 2.0 * value if isinstance(value, float) else value

    for part in ("energy_kwh", "carbon_kg", "water_l", "cost"):
        summary[part] = doubled(summary[part])
    summary["serving"]["api"]["completed"] *= 2
    return replace(results, summary=with_unit(summary, unit, 2000.0), draw_table=None)


def with_unit(summary: dict[str, Any], unit: str, count: float) -> dict[str, Any]:
    kpi = {**summary["kpi"], "sci_unit": unit, "sci_g_per_unit": summary["carbon_kg"]["total"] * 1000.0 / count}
    return {**summary, "kpi": kpi}


def test_the_page_is_well_formed_and_says_first_what_changed(written: str) -> None:
    seen = checked(written)
    assert not seen & {"link", "img", "iframe", "form", "object"}
    assert re.findall(r"<h2 [^>]*>([^<]+)</h2>", written)[:2] == ["What changed in the scenario", "What came of it"]
    assert not re.search(r"""\b(src|srcset|action)=|url\(|@import|href="(?!#)""", without_scripts(written))
    assert f'content="{policy()}"' in written
    assert len(written.encode()) < MOST_BYTES


def test_what_changed_is_what_was_changed(first: Results, other: Results, unlike: Results) -> None:
    assert changes([first, first]) == []
    assert changes([first, other]) == [("site.facility.pue", "1.25", "1.1"), ("name", "small", "small, cooler")]
    rows = {row[0]: row[1:] for row in changes([other, unlike, other])}
    assert rows["workloads.tune"][1] == ABSENT
    assert rows["workloads.tune"][0].startswith("{kind: training")
    assert not any(path.startswith("workloads.api") for path in rows)


def test_files_and_versions_of_another_content_are_changes(first: Results) -> None:
    def with_file(content: str, version: str) -> Results:
        versions = {**first.manifest["versions"], "coldaisle": version}
        return replace(first, manifest={**first.manifest, "inputs_sha256": {"grid.csv": content}, "versions": versions})

    rows = changes([with_file("a" * 64, "1"), with_file("b" * 64, "2")])
    assert rows == [("content of file grid.csv", "a" * 16, "b" * 16), ("version coldaisle", "1", "2")]


def test_numbers_are_exactly_those_of_the_summaries(first: Results, other: Results, written: str) -> None:
    runs = (first, other)
    found = {(path, int(run)): float(value) for value, path, run in VALUE.findall(written)}
    for path in ("energy_kwh.facility", "carbon_kg.total", "water_l.onsite", "cost.energy", "serving.api.e2e_s.p99"):
        assert {(path, 1), (path, 2)} <= set(found)
    for (path, run), value in found.items():
        assert value == value_in(runs[run - 1].summary, (*path.split("."),))
    carried = {attributes: json.loads(body) for attributes, body in BLOCK.findall(written)}
    assert [carried[f' id="summary-{at}"'] for at in (1, 2)] == [first.summary, other.summary]


def test_differences_have_the_intervals_of_common_draws(first: Results, other: Results, written: str) -> None:
    """The intensity is uncertain and the PUE is not: energy differs by one amount, carbon by a range around it."""
    many = Many.of([first, other], FOLDERS[:2])
    rows = {row.path: row for row in many.rows()}
    drawn = rows["carbon_kg.total"].drawn[0]
    change = rows["carbon_kg.total"].differences()[0]
    assert drawn is not None
    assert change is not None
    assert drawn.p05 < change.change < drawn.p95 < 0.0  # type: ignore[operator]
    it_kwh = first.summary["energy_kwh"]["it"]
    kwh = rows["energy_kwh.facility"].differences()[0]
    assert kwh is not None
    assert kwh.change == pytest.approx((1.1 - 1.25) * it_kwh, rel=1e-12)
    assert "90 %: " in written
    assert "(-12.0 %)" in written  # 1.1 / 1.25


def test_unlike_work_is_told_apart_and_nothing_is_subtracted(first: Results, unlike: Results) -> None:
    found = basis([first.summary, unlike.summary])
    assert not found.comparable
    assert "tune: 16.00 GPU-hours and none" in found.says
    page = without_scripts(report([first, unlike], folders=FOLDERS[:2]))
    assert "cannot be compared" in page
    assert '<div class="note">' not in page.split("What came of it")[-1].split("How to repeat it")[0]
    assert Many.of([first, unlike], FOLDERS[:2]).rows()[0].differences() == [None]


@pytest.mark.parametrize(
    ("here", "there", "says"),
    [
        ({"serving": {"a": {"completed": 9}}}, {"serving": {"a": {"completed": 7}}}, "a: 9 requests and 7 requests"),
        (
            {"campaigns": {"a": {"trials": 60}}},
            {"campaigns": {"a": {"trials": 80}}},
            "a: 60.00 trials and 80.00 trials",
        ),
        (
            {"federated": {"a": {"rounds": 60}}},
            {"federated": {"a": {"rounds": 80}}},
            "a: 60.00 rounds and 80.00 rounds",
        ),
        ({"split": {"a": {"completed": 9}}}, {}, "a: 9 requests and none"),
        (
            {"serving": {"a": {"completed": 9, "prompt_tokens": 90, "output_tokens": 900}}},
            {"serving": {"a": {"completed": 9, "prompt_tokens": 90, "output_tokens": 90}}},
            "(a: 900.0 tokens of answers and 90.00 tokens of answers)",
        ),
        (
            {"jobs": {"a": {"gpu_hours": 16.0, "step": {"tokens": 1e9}}}},
            {"jobs": {"a": {"gpu_hours": 16.0, "step": {"tokens": 2e9}}}},
            "trained tokens",
        ),
        ({"jobs": {"a": {"gpu_hours": 16.0, "step": {"tokens": 16.0}}}}, {"jobs": {"a": {"gpu_hours": 16.0}}}, "none"),
        (
            {"jobs": {"a": {"gpu_hours": 16.0, "step": {"tokens": 1e9}}}},
            {"jobs": {"a": {"gpu_hours": 30.0, "step": {"tokens": 1e9}}}},
            "",
        ),
    ],
)
def test_work_is_what_was_done_and_not_what_it_took(
    first: Results, here: dict[str, object], there: dict[str, object], says: str
) -> None:
    """The same tokens trained on slower boards are the same work; requests answered in a tenth of the words are not."""
    runs = [{"carbon_kg": first.summary["carbon_kg"], "kpi": {}, **done} for done in (here, there)]
    assert basis(runs).whole is (says == "")
    assert says in basis(runs).says


def test_energy_beyond_the_data_center_is_told_apart(first: Results, other: Results) -> None:
    """Carbon has that of networks and users' devices in it, so that energy told beside it must not leave it out."""

    def beside(results: Results, **kwh: float) -> Results:
        return replace(results, summary={**results.summary, "energy_kwh": {**results.summary["energy_kwh"], **kwh}})

    def told(*runs: Results) -> str:
        return " ".join(re.findall(r'<p class="lede">(.*?)</p>', report([*runs], folders=FOLDERS[: len(runs)])))

    assert "outside it" not in told(first, other)
    assert " in the data center" not in told(first, other)
    more = told(beside(first, network=2.0), beside(other, network=2.5, devices=1.5))
    assert "less energy in the data center" in more
    assert "2 kWh more outside it" in more
    assert "2 kWh less outside it" in told(beside(first, network=2.0), other)
    assert "the same outside it" in told(beside(first, network=2.0), beside(other, devices=2.0))
    alike = told(beside(first, network=2.0), beside(first, network=3.0))
    assert "uses the same energy in the data center, 1 kWh more outside it and causes the same CO2e" in alike


def test_per_unit_of_work_twice_of_everything_is_the_same(first: Results) -> None:
    """Twice the work with twice of every amount: no amount differs per unit, and shares and times are as they were."""
    one = replace(first, summary=with_unit(first.summary, "1000 requests", 1000.0), draw_table=None)
    many = Many.of([one, twice(first, "1000 requests")], FOLDERS[:2])
    assert many.per_unit
    assert many.basis.units == pytest.approx((1000.0, 2000.0))
    told = [row for row in many.rows() if row.path.partition(".")[0] in ("energy_kwh", "carbon_kg", "water_l", "cost")]
    assert len(told) > 10
    for row in told:
        assert row.values[1] == pytest.approx(row.values[0], rel=1e-12)
        assert not row.exact
    page = report(many.runs, folders=FOLDERS[:2])
    assert "per 1000 requests" in page
    assert "uses the same energy and causes the same CO2e as" in without_scripts(page)


def test_functional_units_that_are_unlike_are_not_compared(first: Results) -> None:
    runs = [with_unit(first.summary, unit, 10.0) for unit in ("1000 tokens", "request")]
    assert "unlike (“1000 tokens” and “request”)" in basis(runs).says
    assert not basis(runs).comparable
    assert not basis([runs[0], first.summary]).comparable
    assert basis([runs[0], runs[0]]).whole


def test_a_run_as_the_functional_unit_compares_runs_on_unlike_machines(first: Results, unlike: Results) -> None:
    """Training on GPUs and on users' devices is one purpose where both scenarios say so."""
    found = basis([with_unit(one.summary, "run of keyboard", 1.0) for one in (first, unlike)])
    assert found.whole
    assert "“run of keyboard”, so that whole runs are compared" in found.says


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_no_percentage_is_absurd(first: float, other: float) -> None:
    told = Difference("x", "x", "kg", first, other).percentage
    if told:
        assert abs(other - first) <= 10.0 * abs(first)
        assert len(told) <= len("+1000.0 %")


def test_a_difference_from_next_to_nothing_is_an_amount() -> None:
    one = Difference("carbon_kg.by_component.nic", "carbon nic", "kg", 0.001, 0.313)
    assert one.percentage == ""
    assert one.changed == "+0.312 kg"
    assert one.cells[-1] == ""


@given(st.sampled_from(["kWh", "kg", "L", "USD"]), st.floats(1e-9, 1e12))
def test_units_of_axes_fit(unit: str, most: float) -> None:
    size, word = fitting(unit, most)
    assert word
    if unit != "USD" and 1e-3 <= most < 1e9:
        assert 0.9 <= most / size < 1e6


def domains(spec: Any) -> Iterator[tuple[list[str], list[str]]]:
    """Every scale of colour in a specification."""
    if isinstance(spec, dict):
        scale = spec.get("scale") if spec.get("field") == "run" else None
        if scale and "range" in scale:
            yield scale["domain"], scale["range"]
        for one in spec.values():
            yield from domains(one)
    elif isinstance(spec, list):
        for one in spec:
            yield from domains(one)


def test_a_run_has_one_colour_in_every_chart(first: Results, other: Results) -> None:
    runs = {"1. a": first, "2. b": other}
    axis = Axis.of(first.energy.end_ns)
    charts = [
        wholes("w", "w", {"1. a": 2.0, "2. b": 1.0}, {"1. a": (1.0, 3.0)}, "kg"),
        parts("p", "p", {name: run.summary["carbon_kg"]["by_component"] for name, run in runs.items()}, "kg"),
        spreads("s", "api", {name: run.summary["serving"]["api"] for name, run in runs.items()}),
        *over_time(runs, axis),
    ]
    assert len(charts) >= 5
    for chart in charts:
        assert chart is not None
        found = [*domains(chart.spec)]
        assert found
        assert all(pair == (["1. a", "2. b"], [*SERIES[:2]]) for pair in found)


def test_parts_that_differ_most_come_first() -> None:
    chart = parts("p", "p", {"a": {"x": 100.0, "y": 1.0}, "b": {"x": 101.0, "y": 5.0, "z": 1.5}}, "kg")
    assert chart is not None
    assert [row[0] for row in chart.rows] == ["y", "z", "x"]
    assert chart.rows[1] == ("z", "", "1.5")


def test_lines_of_runs_share_an_axis_and_keep_their_peaks(first: Results) -> None:
    edges = first.energy.edges_ns
    values = first.energy.energy_j.sum(axis=0)
    long = Line(edges * 2, values)
    chart = over_each_other("p", "p", {"a": Line(edges, values), "b": long}, "kW", Axis.of(int(edges[-1]) * 2))
    drawn = chart.spec["data"]["values"]
    for run in ("a", "b"):
        own = [row for row in drawn if row["run"] == run]
        assert max(row["high"] for row in own) == pytest.approx(float(values.max()), rel=1e-5)
    assert max(row["t"] for row in drawn if row["run"] == "b") == pytest.approx(chart.spec["params"][1]["value"])


def test_the_command_compares_two_to_six_runs(tmp_path: Path, first: Results, other: Results) -> None:
    write(first, tmp_path / "one")
    write(other, tmp_path / "other")
    done = coldaisle("report", "one", "other", cwd=tmp_path)
    assert (done.returncode, done.stderr.strip()) == (0, "written to report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == report([first, other], folders=["one", "other"])
    many = coldaisle("report", *["one"] * 7, cwd=tmp_path)
    assert many.returncode == 2
    assert "up to 6 runs, and there are 7" in many.stderr
    refused = coldaisle("report", "one", "other", "--tornado", cwd=tmp_path)
    assert refused.returncode == 2


def test_the_terminal_says_where_work_was_unlike(
    tmp_path: Path, first: Results, other: Results, unlike: Results
) -> None:
    for name, run in {"one": first, "other": other, "unlike": unlike}.items():
        write(run, tmp_path / name)
    assert "unlike work" not in coldaisle("compare", "one", "other", cwd=tmp_path).stderr
    assert "unlike work" in coldaisle("compare", "one", "unlike", cwd=tmp_path).stderr


def odd(results: Results) -> Results:
    named = renamed(results, {"tune": MARKUP, "api": LONG})
    scenario = {**named.scenario, "name": MARKUP + RIGHT_TO_LEFT, "description": QUOTES}
    return replace(named, scenario=scenario)


def test_names_are_text(first: Results) -> None:
    page = report([odd(first), first], folders=[QUOTES, "<b>"])
    checked(page)
    assert "<script>globalThis" not in page
    assert "<img" not in without_scripts(page)


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    with browser() as found:
        yield found


@pytest.mark.slow
@pytest.mark.skipif(chromium() is None, reason=NO_BROWSER)
class TestInABrowser:
    """Drawn, silent, readable on paper and a phone, by keyboard and by who cannot see it."""

    def test_charts_are_drawn_and_zoom_together(self, chrome: Browser, written: str, tmp_path: Path) -> None:
        with chrome.open() as tab:
            opened(tab, written, tmp_path)
            assert tab.evaluate("[...document.querySelectorAll('.drawing')].every(box => box.querySelector('svg'))")
            words = tab.evaluate("document.querySelector('#whole-carbon svg').textContent")
            assert "2. small, cooler" in words
            assert "kg CO2e" in words
            tab.click('#when .zoom [data-act="in"]')
            assert tab.evaluate("coldaisle.zoomed.to - coldaisle.zoomed.from") == 3.0
            kept(tab, "compare")

    def test_hostile_names_and_a_phone(self, chrome: Browser, first: Results, tmp_path: Path) -> None:
        with chrome.open(size=PHONE) as tab:
            tab.size(*PHONE, phone=True)
            opened(tab, report([odd(first), first], folders=[QUOTES, "<b>"]), tmp_path)
            assert tab.evaluate("globalThis.hacked === undefined")
            tab.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
            assert tab.evaluate("document.documentElement.scrollWidth") <= PHONE[0]

    @pytest.mark.parametrize("dark", [False, True])
    def test_axe_finds_nothing_serious(
        self,
        chrome: Browser,
        written: str,
        axe: str,
        tmp_path: Path,
        *,
        dark: bool,
    ) -> None:
        with chrome.open() as tab:
            tab.media(dark=dark)
            opened(tab, written, tmp_path)
            assert serious(tab, axe) == []
