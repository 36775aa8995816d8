"""How long the answer to a moved slider takes on the what-if page: prices alone, nothing is simulated.

On a machine with other things to do the time that passes says more about them than about the page. So the time of the
processor is measured beside it: of the process that serves (which also drives the browser, so it is a little too much),
and of the page's own thread (``Performance.getMetrics`` in ticks of the thread). What passes is from the slider's event
to the second frame after the numbers have changed, when they are on the screen.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from pathlib import Path

import sim
from benchmarks.table import Row
from sim.results.files import write
from tests.browser import Tab, browser, chromium
from tests.explored import Client, served

SCENARIOS = ("dallas-on-ercot", "research-cluster", "bloom-training-physical")
REACH_MS = 150.0
MOVED = ("site.facility.pue", "accounting.gpu_lifetime")
DRAWN = "document.documentElement?.dataset.drawn !== undefined"
MOVE = """(async () => {
  const one = [...explore.controls.values()].find((one) => one.path === @path && one.kind === "number");
  const shown = new Promise((done) => new MutationObserver((_, watching) => {
    watching.disconnect();
    requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now())));
  }).observe(document.getElementById("numbers"), { childList: true }));
  const began = performance.now();
  one.inputs[0].value = one.low + (one.high - one.low) * @share;
  one.inputs[0].dispatchEvent(new Event("input"));
  return (await shown) - began;
})()"""


def rows(*, quick: bool) -> list[Row]:
    """Medians and the worst over moves of a slider, in a headless browser."""
    if chromium() is None:
        raise SystemExit("needs Chromium (apt-get install chromium)")
    with tempfile.TemporaryDirectory() as name:
        for scenario in SCENARIOS:
            write(sim.run(scenario), Path(name) / scenario)
        with served(Path(name)) as client:
            return [row for scenario in SCENARIOS for row in _rows(client, scenario, 10 if quick else 30)]


def _rows(client: Client, scenario: str, moves: int) -> list[Row]:
    passed, worked = [], []
    with browser() as chrome, chrome.open() as tab:
        tab.go(client.address)
        tab.wait_for(f"{DRAWN} && location.search === ''")
        tab.go(f"{client.base}/run?at={scenario}")
        tab.wait_for(f"location.pathname === '/run' && {DRAWN}")
        tab.call("Performance.enable", timeDomain="threadTicks")
        there = tab.evaluate("[...explore.controls.values()].map((one) => one.path)")
        path = next(path for path in MOVED if path in there)
        for turn in range(moves):
            move = MOVE.replace("@path", json.dumps(path)).replace("@share", str((turn + 1) / (moves + 1)))
            page, server = _thread_s(tab), time.process_time()
            passed.append(float(tab.evaluate(move)))
            worked.append(1000 * (_thread_s(tab) - page + time.process_time() - server))
    first, rest = passed[0], passed[1:]
    load = Path("/proc/loadavg").read_text(encoding="ascii").split()[0]
    what = f"{moves} moves of {path}; worst {max(worked):.0f} ms"
    return [
        Row(f"{scenario}: processor", statistics.median(worked), "ms", REACH_MS, what),
        Row(
            f"{scenario}: on the screen",
            statistics.median(rest),
            "ms",
            REACH_MS,
            f"the first {first:.0f} ms, load {load}",
        ),
    ]


def _thread_s(tab: Tab) -> float:
    found = {one["name"]: one["value"] for one in tab.call("Performance.getMetrics")["metrics"]}
    return float(found["TaskDuration"])
