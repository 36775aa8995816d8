"""The page of a run: whole, in need of nothing, true to the summary; whatever a name holds, it is shown as text."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.loading.scenario import shipped_scenarios
from sim.report.charts.parts import ENDS_AT as BARS_END_AT
from sim.report.charts.sankey import ENDS_AT, NARROW_ENDS_AT
from sim.report.headline import energy, sentence
from sim.report.page import HERE, SCRIPTS, Section, page, policy, scripts
from sim.report.parts import data_block, labels, table, tabs, text
from sim.report.run import change, report
from sim.results.catalogue.quantity import value_in
from sim.results.files import write
from sim.results.results import Results
from tests.commands import coldaisle
from tests.hostile import LONG, MARKUP, QUOTES, RIGHT_TO_LEFT, renamed
from tests.small import small
from tests.test_report import checked

DATA = re.compile(r'<data value="([^"]+)" data-path="([^"]+)"')
TORNADO = {"effects": {"embodied": {"at_p05": 1.0, "at_median": 2.0, "at_p95": 4.0, "swing": 3.0}}, "evaluations": 3}
BLOCK = re.compile(r'<script type="application/json"([^>]*)>(.*?)</script>', re.DOTALL)
MOST_BYTES = 5_000_000


@pytest.fixture(scope="module")
def results() -> Results:
    return sim.run(small())


@pytest.fixture(scope="module")
def written(results: Results) -> str:
    return report(results)


def without_scripts(written: str) -> str:
    """The page as a reader's browser shows it."""
    return re.sub(r"<script[^>]*>.*?</script>|<style>.*?</style>", "", written, flags=re.DOTALL)


def test_the_page_is_well_formed_and_answers_in_order(written: str) -> None:
    seen = checked(written)
    assert {"main", "nav", "header", "h1", "h2", "h3", "figure", "table", "details", "button", "data"} <= seen
    assert not seen & {"link", "img", "iframe", "form", "object"}
    heads = re.findall(r"<h2 [^>]*>([^<]+)</h2>", written)
    assert heads == [
        "Where it goes",
        "When",
        "How well it served",
        "What would change it most",
        "What it rests on",
        "How to repeat it",
    ]
    assert written.index('class="lede"') < written.index('class="big"') < written.index("<h2")


def test_the_page_asks_for_nothing_and_names_what_it_runs(written: str) -> None:
    assert not re.search(r"""\b(src|srcset|action)=|url\(|@import|href="(?!#)""", without_scripts(written))
    assert f'<meta http-equiv="Content-Security-Policy" content="{policy()}">' in written
    assert "default-src 'none'" in policy()
    assert "unsafe-eval" not in policy()
    assert policy().count("sha256-") == len(SCRIPTS) == written.count("<script>")
    assert len(written.encode()) < MOST_BYTES
    assert not any("sourceMappingURL" in script or "</script" in script for script in scripts())


def test_vendored_scripts_are_those_of_the_makers() -> None:
    told = (HERE / "vendor/VENDOR.md").read_text(encoding="utf-8")
    for path in sorted((HERE / "vendor").glob("*.js")):
        assert f"`{path.name}`" in told
        assert hashlib.sha256(path.read_bytes()).hexdigest() in told
    for licence in re.findall(r"`(LICENSE[^`]+)`", told):
        assert "Redistribution and use" in (HERE / "vendor" / licence).read_text(encoding="utf-8")


def test_totals_are_exactly_those_of_the_summary(results: Results, written: str) -> None:
    found = {path: float(value) for value, path in DATA.findall(written)}
    assert {"energy_kwh.facility", "carbon_kg.total", "water_l.total", "cost.energy"} <= set(found)
    for path, value in found.items():
        assert value == value_in(results.summary, (*path.split("."),))
    carried = {attributes: json.loads(body) for attributes, body in BLOCK.findall(written)}
    assert carried[' id="summary"'] == results.summary


def test_the_headline_tells_what_was_drawn_outside_the_data_center(results: Results) -> None:
    """The total of carbon has that of devices and networks in it; so must the energy that is told with it."""
    kwh = results.summary["energy_kwh"]
    summary = {**results.summary, "energy_kwh": {**kwh, "network": 2.5, "devices": 0.5}}
    told = sentence(replace(results, summary=summary))
    assert (
        f"used {energy(kwh['facility'])} in the data center and 3 kWh outside it (users' devices and networks)" in told
    )
    assert "outside" not in sentence(results)


def test_the_headline_says_what_the_work_of_the_unit_took_where_other_work_ran_beside_it(results: Results) -> None:
    """A functional unit bears the whole run, a training beside the service included; the sentence must not hide it."""
    kwh = results.summary["energy_kwh"]
    assert "bears the whole run" not in sentence(results)  # nothing is counted
    units = {"of": "api", "per": "request", "count": 1}
    kpi = {**results.summary["kpi"], "sci_g_per_unit": 20.0, "sci_unit": "request of api"}
    counted = replace(
        results,
        scenario={**results.scenario, "accounting": {**results.scenario["accounting"], "functional_unit": units}},
        summary={**results.summary, "kpi": kpi},
    )
    own = 100 * kwh["by_workload"]["api"] / kwh["it"]
    assert f"bears the whole run here; api itself took {own:.1f} % of the IT energy" in sentence(counted)
    alone = {**kwh, "by_workload": {name: used for name, used in kwh["by_workload"].items() if name != "tune"}}
    assert "bears the whole run" not in sentence(replace(counted, summary={**counted.summary, "energy_kwh": alone}))


def test_the_command_writes_the_page_of_one_run(tmp_path: Path, results: Results) -> None:
    write(results, tmp_path / "run")
    done = coldaisle("report", "run", cwd=tmp_path)
    assert (done.returncode, done.stderr.strip()) == (0, "written to report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == report(results, folder="run")
    assert coldaisle("report", "run", cwd=tmp_path).returncode == 0  # its own page is written over
    refused = coldaisle("report", "run", "--tornado", cwd=tmp_path)
    assert refused.returncode == 2
    assert "uncertainty" in refused.stderr
    for option in (("--output", "carbon_kg.total"), ("--workers", "1")):  # which would do nothing alone
        refused = coldaisle("report", "run", *option, cwd=tmp_path)
        assert refused.returncode == 2
        assert "add --tornado" in refused.stderr
    assert "coldaisle report run --tornado" in (tmp_path / "report.html").read_text(encoding="utf-8")
    (tmp_path / "report.html").write_text("mine")
    assert coldaisle("report", "run", cwd=tmp_path).returncode == 2  # and nobody else's


def test_the_command_says_what_would_change_the_result_most(tmp_path: Path) -> None:
    data = small()
    over: dict[str, Any] = {
        "accounting.gpu_lifetime": {"kind": "uniform", "low": "3 years", "high": "7 years"},
        "site.grid.intensity": {"kind": "uniform", "low": "300 gCO2e/kWh", "high": "500 gCO2e/kWh"},
    }
    data["uncertainty"] = {"draws": 20, "seeds": 1, "over": over}
    run = sim.run(data)
    write(run, tmp_path / "run")
    before = report(run, folder="run")
    assert "--tornado" in before
    low, high = (run.summary["intervals"]["carbon_kg.total"][end] for end in ("p05", "p95"))
    assert low < high
    assert "(90 % interval)" in before
    done = coldaisle("report", "run", "--tornado", "--workers", "1", cwd=tmp_path)
    assert done.returncode == 0
    written = (tmp_path / "report.html").read_text(encoding="utf-8")
    rows = re.findall(r'id="tornado-0".*?<tbody>(.*?)</tbody>', written, re.DOTALL)[0]
    inputs = re.findall(r'<th scope="row"><bdi>([^<]+)</bdi>', rows)
    assert inputs == ["site.grid.intensity", "accounting.gpu_lifetime"]  # the largest effect first


def test_names_are_text_whatever_they_hold(results: Results) -> None:
    odd = renamed(results, {"tune": MARKUP, "api": LONG})
    written = report(replace(odd, scenario={**odd.scenario, "name": QUOTES + RIGHT_TO_LEFT}))
    seen = checked(written)
    assert "img" not in seen
    assert written.count("<script>") == len(SCRIPTS)
    shown = without_scripts(written)
    assert "<img" not in shown
    assert "onerror=&#x27;globalThis" in shown
    assert LONG in shown  # whole, where it is opened
    for words in re.findall(r"<summary><bdi>(.*?)</bdi>", shown):
        assert len(unescape(words)) <= 80
    assert QUOTES + RIGHT_TO_LEFT in unescape(shown)
    for attributes, body in BLOCK.findall(written):
        assert "<" not in body
        spec = json.loads(body)
        if "data-spec" in attributes:
            assert max(map(len, _texts(spec)), default=0) < 1000  # charts have short names


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [words for item in inner for words in _texts(item)]


def test_no_expression_of_a_chart_holds_a_name(results: Results) -> None:
    """Vega computes expressions; a name in one would be code."""
    written = report(renamed(results, {"tune": QUOTES, "api": RIGHT_TO_LEFT}))

    def expressions(value: Any) -> list[str]:
        if isinstance(value, dict):
            own = [
                str(value[key])
                for key in ("expr", "signal", "calculate", "filter", "test", "labelExpr")
                if key in value
            ]
            return own + [one for item in value.values() for one in expressions(item)]
        return [one for item in value for one in expressions(item)] if isinstance(value, list) else []

    specs = [json.loads(body) for attributes, body in BLOCK.findall(written) if "data-spec" in attributes]
    assert len(specs) >= 4
    assert {one for spec in specs for one in expressions(spec)} <= {"from", "to", ENDS_AT, NARROW_ENDS_AT, BARS_END_AT}


@given(st.text())
def test_any_text_stays_text(words: str) -> None:
    shown = text(words)
    assert checked(shown) <= {"bdi", "details", "summary"}
    block = BLOCK.fullmatch(data_block({"a": words}))
    assert block is not None
    assert json.loads(block[2]) == {"a": words}
    assert unescape(re.findall(r"<bdi>(.*?)</bdi>", shown, re.DOTALL)[-1]) == words


@given(st.lists(st.text(max_size=60), unique=True, max_size=12))
def test_short_names_are_as_many_as_the_names(names: list[str]) -> None:
    short = labels(names)
    assert [*short] == names
    assert len(set(short.values())) == len(names)
    assert all(len(name) <= 34 for name in short.values())


def test_a_run_whose_signals_are_gone_says_so_and_shows_the_rest(results: Results) -> None:
    site = {**results.scenario["site"], "grid": {"intensity": {"kind": "nobody-knows-this"}}}
    written = report(replace(results, scenario={**results.scenario, "site": site}))
    assert "could not be read again here" in written
    assert 'id="power"' in written
    assert 'id="pue"' not in written


def test_what_a_run_has_not_is_left_out(written: str) -> None:
    for absent in ('id="queue"', 'id="gantt"', 'id="tornado-0"', "Campaigns", "Shared power", "NaN", "None<"):
        assert absent not in without_scripts(written)
    assert "the scenario states no ranges" in written


def test_the_ranges_of_sources_move_a_result_where_the_scenario_has_none(results: Results) -> None:
    asked = re.findall(r"coldaisle report DIR [^<]*", change(results, {}, "DIR"))
    assert asked == ["coldaisle report DIR --tornado --intervals"]
    shown = change(results, {"carbon_kg.total": TORNADO}, "DIR")
    assert "sources of its profiles state" in shown
    assert "<pre>" not in shown  # nothing is left to ask for


def test_a_scenario_that_ships_is_repeated_by_its_name(results: Results) -> None:
    there = str(shipped_scenarios()["bloom-training"])
    assert "coldaisle run bloom-training --seed" in report(
        replace(results, manifest={**results.manifest, "scenario": there})
    )


def test_the_page_says_what_it_rests_on_and_how_to_repeat_it(results: Results, written: str) -> None:
    for name, digest in results.manifest["profiles_sha256"].items():
        assert f"({name})" in written
        assert digest in written
    assert results.manifest["scenario_sha256"] in written
    for known in ("measured or calibrated", "data sheet", "derived", "assumed"):
        assert known in written
    assert "coldaisle run" in written
    assert "--seed 1" in written
    assert "Not modelled:" in written


def test_an_interval_that_misses_the_value_says_why(results: Results) -> None:
    total = results.summary["carbon_kg"]["total"]
    for low, high, told in ((0.5, 2.0, False), (2.0, 3.0, True)):
        found = {"carbon_kg.total": {"p05": low * total, "p50": total, "p95": high * total}}
        about = {"draws": 9, "seeds": 1, "refused_draws": 0}
        written = report(replace(results, summary={**results.summary, "intervals": found, "uncertainty": about}))
        assert ("lie outside the ranges" in written) == told


def test_a_convention_is_shown_beside_the_meters() -> None:
    written = report(sim.run("bloom-training"))
    checked(written)
    for shown in (
        "luccioni-2023",
        "but not counted",
        "50.52 t",
        "added by the convention",
    ):
        assert shown in written


def test_every_chart_has_a_title_words_and_its_numbers(written: str) -> None:
    drawn = re.findall(r'<figure class="chart" id="([^"]+)".*?</figure>', written, re.DOTALL)
    assert len(drawn) == len(set(drawn)) >= 5
    for name in drawn:
        body = written.partition(f'<figure class="chart" id="{name}"')[2].partition("</figure>")[0]
        assert re.search(r"<h3 [^>]*><bdi>[^<]+</bdi></h3>", body)
        assert len(re.findall(r'<p class="says"[^>]*><bdi>([^<]{10,})', body)) == 1
        assert "<tbody><tr>" in body


def test_tables_too_wide_are_turned_and_tabs_of_one_are_none() -> None:
    wide = table([f"h{i}" for i in range(20)], [[str(i) for i in range(20)]])
    assert wide.count("<tr>") == 20
    assert tabs("x", "said", {"one": "<p>body</p>"}) == "<p>body</p>"
    assert checked(page("t", [Section("a", "A", "<p>words</p>")])) >= {"main"}


def test_figures_without_scripts_still_have_their_numbers(written: str) -> None:
    assert written.count('class="unscripted"') == written.count("<figure ")
