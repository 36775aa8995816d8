"""The HTML page: well formed, whole, true to the summary, and in need of nothing from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.results.charts import stacked_bars, stacked_steps, ticks
from sim.results.files import write
from sim.results.formats import mass
from sim.results.report import report
from tests.commands import coldaisle
from tests.small import small
from tests.training_worlds import failing_world

VOID = {"meta", "line", "rect", "polygon", "br", "hr", "img", "link"}


class _Balance(HTMLParser):
    """Checks that every element that opens closes, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self.seen.add(tag)
        if tag not in VOID or (tag == "rect" and not self.get_starttag_text().endswith("/>")):  # type: ignore[union-attr]
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag


def checked(page: str) -> set[str]:
    """The elements of a well-formed page."""
    balance = _Balance()
    balance.feed(page)
    balance.close()
    assert balance.open == []
    return balance.seen


def test_the_page_says_what_the_summary_says(tmp_path: Path) -> None:
    data = small()
    data["name"] = "<script>alert('x')</script> & sons"
    results = sim.run(data)
    other = sim.account(results, set={"site.grid.intensity": "100 gCO2e/kWh"})
    for name, run in (("a", results), ("b", other)):
        write(run, tmp_path / name)
    done = coldaisle("report", "a", "b", "--out", "page.html", cwd=tmp_path)
    assert done.returncode == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    seen = checked(page)
    assert {"svg", "table", "h1"} <= seen
    assert not seen & {"script", "link", "img", "iframe"}
    assert not re.search(r"(src|href)=|url\(|@import", page)
    for run in (results, other):
        for kg in run.summary["carbon_kg"]["by_component"].values():
            assert mass(kg) in page
    assert "Not modelled" in page
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b", "page.html"}


def test_a_convention_is_shown_beside_the_meters(tmp_path: Path) -> None:
    page = report([sim.run("bloom-training")])
    checked(page)
    assert "luccioni-2023" in page
    assert "but not counted" in page
    assert "50.52 t" in page
    (tmp_path / "x").mkdir()
    assert coldaisle("report", "x", cwd=tmp_path).returncode == 2
    assert coldaisle("report", cwd=tmp_path).returncode == 2


@given(st.floats(1e-9, 1e12))
def test_ticks_are_few_round_and_reach_the_top(high: float) -> None:
    marks = ticks(high)
    assert marks[0] == 0
    assert marks[-1] >= high * (1 - 1e-9)
    assert 3 <= len(marks) <= 8


def test_bars_and_steps_have_the_areas_of_their_numbers() -> None:
    bars = stacked_bars({"a": {"x": 1.0, "y": 3.0}, "b": {"x": 2.0}}, ["x", "y"], "t")
    widths = [float(w) for w in re.findall(r'<rect [^>]*width="([\d.]+)"', bars)]
    assert widths[1] == pytest.approx(3 * widths[0], abs=0.2)
    assert widths[2] == pytest.approx(2 * widths[0], abs=0.2)
    steps = stacked_steps([0, 1, 3], {"x": [2.0, 4.0], "y": [2.0, 0.0]}, "kW", "h")
    areas = [_area(points) for points in re.findall(r'points="([^"]+)"', steps)]
    assert areas[0] == pytest.approx(5 * areas[1], rel=0.01)  # 2 x 1 + 4 x 2 against 2 x 1


def _area(points: str) -> float:
    corners = [tuple(map(float, point.split(","))) for point in points.split()]
    following = [*corners[1:], corners[0]]
    return abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(corners, following, strict=True))) / 2


def test_the_page_of_a_site_with_everything_shows_its_accounts() -> None:
    results = sim.run("solar-and-battery", set={"duration": "12 h"})
    page = report([results])
    for shown in ("made by the sun", "operational carbon (market-based)", "CFE 24/7", "tower fan", "on-site water"):
        assert shown in page
    assert "{&#x27;" not in page  # no mapping printed as it is


def test_the_page_draws_what_faults_cost_a_job() -> None:
    """All that was not productive, by what it went into; and the tables of time and energy."""
    results = sim.run(failing_world())
    page = report([results])
    checked(page)
    split = results.summary["jobs"]["llama"]["energy_split_kwh"]
    for word, kwh in (("lost", split["lost"]), ("restarts", split["restarts"])):
        assert f"<title>{word}: {kwh:,.4g} kWh</title>" in page
    assert "productive:" not in page
    assert "Energy beside productive work" in page
