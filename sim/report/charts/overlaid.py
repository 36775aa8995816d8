"""What happened over time in several runs, each on one scale for all."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sim.accounting.ledger import OUTSIDE, Floats
from sim.report.chart import Chart
from sim.report.charts.compared import Line, over_each_other
from sim.report.charts.lines import flat
from sim.report.charts.site import Sites, sites_of
from sim.report.charts.times import Axis
from sim.results.results import Results
from sim.units import HOUR_NS, SECONDS_PER_NS

KILO, MEGA = 1e3, 1e6


def over_time(runs: Mapping[str, Results], axis: Axis) -> list[Chart]:
    """Power, and of sites PUE, intensity and water, of runs by what they are called."""
    charts = []
    watts = {name: _watts(run) for name, run in runs.items()}
    there = {name: line for name, line in watts.items() if line is not None}
    if there:
        highest = max(float(line.values.max()) for line in there.values())
        per, unit = (MEGA, "MW") if highest >= MEGA else (KILO, "kW")
        lines = {name: Line(line.edges_ns, line.values / per) for name, line in there.items()}
        charts.append(
            over_each_other(
                "power", "IT power", lines, unit, axis, note="What the simulated meters read, without the building."
            )
        )
    sites = {name: one for name, one in ((name, sites_of(run)) for name, run in runs.items()) if isinstance(one, Sites)}
    for name, title, unit, of, zero in (
        ("pue", "PUE", "", _pue, False),
        ("carbon-intensity", "Carbon intensity of the grid", "gCO2e/kWh", _intensity, False),
        ("water", "Water", "L/h", _water, True),
    ):
        found = {run: Line(one.edges_ns, values) for run, one in sites.items() if (values := of(one)) is not None}
        if found and not all(flat(line.values) for line in found.values()):
            charts.append(over_each_other(name, title, found, unit, axis, zero=zero))
    return charts


def _watts(run: Results) -> Line | None:
    ledger = run.energy.where(lambda key: key.component not in OUTSIDE)
    if not ledger.keys or ledger.end_ns <= 0:
        return None
    lengths_s = np.diff(ledger.edges_ns) * SECONDS_PER_NS
    return Line(ledger.edges_ns, np.asarray(ledger.energy_j.sum(axis=0) / lengths_s))


def _pue(sites: Sites) -> Floats | None:
    it_j = np.sum([one.it_j for one in sites.accounts.values()], axis=0)
    facility_j = np.sum([one.facility_j for one in sites.accounts.values()], axis=0)
    return np.asarray(facility_j / it_j) if bool(np.all(it_j > 0.0)) else None


def _intensity(sites: Sites) -> Floats | None:
    """Of the one grid; several have each its own, and none for all."""
    return np.asarray(next(iter(sites.g_per_kwh.values()))) if len(sites.g_per_kwh) == 1 else None


def _water(sites: Sites) -> Floats | None:
    hours = np.diff(sites.edges_ns) / HOUR_NS
    litres = [
        values
        for one in sites.accounts.values()
        for values in (*(one.onsite_l or {}).values(), one.taken.get("offsite_l"))
        if values is not None
    ]
    return np.asarray(np.sum(litres, axis=0) / hours) if litres else None
