"""The what-if page in a real browser: moved by mouse and key, true to ``account``, on a phone, in the dark."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sim
from sim.results.catalogue.quantity import value_in
from sim.results.files import write
from sim.results.results import Results
from tests.accessibility import axe as axe
from tests.accessibility import serious
from tests.browser import NO_BROWSER, PHONE, Browser, Tab, browser, chromium, kept
from tests.explored import Client, served
from tests.hostile import MARKUP, renamed
from tests.small import small
from tests.test_explore import LONG_RUN

DRAWN = "document.documentElement?.dataset.drawn"
"""Of a page that may be on its way."""

pytestmark = [pytest.mark.slow, pytest.mark.skipif(chromium() is None, reason=NO_BROWSER)]


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    with browser() as found:
        yield found


@pytest.fixture(scope="module")
def base() -> Results:
    return sim.run(small())


@pytest.fixture(scope="module")
def folder(base: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("open") / "runs"
    write(base, runs / "small")
    write(renamed(base, {"tune": MARKUP}), runs / "odd")
    return runs


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[Client]:
    with served(folder) as found:
        yield found


def opened(tab: Tab, client: Client, run: str = "small") -> None:
    """The page of a run, reached as people reach it: by the address with its key, then by a link."""
    tab.go(client.address)
    tab.wait_for(f"{DRAWN} !== undefined && location.search === ''")
    tab.evaluate(f"document.querySelector('a[href=\"/run?at={run}\"]').click()")
    tab.wait_for(f"location.pathname === '/run' && {DRAWN} !== undefined")


def sound(tab: Tab, client: Client) -> None:
    """Nothing was said on the console, and nobody but the server was asked."""
    assert tab.console == []
    assert tab.evaluate("coldaisle.failures") == []
    assert all(address.startswith(f"{client.base}/") for address in tab.requests)


def input_of(path: str, which: int = 0) -> str:
    found = f"[...explore.controls.values()].find(one => one.path === {json.dumps(path)} && one.kind !== 'choice')"
    return f"{found}.inputs[{which}]"


def move(tab: Tab, path: str, value: str) -> None:
    """Writes a value into the field of a control, and waits for the answer to it."""
    tab.evaluate(
        f"(() => {{ const field = {input_of(path, 1)} ?? {input_of(path)}; field.value = {json.dumps(value)}; "
        "explore.timing.last_ms = 0; field.dispatchEvent(new Event('input')); })()"
    )


def numbers(tab: Tab) -> dict[str, float]:
    shown: dict[str, str] = tab.evaluate(
        "Object.fromEntries([...document.querySelectorAll('#numbers data')].map(one => [one.dataset.path, one.value]))"
    )
    return {path: float(value) for path, value in shown.items()}


def priced(base: Results, changes: dict[str, Any]) -> dict[str, float]:
    summary = sim.account(base, set=changes).summary
    return {path: value_in(summary, tuple(path.split("."))) for path in ("energy_kwh.facility", "carbon_kg.total")}


def test_a_slider_moved_by_key_gives_the_answer_of_account(chrome: Browser, client: Client, base: Results) -> None:
    with chrome.open() as tab:
        opened(tab, client)
        before = numbers(tab)
        assert before["carbon_kg.total"] == base.summary["carbon_kg"]["total"]
        tab.evaluate(f"{input_of('site.facility.pue')}.focus()")
        for _ in range(5):
            tab.press("ArrowRight")
        written = tab.evaluate(f"{input_of('site.facility.pue', 1)}.value")
        assert float(written) == pytest.approx(1.3)
        tab.wait_for("explore.timing.last_ms > 0 && explore.timing.pending === 0")
        tab.wait_for("document.querySelector('#numbers .change.more') !== null")
        wanted = priced(base, {"site.facility.pue": written})
        tab.wait_for(f"Number(document.querySelector('#numbers data').value) === {wanted['energy_kwh.facility']!r}")
        assert {path: numbers(tab)[path] for path in wanted} == wanted
        tab.wait_for("document.getElementById('charts').dataset.answered")
        assert tab.evaluate("document.querySelector('#beside svg') !== null")
        assert f"{wanted['energy_kwh.facility']:.2f} kWh" in tab.evaluate(
            "document.querySelector('#where-energy-goes svg').textContent"
        )
        kept(tab, "open-what-if-light")
        tab.click("#reset")
        tab.wait_for(f"Number(document.querySelector('#numbers data').value) === {before['energy_kwh.facility']!r}")
        sound(tab, client)


def test_a_slider_stands_where_its_value_is_and_goes_on_by_steps(chrome: Browser, client: Client) -> None:
    with chrome.open() as tab:
        opened(tab, client)
        slider, field = (input_of("site.facility.pue", which) for which in (0, 1))
        move(tab, "site.facility.pue", "1.2345")
        assert tab.evaluate(f"{slider}.valueAsNumber") == 1.2345
        tab.evaluate(f"{slider}.focus()")
        tab.press("ArrowRight")
        assert tab.evaluate(f"{field}.value") == "1.24"
        tab.press("ArrowLeft")
        assert tab.evaluate(f"[{field}.value, {slider}.valueAsNumber]") == ["1.23", 1.23]
        tab.press("End")
        assert float(tab.evaluate(f"{field}.value")) == tab.evaluate(f"Number({slider}.max)")
        sound(tab, client)


def test_a_bad_value_is_told_where_it_stands_and_mended(chrome: Browser, client: Client) -> None:
    with chrome.open() as tab:
        opened(tab, client)
        move(tab, "site.facility.pue", "0.5")
        tab.wait_for("!document.getElementById('problems').hidden")
        assert "site.facility.pue: must be at least 1" in tab.evaluate(
            "document.getElementById('problems').textContent"
        )
        assert tab.evaluate(f"{input_of('site.facility.pue')}.getAttribute('aria-invalid')") == "true"
        assert tab.evaluate("document.getElementById('save').disabled")
        tab.console.clear()  # a browser tells of every answer that is not 200
        move(tab, "site.facility.pue", "1.4")
        tab.wait_for("explore.timing.last_ms > 0 && document.getElementById('problems').hidden")
        assert not tab.evaluate("document.getElementById('save').disabled")
        sound(tab, client)


def test_what_decides_the_run_is_simulated_with_progress(chrome: Browser, client: Client) -> None:
    with chrome.open() as tab:
        opened(tab, client)
        move(tab, "workloads.tune.work.load.active", "250 W")
        tab.wait_for("!document.getElementById('needed').hidden")
        assert "workloads.tune.work.load.active" in tab.evaluate("document.getElementById('why').textContent")
        tab.click("#simulate")
        tab.wait_for("document.getElementById('needed').hidden && explore.timing.last_ms > 0")
        wanted = sim.run(small(), set={"workloads.tune.work.load.active": "250 W"}).summary
        assert numbers(tab)["carbon_kg.total"] == wanted["carbon_kg"]["total"]
        tab.wait_for("document.getElementById('progress').hidden")
        kept(tab, "open-what-if-simulated")
        sound(tab, client)


def test_a_simulation_is_cancelled_by_key(chrome: Browser, client: Client, base: Results) -> None:
    with chrome.open() as tab:
        opened(tab, client)
        ((path, value),) = LONG_RUN.items()
        move(tab, path, value)
        tab.wait_for("!document.getElementById('needed').hidden")
        tab.click("#simulate")
        tab.wait_for("document.activeElement.id === 'cancel'")
        tab.wait_for("document.getElementById('stage').textContent.startsWith('simulating')")
        tab.press("Enter")
        tab.wait_for("document.getElementById('kept').textContent.includes('cancelled')")
        assert tab.evaluate("document.getElementById('progress').hidden")
        assert numbers(tab)["carbon_kg.total"] == base.summary["carbon_kg"]["total"]
        sound(tab, client)


def test_an_answer_is_kept_and_shared(chrome: Browser, client: Client, folder: Path, base: Results) -> None:
    with chrome.open() as tab:
        opened(tab, client)
        move(tab, "site.grid.price", "0.31 USD/kWh")
        tab.wait_for("explore.timing.last_ms > 0")
        tab.evaluate("document.getElementById('name').value = 'dearer'")
        tab.click("#save")
        tab.wait_for("document.getElementById('kept').textContent === 'Written: dearer.yaml'")
        assert sim.check(folder / "dearer.yaml") == ()
        tab.click("#share")
        tab.wait_for("document.querySelector('#kept a') !== null")
        sound(tab, client)
        tab.go(f"{client.base}/file?at=dearer.html")
        tab.wait_for(f"{DRAWN} !== undefined")
        total = tab.evaluate("document.querySelector('data[data-path=\"cost.energy\"]').value")
        assert float(total) == sim.account(base, set={"site.grid.price": "0.31 USD/kWh"}).summary["cost"]["energy"]


def test_it_works_on_a_phone_in_the_dark_and_by_tab_alone(chrome: Browser, client: Client) -> None:
    with chrome.open(size=PHONE) as tab:
        tab.size(*PHONE, phone=True)
        tab.media(dark=True)
        opened(tab, client)
        tab.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        assert tab.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        dark = tab.evaluate("getComputedStyle(document.body).backgroundColor")
        kept(tab, "open-what-if-phone-dark")
        tab.media(dark=False)
        assert tab.evaluate("getComputedStyle(document.body).backgroundColor") != dark
        tab.evaluate("document.getElementById('reset').focus(); document.activeElement.blur()")
        reached: list[str] = []
        for _ in range(14):
            tab.press("Tab")
            reached.append(tab.evaluate("document.activeElement.id || document.activeElement.className"))
        assert any(name.startswith("move-") for name in reached), reached
        unnamed = "[...document.querySelectorAll('#moves input, #moves select, #moves button, #keep input')]"
        unnamed += ".filter(one => !(one.labels?.length || one.ariaLabel || one.textContent.trim())).length"
        assert tab.evaluate(unnamed) == 0
        sound(tab, client)


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_serious(chrome: Browser, client: Client, axe: str, *, dark: bool) -> None:
    with chrome.open() as tab:
        tab.media(dark=dark)
        opened(tab, client)
        move(tab, "site.facility.pue", "1.4")
        tab.wait_for("document.getElementById('charts').dataset.answered")
        assert serious(tab, axe) == []


def test_names_with_markup_are_text(chrome: Browser, client: Client) -> None:
    with chrome.open() as tab:
        opened(tab, client, "odd")
        assert tab.evaluate("globalThis.hacked === undefined")
        assert tab.evaluate("document.body.textContent").count("</script><script>globalThis.hacked") >= 1
        assert tab.console == []


def test_a_page_from_elsewhere_learns_nothing(chrome: Browser, client: Client, tmp_path: Path) -> None:
    """Another origin (a file) asks the server that this browser has the cookie of."""
    page = tmp_path / "evil.html"
    page.write_text("<!doctype html><title>evil</title><p>evil")
    with chrome.open() as tab:
        opened(tab, client)
        tab.go(page.as_uri())
        asked = f"fetch('{client.base}/answer', {{method: 'POST', credentials: 'include', body: '{{}}'}})"
        assert tab.evaluate(f"{asked}.then(answer => answer.status, () => 'refused')") == "refused"
        sent = f"fetch('{client.base}/keep', {{method: 'POST', mode: 'no-cors', credentials: 'include', body: '{{}}'}})"
        assert tab.evaluate(f"{sent}.then(() => 'sent', () => 'refused')") == "refused"
        framed = f"new Promise(done => {{ const f = document.createElement('iframe'); f.src = '{client.base}/'; "
        framed += "f.onload = () => done('shown'); document.body.append(f); setTimeout(() => done('shown'), 3000); })"
        tab.evaluate(framed)
        assert not tab.evaluate(
            "(() => { try { return frames[0].document.body.textContent; } catch { return ''; } })()"
        )
