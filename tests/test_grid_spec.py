"""From what a scenario says of its grid to signals: every kind, repeated or not, on one basis."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.build.site.grid import OPEN_ENDED_NS, described, ewif_signal, grid_series
from sim.documents import from_mapping
from sim.errors import InputError, Problem
from sim.instants import epoch_ns
from sim.profiles.catalog import Catalog
from sim.profiles.intensity_bases import mixed_bases
from sim.signals import Signal
from sim.signals.grid import GridSeries
from sim.spec.grid import IntensitySource, PriceSource, WaterSource
from sim.units import DAY_NS, HOUR_NS, J_PER_KWH
from sim.validation import validate

CATALOG = Catalog()
START = datetime(2022, 1, 1, tzinfo=UTC)
ORIGIN = epoch_ns(START)


def _checked(kind: Any, mapping: Mapping[str, Any]) -> Any:
    problems: list[Problem] = []
    spec = validate(kind, from_mapping(mapping), problems=problems)
    if problems:
        raise InputError(problems)
    return spec


def _built(kind: Any, mapping: Mapping[str, Any], *, end_ns: int | None = DAY_NS, start_ns: int = 0) -> GridSeries:
    spec = _checked(kind, mapping)
    return grid_series(spec, origin_ns=ORIGIN, start_ns=start_ns, end_ns=end_ns, catalog=CATALOG)


def _intensity(mapping: Mapping[str, Any], **times: Any) -> Signal:
    signal = _built(IntensitySource, mapping, **times).intensity
    assert signal is not None
    return signal


def _write(path: Path, header: str, rows: list[str]) -> str:
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return str(path)


def _times(hours: int) -> list[str]:
    return [f"{START + timedelta(hours=h):%Y-%m-%d %H:%M:%S+00:00}" for h in range(hours)]


MIX_HEADER = "timestamp,WND,SUN,WAT,OIL,NG,COL,NUC,OTH,avg_CI"


def _half_gas_half_hydro(path: Path, hours: int = 48) -> str:
    return _write(path, MIX_HEADER, [f"{t},0,0,50,0,50,0,0,0," for t in _times(hours)])


def test_a_mix_takes_the_factors_and_the_basis_of_its_set(tmp_path: Path) -> None:
    file = _half_gas_half_hydro(tmp_path / "m.csv")
    series = _built(IntensitySource, {"kind": "eia-mix", "file": file, "factors": "dcrl-eia-lifecycle"})
    assert series.intensity is not None
    assert series.basis == "life-cycle"
    assert series.intensity.values * J_PER_KWH == pytest.approx((490 + 24) / 2)
    own = {"kind": "eia-mix", "file": file, "factors": "dcrl-eia-lifecycle", "also": {"gas": "400 gCO2e/kWh"}}
    assert _intensity(own).values * J_PER_KWH == pytest.approx((400 + 24) / 2)
    with pytest.raises(InputError, match="unknown profile 'dcrl'"):
        _built(IntensitySource, {"kind": "eia-mix", "file": file, "factors": "dcrl"})


def test_the_water_of_a_mix_needs_a_choice_about_reservoirs(tmp_path: Path) -> None:
    file = _half_gas_half_hydro(tmp_path / "m.csv")
    series = _built(IntensitySource, {"kind": "eia-mix", "file": file, "factors": "waterwise-2025"})
    litres = {}
    for hydro in ("without-reservoirs", "with-reservoirs"):
        spec = _checked(WaterSource, {"kind": "mix", "factors": "waterwise-2025", "hydro": hydro})
        litres[hydro] = float(ewif_signal(spec, series, catalog=CATALOG).values[0] * J_PER_KWH)
    assert litres == pytest.approx({"without-reservoirs": 1.02 / 2, "with-reservoirs": (1.02 + 17) / 2})
    with pytest.raises(InputError, match="choose without-reservoirs or with-reservoirs"):
        _checked(WaterSource, {"kind": "mix", "factors": "waterwise-2025"})
    with pytest.raises(InputError, match="needs a fuel mix"):
        ewif_signal(spec, GridSeries(), catalog=CATALOG)


def test_an_average_is_constant_and_says_its_year_and_basis() -> None:
    france = _built(IntensitySource, {"kind": "average", "region": "FRA"})
    assert france.intensity is not None
    assert france.intensity.at(10**17) * J_PER_KWH == pytest.approx(44.2)
    assert france.basis == "life-cycle"
    assert _built(IntensitySource, {"kind": "average", "region": "US-TX", "year": 2023}).basis == "direct"
    assert "Texas 2023, direct" in described("US-TX", CATALOG)
    with pytest.raises(InputError, match="is direct, not life-cycle"):
        _built(IntensitySource, {"kind": "average", "region": "US-TX", "basis": "life-cycle"})
    with pytest.raises(InputError, match="is of 2024, not 2020"):
        _built(IntensitySource, {"kind": "average", "region": "FRA", "year": 2020})
    water = _checked(WaterSource, {"kind": "average", "region": "FRA"})
    assert ewif_signal(water, france, catalog=CATALOG).values * J_PER_KWH == pytest.approx(3.6737)
    with pytest.raises(InputError, match="no water per kWh is known of South Africa"):
        ewif_signal(_checked(WaterSource, {"kind": "average", "region": "ZAF"}), france, catalog=CATALOG)


@given(st.lists(st.integers(0, 900), min_size=48, max_size=48), st.integers(0, 20))
def test_a_repeat_is_asked_for_and_gives_the_same_days_of_other_years(
    tmp_path_factory: pytest.TempPathFactory, values: list[int], years: int
) -> None:
    file = _write(
        tmp_path_factory.mktemp("r") / "s.csv",
        "datetime_utc,carbon_intensity",
        [f"{t},{v}" for t, v in zip(_times(48), values, strict=True)],
    )
    mapping = {"kind": "series", "file": file, "unit": "1 gCO2e/kWh"}
    once = _intensity(mapping)
    later = epoch_ns(datetime(2022 + years, 1, 1, tzinfo=UTC)) - ORIGIN
    again = _intensity({**mapping, "repeat": "calendar"}, start_ns=later, end_ns=later + 2 * DAY_NS)
    assert again.integral(later, later + 2 * DAY_NS) == once.integral(0, 2 * DAY_NS)
    assert (again.edges_ns - later).tolist() == once.edges_ns.tolist()
    assert once.covers(later, later + 1) == (years == 0)
    with pytest.raises(InputError, match="no year in it has 01-03 00:00 UTC"):
        _intensity({**mapping, "repeat": "calendar"}, start_ns=later, end_ns=later + 3 * DAY_NS)


def test_a_mix_is_repeated_fuel_by_fuel_and_its_shares_still_sum_to_one(tmp_path: Path) -> None:
    rows = [f"{t},{h % 7},1,2,3,4,5,6,7," for h, t in enumerate(_times(48))]
    file = _write(tmp_path / "m.csv", MIX_HEADER, rows)
    mapping = {"kind": "eia-mix", "file": file, "factors": "dcrl-eia-lifecycle", "repeat": "calendar"}
    later = epoch_ns(datetime(2030, 1, 1, tzinfo=UTC)) - ORIGIN
    series = _built(IntensitySource, mapping, start_ns=later, end_ns=later + 2 * DAY_NS)
    assert series.mix is not None
    assert sum(share.values for share in series.mix.values()) == pytest.approx(np.ones(48))
    assert series.intensity is not None
    once = _intensity({**mapping, "repeat": None})
    assert series.intensity.values.tolist() == once.values.tolist()


def _month_hours(path: Path, columns: Mapping[str, Any]) -> str:
    rows = [
        ",".join([str(m), str(h), *(str(of(m, h)) for of in columns.values())]) for m in range(1, 13) for h in range(24)
    ]
    return _write(path, ",".join(["month", "hour_utc", *columns]), rows)


def test_typical_days_are_laid_over_the_run_as_intensity_price_or_mix(tmp_path: Path) -> None:
    columns = {"ci": lambda m, h: 100 * m + h, "usd": lambda _m, h: h - 12, "g": lambda _m, h: h + 1, "w": lambda *_: 1}
    file = _month_hours(tmp_path / "t.csv", columns)
    february = 31 * DAY_NS
    intensity = _intensity({"kind": "month-hours", "file": file, "column": "ci", "unit": "1 gCO2e/kWh"}, end_ns=None)
    assert intensity.covers(0, OPEN_ENDED_NS)
    assert intensity.at(february + 5 * HOUR_NS) * J_PER_KWH == pytest.approx(205)
    price = _built(PriceSource, {"kind": "month-hours", "file": file, "column": "usd", "unit": "1 USD/MWh"}).price
    assert price is not None
    assert (price.values * 1000 * J_PER_KWH).tolist() == pytest.approx([h - 12 for h in range(24)])
    mapping = {"kind": "month-hours-mix", "file": file, "columns": {"gas": "g", "wind": "w"}}
    mixed = _intensity({**mapping, "factors": "ipcc-2014-lifecycle"})
    assert (mixed.values * J_PER_KWH).tolist() == pytest.approx([(490 * (h + 1) + 11) / (h + 2) for h in range(24)])
    with pytest.raises(InputError, match="'usd' is below zero"):
        _built(IntensitySource, {"kind": "month-hours", "file": file, "column": "usd", "unit": "1 gCO2e/kWh"})


def test_prices_of_both_formats_are_one_price(tmp_path: Path) -> None:
    values = [30.0, -12.5, 0.0]
    csv = _write(
        tmp_path / "a.csv",
        "Datetime (UTC),Datetime (Local),Price (EUR/MWh)",
        [f"{t},,{v}" for t, v in zip(_times(3), values, strict=True)],
    )
    units = [f"01.01.2022 0{h + 1}:00 - 01.01.2022 0{h + 2}:00" for h in range(3)]  # CET is an hour ahead
    entsoe = _write(
        tmp_path / "b.csv",
        '"MTU (CET/CEST)","Day-ahead Price [EUR/MWh]"',
        [f'"{u}","{v}"' for u, v in zip(units, values, strict=True)],
    )
    plain = {"kind": "series", "file": csv, "time_column": "Datetime (UTC)", "column": "Price (EUR/MWh)"}
    for mapping in (
        {"kind": "price-csv", "file": csv},
        {"kind": "entsoe-price", "file": entsoe},
        {**plain, "unit": "1 EUR/MWh"},
    ):
        price = _built(PriceSource, mapping).price
        assert price is not None
        assert price.unit == "EUR/J"
        assert price.edges_ns.tolist() == [h * HOUR_NS for h in range(4)]
        assert (price.values * 1000 * J_PER_KWH).tolist() == pytest.approx(values)


@pytest.mark.parametrize(
    ("mapping", "says"),
    [
        ({"kind": "eia"}, "unknown 'eia'"),
        ({"kind": "electricity-maps", "file": "x.csv"}, "say life-cycle or direct"),
        ({"kind": "watttime", "file": "x.csv"}, "needs a 'unit': '1 gCO2e/kWh', or '1 lb/MWh'"),
        ({"kind": "watttime", "file": "x.json", "unit": "1 lb/MWh"}, "says its own unit"),
        ({"kind": "series", "file": "x.csv", "unit": "1 gCO2e/kWh", "gaps": "hols"}, "did you mean 'hold'"),
    ],
)
def test_what_a_scenario_leaves_open_is_refused_with_the_remedy(mapping: Mapping[str, Any], says: str) -> None:
    with pytest.raises(InputError) as caught:
        _checked(IntensitySource, mapping)
    assert says in str(caught.value)


def test_bases_are_not_mixed() -> None:
    assert mixed_bases({"a": "direct", "b": "direct", "c": None}) is None
    assert mixed_bases({"a": "life-cycle", "b": None}) is None
    assert mixed_bases({}) is None
    message = mixed_bases({"a": "life-cycle", "b": "direct"})
    assert message is not None
    assert "life-cycle (a)" in message
