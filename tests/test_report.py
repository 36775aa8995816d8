"""The HTML page: well formed, whole, true to the summary, and in need of nothing from elsewhere."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.report.run import report
from sim.results.charts import lines, ticks
from sim.results.formats import number
from tests.commands import coldaisle
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


def test_a_convention_is_shown_beside_the_meters(tmp_path: Path) -> None:
    page = report(sim.run("bloom-training"))
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


def test_the_page_of_a_site_with_everything_shows_its_accounts() -> None:
    results = sim.run("solar-and-battery", set={"duration": "12 h"})
    page = report(results)
    for shown in ("made by the sun", "operational carbon (market-based)", "CFE 24/7", "tower fan", "on-site water"):
        assert shown in page
    assert "{&#x27;" not in page  # no mapping printed as it is


def test_the_page_draws_what_faults_cost_a_job() -> None:
    """All that was not productive, by what it went into; and the tables of time and energy."""
    results = sim.run(failing_world())
    page = report(results)
    checked(page)
    split = results.summary["jobs"]["llama"]["energy_split_kwh"]
    drawn = page.partition('id="faults"')[2].partition("</figure>")[0]
    for word in ("lost", "restarts"):
        assert f"{word} {number(split[word])} kWh" in drawn
    assert '"part":"productive"' not in drawn


def test_a_line_is_broken_where_nothing_is_known() -> None:
    """Two corners for each bin that has a value, and none where there is none."""
    gap = math.nan
    drawn = lines([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0], {"PUE": [gap, 1.1, 1.2, gap, 1.3, gap]}, "", "h")
    assert "nan" not in drawn
    assert [len(points.split()) for points in re.findall(r'polyline points="([^"]*)"', drawn)] == [4, 2]
