"""Accounting without simulating: a year of hours for a thousand sites, and a finished run under another grid.

Vessim steps one site 6,400 times a second and twenty sites 53 times (measured on another machine of 2 cores, quoted
from the project's brief); a year of hours for a thousand sites is 8.76 million such steps.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

import sim
from benchmarks.table import Row
from sim.accounting.plan import GridPlan, SitePlan
from sim.accounting.site import Floats, account_site
from sim.build.site.facility import building
from sim.loading.scenario import load_scenario
from sim.signals import Signal
from sim.spec.building import Facility, FixedPUE
from sim.units import HOUR_NS
from sim.weather.series import WeatherSeries

HOURS = 8760
SITES = 1000
VESSIM_SITE_STEPS_PER_S = 6400


def _climate(rng: np.random.Generator) -> WeatherSeries:
    """A year of made-up weather by the hour."""
    hours = np.arange(HOURS)
    season, day = -np.cos(2.0 * np.pi * hours / HOURS), -np.cos(2.0 * np.pi * hours / 24.0)
    dry = rng.uniform(5.0, 22.0) + 9.0 * season + 5.0 * day + rng.normal(0.0, 2.0, HOURS)
    humidity = np.clip(0.65 - 0.2 * day + rng.normal(0.0, 0.1, HOURS), 0.1, 1.0)
    edges = np.arange(HOURS + 1, dtype=np.int64) * HOUR_NS
    return WeatherSeries(edges, dry, humidity, np.full(HOURS, 98e3), {}, None, None, None)


def _site(rng: np.random.Generator, spec: Facility) -> tuple[dict[str, Floats], SitePlan]:
    """A site's IT energy, its weather and building, and its own grid, by the hour."""
    weather = _climate(rng)
    assert len(weather.wet_bulb_c) == HOURS  # found once, as a run's weather is
    watts = rng.uniform(20e3, 180e3, HOURS)
    it_j = {"gpu": 0.7 * watts * 3600.0, "cpu": 0.2 * watts * 3600.0, "fans": 0.1 * watts * 3600.0}
    intensity = Signal(weather.edges_ns, rng.uniform(1e-5, 2e-4, HOURS), "g/J")
    price = Signal(weather.edges_ns, rng.uniform(-1e-8, 3e-8, HOURS), "USD/J")
    return it_j, SitePlan(building(spec, weather), GridPlan(intensity, marginal=intensity, price=price))


def _seconds(work: Callable[[], object], runs: int) -> float:
    taken = []
    for _ in range(runs):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def rows(*, quick: bool) -> list[Row]:
    """Medians of a few runs."""
    runs = 3 if quick else 7
    rng = np.random.default_rng(0)
    # until a block this large has once been freed, glibc gives memory back to the system after each site, and the
    # faults of getting it again take longer than the work; a process that has read a year of files is past that
    np.zeros(1 << 21).sum()
    edges = np.arange(HOURS + 1, dtype=np.int64) * HOUR_NS
    plant = load_scenario("dallas-on-ercot").scenario.places["dallas"].facility
    sites = [_site(rng, plant) for _ in range(20)]
    plain = [_site(rng, FixedPUE(kind="fixed-pue", pue=1.2)) for _ in range(20)]

    def account(of: list[tuple[dict[str, Floats], SitePlan]]) -> None:
        for i in range(SITES):
            account_site(*of[i % len(of)], edges)

    account_s = _seconds(lambda: account(sites), runs)
    plain_s = _seconds(lambda: account(plain), runs)
    week = sim.run("chat-service", set={"duration": "7 d", "workloads.chat.arrivals.rate": "0.2 request/s"})
    grams = iter(range(1, 10_000))
    reprice_s = _seconds(lambda: sim.account(week, set={"site.grid.intensity": f"{next(grams)} gCO2e/kWh"}), 3 * runs)
    steps_per_s = SITES * HOURS / account_s
    return [
        Row("a year of hours, 1,000 sites", account_s, "s", 1.0, "chiller, tower, UPS, weather, grid, marginal, price"),
        Row("the same under a fixed PUE", plain_s, "s"),
        Row(
            "site-hours a second over one Vessim site",
            steps_per_s / VESSIM_SITE_STEPS_PER_S,
            "x",
            note="Vessim's figure is quoted",
        ),
        Row("re-price a week-long run", reprice_s * 1e3, "ms", 50.0),
    ]
