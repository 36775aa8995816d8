"""What notebooks show: the run's numbers, names as text, no script but a chart's own in its frame, and every table."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

import sim
from sim.errors import InputError, RunError
from sim.report.chart import Chart
from sim.report.notebook import VEGA_LITE, chart_page, vega_lite
from sim.results.formats import number
from sim.results.polars_frames import PolarsFrames
from sim.results.results import Results
from tests.browser import NO_BROWSER, browser, chromium
from tests.hostile import LONG, MARKUP, QUOTES, RIGHT_TO_LEFT, renamed
from tests.small import small

CHARTS = ("power", "sankey", "water", "carbon", "energy")
"""Those that a small run has without being told more."""


@pytest.fixture(scope="module")
def results() -> Results:
    return sim.run(small())


def test_a_run_shows_its_numbers_exactly(results: Results) -> None:
    shown = results._repr_html_()
    found = {
        unescape(path): float(value) for value, path in re.findall(r'<data value="([^"]+)" data-path="([^"]+)"', shown)
    }
    assert {"energy_kwh.facility", "carbon_kg.total", "water_l.total", "cost.energy"} <= found.keys()
    assert found == {path: results.at(path) for path in found}


@pytest.mark.parametrize("name", [MARKUP, QUOTES, RIGHT_TO_LEFT, LONG])
def test_a_name_is_text_wherever_it_is_shown(results: Results, name: str) -> None:
    named = renamed(results, {"api": name})
    shown = [named._repr_html_(), sim.compare(named, named)._repr_html_()]
    for html in shown:
        assert "<script" not in html
        assert "<img" not in html
        assert not re.search(r"<[^>]*\son\w+=", html)
    for chart in (named.plot.power(), named.plot.sankey(), named.plot.carbon("workload")):
        html = chart._repr_mimebundle_()["text/html"]
        assert html.count("<") == html.count(">") == 2  # the frame's own tag, and all else in its attribute
        assert unescape(html.partition('srcdoc="')[2].partition('"')[0]) == chart_page(chart)


def test_a_run_names_no_colour(results: Results) -> None:
    """It stands in the notebook's own colours, by day and by night."""
    assert not re.search(r"(?<!&)#[0-9a-fA-F]{3,6}\b|rgb\(|var\(--", results._repr_html_())


def test_a_study_shows_its_points_least_carbon_first() -> None:
    grids = ["50 gCO2e/kWh", "30 gCO2e/kWh"]
    study = sim.sweep({"name": MARKUP, "base": "bloom-training", "axes": {"site.grid.intensity": grids}}, workers=1)
    shown = study._repr_html_()
    assert "2 points: 2 done." in shown
    assert shown.index("30 gCO2e/kWh") < shown.index("50 gCO2e/kWh")
    assert "<script" not in shown
    assert "<img" not in shown
    assert study.polars()["carbon_kg.total"].to_list() == study.frame()["carbon_kg.total"].tolist()
    folder = study.folder
    assert folder.is_dir()
    del study
    assert not folder.exists()


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_comes_as_a_page_and_as_vega_lite(results: Results, name: str) -> None:
    chart = getattr(results.plot, name)()
    assert isinstance(chart, Chart)
    bundle = chart._repr_mimebundle_()
    assert set(bundle) == {"text/html", "text/plain", VEGA_LITE}
    assert set(chart._repr_mimebundle_(include=["text/plain"])) == {"text/plain"}
    assert set(chart._repr_mimebundle_(exclude=["text/html"])) == {"text/plain", VEGA_LITE}
    assert 'sandbox="allow-scripts"' in bundle["text/html"]
    written = json.dumps({**bundle[VEGA_LITE], "data": None, "layer": None})
    assert "var(--" not in written


def test_colours_are_put_in_and_data_is_left_alone(results: Results) -> None:
    chart = results.plot.power()
    spec = {"$schema": "x", "mark": {"color": "var(--c0)"}, "data": {"values": [{"name": "var(--c0)"}]}}
    found = vega_lite(Chart(chart.name, chart.title, chart.alt, spec, chart.header, chart.rows))
    assert re.fullmatch(r"#[0-9a-f]{3,6}", found["mark"]["color"])
    assert found["data"]["values"] == [{"name": "var(--c0)"}]


def test_a_chart_is_saved_and_nothing_of_others_written_over(results: Results, tmp_path: Path) -> None:
    chart = results.plot.carbon()
    for _ in range(2):  # its own file is written over
        chart.save(tmp_path / "carbon.html")
        chart.save(str(tmp_path / "carbon.json"))
    assert (tmp_path / "carbon.html").read_text(encoding="utf-8") == chart_page(chart)
    assert json.loads((tmp_path / "carbon.json").read_text(encoding="utf-8")) == vega_lite(chart)
    theirs = tmp_path / "theirs.json"
    theirs.write_text("{}")
    with pytest.raises(InputError):
        chart.save(theirs)
    assert theirs.read_text() == "{}"
    with pytest.raises(ValueError, match=r"\.html or \.json"):
        chart.save(tmp_path / "carbon.png")


def test_latency_is_of_a_service_by_name(results: Results) -> None:
    services = [*results.summary.get("serving", {})]
    with pytest.raises(KeyError, match="services"):
        results.plot.latency("nobody")
    assert services == [] or results.plot.latency(services[0]).name == "latency-0"


@pytest.mark.parametrize("name", ["queue", "waits", "slots", "pue", "intensity", "supply"])
def test_what_a_run_has_not_is_said_with_what_would_give_it(results: Results, name: str) -> None:
    with pytest.raises(KeyError, match=r"this run has no .*(give it|give site|kpi)"):
        getattr(results.plot, name)()


TABLES = [name for name in vars(PolarsFrames) if not name.startswith("_") and name != "results"]


@pytest.mark.parametrize("name", TABLES)
def test_every_table_is_the_same_in_pandas_polars_and_arrow(results: Results, name: str) -> None:
    try:
        frame = getattr(results, name)()
    except KeyError as error:
        with pytest.raises(KeyError, match=re.escape(str(error.args[0]))):
            getattr(results.polars, name)()
        return
    polars, arrow = getattr(results.polars, name)(), results.table(name)
    assert polars.columns == [*frame.columns] == arrow.column_names
    assert polars.height == len(frame) == arrow.num_rows
    for column in arrow.column_names:
        assert polars[column].to_list() == arrow[column].to_pylist()


def test_no_table_is_left_out() -> None:
    """Each frame that results have is there in Polars; ``at`` and ``table`` are none."""
    public = {name for name, item in vars(Results).items() if callable(item) and not name.startswith("_")}
    assert set(TABLES) == public - {"at", "table"}


def test_a_table_that_is_not_there_is_refused_with_all_that_are(results: Results) -> None:
    with pytest.raises(KeyError, match="ledger, requests, jobs"):
        results.table("nothing")


def test_without_polars_it_says_what_to_install(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(RunError, match=r"pip install 'coldaisle\[polars\]'"):
        results.polars.ledger()


@pytest.mark.slow
@pytest.mark.skipif(chromium() is None, reason=NO_BROWSER)
def test_a_chart_draws_itself_in_a_notebooks_page(results: Results, tmp_path: Path) -> None:
    """In its frame, which is not of the page's origin: asked from outside by nothing, it is looked at by itself."""
    chart = results.plot.sankey()
    for name, written in {
        "alone": chart_page(chart),
        "framed": f"<!doctype html>{chart._repr_mimebundle_()['text/html']}",
    }.items():
        path = tmp_path / f"{name}.html"
        path.write_text(written, encoding="utf-8")
    with browser() as chrome, chrome.open((tmp_path / "alone.html").as_uri()) as tab:
        tab.wait_for("document.documentElement.dataset.drawn")
        drawn: Any = tab.evaluate("document.querySelector('.drawing svg').textContent")
        assert any(row[0] in drawn for row in chart.rows)
        assert tab.console == []
        tab.go((tmp_path / "framed.html").as_uri())
        assert tab.evaluate("document.querySelector('iframe').title") == chart.title
        assert tab.console == []


STUDY: dict[str, Any] = {
    "name": "halls",
    "base": "bloom-training",
    "axes": {
        "site.facility.pue": [1.1, 1.2, 1.4],
        "site.grid.intensity": ["30 gCO2e/kWh", "57 gCO2e/kWh"],
        "accounting.gpu_lifetime": ["3 years", "6 years"],
    },
}


def test_charts_of_a_study_hold_the_numbers_of_its_table() -> None:
    study = sim.sweep(STUDY, workers=1)
    table = study.frame()
    points = study.plot.pareto("carbon_kg.embodied", "energy_kwh.facility")
    assert len(points.rows) == len(table)
    least = table[table["axis.site.facility.pue"] == 1.1]
    longest = least[least["axis.accounting.gpu_lifetime"] == "6 years"]
    assert {row[0] for row in points.rows if row[-1]} == {*longest["point"].astype(str)}
    cells = study.plot.heat("carbon_kg.total", x="site.grid.intensity", y="site.facility.pue").rows
    mean = table.groupby(["axis.site.grid.intensity", "axis.site.facility.pue"])["carbon_kg.total"].mean()
    assert {(across, float(up)) for across, up, *_ in cells} == {*mean.index}
    assert {row[2] for row in cells} == {*map(number, mean)}
    assert study.plot.effects("carbon_kg.total").rows[0][0] == "intensity"
    assert study.plot.parallel().name == "parallel"
    for chart in (points, study.plot.heat(), study.plot.effects()):
        assert VEGA_LITE in chart._repr_mimebundle_()


def test_a_chart_of_a_study_that_cannot_be_says_what_there_is() -> None:
    study = sim.sweep({**STUDY, "axes": {"site.facility.pue": [1.1, 1.2]}}, workers=1)
    with pytest.raises(KeyError, match=r"did you mean 'carbon_kg\.total'"):
        study.plot.effects("carbon_kg.totl")
    with pytest.raises(KeyError, match="two parameters"):
        study.plot.heat("carbon_kg.total")
