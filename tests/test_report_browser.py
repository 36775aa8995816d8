"""The page of a run in a real browser: drawn with the run's numbers, asks for nothing, works by keyboard, on paper,
on a phone, in the dark, and for who cannot see it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import sim
from sim.accounting.queueing import cluster_series
from sim.report.run import report
from sim.results.job_rows import cluster_rows, job_rows, stint_rows
from sim.results.results import Results
from tests.accessibility import axe as axe
from tests.accessibility import serious
from tests.browser import NO_BROWSER, PHONE, Browser, Tab, browser, chromium, kept
from tests.hostile import LONG, MARKUP, QUOTES, RIGHT_TO_LEFT, renamed
from tests.job_batches import a_batch
from tests.small import small
from tests.test_report_charts import million

pytestmark = [pytest.mark.slow, pytest.mark.skipif(chromium() is None, reason=NO_BROWSER)]

A4_WIDTH = 688
"""CSS px between the margins of a page of paper, 182 mm."""
DRAWN = "document.documentElement.dataset.drawn"


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    with browser() as found:
        yield found


@pytest.fixture(scope="module")
def results() -> Results:
    return sim.run(small())


@pytest.fixture(scope="module")
def cluster(results: Results) -> Results:
    batch = a_batch()
    edges = np.unique(np.linspace(0, results.energy.end_ns, 11).astype(np.int64))
    rows = cluster_rows(cluster_series([batch], edges), ())
    return replace(results, job_table=job_rows(batch), stint_table=stint_rows([batch]), cluster_table=rows)


def opened(tab: Tab, written: str, folder: Path) -> str:
    """The page in a tab, all of it drawn; its address. Nothing may have been said on the console or asked for."""
    path = folder / "report.html"
    path.write_text(written, encoding="utf-8")
    tab.go(path.as_uri())
    tab.wait_for(f"{DRAWN} !== undefined")
    sound(tab, path.as_uri())
    return path.as_uri()


def sound(tab: Tab, address: str) -> None:
    assert tab.console == []
    assert tab.evaluate("coldaisle.failures") == []
    assert {one.partition("#")[0] for one in tab.requests} == {address}


def words_of(tab: Tab, chart: str) -> str:
    found = tab.evaluate(
        f"[...document.querySelectorAll('#{chart} .drawing svg text')].map(e => e.textContent).join('|')"
    )
    return str(found)


def test_charts_are_drawn_with_the_numbers_of_the_run(chrome: Browser, results: Results, tmp_path: Path) -> None:
    with chrome.open() as tab:
        opened(tab, report(results), tmp_path)
        figures = tab.evaluate("document.querySelectorAll('figure.chart').length")
        assert figures == tab.evaluate(f"Number({DRAWN})") >= 6
        assert tab.evaluate("[...document.querySelectorAll('.drawing')].every(box => box.querySelector('svg'))")
        flows = words_of(tab, "where-energy-goes")
        assert f"{results.summary['energy_kwh']['facility']:.2f} kWh" in flows
        assert "cooling and losses (PUE)" in flows
        assert "kg CO2e" in words_of(tab, "carbon-by-component")
        shown = tab.evaluate("document.querySelector('data[data-path=\"carbon_kg.total\"]').value")
        assert float(shown) == results.summary["carbon_kg"]["total"]
        assert json.loads(tab.evaluate("document.getElementById('summary').textContent")) == results.summary
        kept(tab, "report-light")


def test_words_of_flows_are_whole_at_any_width(chrome: Browser, tmp_path: Path) -> None:
    """Also in the narrower place that the what-if page has for the same chart."""
    served = sim.run("chat-service", set={"duration": "20 min"})
    with chrome.open(size=(700, 900)) as tab:
        opened(tab, report(served), tmp_path)
        for width in (700, 760, 830, 900, 1280):
            tab.size(width, 900)
            tab.wait_for("[...coldaisle.views.values()].every(one => !one.box.clientWidth || "
                         "one.width === Math.max(one.box.clientWidth - 2, one.told.least_width || 0))")  # fmt: skip
            words = words_of(tab, "where-energy-goes")
            assert "…" not in words
            if width > 760:
                assert "held, between iterations" in words.split("|")
            ends = (
                "(() => { const s = document.querySelector('#where-energy-goes .drawing svg'); return "
                "Math.max(...[...s.querySelectorAll('text')].map(e => e.getBoundingClientRect().right)) - "
                "s.getBoundingClientRect().right; })()"
            )
            assert tab.evaluate(ends) <= 0.0


def test_zoom_is_shared_and_works_by_button_key_and_wheel(chrome: Browser, cluster: Results, tmp_path: Path) -> None:
    def span() -> list[float]:
        found: list[float] = tab.evaluate("[coldaisle.zoomed.from, coldaisle.zoomed.to]")
        return found

    with chrome.open() as tab:
        address = opened(tab, report(cluster), tmp_path)
        high = span()[1]
        tab.click('#when .zoom [data-act="in"]')
        assert span() == [high / 4, high * 3 / 4]
        timed = "[...coldaisle.views.values()].filter(v => v.told.time)"
        linked = f"{timed}.map(v => [v.view.signal('from'), v.view.signal('to')])"
        assert len(tab.evaluate(linked)) >= 4
        assert all(one == span() for one in tab.evaluate(linked))
        tab.evaluate("document.querySelector('#when .zoom button').focus()")
        tab.press("ArrowRight")
        assert span() == [high / 2, high]
        tab.press("-")
        assert span() == [0, high]
        tab.press("+")
        assert tab.evaluate("document.querySelector('.zoom output').textContent").startswith("Showing ")
        tab.press("0")
        assert span() == [0, high]
        place = tab.evaluate(
            "(() => { const e = document.querySelector('#power .drawing'); e.scrollIntoView({block: 'center', "
            "behavior: 'instant'}); const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + 60]; })()"
        )
        tab.call(
            "Input.dispatchMouseEvent", type="mouseWheel", x=place[0], y=place[1], deltaX=0, deltaY=-120, modifiers=8
        )
        tab.wait_for("coldaisle.zoomed.to - coldaisle.zoomed.from < coldaisle.zoomed.hi")
        tab.hover(*place)
        tab.hover(place[0] + 2, place[1])
        tab.wait_for("!document.getElementById('tip').hidden")
        assert "kW" in tab.evaluate("document.getElementById('tip').textContent")
        sound(tab, address)


def test_tabs_work_by_keyboard_and_the_page_is_reached_by_it(chrome: Browser, results: Results, tmp_path: Path) -> None:
    shown = "[...document.querySelectorAll('#made-of .panel')].map(panel => !panel.hidden)"
    with chrome.open() as tab:
        opened(tab, report(results), tmp_path)
        tab.press("Tab")
        assert tab.evaluate("document.activeElement.className") == "skip"
        tab.press("Tab")
        assert tab.evaluate("document.activeElement.id") == "theme"
        before = tab.evaluate("getComputedStyle(document.body).backgroundColor")
        tab.press("Enter")
        assert tab.evaluate("getComputedStyle(document.body).backgroundColor") != before
        tab.evaluate("document.querySelector('#made-of [role=tab]').focus()")
        assert tab.evaluate(shown).index(True) == 0
        tab.press("ArrowRight")
        assert tab.evaluate(shown) == [False, True, False, False]
        assert tab.evaluate("document.activeElement.getAttribute('aria-selected')") == "true"
        tab.press("End")
        assert tab.evaluate(shown).index(True) == 3
        assert tab.evaluate("document.querySelector('#made-of .panel:not([hidden]) svg') !== null")
        tab.evaluate("document.querySelector('#power details.numbers summary').focus()")
        tab.press("Enter")
        assert tab.evaluate("document.querySelector('#power details.numbers').open")


def test_on_a_phone_the_page_does_not_scroll_sideways(chrome: Browser, cluster: Results, tmp_path: Path) -> None:
    with chrome.open(size=PHONE) as tab:
        tab.size(*PHONE, phone=True)
        opened(tab, report(renamed(cluster, {"tune": LONG, "api": QUOTES})), tmp_path)
        tab.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        assert tab.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        assert tab.evaluate("document.querySelectorAll('.wide').length") == 0  # nor does a chart in its frame
        ends = (
            "[...document.querySelectorAll('#where-energy-goes .drawing svg text')].map(e => e.getBoundingClientRect())"
        )
        assert tab.evaluate(f"{ends}.every(one => one.left >= 0 && one.right <= {PHONE[0]})")
        assert "100.0 %" in words_of(tab, "where-energy-goes")
        kept(tab, "report-phone")


def test_dark_and_paper_are_drawn(chrome: Browser, results: Results, tmp_path: Path) -> None:
    def colour_of(selector: str, what: str) -> str:
        return str(tab.evaluate(f"getComputedStyle(document.querySelector({json.dumps(selector)})).{what}"))

    with chrome.open() as tab:
        opened(tab, report(results), tmp_path)
        light = colour_of("body", "backgroundColor"), colour_of("#power .mark-area path", "fill")
        tab.media(dark=True)
        dark = colour_of("body", "backgroundColor"), colour_of("#power .mark-area path", "fill")
        assert light[0] != dark[0]
        assert light[1] != dark[1]  # charts follow without being drawn again
        kept(tab, "report-dark")
        tab.media(dark=True, paper=True)
        assert colour_of("body", "backgroundColor") == light[0]  # paper is white
        assert colour_of("nav", "display") == "none"
        assert colour_of("#made-of .panel:last-child", "display") == "block"  # and shows what tabs hide
        assert colour_of("details.numbers", "display") == "none"  # and says that it leaves these out
        assert "left out" in tab.evaluate("getComputedStyle(document.querySelector('main'), '::after').content")
        tab.size(A4_WIDTH, 1000)  # as it was drawn for a screen that is wider
        ends = "[...document.querySelectorAll('.drawing svg, table, pre')].map(e => e.getBoundingClientRect().right)"
        assert tab.evaluate(f"Math.max(...{ends})") <= A4_WIDTH  # no chart is cut
        assert tab.evaluate("document.querySelectorAll('figure.chart').length") == len(
            tab.evaluate(
                "[...document.querySelectorAll('figure.chart')].map(e => getComputedStyle(e).breakInside)"
                ".filter(one => one === 'avoid')"
            )
        )
        kept(tab, "report-print")
        assert tab.pdf(tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")


def test_paper_does_not_wait_for_charts_that_are_not_drawn_yet(
    chrome: Browser, results: Results, tmp_path: Path
) -> None:
    """A page that is printed as it is opened (``chromium --print-to-pdf``) went out with half of its charts."""
    boxes = "[...document.querySelectorAll('.drawing[data-chart]')]"
    bare = f"{boxes}.filter(box => !box.querySelector('svg')).length"
    with chrome.open() as tab:
        opened(tab, report(results), tmp_path)
        tab.evaluate("document.querySelectorAll('.panel').forEach(panel => { panel.hidden = false; })")
        undrawn = tab.evaluate(
            f"(() => {{ coldaisle.views.clear(); {boxes}.forEach(box => box.replaceChildren()); return {bare}; }})()"
        )
        assert undrawn == tab.evaluate(f"{boxes}.length") > 3
        assert tab.evaluate(f"(() => {{ dispatchEvent(new Event('beforeprint')); return {bare}; }})()") == 0
        assert tab.evaluate("coldaisle.failures") == []


def test_names_are_text_in_a_browser(chrome: Browser, cluster: Results, tmp_path: Path) -> None:
    odd = renamed(cluster, {"tune": MARKUP, "api": LONG})
    odd = replace(odd, scenario={**odd.scenario, "name": MARKUP + RIGHT_TO_LEFT})
    with chrome.open() as tab:
        opened(tab, report(odd), tmp_path)
        assert tab.evaluate("globalThis.hacked === undefined")
        assert tab.evaluate("document.querySelector('h1').textContent").startswith("</script><script>")
        assert "</script>" in words_of(tab, "where-energy-goes")
        assert tab.evaluate("document.images.length") == 0


def test_a_million_rows_are_drawn_in_few_marks(chrome: Browser, results: Results, tmp_path: Path) -> None:
    samples = 1_000_000
    watts = np.full(samples, 4e5)
    watts[777_777] = 9e5
    begins = np.arange(samples) * 1_000_000
    codes = pa.DictionaryArray.from_arrays(pa.array(np.zeros(samples, np.int32)), pa.array(["tune"]))
    table = pa.table({"start_ns": begins, "workload": codes, "gpus_w": watts})
    written = report(replace(results, energy=million(), trace_table=table))
    assert len(written.encode()) < 3_000_000
    with chrome.open() as tab:
        opened(tab, written, tmp_path)
        assert tab.evaluate("document.querySelectorAll('*').length") < 40_000
        assert "900" in tab.evaluate("document.querySelector('#within-steps-0 .says').textContent")
        reach = "coldaisle.views.get('within-steps-0').view.scale('y').domain()[1]"
        assert tab.evaluate(reach) >= 900.0


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_serious(chrome: Browser, cluster: Results, axe: str, tmp_path: Path, *, dark: bool) -> None:
    with chrome.open() as tab:
        tab.media(dark=dark)
        opened(tab, report(cluster), tmp_path)
        assert serious(tab, axe) == []
