"""The page of a study: exact numbers, the true front, and filters, table and points that work by mouse and by key."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sim
from sim.loading.scenario import load_scenario, parse_assignments
from sim.report.charts.points import MOST_LINES, effects, grouped, heat, means, parallel, pareto
from sim.report.page import policy
from sim.report.points import MOST_POINTS, Points
from sim.report.study import SCRIPT, report
from sim.results.files import write
from sim.study.sweep.folder import manifest_of, points_of
from sim.study.sweep.run import sweep
from sim.study.sweep.tradeoffs import pareto_front
from tests.accessibility import axe as axe
from tests.accessibility import serious
from tests.browser import NO_BROWSER, PHONE, Browser, Tab, browser, chromium, kept
from tests.commands import coldaisle
from tests.hostile import LONG, MARKUP, QUOTES, RIGHT_TO_LEFT
from tests.small import small
from tests.test_report import checked
from tests.test_report_browser import opened
from tests.test_report_page import BLOCK, MOST_BYTES, without_scripts


def made(levels: Mapping[str, list[Any]], results: Mapping[str, Any], name: str = "a study") -> tuple[Any, pa.Table]:
    """A study over a full grid of ``levels``, with ``results`` of its points (points,) or one number of them each."""
    grid = np.array(np.meshgrid(*(np.arange(len(one)) for one in levels.values()), indexing="ij"))
    at = grid.reshape(len(levels), -1)
    count = at.shape[1]
    columns: dict[str, Any] = {
        "point": np.arange(count),
        "replication": np.zeros(count, np.int64),
        "seed": np.ones(count, np.int64),
        "status": ["done"] * count,
        "error": pa.nulls(count, pa.string()),
    }
    for (path, values), own in zip(levels.items(), at, strict=True):
        columns[f"axis.{path}"] = [values[k] for k in own]
    columns |= {
        path: np.broadcast_to(np.asarray(values, dtype=np.float64), (count,)) for path, values in results.items()
    }
    study = {
        "name": name,
        "description": "",
        "study": {
            "name": name,
            "base": "chat-service",
            "axes": {path: [*map(str, own)] for path, own in levels.items()},
        },
        "study_sha256": "0" * 64,
        "build": "0",
        "axes": {path: [path] for path in levels},
    }
    return study, pa.table(columns)


def random(count: int, seed: int = 1) -> tuple[Any, pa.Table]:
    rng = np.random.default_rng(seed)
    levels = {
        "cluster.nodes.0.count": [*range(1, count // 10 + 1)],
        "workloads.chat.replicas.power_cap": [f"{w} W" for w in range(300, 800, 50)],
    }
    return made(
        levels, {"carbon_kg.total": rng.lognormal(size=count), "serving.chat.ttft_s.p99": rng.lognormal(size=count)}
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study of a small scenario: 2 x 3 x 2 points of which one simulation serves all."""
    out = tmp_path_factory.mktemp("study")
    base = small()
    base["duration"] = "1 h"
    axes = {
        "site.grid.intensity": ["50 gCO2e/kWh", "400 gCO2e/kWh"],
        "site.facility.pue": [1.1, 1.2, 1.4],
        "hardware": {
            "zip": {
                "accounting.gpu_lifetime": ["3 years", "6 years"],
                "accounting.server_lifetime": ["4 years", "6 years"],
            }
        },
    }
    write(sim.run(base), out / "run")
    study = {"name": "small study", "base": base, "axes": axes}
    sweep(study, out / "study", workers=1, keep=False)
    return out


@pytest.fixture(scope="module")
def table(folder: Path) -> tuple[Mapping[str, Any], pa.Table]:
    study = manifest_of(folder / "study")
    return study, points_of(folder / "study", study)


@pytest.fixture(scope="module")
def written(table: tuple[Mapping[str, Any], pa.Table]) -> str:
    return report(*table, folder="study")


def carried(written: str) -> Any:
    return json.loads(dict(BLOCK.findall(written))[' id="points-data"'])


def test_the_page_is_well_formed_and_asks_for_nothing(written: str) -> None:
    seen = checked(written)
    assert not seen & {"link", "img", "iframe", "form", "object"}
    assert not re.search(r"""\b(src|srcset|action)=|url\(|@import|href="(?!#)""", without_scripts(written))
    assert f'content="{policy((SCRIPT,))}"' in written
    assert policy((SCRIPT,)) != policy()
    heads = re.findall(r"<h2 [^>]*>([^<]+)</h2>", written)
    assert heads == [
        "The trade-off",
        "What moves it",
        "Two parameters together",
        "All at once",
        "All points",
        "How to repeat it",
    ]


def test_numbers_are_exactly_those_of_the_dataset(written: str, table: tuple[Any, pa.Table]) -> None:
    data, rows = carried(written), table[1]
    assert data["points"] == rows["point"].to_pylist()
    assert len(data["results"]) > 5
    for result in data["results"]:
        assert result["values"] == rows[result["path"]].to_pylist()
    assert {one["path"] for one in data["results"]} >= {"carbon_kg.total", "energy_kwh.facility", "cost.energy"}
    for parameter in data["parameters"]:
        for i, path in enumerate(parameter["paths"]):
            told = [parameter["values"][at][i] for at in parameter["at"]]
            assert told == [str(value) for value in rows[f"axis.{path}"].to_pylist()]


def test_parameters_that_go_together_are_one(table: tuple[Any, pa.Table]) -> None:
    points = Points.of(*table)
    assert [(one.name, one.levels) for one in points.varying] == [
        ("intensity", ("50 gCO2e/kWh", "400 gCO2e/kWh")),
        ("pue", ("1.1", "1.2", "1.4")),
        ("hardware", ("3 years · 4 years", "6 years")),
    ]


def test_means_of_a_parameter_add_up_to_the_mean_of_all(table: tuple[Any, pa.Table]) -> None:
    """Whatever is looked at: each point is in one level of each parameter, so weighed means of levels are the mean."""
    points = Points.of(*table)
    for result in points.results:
        whole = float(np.mean(result.values))
        for one in points.varying:
            told = means(one, result)
            assert sum(count for *_, count in told) == len(points.numbers)
            assert sum(mean * count for _, mean, count in told) / len(points.numbers) == pytest.approx(whole, rel=1e-12)


def test_energy_is_in_proportion_to_pue_and_nothing_else_moves_it(table: tuple[Any, pa.Table]) -> None:
    points = Points.of(*table)
    energy = next(one for one in points.results if one.path == "energy_kwh.facility")
    by_name = {one.name: means(one, energy) for one in points.varying}
    low, _, high = (mean for _, mean, _ in by_name["pue"])
    assert high / low == pytest.approx(1.4 / 1.1, rel=1e-12)
    assert by_name["intensity"][0][1] == pytest.approx(by_name["intensity"][1][1], rel=1e-12)
    chart = effects(points, energy, 0)
    assert chart is not None
    assert chart.spec["layer"][0]["data"]["values"][0]["parameter"] == "pue"


def test_a_heat_map_has_the_mean_of_each_pair(table: tuple[Any, pa.Table]) -> None:
    study, rows = table
    points = Points.of(study, rows)
    carbon = next(one for one in points.results if one.path == "carbon_kg.total")
    intensity, pue, _ = points.varying
    cells = heat(points, carbon, pue, intensity, 0).spec["data"]["values"]
    assert len(cells) == 6
    frame = rows.to_pandas()
    for cell in cells:
        own = frame[
            (frame["axis.site.facility.pue"] == float(cell["across"]))
            & (frame["axis.site.grid.intensity"] == cell["up"])
        ]
        assert cell["z"] == pytest.approx(own["carbon_kg.total"].mean(), rel=1e-12)
        assert cell["points"] == len(own) == 2


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=2, max_size=40))
def test_no_point_of_the_front_is_beaten_and_every_other_is(pairs: list[tuple[int, int]]) -> None:
    x, y = zip(*pairs, strict=True)
    study, rows = made({"a": [*range(len(pairs))]}, {"carbon_kg.total": x, "serving.s.e2e_s.p99": y})
    points = Points.of(study, rows)
    goals = points.goals()
    if len(goals) < 2:
        return
    front = pareto_front(np.stack([one.costs for one in goals], axis=1))
    drawn = pareto(points, goals[0], goals[1], front).spec["data"]["values"]
    marked = {row["id"] for row in drawn if row["front"] == "on the front"}

    def beaten(at: int) -> bool:
        return any(p[0] <= pairs[at][0] and p[1] <= pairs[at][1] and p != pairs[at] for p in pairs)

    assert marked == {at for at in range(len(pairs)) if not beaten(at)}


def test_more_is_better_of_what_is_good() -> None:
    study, rows = made({"a": [1, 2, 3]}, {"carbon_kg.total": [1, 2, 3], "serving.s.goodput_share": [0.5, 0.9, 0.7]})
    goals = Points.of(study, rows).goals()
    assert [one.larger for one in goals] == [False, True]
    page = report(study, rows, folder="study")
    assert carried(page)["goals"] == [0, 1]
    assert "2 of 3 points are beaten by no other" in page
    assert "--over max:serving.s.goodput_share" in page


def test_results_that_are_one_are_no_trade_off() -> None:
    study, rows = made({"a": [1, 2, 3]}, {"carbon_kg.total": [1, 2, 3], "energy_kwh.facility": [2, 4, 6]})
    page = report(study, rows, folder="study")
    checked(page)
    assert "There is no trade-off" in page
    assert 'id="point"' in page  # a point is shown all the same
    study, rows = made({"a": [1, 2, 3]}, {"carbon_kg.total": [1, 2, 3], "energy_kwh.facility": [6, 4, 2]})
    assert "3 of 3 points are beaten by no other" in report(study, rows, folder="study")


def test_many_levels_are_drawn_in_groups() -> None:
    study, rows = random(3000)
    points = Points.of(study, rows)
    many = points.varying[0]
    names, at = grouped(many)
    assert len(names) <= 8 < len(many.levels)
    assert np.bincount(at).sum() == 3000
    assert (np.diff(at[np.argsort(np.asarray(many.numbers)[many.at])]) >= 0).all()


def test_thousands_of_points_fit_and_no_point_of_the_front_is_lost() -> None:
    study, rows = random(20_000)
    page = report(study, rows, folder="study")
    assert len(page.encode()) < MOST_BYTES
    data = carried(page)
    assert len(data["points"]) <= MOST_POINTS
    assert "20,000 points" in page
    costs = np.stack([rows[one["path"]].to_numpy() for one in data["results"]], axis=1)
    assert set(np.flatnonzero(pareto_front(costs)).tolist()) <= set(data["points"])
    points = Points.of(study, rows)
    front = pareto_front(costs)
    assert (
        len({row["id"] for row in parallel(points, points.goals(), front).spec["layer"][0]["data"]["values"]})
        == MOST_LINES
    )


def test_points_that_failed_are_counted_with_their_reason() -> None:
    study, rows = made({"a": [1, 2, 3, 4]}, {"carbon_kg.total": [1, 2, 3, 4], "cost.energy": [4, 1, 2, 3]})
    rows = rows.set_column(3, "status", pa.array(["done", "refused", "done", "done"]))
    rows = rows.set_column(4, "error", pa.array([None, "no <b>memory</b>", None, None]))
    page = report(study, rows, folder="study")
    assert "4 points over 1 parameter" in page
    assert "; 1 failed" in page
    assert "1 x refused: no &lt;b&gt;memory&lt;/b&gt;" in page
    gone = rows.set_column(3, "status", pa.array(["refused"] * 4))
    checked(report(study, gone, folder="study"))


def test_names_are_text() -> None:
    study, rows = made(
        {MARKUP.replace(".", ""): [MARKUP, QUOTES, LONG, RIGHT_TO_LEFT]},
        {"carbon_kg.total": [1, 2, 3, 4], "cost.energy": [4, 3, 1, 2]},
        MARKUP,
    )
    page = report(study, rows, folder=QUOTES)
    checked(page)
    assert "<script>globalThis" not in page


def test_the_command_writes_the_page_of_a_study(folder: Path, written: str) -> None:
    done = coldaisle("report", "study", cwd=folder)
    assert (done.returncode, done.stderr.strip()) == (0, "written to report.html")
    assert (folder / "report.html").read_text(encoding="utf-8") == written
    for words, told in ((("study", "run"), "page of its own"), (("study", "--tornado"), "of one run")):
        refused = coldaisle("report", *words, cwd=folder)
        assert refused.returncode == 2
        assert told in refused.stderr


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    with browser() as found:
        yield found


def whole(tab: Tab, written: str, folder: Path) -> None:
    opened(tab, written, folder)
    tab.wait_for("document.documentElement.dataset.study !== undefined")


@pytest.mark.slow
@pytest.mark.skipif(chromium() is None, reason=NO_BROWSER)
class TestInABrowser:
    """Filters, the front, the table and the chosen point, by mouse and by key."""

    def test_the_front_of_the_page_is_the_front(self, chrome: Browser, tmp_path: Path) -> None:
        study, rows = random(2000)
        costs = np.stack([rows[path].to_numpy() for path in ("carbon_kg.total", "serving.chat.ttft_s.p99")], axis=1)
        with chrome.open() as tab:
            whole(tab, report(study, rows, folder="study"), tmp_path)
            assert tab.evaluate("coldaisle.study.front()") == np.flatnonzero(pareto_front(costs)).tolist()
            tab.click("#more-x")  # more carbon is better, for once
            assert tab.evaluate("coldaisle.study.front()") == np.flatnonzero(pareto_front(costs * [-1, 1])).tolist()
            assert tab.console == []

    def test_a_filter_leaves_what_it_says(self, chrome: Browser, written: str, tmp_path: Path) -> None:
        with chrome.open() as tab:
            whole(tab, written, tmp_path)
            tab.evaluate("document.getElementById('filters').open = true")
            tab.click("#filters fieldset:nth-of-type(1) input")  # without the first intensity
            data = carried(written)
            own = data["parameters"][0]["at"]
            assert tab.evaluate("coldaisle.study.shown()") == [
                point for point, at in zip(data["points"], own, strict=True) if at
            ]
            assert "6 of 12 points shown" in tab.evaluate("document.getElementById('shown').textContent")
            assert tab.evaluate("coldaisle.views.get('pareto').view.data('points').length") == 6
            assert tab.evaluate("document.querySelectorAll('#all-points tbody tr').length") == 6
            tab.evaluate(
                "(() => { const e = document.querySelector('#filters input[type=number]'); e.value = '1e9'; "
                "e.dispatchEvent(new Event('change')); })()"
            )
            assert tab.evaluate("coldaisle.study.shown()") == []
            tab.click("#show-all")
            assert tab.evaluate("coldaisle.study.shown().length") == 12
            assert tab.console == []

    def test_a_click_and_keys_show_a_point_with_its_numbers(
        self, chrome: Browser, written: str, tmp_path: Path
    ) -> None:
        data = carried(written)
        panel = "document.getElementById('point')"
        with chrome.open() as tab:
            whole(tab, written, tmp_path)
            assert tab.evaluate(f"{panel}.hidden")
            place = tab.evaluate(
                "(() => { const box = document.querySelector('#pareto .drawing'); "
                "box.scrollIntoView({block: 'center', behavior: 'instant'}); "
                "const r = box.querySelector('.mark-symbol.role-mark path').getBoundingClientRect(); "
                "return [r.x + r.width / 2, r.y + r.height / 2]; })()"
            )
            for kind in ("mousePressed", "mouseReleased"):
                tab.call("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)
            tab.wait_for(f"!{panel}.hidden")
            picked = tab.evaluate("coldaisle.study.state.picked")
            at = data["points"].index(picked)
            exact = tab.evaluate(f"[...{panel}.querySelectorAll('data')].map(e => Number(e.value))")
            assert exact == [one["values"][at] for one in data["results"] if one["values"][at] is not None]
            tab.evaluate("document.querySelector('#pareto .drawing').focus()")
            tab.press("Home")
            carbon = data["results"][data["goals"][0]]["values"]
            assert tab.evaluate("coldaisle.study.state.picked") == data["points"][carbon.index(min(carbon))]
            tab.press("ArrowRight")
            assert tab.evaluate("coldaisle.study.state.picked") == data["points"][carbon.index(sorted(carbon)[1])]
            kept(tab, "study")
            assert tab.console == []

    def test_the_table_sorts_and_shows_a_point_by_key(self, chrome: Browser, written: str, tmp_path: Path) -> None:
        data = carried(written)
        goal = data["results"][0]
        heads = "[...document.querySelectorAll('#all-points thead button')]"
        head = f"{heads}.find(b => b.textContent === {json.dumps(goal['label'])})"
        firsts = "[...document.querySelectorAll('#all-points tbody tr')].map(r => Number(r.dataset.point))"
        with chrome.open() as tab:
            whole(tab, written, tmp_path)
            tab.evaluate(f"{head}.focus()")
            order = sorted(data["points"], key=lambda point: (goal["values"][point], point))
            tab.press("Enter")
            assert tab.evaluate(firsts) == order
            assert tab.evaluate(f"{head}.parentElement.getAttribute('aria-sort')") == "ascending"
            tab.press("Enter")  # the focus stays
            assert goal["values"][tab.evaluate(firsts)[0]] == max(goal["values"])
            tab.evaluate("document.querySelector('#all-points tbody button').focus()")
            tab.press("Enter")
            assert tab.evaluate("coldaisle.study.state.picked") == tab.evaluate(firsts)[0]
            assert tab.console == []

    def test_the_command_of_a_point_is_that_point(self, chrome: Browser, tmp_path: Path) -> None:
        study, rows = made(
            {"workloads.chat.replicas.power_cap": ["400 W", "700 W"], "site.facility.pue": [1.1, 1.3]},
            {"carbon_kg.total": [1, 2, 3, 4], "cost.energy": [4, 3, 2, 1]},
        )
        study["study"]["set"] = {"duration": "1 h", "workloads.chat.arrivals": {"kind": "poisson", "rate": "0.25 /s"}}
        with chrome.open() as tab:
            whole(tab, report(study, rows, folder="study"), tmp_path)
            tab.evaluate("coldaisle.study.pick(2)")
            words = shlex.split(tab.evaluate("document.querySelector('#point code').textContent"))
        assert words[:3] == ["coldaisle", "run", "chat-service"]
        sets = [words[at + 1] for at, word in enumerate(words) if word == "--set"]
        scenario = load_scenario("chat-service", parse_assignments(sets)).scenario.model_dump(mode="json")
        assert scenario["workloads"]["chat"]["replicas"]["power_cap"] == "700 W"
        assert scenario["site"]["facility"]["pue"] == 1.1
        assert scenario["workloads"]["chat"]["arrivals"]["kind"] == "poisson"
        assert words[-4:] == ["--seed", "1", "--out", "point-2"]

    def test_hostile_names_on_a_phone(self, chrome: Browser, tmp_path: Path) -> None:
        study, rows = made(
            {MARKUP.replace(".", ""): [MARKUP, QUOTES, LONG, RIGHT_TO_LEFT], "b": [1, 2]},
            {"carbon_kg.total": np.arange(8), "cost.energy": np.arange(8)[::-1]},
            MARKUP,
        )
        with chrome.open(size=PHONE) as tab:
            tab.size(*PHONE, phone=True)
            whole(tab, report(study, rows, folder=QUOTES), tmp_path)
            tab.evaluate("coldaisle.study.pick(0)")
            assert tab.evaluate("globalThis.hacked === undefined")
            assert tab.evaluate("document.images.length") == 0
            tab.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
            assert tab.evaluate("document.documentElement.scrollWidth") <= PHONE[0]

    def test_thousands_of_points_are_drawn(self, chrome: Browser, tmp_path: Path) -> None:
        study, rows = random(8000)
        with chrome.open() as tab:
            whole(tab, report(study, rows, folder="study"), tmp_path)
            assert tab.evaluate("coldaisle.views.get('pareto').view.data('points').length") == 8000
            tab.evaluate("coldaisle.study.pick(4321)")
            assert tab.evaluate("document.querySelector('#point h3').textContent").startswith("Point 4321")
            assert tab.evaluate("document.querySelectorAll('*').length") < 40_000

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
            whole(tab, written, tmp_path)
            tab.evaluate("coldaisle.study.pick(3)")
            assert serious(tab, axe) == []
