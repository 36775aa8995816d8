"""Grid files as their publishers write them: same values, same signal; every fault with its line."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.errors import InputError
from sim.signals.csv_table import epoch_ns
from sim.signals.gaps import Policy
from sim.signals.grid.eia import read_eia
from sim.signals.grid.electricity_maps import read_electricity_maps
from sim.signals.grid.entsoe import read_entsoe_mix, read_entsoe_price
from sim.signals.grid.plain import read_plain
from sim.signals.grid.price import read_price
from sim.signals.grid.watttime import read_watttime_csv, read_watttime_json
from sim.units import HOUR_NS, J_PER_KWH

_BRUSSELS = ZoneInfo("Europe/Brussels")
START = datetime(2024, 2, 28, tzinfo=UTC)
ORIGIN = epoch_ns(START)
G_PER_KWH_OF_LB_PER_MWH = 0.45359237  # 453.59237 g (the international pound, exact) over 1000 kWh

MAPS_2024 = (
    "Datetime (UTC),Country,Zone Name,Zone Id,Carbon Intensity gCO₂eq/kWh (direct),"
    "Carbon Intensity gCO₂eq/kWh (LCA),Low Carbon Percentage,Renewable Percentage,Data Source,Data Estimated,"
    "Data Estimation Method"
)
MAPS_2025 = (
    "Datetime (UTC),Country,Zone name,Zone id,Carbon intensity gCO₂eq/kWh (direct),"
    "Carbon intensity gCO₂eq/kWh (Life cycle),Carbon-free energy percentage (CFE%),Renewable energy percentage (RE%),"
    "Data source,Data estimated,Data estimation method"
)


def _hour(i: int) -> datetime:
    return START + timedelta(hours=i)


def _maps_csv(path: Path, values: list[float], header: str, zones: list[str] | None = None) -> Path:
    rows = [
        f"{_hour(i):%Y-%m-%d %H:%M:%S},France,France,{zones[i] if zones else 'FR'},{value},{value + 7},90,30,src,"
        f"{'true' if i % 2 else 'false'},"
        for i, value in enumerate(values)
    ]
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def _maps_json(path: Path, values: list[float | None], kind: str = "direct") -> Path:
    history = [
        {
            "zone": "FR",
            "carbonIntensity": value,
            "datetime": f"{_hour(i):%Y-%m-%dT%H:%M:%S.000Z}",
            "updatedAt": "2024-03-01T00:00:00.000Z",
            "emissionFactorType": kind,
            "isEstimated": bool(i % 2),
        }
        for i, value in enumerate(values)
    ]
    path.write_text(json.dumps({"zone": "FR", "history": history}, indent=1))
    return path


def _watttime_json(path: Path, values: list[float | None], **meta: object) -> Path:
    entries = [{"point_time": _hour(i).isoformat(), "value": value} for i, value in enumerate(values)]
    stated = {"signal_type": "co2_moer", "units": "lbs_co2_per_mwh", "data_point_period_seconds": 3600} | meta
    path.write_text(json.dumps({"data": entries, "meta": stated}, indent=1))
    return path


@given(st.lists(st.floats(0, 1500), min_size=2, max_size=30))
def test_one_grid_written_in_every_format_gives_one_carbon(
    tmp_path_factory: pytest.TempPathFactory, values: list[float]
) -> None:
    folder = tmp_path_factory.mktemp("grid")
    pounds: list[float | None] = [value / G_PER_KWH_OF_LB_PER_MWH for value in values]
    plain = folder / "plain.csv"
    plain.write_text("t,x\n" + "".join(f"{_hour(i).isoformat()},{v}\n" for i, v in enumerate(values)))
    read = [
        read_electricity_maps(
            _maps_csv(folder / name, values, header), basis="direct", policy="refuse", origin_ns=ORIGIN
        )
        for name, header in (("a.csv", MAPS_2024), ("b.csv", MAPS_2025))
    ]
    read.append(
        read_electricity_maps(
            _maps_json(folder / "c.json", list(values)), basis="direct", policy="refuse", origin_ns=ORIGIN
        )
    )
    marginal = read_watttime_json(_watttime_json(folder / "d.json", pounds), policy="refuse", origin_ns=ORIGIN)
    read.append(marginal)
    read.append(
        read_watttime_csv(
            plain, time_column=None, column=None, si_per_value=1 / J_PER_KWH, policy="refuse", origin_ns=ORIGIN
        )
    )
    # A load of 1 W over the whole file, in g: sum of g/kWh x 1e-3 kWh.
    expected_g = sum(values) / 1000
    for series in read:
        assert series.intensity is not None
        assert series.basis == "direct"
        assert series.intensity.edges_ns.tolist() == [i * HOUR_NS for i in range(len(values) + 1)]
        assert series.intensity.integral(0, len(values) * HOUR_NS) == pytest.approx(expected_g, rel=1e-12, abs=1e-300)
    assert marginal.marginal
    assert not read[0].marginal


def test_the_vintages_agree_on_the_life_cycle_and_count_what_was_estimated(tmp_path: Path) -> None:
    values = [50.0, 60.0, 70.0]
    for header in (MAPS_2024, MAPS_2025):
        series = read_electricity_maps(
            _maps_csv(tmp_path / "m.csv", values, header), basis="life-cycle", policy="refuse", origin_ns=ORIGIN
        )
        assert series.intensity is not None
        assert series.report is not None
        assert (series.intensity.values * J_PER_KWH).tolist() == pytest.approx([57, 67, 77])
        assert (series.basis, series.report.estimated) == ("life-cycle", 1)


def test_what_is_wrong_with_a_maps_or_watttime_file_is_said_with_its_line(tmp_path: Path) -> None:
    def maps(path: Path) -> None:
        read_electricity_maps(path, basis="direct", policy="refuse", origin_ns=0)

    with pytest.raises(InputError, match=r"m.csv:4: is of zone 'DE', and the first row of 'FR'"):
        maps(_maps_csv(tmp_path / "m.csv", [1, 2, 3], MAPS_2025, ["FR", "FR", "DE"]))
    with pytest.raises(InputError, match="no column of the direct carbon intensity"):
        maps(_maps_csv(tmp_path / "m.csv", [1, 2, 3], MAPS_2025.replace("(direct)", "(x)")))
    with pytest.raises(InputError, match=r"m.csv:3: is below zero"):
        maps(_maps_csv(tmp_path / "m.csv", [1, -2, 3], MAPS_2025))
    with pytest.raises(InputError, match=r"m.json:15: history.1: has no value; mend it, or write gaps: hold"):
        maps(
            _maps_json(tmp_path / "m.json", [1.0, None, 3.0])
        )  # 8 lines an entry; the second's datetime is on the 15th
    with pytest.raises(InputError, match="its emissionFactorType is 'lifecycle', and direct was asked for"):
        maps(_maps_json(tmp_path / "m.json", [1.0, 2.0], "lifecycle"))
    (tmp_path / "m.json").write_text("{")
    with pytest.raises(InputError, match="is not JSON"):
        maps(tmp_path / "m.json")

    def watttime(path: Path) -> None:
        read_watttime_json(path, policy="refuse", origin_ns=0)

    with pytest.raises(InputError, match="holds 'health_damage', which is no rate of CO2"):
        watttime(_watttime_json(tmp_path / "w.json", [1, 2], signal_type="health_damage"))
    with pytest.raises(InputError, match="has values in 'kg'"):
        watttime(_watttime_json(tmp_path / "w.json", [1, 2], units="kg"))
    with pytest.raises(InputError, match=r"w.json:8: data.1: has no value"):
        watttime(_watttime_json(tmp_path / "w.json", [1, None, 3]))


MIX = "timestamp,WND,SUN,WAT,OIL,NG,COL,NUC,OTH,avg_CI\n"


def test_the_shares_of_a_mix_sum_to_one_and_its_files_may_leave_the_first_header_cell_empty(tmp_path: Path) -> None:
    body = "".join(f"{_hour(i).isoformat()},{i},2,3,4,5,6,7,8,100\n" for i in range(5))
    (tmp_path / "a.csv").write_text(MIX + body)
    (tmp_path / "b.csv").write_text(MIX.removeprefix("timestamp") + body)
    read = [read_eia(tmp_path / name, policy="refuse", origin_ns=ORIGIN) for name in ("a.csv", "b.csv")]
    for series in read:
        assert series.mix is not None
        assert list(series.mix) == ["wind", "solar", "hydro", "oil", "gas", "coal", "nuclear", "other"]
        assert sum(signal.values for signal in series.mix.values()) == pytest.approx(np.ones(5))
        assert series.mix["wind"].values.tolist() == pytest.approx([i / (35 + i) for i in range(5)])
        assert series.intensity is None


def test_a_mix_with_a_blank_a_negative_or_an_empty_hour(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    rows = ["1,1,0,0,0,0,0,0,5", ",,,,,,,,", "-1,2,0,0,2,0,0,0,5", "0,0,0,0,0,0,0,0,5", "0,0,0,0,4,0,0,0,5"]
    path.write_text(MIX + "".join(f"{_hour(i).isoformat()},{row}\n" for i, row in enumerate(rows)))
    with pytest.raises(InputError, match=r"m.csv:4: has a generation below zero"):
        read_eia(path, policy="refuse", origin_ns=ORIGIN)
    series = read_eia(path, policy="hold", origin_ns=ORIGIN)
    assert series.mix is not None
    assert series.report is not None
    assert series.mix["wind"].values.tolist() == [0.5, 0.5, 0, 0, 0]
    assert series.mix["gas"].values.tolist() == [0, 0, 0.5, 0.5, 1]
    assert (series.report.blank, series.report.below_zero) == (2, 1)
    path.write_text(MIX.replace("OTH", "FUS") + "2022-01-01,1,1,1,1,1,1,1,1,1\n")
    with pytest.raises(InputError, match=r"m.csv:1: has columns that are no fuel: FUS"):
        read_eia(path, policy="hold", origin_ns=0)


def _units(first: datetime, hours: int, step_min: int = 60, *, end_by_clock: bool = False) -> list[tuple[str, int]]:
    """Time units on the Central European clock, with the UTC instant at which each starts.

    Each ends by its length after its start, or as the clock shows: 02:45 - 03:00 or 02:45 - 02:00 in autumn.
    """
    steps = range(0, hours * 60, step_min)
    both = [[first + timedelta(minutes=m + extra) for extra in (0, step_min)] for m in steps]
    brussels = [[t.astimezone(_BRUSSELS) for t in pair] for pair in both]
    return [
        (
            f"{a:%d.%m.%Y %H:%M} - {b if end_by_clock else a + timedelta(minutes=step_min):%d.%m.%Y %H:%M}",
            epoch_ns(utc[0]),
        )
        for (a, b), utc in zip(brussels, both, strict=True)
    ]


PRICES = '"MTU (CET/CEST)","Day-ahead Price [EUR/MWh]","Currency","BZN|DE-LU"\n'


def _prices(path: Path, rows: list[tuple[str, object]]) -> Path:
    path.write_text(PRICES + "".join(f'"{unit}","{value}","EUR",""\n' for unit, value in rows))
    return path


@pytest.mark.parametrize("end_by_clock", [False, True])
@pytest.mark.parametrize("step_min", [15, 60])
@pytest.mark.parametrize("first", [datetime(2023, 3, 25, 22, tzinfo=UTC), datetime(2023, 10, 28, 22, tzinfo=UTC)])
def test_local_days_of_23_and_25_hours_are_read_hour_by_hour(
    tmp_path: Path, first: datetime, step_min: int, end_by_clock: bool
) -> None:
    units = _units(first, 30, step_min, end_by_clock=end_by_clock)
    starts = {text.partition(" - ")[0] for text, _ in units}
    assert len(starts) == len(units) - (60 // step_min if first.month == 10 else 0)
    path = _prices(tmp_path / "p.csv", [(text, i - 5) for i, (text, _) in enumerate(units)])
    series = read_entsoe_price(path, policy="refuse", origin_ns=0)
    assert series.price is not None
    assert series.price.unit == "EUR/J"
    assert series.price.edges_ns.tolist() == [*(t for _, t in units), units[-1][1] + step_min * HOUR_NS // 60]
    assert (series.price.values * 1000 * J_PER_KWH).tolist() == pytest.approx([i - 5 for i in range(len(units))])


def test_a_lost_doubled_hour_is_a_gap_and_the_hour_that_never_was_must_be_empty(tmp_path: Path) -> None:
    autumn = _units(datetime(2023, 10, 28, 22, tzinfo=UTC), 8)
    lost = [(text, 1) for i, (text, _) in enumerate(autumn) if i != 3]
    with pytest.raises(InputError, match=r"p.csv:5: comes 3600 s after the end of the row above"):
        read_entsoe_price(_prices(tmp_path / "p.csv", list(lost)), policy="refuse", origin_ns=0)
    held = read_entsoe_price(_prices(tmp_path / "p.csv", list(lost)), policy="hold", origin_ns=0)
    assert held.report is not None
    assert held.report.filled == 1
    spring: list[tuple[str, object]] = [(text, 1) for text, _ in _units(datetime(2023, 3, 25, 22, tzinfo=UTC), 8)]
    for value, fine in (("", True), ("0", False)):
        never: tuple[str, object] = ("26.03.2023 02:00 - 26.03.2023 03:00", value)
        path = _prices(tmp_path / "p.csv", [*spring[:3], never, *spring[3:]])
        if fine:
            series = read_entsoe_price(path, policy="refuse", origin_ns=0)
            assert series.price is not None
            assert len(series.price.values) == 8
        else:
            with pytest.raises(InputError, match=r"p.csv:5: starts in the hour that the change to summer time"):
                read_entsoe_price(path, policy="refuse", origin_ns=0)


def test_later_exports_mark_the_zone_and_a_header_in_utc_needs_none(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text(
        '"MTU (CET/CEST)","Area","Day-ahead Price (EUR/MWh)"\n'
        '"29/10/2023 01:00:00 - 29/10/2023 02:00:00 (CEST)","DE",1\n'
        '"29/10/2023 02:00:00 (CEST) - 29/10/2023 02:00:00 (CET)","DE",2\n'
        '"29/10/2023 02:00:00 (CET) - 29/10/2023 03:00:00","DE",-3\n'
    )
    marked = read_entsoe_price(path, policy="refuse", origin_ns=0)
    path.write_text(
        '"MTU (UTC)","Day-ahead Price [EUR/MWh]"\n'
        "28.10.2023 23:00 - 29.10.2023 00:00,1\n29.10.2023 00:00 - 29.10.2023 01:00,2\n"
        "29.10.2023 01:00 - 29.10.2023 02:00,-3\n"
    )
    utc = read_entsoe_price(path, policy="refuse", origin_ns=0)
    assert marked.price is not None
    assert utc.price is not None
    assert marked.price.edges_ns.tolist() == utc.price.edges_ns.tolist()
    assert marked.price.values.tolist() == utc.price.values.tolist()
    path.write_text('"MTU","Day-ahead Price [EUR/MWh]"\n28.10.2023 23:00 - 29.10.2023 00:00,1\n')
    with pytest.raises(InputError, match="2: does not say its clock"):
        read_entsoe_price(path, policy="refuse", origin_ns=0)


def test_generation_per_type_without_storage_and_with_types_that_are_not_expected(tmp_path: Path) -> None:
    path = tmp_path / "g.csv"
    names = ["Biomass", "Fossil Brown coal/Lignite", "Fossil Gas", "Hydro Pumped Storage", "Marine", "Solar"]
    header = ",".join(f'"{name}  - Actual Aggregated [MW]"' for name in names)
    header += ',"Hydro Pumped Storage  - Actual Consumption [MW]"'
    units = _units(datetime(2023, 1, 1, 23, tzinfo=UTC), 2, 15)
    rows = [f'"Germany (DE)","{text} (CET/CEST)",10,20,30,999,n/e,40,500' for text, _ in units]
    path.write_text(f'"Area","MTU",{header}\n' + "\n".join(rows) + "\n")
    series = read_entsoe_mix(path, policy="refuse", origin_ns=units[0][1])
    assert series.mix is not None
    shares = {fuel: set(signal.values.tolist()) for fuel, signal in series.mix.items()}
    assert shares == {"biomass": {0.1}, "lignite": {0.2}, "gas": {0.3}, "marine": {0.0}, "solar": {0.4}}
    assert series.mix["gas"].edges_ns.tolist() == [i * HOUR_NS // 4 for i in range(9)]
    path.write_text('"MTU (UTC)","Fusion - Actual Aggregated [MW]"\n')
    with pytest.raises(InputError, match="unknown production types: fusion"):
        read_entsoe_mix(path, policy="refuse", origin_ns=0)


@given(st.lists(st.floats(-500, 5000), min_size=2, max_size=30))
def test_prices_of_zero_and_below_are_kept(tmp_path_factory: pytest.TempPathFactory, values: list[float]) -> None:
    path = tmp_path_factory.mktemp("price") / "p.csv"
    rows = "".join(f"{_hour(i).isoformat()},local,{value}\n" for i, value in enumerate(values))
    path.write_text("Datetime (UTC),Datetime (Local),Price (USD/MWh)\n" + rows)
    series = read_price(path, policy="refuse", origin_ns=ORIGIN)
    assert series.price is not None
    assert (series.price.values * 1000 * J_PER_KWH).tolist() == pytest.approx(values, rel=1e-12, abs=1e-12)


def test_parquet_and_csv_of_one_table_are_one_signal(tmp_path: Path) -> None:
    frame = pd.DataFrame({"t": pd.date_range("2024-01-01", periods=4, freq="h", tz="UTC"), "x": [1.0, 2.0, None, 4.0]})
    frame.to_csv(tmp_path / "s.csv", index=False)
    frame.to_parquet(tmp_path / "s.parquet")
    read = [
        read_plain(
            tmp_path / name,
            time_column="t",
            column="x",
            si_per_value=2.0,
            unit="g/J",
            policy="interpolate",
            origin_ns=0,
            may_be_negative=False,
        )
        for name in ("s.csv", "s.parquet")
    ]
    assert read[0][1] == read[1][1]
    for signal, _ in read:
        assert signal.values.tolist() == [2.0, 4.0, 6.0, 8.0]
        assert signal.edges_ns.tolist() == read[0][0].edges_ns.tolist()


@pytest.mark.shared_data
def test_the_files_that_people_have_are_read(shared_data: Path) -> None:
    grid = shared_data / "grid"
    year_2022 = epoch_ns(datetime(2022, 1, 1, tzinfo=UTC))
    for region, blank in (("ERCO", 0), ("NYIS", 0), ("CISO", 3)):
        series = read_eia(grid / f"eia_2022_{region}.csv.gz", policy="hold", origin_ns=year_2022)
        assert series.report is not None
        assert (series.report.rows, series.report.blank, series.report.filled) == (8760, blank, 0)
    with pytest.raises(InputError) as caught:
        read_eia(grid / "eia_2022_CISO.csv.gz", policy="refuse", origin_ns=year_2022)
    assert [problem.line for problem in caught.value.problems] == [108, 3284, 3932]
    price = read_price(grid / "ercot_price_2022.csv.gz", policy="refuse", origin_ns=year_2022).price
    assert price is not None
    assert price.covers(0, 8760 * HOUR_NS)
    moer = read_watttime_csv(
        grid / "watttime_caiso_north_2023_5min.csv.gz",
        time_column="oootime",
        column=None,
        si_per_value=1 / J_PER_KWH,
        policy="refuse",
        origin_ns=0,
    )
    assert moer.report is not None
    assert moer.report.step_ns == HOUR_NS // 12


READERS: dict[str, Callable[[Path, Policy], object]] = {
    "maps.csv": lambda path, policy: read_electricity_maps(path, basis="direct", policy=policy, origin_ns=0),
    "maps.json": lambda path, policy: read_electricity_maps(path, basis="direct", policy=policy, origin_ns=0),
    "watttime.json": lambda path, policy: read_watttime_json(path, policy=policy, origin_ns=0),
    "eia.csv": lambda path, policy: read_eia(path, policy=policy, origin_ns=0),
    "price.csv": lambda path, policy: read_price(path, policy=policy, origin_ns=0),
    "day-ahead.csv": lambda path, policy: read_entsoe_price(path, policy=policy, origin_ns=0),
    "generation.csv": lambda path, policy: read_entsoe_mix(path, policy=policy, origin_ns=0),
}


def _sound(folder: Path, name: str) -> Path:
    """A file of each kind that its reader accepts."""
    path = folder / name
    if name == "maps.csv":
        return _maps_csv(path, [1, 2, 3], MAPS_2025)
    if name == "maps.json":
        return _maps_json(path, [1, 2, 3])
    if name == "watttime.json":
        return _watttime_json(path, [1, 2, 3])
    units = [text for text, _ in _units(datetime(2023, 10, 28, 22, tzinfo=UTC), 5)]
    times = [_hour(i).isoformat() for i in range(5)]
    path.write_text(
        {
            "eia.csv": MIX + "".join(f"{t},1,2,3,4,5,6,7,8,9\n" for t in times),
            "price.csv": "Datetime (UTC),Datetime (Local),Price (USD/MWh)\n" + "".join(f"{t},,5\n" for t in times),
            "day-ahead.csv": PRICES + "".join(f'"{u}","5","EUR",""\n' for u in units),
            "generation.csv": '"MTU (CET/CEST)","Solar  - Actual Aggregated [MW]"\n'
            + "".join(f'"{u}","5"\n' for u in units),
        }[name]
    )
    return path


EDITS = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True),
        st.integers(0, 6),
        st.sampled_from(
            ["", "0", "9", "-", ",", '"', "\n", "[", "{", "null", "NaN", "1e999", "99999999999999999999", "é"]
        ),
    ),
    max_size=4,
)


@pytest.mark.parametrize("name", READERS)
@given(EDITS, st.sampled_from(["refuse", "hold", "interpolate"]))
def test_a_damaged_file_is_read_or_refused_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, name: str, edits: list[tuple[float, int, str]], policy: Policy
) -> None:
    path = _sound(tmp_path_factory.mktemp("damaged"), name)
    READERS[name](path, "refuse")
    text = path.read_text(encoding="utf-8")
    for where, removed, added in edits:
        at = int(where * len(text))
        text = text[:at] + added + text[at + removed :]
    path.write_text(text, encoding="utf-8")
    with suppress(InputError):
        READERS[name](path, policy)
