"""A site built from its YAML: who serves it, what that emits, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from sim.accounting.plan import GridPlan, SitePlan
from sim.accounting.site import account_site
from sim.build.site.onsite import onsite_plan
from sim.errors import InputError, RunError
from sim.facility.building import FixedPUE
from sim.instants import epoch_ns
from sim.onsite.diesel import SCOPE_1_G_PER_L
from sim.onsite.lifecycle import PUBLISHED, total
from sim.onsite.plan import OnsitePlan
from sim.signals import Signal, read_series
from sim.spec.onsite import OnSite
from sim.units import DAY_NS, HOUR_NS, J_PER_KWH, NS_PER_S
from tests.onsite_worlds import START_NS, Weather, clear, imbalance_w, storage_imbalance_j

UNITS: list[dict[str, Any]] = [
    {"kind": "pv", "capacity": "2 MW", "tilt": "30 deg", "azimuth": "180 deg", "lifecycle": "ipcc-ar5-pv-utility"},
    {
        "kind": "wind",
        "capacity": "1 MW",
        "hub_height": "100 m",
        "shear": 0.14,
        "cut_in": "3 m/s",
        "rated": "12 m/s",
        "cut_out": "25 m/s",
        "altitude": "170 m",
        "loss": "15 %",
        "lifecycle": "ipcc-ar5-wind-onshore",
    },
    {
        "kind": "battery",
        "energy": "4 MWh",
        "power": "1 MW",
        "round_trip": 0.88,
        "start": "50 %",
        "self_discharge": "2 %",
        "life": {"end_of_life": "80 %", "cycles": 6000, "calendar": "15 years"},
        "lifecycle": "ivl-2019-lithium-ion",
        "dispatch": {"kind": "self-consumption"},
    },
    {
        "kind": "diesel",
        "capacity": "3 MW",
        "minimum_load": "30 %",
        "fuel": {"full": "0.27 L/kWh", "half": "0.29 L/kWh"},
        "tests": {"every": "30 d", "duration": "30 min", "load": "30 %", "into": "load-bank"},
    },
    {"kind": "connection", "export_limit": "0 W", "outages": [{"after": "10 d", "duration": "3 h"}]},
]
ON_SITE: TypeAdapter[Any] = TypeAdapter(OnSite)
STEADY = Signal.constant(1e-4, "g/J")


def _plan(units: list[dict[str, Any]], weather: Weather | None = None, currency: str | None = None) -> OnsitePlan:
    return onsite_plan(
        ON_SITE.validate_python(units),
        start_ns=START_NS,
        weather=weather,
        currency=currency,
        rng=np.random.default_rng(0),
    )


def test_a_site_from_its_yaml() -> None:
    """Thirty-one days of a 3 MW load: the outage is served, the books close, and each line of carbon by hand."""
    weather = clear(days=31)
    plan = _plan(UNITS, weather)
    end_ns = 31 * DAY_NS
    edges = np.unique(np.concatenate([weather.edges_ns, *plan.breakpoints(0, end_ns)]))
    served = plan.dispatch(np.full(len(edges) - 1, 3e6), edges, None, STEADY)
    assert np.abs(imbalance_w(served)).max() < 1e-8
    assert np.abs(storage_imbalance_j(served)).max() < 1e-3
    out = (edges[:-1] >= 10 * DAY_NS) & (edges[:-1] < 10 * DAY_NS + 3 * HOUR_NS)
    assert out.sum() == 3
    assert (served.grid_import_w[out] == 0.0).all()
    assert not served.unserved_w.any()
    assert served.backup_w[out].any()
    assert not served.backup_w[~out].any()

    lines = {(line.unit, line.scope): line for line in plan.carbon(served, edges)}
    assert set(lines) == {("pv 1", 3), ("wind 1", 3), ("battery", 3), ("diesel", 1)}
    pv_kwh = served.energy_j(served.pv_w) / J_PER_KWH
    assert lines["pv 1", 3].carbon_g.central == pytest.approx(48.0 * pv_kwh)
    years = 31 / (15 * 365.25)
    wear = served.cycles[-1] / 6000 + years
    assert lines["battery", 3].carbon_g.central == pytest.approx(4000 * 83_500 * wear)
    # Backup by the straight line, and two tests (days 0 and 30) of 30 min at 0.9 MW into the load bank
    hours = np.count_nonzero(served.backup_w) + 2 * 0.5
    kwh = served.energy_j(served.backup_w) / J_PER_KWH + 2 * 450.0
    litres = 0.02 * 3000.0 * hours + 0.25 * kwh
    assert plan.fuel_l(served, edges).sum() == pytest.approx(litres)
    assert lines["diesel", 1].carbon_g.central == pytest.approx(litres * SCOPE_1_G_PER_L)
    scope_3 = total(tuple(lines.values()), 3)
    assert scope_3.central == pytest.approx(sum(x.carbon_g.central for x in lines.values() if x.scope == 3))
    assert scope_3.low < scope_3.central < scope_3.high


def test_the_account_of_a_site_with_panels() -> None:
    """Without a battery or export, a joule of sun in the load is a joule less from the grid, with its carbon."""
    weather = clear(days=31)
    plan = _plan([UNITS[0], {"kind": "connection", "export_limit": "0 W"}], weather)
    edges, it_j = weather.edges_ns, {"gpu": np.full(31 * 24, 1e6 * HOUR_NS / NS_PER_S)}
    bare = SitePlan(building=FixedPUE(1.2), grid=GridPlan(intensity=STEADY))
    without = account_site(it_j, bare, edges)
    account = account_site(it_j, replace(bare, on_site=plan), edges)
    own_j = np.minimum(plan.plants[0].power_w(edges) * account.seconds, without.facility_j)
    assert own_j.sum() > 0.1 * without.facility_j.sum()
    assert account.facility_j == pytest.approx(without.facility_j)
    assert account.import_j == pytest.approx(without.facility_j - own_j)
    assert account.taken["operational_g"].sum() == pytest.approx(
        without.taken["operational_g"].sum() - own_j.sum() * 1e-4
    )
    assert account.renewable_j == pytest.approx(own_j)


def test_published_ranges_rise() -> None:
    for name, one in PUBLISHED.items():
        assert 0.0 < one.low <= one.central <= one.high, name


def test_an_outage_needs_bins_that_begin_and_end_with_it() -> None:
    """Half an hour of outage must not become an hour of it because the bins are coarse."""
    connection = {"kind": "connection", "export_limit": "0 W", "outages": [{"after": "90 min", "duration": "30 min"}]}
    plan = _plan([connection])
    hourly = np.arange(4, dtype=np.int64) * HOUR_NS
    with pytest.raises(ValueError, match="every outage"):
        plan.dispatch(np.full(3, 1e6), hourly, None, STEADY)
    edges = np.union1d(hourly, np.concatenate(plan.breakpoints(0, int(hourly[-1]))))
    served = plan.dispatch(np.full(len(edges) - 1, 1e6), edges, None, STEADY)
    assert served.energy_j(served.unserved_w) == pytest.approx(1e6 * HOUR_NS / 2 / NS_PER_S)


def test_tests_into_the_facility_spare_the_grid() -> None:
    diesel = UNITS[3] | {"tests": {"every": "1 d", "duration": "1 h", "load": "30 %", "into": "facility"}}
    plan = _plan([diesel, {"kind": "connection", "export_limit": "0 W"}])
    edges = np.arange(49, dtype=np.int64) * HOUR_NS
    served = plan.dispatch(np.full(48, 2e6), edges, None, STEADY)
    assert served.diesel_w.nonzero()[0].tolist() == [0, 24]
    assert served.grid_import_w[[0, 1, 24]].tolist() == pytest.approx([1.1e6, 2e6, 1.1e6])
    assert plan.fuel_l(served, edges).sum() == pytest.approx(2 * (0.02 * 3000 + 0.25 * 900))


def test_a_price_dispatched_battery_needs_a_price_and_buys_low() -> None:
    battery = UNITS[2] | {"dispatch": {"kind": "price"}}
    units = [battery, {"kind": "connection", "export_limit": "0 W"}]
    with pytest.raises(InputError, match=r"needs 'site\.grid\.price'"):
        _plan(units)
    edges = np.arange(24 * 28 + 1, dtype=np.int64) * HOUR_NS
    price = Signal(edges, np.tile(np.repeat([20.0, 60.0], 12), 28) / J_PER_KWH, "USD/J")
    plan = _plan(units, currency="USD")
    with pytest.raises(RunError, match="needs a price"):
        plan.dispatch(np.full(24 * 28, 3e6), edges, None, STEADY)
    served = plan.dispatch(np.full(24 * 28, 3e6), edges, price, STEADY)
    paid_charging = served.battery_charge_w @ price.values / served.battery_charge_w.sum()
    saved = served.battery_discharge_w @ price.values / served.battery_discharge_w.sum()
    assert paid_charging * J_PER_KWH < 25.0
    assert saved * J_PER_KWH == pytest.approx(60.0)


@pytest.mark.shared_data
def test_looking_back_saves_on_the_real_prices_of_texas(shared_data: Path) -> None:
    """ERCOT 2022, a steady 2 MW and 4 MWh: persistence saves less than knowing the day to come, and more than nothing.

    The charge left over counts at the mean price, a small credit against 17 GWh bought.
    """
    path = shared_data / "grid" / "ercot_price_2022.csv.gz"
    price = read_series(
        path,
        time_column="Datetime (UTC)",
        value_column="Price (USD/MWh)",
        si_per_value=1e-3 / J_PER_KWH,
        unit="USD/J",
        origin_ns=epoch_ns(datetime(2022, 1, 1, tzinfo=UTC)),
        may_be_negative=True,
    )
    edges = price.edges_ns
    demand_w = np.full(len(edges) - 1, 2e6)

    def bill(bounds: dict[str, Any]) -> float:
        battery = UNITS[2] | {"dispatch": {"kind": "price", "bounds": bounds}}
        plan = _plan([battery, {"kind": "connection", "export_limit": "0 W"}], currency="USD")
        served = plan.dispatch(demand_w, edges, price, STEADY)
        paid = float((served.grid_import_w * served.dt_s) @ price.values)
        return paid - float(served.soc_j[-1] - served.soc_start_j) * float(price.values.mean())

    without = float(demand_w @ price.values) * HOUR_NS / NS_PER_S
    knowing = bill({"kind": "perfect", "window": "1 d"})
    for window in ("1 d", "7 d"):
        assert knowing < bill({"kind": "trailing", "window": window}) < 0.98 * without


def test_weather_is_asked_for() -> None:
    with pytest.raises(InputError, match="needs the site's weather"):
        _plan(UNITS)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda u: [*u, u[2]], "more than one battery"),
        (lambda u: u[:-1], "needs a {kind: connection"),
        (lambda u: [u[2] | {"c_rate": 0.5}, u[4]], "either 'power' or 'c_rate'"),
        (lambda u: [u[2] | {"soc_low": "60 %"}, u[4]], "within soc_low"),
        (lambda u: [u[3] | {"fuel": {"full": "0.3 L/kWh", "half": "0.2 L/kWh"}}, u[4]], "full <= half"),
        (lambda u: [u[1] | {"cut_in": "13 m/s"}, u[4]], "cut_in < rated < cut_out"),
        (lambda u: [u[0] | {"lifecycle": "free"}, u[4]], "ipcc-ar5-pv-utility"),
        (lambda u: [u[0] | {"tilt": "95 deg"}, u[4]], "at most 90"),
        (lambda u: [{k: v for k, v in u[2].items() if k != "life"}, u[4]], "Field required"),
    ],
)
def test_what_cannot_be_is_refused(change: Any, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        ON_SITE.validate_python(change(UNITS))


def test_a_perfect_forecast_has_to_be_asked_for() -> None:
    """A dispatch that says nothing of forecasts looks back; a forecast must say how wrong it is."""
    by_carbon = UNITS[2] | {"dispatch": {"kind": "carbon"}}
    assert ON_SITE.validate_python([by_carbon, UNITS[4]])[0].dispatch.bounds.kind == "trailing"
    with pytest.raises(ValidationError, match="error"):
        ON_SITE.validate_python(
            [UNITS[2] | {"dispatch": {"kind": "carbon", "bounds": {"kind": "forecast", "window": "1 d"}}}, UNITS[4]]
        )


def test_what_is_written_out_reads_back_the_same() -> None:
    """With every default made visible, for the resolved scenario of a run."""
    units = ON_SITE.validate_python(UNITS)
    assert ON_SITE.validate_python(ON_SITE.dump_python(units, mode="json", exclude_none=True)) == units


def test_the_same_power_by_c_rate() -> None:
    """0.25 C of 4 MWh is 1 MW."""
    by_rate = {k: v for k, v in UNITS[2].items() if k != "power"} | {"c_rate": 0.25}
    battery = _plan([by_rate, UNITS[4]]).units.battery
    assert battery == _plan([UNITS[2], UNITS[4]]).units.battery
    assert battery is not None
    assert battery.charge_w == 1e6
