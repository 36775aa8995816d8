"""What a site's account was over time: PUE, carbon intensity, water, and what its own plant supplied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sim.accounting.fold import fold
from sim.accounting.ledger import Floats, Ints
from sim.accounting.site import SiteAccount
from sim.build.accounts.accounting import accounting_plan
from sim.errors import InputError
from sim.loading.scenario import load_scenario
from sim.report.chart import Chart
from sim.report.charts.lines import flat, line_chart
from sim.report.charts.times import Axis
from sim.results.formats import HOUR_S, number
from sim.results.results import Results
from sim.units import J_PER_KWH, SECONDS_PER_NS

KILO = 1000.0


@dataclass(frozen=True, eq=False)
class Sites:
    """The accounts of all sites, bin by bin."""

    edges_ns: Ints
    accounts: Mapping[str, SiteAccount]
    g_per_kwh: Mapping[str, Floats]
    """Carbon intensity of each site's grid, by bin."""

    @property
    def axis(self) -> Axis:
        """The axis of time of the run."""
        return Axis.of(int(self.edges_ns[-1]))


def sites_of(results: Results) -> Sites | str:
    """The accounts of a finished run, priced again from its own scenario; or a sentence on why they cannot be, such as
    a file of a grid that is not here."""
    if results.energy.end_ns <= 0:
        return "This run took no time, so that nothing can be drawn over it."
    try:
        # a finished run needs none of the logs that drove it
        loaded = load_scenario(results.scenario, {}, None, activity_files=False)
        plan = accounting_plan(loaded.answers)
        footprint = fold(results.energy, plan)
    except InputError as error:
        first = error.problems[0]
        return f"The prices and signals of this run could not be read again here ({first.path}: {first.message})."
    edges_ns = results.energy.edges_ns
    g_per_kwh = {
        name: np.broadcast_to(site.grid.per_joule["operational_g"].on_bins(edges_ns) * J_PER_KWH, (len(edges_ns) - 1,))
        for name, site in plan.sites.items()
    }
    return Sites(edges_ns, footprint.accounts, g_per_kwh)


def site_charts(sites: Sites) -> list[Chart]:
    """PUE, intensity, water and supply over time, of each what the run has and what changes at all."""
    found = (*(f(sites) for f in (pue, intensity, water, supply)),)
    return [chart for chart in found if chart is not None]


def pue(sites: Sites) -> Chart | None:
    """Facility over IT energy of each bin, by site; none where it is always the same, or a bin has no IT energy."""
    series = {
        name: np.asarray(one.facility_j / one.it_j)
        for name, one in sites.accounts.items()
        if bool((one.it_j > 0.0).all())
    }
    return _changing("pue", "PUE", sites, series, "", "Facility energy over IT energy, bin by bin.")


def intensity(sites: Sites) -> Chart | None:
    """Carbon intensity of each site's grid, gCO2e/kWh; none where it is always the same."""
    return _changing(
        "carbon-intensity", "Carbon intensity of the grid", sites, sites.g_per_kwh, "gCO2e/kWh", "Location-based."
    )


def _changing(name: str, title: str, sites: Sites, series: Mapping[str, Floats], unit: str, note: str) -> Chart | None:
    if all(flat(values) for values in series.values()):
        return None
    return line_chart(name, title, sites.edges_ns, series, unit, axis=sites.axis, note=note, zero=False)


def throughout(sites: Sites) -> list[str]:
    """What was the same all the time, in sentences."""
    told = []
    for name, one in sites.accounts.items():
        if bool((one.it_j > 0.0).all()) and flat(one.facility_j / one.it_j):
            told.append(f"{name}: PUE {number(float(one.facility_j.sum() / one.it_j.sum()))} throughout.")
        if name in sites.g_per_kwh and flat(sites.g_per_kwh[name]):
            told.append(f"{name}: {number(float(sites.g_per_kwh[name][0]))} gCO2e/kWh of the grid throughout.")
    return told


def water(sites: Sites) -> Chart | None:
    """Litres an hour, on site and where electricity is made, of all sites that model them."""
    hours = np.diff(sites.edges_ns) * SECONDS_PER_NS / HOUR_S
    series: dict[str, Floats] = {}
    for one in sites.accounts.values():
        parts = {"on site": None, "for electricity, off site": one.taken.get("offsite_l")}
        if one.onsite_l:
            parts["on site"] = np.sum(list(one.onsite_l.values()), axis=0)
        for words, litres in parts.items():
            if litres is not None:
                series[words] = series.get(words, np.zeros(len(hours))) + litres / hours
    if not series:
        return None
    return line_chart("water", "Water", sites.edges_ns, series, "L/h", axis=sites.axis)


def supply(sites: Sites) -> Chart | None:
    """What the grid and plant on the site gave, kW, where there is any such plant."""
    seconds = np.diff(sites.edges_ns) * SECONDS_PER_NS
    series: dict[str, Floats] = {}
    for one in sites.accounts.values():
        if one.served is None:
            continue
        given = {
            "from the grid": one.import_j / seconds,
            "solar": one.served.pv_w,
            "wind": one.served.wind_w,
            "diesel": one.served.diesel_w,
            "battery, discharging": one.served.battery_discharge_w,
        }
        for words, watts in given.items():
            if bool(np.any(watts)):
                series[words] = series.get(words, np.zeros(len(seconds))) + watts / KILO
    if not series:
        return None
    return line_chart("supply", "Power by source", sites.edges_ns, series, "kW", axis=sites.axis)
