"""Publishers' own files of the grid, by header: the right hour, fuel and unit; gaps and contradictions are told."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.errors import InputError
from sim.instants import epoch_ns
from sim.signals.gaps import Policy, lasting
from sim.signals.grid.carbon_intensity_uk import Value, read_carbon_intensity_uk
from sim.signals.grid.eia import read_eia
from sim.signals.grid.energy_charts import read_energy_charts_mix, read_energy_charts_price
from sim.signals.grid.entsoe import read_entsoe_mix, read_entsoe_price
from sim.signals.grid.gridstatus import read_gridstatus_mix, read_gridstatus_price
from sim.signals.grid.open_electricity import read_open_electricity_mix, read_open_electricity_price
from sim.signals.grid.series import Terms
from sim.signals.labels import Labels
from sim.signals.signal import Signal
from sim.units import HOUR_NS, J_PER_KWH
from tests.test_grid_damage import EDITS

BERLIN_DAY = pd.date_range("2025-10-26 01:00", periods=4, freq="h", tz="Europe/Berlin")
MWH_J = 1000 * J_PER_KWH
QUARTER = HOUR_NS // 4
START = datetime(2023, 1, 1, 8, tzinfo=UTC)
ORIGIN = epoch_ns(START)
GO_LIVE = datetime(2025, 9, 30, 22, tzinfo=UTC)  # 2025-10-01 00:00 in Central Europe


def _us(moment: datetime) -> str:
    return f"{moment.month:02d}/{moment.day:02d}/{moment.year} {moment:%I:%M:%S %p}".replace(" 0", " ")


def _eia930(path: Path, fuels: Mapping[str, Sequence[object]], *, utc: bool = True, authority: str = "CISO") -> Path:
    """A table of the Grid Monitor whose first hour is that which starts at 08:00 UTC (00:00 in California)."""
    header = ["Balancing Authority", "Data Date", "Hour Number", "Local Time at End of Hour"]
    header += ["UTC Time at End of Hour"] if utc else []
    header += ["Demand (MW)", *(f"Net Generation (MW) from {fuel}" for fuel in fuels), "Region"]
    rows = []
    for i, values in enumerate(zip(*fuels.values(), strict=True)):
        end = START + timedelta(hours=i + 1)
        local = end.astimezone(ZoneInfo("America/Los_Angeles"))
        cells = [authority, f"{local:%m/%d/%Y}", str(i + 1), _us(local), *([_us(end)] if utc else []), '"1,200"']
        rows.append(",".join([*cells, *(str(value) for value in values), "CAL"]))
    path.write_text("\n".join([",".join(header), *rows]) + "\n")
    return path


def _share(mix: Mapping[str, Signal] | None, fuel: str) -> list[float]:
    assert mix is not None
    return [float(value) for value in mix[fuel].values]


@pytest.mark.parametrize("utc", [True, False])
def test_eia930_hours_end_at_their_stamps_in_utc_or_on_a_named_local_clock(tmp_path: Path, utc: bool) -> None:
    path = _eia930(tmp_path / "b.csv", {"Coal": [0, 100, 300], "Natural Gas": ['"1,000"', 100, 100]}, utc=utc)
    labels = Labels(zone=None if utc else "America/Los_Angeles")
    mix = read_eia(path, Terms("refuse", ORIGIN, labels=labels)).mix
    assert _share(mix, "coal") == pytest.approx([0, 0.5, 0.75])
    assert mix is not None
    assert mix["coal"].edges_ns.tolist() == [0, HOUR_NS, 2 * HOUR_NS, 3 * HOUR_NS]
    if not utc:
        with pytest.raises(InputError, match="'Local Time at End of Hour' has no offset"):
            read_eia(path, Terms("refuse", 0))
    shifted = read_eia(path, Terms("refuse", ORIGIN, labels=Labels(labels.zone, "start"))).mix
    assert shifted is not None
    assert shifted["coal"].first_ns == HOUR_NS  # as CAISO reported until June 2022


def test_eia930_prefers_what_eia_adjusted_counts_what_it_imputed_and_leaves_storage_out(tmp_path: Path) -> None:
    columns: dict[str, list[object]] = {
        "Coal": [5, -999, 5],
        "Coal (Imputed)": ["", 5, ""],
        "Coal (Adjusted)": [5, 5, 5],
        "Natural Gas": [10, 10, 10],
        "Pumped Storage": ["", "", ""],
        "Pumped Storage  (Adjusted)": [-40, 40, 0],  # EIA's own double blank
        "Solar witho Integrated Battery Storage (Adjusted)": [5, 5, 5],  # EIA's own spelling
        "Geothermal": ["", "", ""],
    }
    series = read_eia(_eia930(tmp_path / "b.csv", columns), Terms("refuse", ORIGIN))
    assert series.mix is not None
    assert list(series.mix) == ["coal", "gas", "solar"]
    assert _share(series.mix, "coal") == pytest.approx([0.25] * 3)
    assert series.report is not None
    assert series.report.estimated == 1
    columns = {"Coal": [5, 0, 5], "Battery Storage": [0, 50, 0]}
    with pytest.raises(InputError, match=r"b.csv:3: has nothing but storage generating"):
        read_eia(_eia930(tmp_path / "b.csv", columns), Terms("refuse", ORIGIN))
    with pytest.raises(InputError, match="unknown sources: unobtainium"):
        read_eia(_eia930(tmp_path / "b.csv", {"Coal": [1, 1], "Unobtainium": [1, 1]}), Terms("refuse", 0))


def test_eia930_of_several_authorities_needs_one_named(tmp_path: Path) -> None:
    one = _eia930(tmp_path / "a.csv", {"Coal": [1, 1], "Wind": [1, 1]}).read_text()
    two = _eia930(tmp_path / "b.csv", {"Coal": [0, 0], "Wind": [1, 1]}, authority="ERCO").read_text()
    path = tmp_path / "c.csv"
    path.write_text(one + two.partition("\n")[2])
    with pytest.raises(InputError, match=r"say which, with only: \{Balancing Authority: CISO\}"):
        read_eia(path, Terms("refuse", 0))
    mix = read_eia(path, Terms("refuse", ORIGIN, only={"Balancing Authority": "ERCO"})).mix
    assert _share(mix, "wind") == [1, 1]
    with pytest.raises(InputError, match=r"has no row of 'only: .Balancing Authority: PJM.'"):
        read_eia(path, Terms("refuse", ORIGIN, only={"Balancing Authority": "PJM"}))


def _answer(path: Path, entries: list[dict[str, Any]]) -> Path:
    path.write_text(json.dumps({"response": {"total": str(len(entries)), "data": entries}, "request": {}}, indent=1))
    return path


def _entry(hour: int, fuel: str, value: object, **other: Any) -> dict[str, Any]:
    end = START + timedelta(hours=hour + 1)
    own = {"period": f"{end:%Y-%m-%dT%H}", "respondent": "CISO", "fueltype": fuel, "value": value}
    return own | {"value-units": "megawatthours"} | other


def test_the_eia_api_gives_hours_that_end_at_their_period_in_any_order(tmp_path: Path) -> None:
    values: list[tuple[int, str, object]] = [
        (h, fuel, value) for h in range(3) for fuel, value in (("COL", str(100 * h)), ("NG", 100), ("BAT", -7))
    ]
    path = _answer(tmp_path / "e.json", [_entry(*value) for value in reversed(values)])
    mix = read_eia(path, Terms("refuse", ORIGIN)).mix
    assert _share(mix, "coal") == pytest.approx([0, 0.5, 2 / 3])
    assert mix is not None
    assert mix["coal"].edges_ns.tolist() == [0, HOUR_NS, 2 * HOUR_NS, 3 * HOUR_NS]
    local = [_entry(h, f, v) | {"period": f"2023-01-01T{h + 1:02d}-08"} for h, f, v in values]
    same = read_eia(_answer(tmp_path / "l.json", local), Terms("refuse", ORIGIN)).mix
    assert _share(same, "coal") == _share(mix, "coal")


def test_what_is_wrong_with_an_answer_of_the_eia_api_is_told(tmp_path: Path) -> None:
    def read(*entries: dict[str, Any], **keyword: Any) -> Any:
        path = _answer(tmp_path / "e.json", list(entries))
        return read_eia(path, Terms("refuse", ORIGIN, **keyword))

    both = [_entry(h, "NG", 5) for h in range(2)]
    with pytest.raises(InputError, match="is in 'MW', not in megawatthours"):
        read(*both, _entry(2, "NG", 5, **{"value-units": "MW"}))
    with pytest.raises(InputError, match="unknown fueltype 'XYZ'"):
        read(*both, _entry(2, "XYZ", 5))
    with pytest.raises(InputError, match="gives NG of 2023-01-01T10 again, and otherwise"):
        read(*both, _entry(1, "NG", 6))
    with pytest.raises(InputError, match="has no value of COL"):
        read(*both, _entry(0, "COL", 6), _entry(1, "COL", None))
    with pytest.raises(InputError, match=r"only: \{respondent: CISO\}"):
        read(*both, _entry(1, "NG", 6, respondent="ERCO"))
    assert _share(read(*both, _entry(1, "NG", 6, respondent="ERCO"), only={"respondent": "CISO"}).mix, "gas") == [1, 1]
    with pytest.raises(InputError, match="comes 3600 s after the end"):
        read(*both, _entry(3, "NG", 5))


def _entsoe_py(path: Path, index: pd.DatetimeIndex, data: Mapping[tuple[str, str], Sequence[float]]) -> Path:
    pd.DataFrame(data, index=index).to_csv(path)
    return path


def test_entsoe_py_generation_has_two_header_rows_or_one(tmp_path: Path) -> None:
    index = pd.date_range("2025-10-26 01:00", periods=4, freq="h", tz="Europe/Berlin")  # an hour comes twice
    both = {
        ("Fossil Gas", "Actual Aggregated"): [1.0, 1, 1, 0],
        ("Wind Onshore", "Actual Aggregated"): [1.0, 3, 1, 0],
        ("Hydro Pumped Storage", "Actual Aggregated"): [0.0, 0, 0, 9],
        ("Hydro Pumped Storage", "Actual Consumption"): [5.0, 5, 5, 0],
        ("Solar", "Actual Consumption"): [0.0, 0.1, 0, 0],
    }
    path = _entsoe_py(tmp_path / "g.csv", index, both)
    with pytest.raises(InputError, match=r"g.csv:6: has nothing but storage generating"):
        read_entsoe_mix(path, Terms("refuse", 0))
    mix = read_entsoe_mix(path, Terms("hold", epoch_ns(index[0].to_pydatetime()))).mix
    assert mix is not None
    assert list(mix) == ["gas", "wind-onshore"]
    assert _share(mix, "gas") == [0.5, 0.25, 0.5]  # the last hour has no mix, and nothing is extrapolated
    assert mix["gas"].edges_ns.tolist() == [h * HOUR_NS for h in range(4)]
    flat = pd.DataFrame({"Fossil Gas": [1.0, 1, 1, 1], "Solar": [1.0, 1, 1, 3]}, index=index)
    flat.to_csv(tmp_path / "f.csv")
    flat_mix = read_entsoe_mix(tmp_path / "f.csv", Terms("refuse", 0)).mix
    assert _share(flat_mix, "gas") == [0.5, 0.5, 0.5, 0.25]
    flat.rename(columns={"Solar": "Moonshine"}).to_csv(tmp_path / "f.csv")
    with pytest.raises(InputError, match="unknown production types: moonshine"):
        read_entsoe_mix(tmp_path / "f.csv", Terms("refuse", 0))


def _day_ahead(hours: int, quarters: int, lost: set[int] = frozenset()) -> tuple[list[datetime], list[float]]:  # type: ignore[assignment]
    coarse = [GO_LIVE + timedelta(hours=h - hours) for h in range(hours)]
    times = coarse + [GO_LIVE + timedelta(minutes=15 * q) for q in range(quarters)]
    kept = [i for i in range(len(times)) if i not in lost]
    return [times[i] for i in kept], [float(i) for i in kept]


def _prices_csv(path: Path, times: list[datetime], values: list[float]) -> Path:
    pd.Series(values, index=pd.DatetimeIndex(times).tz_convert("Europe/Berlin")).to_csv(path)
    return path


def _charts(path: Path, times: list[datetime], values: Sequence[float | None], unit: str = "EUR / MWh") -> Path:
    answer = {"license_info": "CC BY 4.0", "unix_seconds": [int(t.timestamp()) for t in times], "price": list(values)}
    path.write_text(json.dumps(answer | {"unit": unit, "deprecated": False}))
    return path


@given(st.integers(2, 60), st.integers(3, 200))
def test_hourly_prices_before_october_2025_and_quarter_hours_after_are_one_series(
    tmp_path_factory: pytest.TempPathFactory, hours: int, quarters: int
) -> None:
    folder = tmp_path_factory.mktemp("da")
    times, values = _day_ahead(hours, quarters)
    origin = epoch_ns(GO_LIVE)
    for price in (
        read_entsoe_price(_prices_csv(folder / "p.csv", times, values), Terms("refuse", origin)).price,
        read_energy_charts_price(_charts(folder / "p.json", times, values), Terms("refuse", origin)).price,
    ):
        assert price is not None
        coarse = [HOUR_NS * (h - hours) for h in range(hours)]
        assert price.edges_ns.tolist() == coarse + [QUARTER * q for q in range(quarters + 1)]
        assert price.values * MWH_J == pytest.approx(values)
        # What a steady 1 W pays: each price for as long as it held.
        held = sum(values[:hours]) + sum(values[hours:]) / 4
        assert price.integral(-hours * HOUR_NS, quarters * QUARTER) * MWH_J == pytest.approx(held * 3600)


def test_a_gap_in_either_part_stays_a_gap(tmp_path: Path) -> None:
    for lost, after in ((3, 3600), (20, 900)):
        path = _prices_csv(tmp_path / "p.csv", *_day_ahead(10, 40, {lost}))
        with pytest.raises(InputError, match=f"p.csv:{lost + 2}: comes {after} s after the end of the row above it"):
            read_entsoe_price(path, Terms("refuse", 0))
        report = read_entsoe_price(path, Terms("hold", 0)).report
        assert report is not None
        assert report.filled == (4 if after == 3600 else 1)
    # Quarter-hours of which three in four are lost for a while are no hours.
    sparse = {q for q in range(20, 36) if q % 4}
    with pytest.raises(InputError, match="comes 2700 s after the end"):
        read_entsoe_price(_prices_csv(tmp_path / "p.csv", *_day_ahead(0, 80, sparse)), Terms("refuse", 0))


@given(st.integers(2, 30), st.integers(3, 60))
def test_rows_that_get_finer_last_as_long_whichever_end_is_labelled(hours: int, quarters: int) -> None:
    starts = np.array([epoch_ns(t) for t in _day_ahead(hours, quarters)[0]], dtype=np.int64)
    length = np.array([HOUR_NS] * hours + [QUARTER] * quarters, dtype=np.int64)
    for spans in (lasting(starts, at_end=False), lasting(starts + length, at_end=True)):
        assert spans is not None
        assert spans[0].tolist() == starts.tolist()
        assert spans[1].tolist() == (starts + length).tolist()
    assert lasting(starts[:hours], at_end=False) is None


def test_gridstatus_prices_are_of_one_location_and_the_user_says_the_unit(tmp_path: Path) -> None:
    path = tmp_path / "lmp.csv"
    rows = []
    for i in range(3):
        start = (START + timedelta(minutes=5 * i)).astimezone(ZoneInfo("America/Los_Angeles"))
        for place, lmp in (("TH_NP15", 10 + i), ("TH_SP15", -5)):
            rows.append(f"{start},{start},{start + timedelta(minutes=5)},REAL_TIME_5_MIN,{place},{lmp},1,0")
    path.write_text("Time,Interval Start,Interval End,Market,Location,LMP,Energy,Loss\n" + "\n".join(rows) + "\n")

    def read(**keyword: Any) -> Signal:
        price = read_gridstatus_price(
            path, Terms("refuse", ORIGIN, **keyword), column=None, si_per_value=1 / MWH_J, unit="USD/J"
        ).price
        assert price is not None
        return price

    with pytest.raises(InputError, match=r"say which, with only: \{Location: TH_NP15\}"):
        read()
    price = read(only={"Location": "TH_NP15"})
    assert price.values * MWH_J == pytest.approx([10, 11, 12])
    assert price.edges_ns.tolist() == [i * HOUR_NS // 12 for i in range(4)]
    with pytest.raises(InputError, match="gives 'Interval Start' and 'Interval End': leave 'stamps' out"):
        read(only={"Location": "TH_NP15"}, labels=Labels(stamps="end"))
    path.write_text(path.read_text().replace("Time,Interval Start,", "Time,T2,"))
    assert read(only={"Location": "TH_NP15"}).first_ns == 0  # 'Time' is the start, wherever gridstatus gives both
    assert read(only={"Location": "TH_NP15"}, labels=Labels(stamps="end")).first_ns == -HOUR_NS // 12


def test_gridstatus_mixes_know_each_markets_words_and_refuse_imports(tmp_path: Path) -> None:
    index = pd.date_range("2025-11-02 00:00", periods=4, freq="h", tz="US/Central")  # the clocks go back
    frame = pd.DataFrame({"Interval Start": index, "Interval End": index + pd.Timedelta("1h")})
    for name, values in (("Coal and Lignite", [1] * 4), ("Natural Gas", [2] * 4), ("Power Storage", [-3, 0, 3, 3])):
        frame[name] = values
    frame["Large Hydro"] = [1] * 4
    frame.to_csv(tmp_path / "m.csv")  # with pandas' numbers of rows
    series = read_gridstatus_mix(tmp_path / "m.csv", Terms("refuse", epoch_ns(index[0].to_pydatetime())))
    assert series.mix is not None
    assert {fuel: share.values.tolist() for fuel, share in series.mix.items()} == {
        "coal": [0.25] * 4,
        "gas": [0.5] * 4,
        "hydro": [0.25] * 4,
    }
    assert series.mix["coal"].edges_ns.tolist() == [h * HOUR_NS for h in range(5)]
    frame.assign(Imports=5).to_csv(tmp_path / "m.csv", index=False)
    with pytest.raises(InputError, match=r"columns that are no fuel: Imports  \(leave one out with skip"):
        read_gridstatus_mix(tmp_path / "m.csv", Terms("refuse", 0))
    assert read_gridstatus_mix(tmp_path / "m.csv", Terms("refuse", 0), skip=["Imports"]).mix is not None


def _uk(path: Path, values: Sequence[tuple[float | None, float | None]]) -> Path:
    entries = [
        {
            "from": f"{START + timedelta(minutes=30 * i):%Y-%m-%dT%H:%MZ}",
            "to": f"{START + timedelta(minutes=30 * (i + 1)):%Y-%m-%dT%H:%MZ}",
            "intensity": {"forecast": forecast, "actual": actual, "index": "moderate"},
        }
        for i, (forecast, actual) in enumerate(values)
    ]
    path.write_text(json.dumps({"data": entries}, indent=1))
    return path


@pytest.mark.parametrize(("value", "expected"), [("forecast", [266, 270]), ("actual", [263, 260])])
def test_the_uk_api_gives_half_hours_of_the_value_that_was_asked_for(
    tmp_path: Path, value: Value, expected: list[float]
) -> None:
    path = _uk(tmp_path / "uk.json", [(266, 263), (270, 260)])
    series = read_carbon_intensity_uk(path, Terms("refuse", ORIGIN), value=value)
    assert series.intensity is not None
    assert series.intensity.values * J_PER_KWH == pytest.approx(expected)
    assert series.intensity.edges_ns.tolist() == [0, HOUR_NS // 2, HOUR_NS]
    assert (series.basis, series.marginal) == ("direct", False)
    ahead = _uk(tmp_path / "uk.json", [(266, 263), (270, None), (271, None), (272, None)])
    if value == "actual":
        with pytest.raises(InputError) as caught:
            read_carbon_intensity_uk(ahead, Terms("refuse", ORIGIN), value=value)
        assert len(caught.value.problems) == 1
        assert "has no 'actual' value; take value: forecast" in str(caught.value)


def test_energy_charts_states_its_unit_and_lists_more_than_generation(tmp_path: Path) -> None:
    times = [START + timedelta(hours=h) for h in range(3)]
    cents = read_energy_charts_price(
        _charts(tmp_path / "p.json", times, [5, -5, 0], "EUR/kWh"), Terms("refuse", ORIGIN)
    ).price
    assert cents is not None
    assert cents.values * J_PER_KWH == pytest.approx([5, -5, 0])
    with pytest.raises(InputError, match="has prices in 'ct/kWh'"):
        read_energy_charts_price(_charts(tmp_path / "p.json", times, [5, 5, 5], "ct/kWh"), Terms("refuse", 0))
    with pytest.raises(InputError, match="price: has 2 values for 3 times"):
        read_energy_charts_price(_charts(tmp_path / "p.json", times, [5, 5]), Terms("refuse", 0))
    with pytest.raises(InputError, match=r"price.1: has no value; mend it, or write gaps: hold"):
        read_energy_charts_price(_charts(tmp_path / "p.json", times, [5, None, 5]), Terms("refuse", 0))

    types = {
        "Hydro pumped storage consumption": [-5, 0, 0],
        "Cross border electricity trading": [9, 9, 9],
        "Fossil brown coal / lignite": [1, 1, 0],
        "Wind onshore": [1, 3, 0],
        "Nuclear": [None, None, None],
        "Hydro pumped storage": [0, 0, 4],
        "Load": [7, 7, 7],
        "Renewable share of load": [50, 75, 0],
    }
    answer: dict[str, Any] = {"unix_seconds": [int(t.timestamp()) for t in times]}
    answer["production_types"] = [{"name": name, "data": data} for name, data in types.items()]
    path = tmp_path / "g.json.gz"
    path.write_bytes(gzip.compress(json.dumps(answer).encode()))
    with pytest.raises(InputError, match=r"unix_seconds.2: has nothing but storage generating"):
        read_energy_charts_mix(path, Terms("refuse", ORIGIN))
    mix = read_energy_charts_mix(path, Terms("hold", ORIGIN)).mix
    assert mix is not None
    assert list(mix) == ["lignite", "wind-onshore"]
    assert _share(mix, "lignite") == [0.5, 0.25]


def _australia(path: Path, metric: str, unit: str, interval: str, results: Mapping[tuple[str, str], list[Any]]) -> Path:
    step = timedelta(minutes={"5m": 5, "1h": 60}[interval])
    blocks = [
        {
            "name": f"{metric}_{region}_{tech}",
            "columns": {"region": region} | ({"fueltech": tech} if tech else {}),
            "data": [
                [(START + i * step).astimezone(ZoneInfo("Australia/Brisbane")).isoformat(), v]
                for i, v in enumerate(values)
            ],
        }
        for (region, tech), values in results.items()
    ]
    own = {"network_code": "NEM", "metric": metric, "unit": unit, "interval": interval, "groupings": []}
    block = own | {"network_timezone_offset": "+10:00", "results": blocks}
    path.write_text(json.dumps({"version": "4.5.16", "success": True, "data": [block]}))
    return path


@pytest.mark.parametrize(("interval", "first_ns"), [("5m", -HOUR_NS // 12), ("1h", 0)])
def test_open_electricity_stamps_dispatch_intervals_at_their_end_and_hours_at_their_start(
    tmp_path: Path, interval: str, first_ns: int
) -> None:
    prices = {("NSW1", ""): [50.0, -20.0, 30.0], ("VIC1", ""): [1.0, 1.0, 1.0]}
    path = _australia(tmp_path / "p.json", "price", "$/MWh", interval, prices)
    with pytest.raises(InputError, match=r"say which, with only: \{region: ...\}  \(NSW1, VIC1\)"):
        read_open_electricity_price(path, Terms("refuse", ORIGIN))
    price = read_open_electricity_price(path, Terms("refuse", ORIGIN, only={"region": "NSW1"})).price
    assert price is not None
    assert (price.unit, price.first_ns) == ("AUD/J", first_ns)
    assert price.values * MWH_J == pytest.approx([50, -20, 30])
    labels = Labels(stamps="start")
    said = read_open_electricity_price(path, Terms("refuse", ORIGIN, labels=labels, only={"region": "NSW1"}))
    assert said.price is not None
    assert said.price.first_ns == 0
    with pytest.raises(InputError, match="has its price in 'EUR/MWh'"):
        read_open_electricity_price(
            _australia(tmp_path / "p.json", "price", "EUR/MWh", interval, prices), Terms("refuse", 0)
        )


def test_open_electricity_mixes_and_its_clients_tables_without_an_offset(tmp_path: Path) -> None:
    power: dict[tuple[str, str], list[Any]] = {
        ("NSW1", "coal_black"): [3.0, 1.0, 0.0],
        ("NSW1", "solar_rooftop"): [1.0, 1.0, 0.0],
        ("NSW1", "battery_discharging"): [0.0, 0.0, 6.0],
        ("NSW1", "battery_charging"): [2.0, 0.0, 0.0],
    }
    path = _australia(tmp_path / "m.json", "power", "MW", "1h", power)
    with pytest.raises(InputError, match="has nothing but storage generating"):
        read_open_electricity_mix(path, Terms("refuse", ORIGIN))
    mix = read_open_electricity_mix(path, Terms("hold", ORIGIN)).mix
    assert _share(mix, "coal") == [0.75, 0.5]
    # What TimeSeriesResponse.to_pandas() gives: naive times of the network.
    rows = [
        {"interval": datetime(2023, 1, 1, 18) + timedelta(hours=i), "region": r, "fueltech": t, "power": v}
        for (r, t), values in power.items()
        for i, v in enumerate(values[:2])
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "m.csv")
    with pytest.raises(InputError, match="'interval' has no offset"):
        read_open_electricity_mix(tmp_path / "m.csv", Terms("refuse", ORIGIN))
    zone = Labels(zone="Australia/Brisbane")
    same = read_open_electricity_mix(tmp_path / "m.csv", Terms("refuse", ORIGIN, labels=zone)).mix
    assert same is not None
    assert _share(same, "coal") == _share(mix, "coal")
    assert same["coal"].first_ns == 0


DAMAGED: dict[str, tuple[Callable[[Path], Path], Callable[[Path, Policy], object]]] = {
    "balance.csv": (
        lambda path: _eia930(path, {"Coal": [5, 0, 5], "Coal (Adjusted)": [5, 0, 5], "Battery Storage": [0, 1, 0]}),
        lambda path, policy: read_eia(path, Terms(policy, 0)),
    ),
    "eia.json": (
        lambda path: _answer(path, [_entry(hour, fuel, 5) for hour in range(3) for fuel in ("NG", "BAT")]),
        lambda path, policy: read_eia(path, Terms(policy, 0)),
    ),
    "day-ahead.csv": (
        lambda path: _prices_csv(path, *_day_ahead(4, 8)),
        lambda path, policy: read_entsoe_price(path, Terms(policy, 0)),
    ),
    "generation.csv": (
        lambda path: _entsoe_py(path, BERLIN_DAY, {("Fossil Gas", "Actual Aggregated"): [1.0] * 4}),
        lambda path, policy: read_entsoe_mix(path, Terms(policy, 0)),
    ),
    "charts.json": (
        lambda path: _charts(path, *_day_ahead(4, 8)),
        lambda path, policy: read_energy_charts_price(path, Terms(policy, 0)),
    ),
    "uk.json": (
        lambda path: _uk(path, [(1, 2), (3, 4), (5, 6)]),
        lambda path, policy: read_carbon_intensity_uk(path, Terms(policy, 0), value="actual"),
    ),
    "australia.json": (
        lambda path: _australia(
            path, "power", "MW", "5m", {("NSW1", "coal_black"): [1, 2], ("NSW1", "battery"): [1, 2]}
        ),
        lambda path, policy: read_open_electricity_mix(path, Terms(policy, 0)),
    ),
}


@pytest.mark.parametrize("name", DAMAGED)
@settings(max_examples=40)
@given(EDITS, st.sampled_from(["refuse", "hold", "interpolate"]))
def test_a_damaged_file_is_read_or_refused_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, name: str, edits: list[tuple[float, int, str]], policy: Policy
) -> None:
    write, read = DAMAGED[name]
    path = write(tmp_path_factory.mktemp("damaged") / name)
    text = path.read_text(encoding="utf-8")
    for where, removed, added in edits:
        at = int(where * len(text))
        text = text[:at] + added + text[at + removed :]
    path.write_text(text, encoding="utf-8")
    with suppress(InputError):
        read(path, policy)


def test_a_header_that_is_blank_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("\n1,2\n")
    with pytest.raises(InputError, match="is empty; it needs a header"):
        read_entsoe_price(tmp_path / "x.csv", Terms("hold", 0))
