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
from sim.accounting.site import account_site
from sim.facility.building import FixedPUE
from sim.signals import Signal
from sim.units import HOUR_NS

HOURS = 8760
SITES = 1000
VESSIM_SITE_STEPS_PER_S = 6400


def _year(rng: np.random.Generator) -> tuple[dict[str, np.ndarray], SitePlan]:
    """A site's IT energy and its own grid by the hour."""
    edges = np.arange(HOURS + 1, dtype=np.int64) * HOUR_NS
    watts = rng.uniform(1e6, 9e6, HOURS)
    parts = {"gpu": 0.7 * watts * 3600.0, "cpu": 0.2 * watts * 3600.0, "fans": 0.1 * watts * 3600.0}
    intensity = Signal(edges, rng.uniform(1e-5, 2e-4, HOURS), "g/J")
    price = Signal(edges, rng.uniform(-1e-8, 3e-8, HOURS), "USD/J")
    return parts, SitePlan(FixedPUE(1.2), GridPlan(intensity, marginal=intensity, price=price))


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
    edges = np.arange(HOURS + 1, dtype=np.int64) * HOUR_NS
    sites = [_year(rng) for _ in range(20)]

    def account() -> None:
        for i in range(SITES):
            account_site(*sites[i % len(sites)], edges)

    account_s = _seconds(account, runs)
    week = sim.run("chat-service", set={"duration": "7 d", "workloads.chat.arrivals.rate": "0.2 request/s"})
    grams = iter(range(1, 10_000))
    reprice_s = _seconds(lambda: sim.account(week, set={"site.grid.intensity": f"{next(grams)} gCO2e/kWh"}), 3 * runs)
    steps_per_s = SITES * HOURS / account_s
    return [
        Row("a year of hours, 1,000 sites", account_s, "s", 1.0),
        Row(
            "site-hours a second over one Vessim site",
            steps_per_s / VESSIM_SITE_STEPS_PER_S,
            "x",
            note="Vessim's figure is quoted",
        ),
        Row("re-price a week-long run", reprice_s * 1e3, "ms", 50.0),
    ]
