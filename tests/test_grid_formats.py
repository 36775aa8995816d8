"""Grid files as their publishers write them: same values, same signal; every fault with its line."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.errors import InputError
from sim.instants import epoch_ns
from sim.signals.grid.eia import read_eia
from sim.signals.grid.electricity_maps import read_electricity_maps
from sim.signals.grid.plain import read_plain
from sim.signals.grid.price import read_price
from sim.signals.grid.series import Terms
from sim.signals.grid.watttime import read_watttime_csv, read_watttime_json
from sim.signals.labels import Labels
from sim.units import HOUR_NS, J_PER_KWH
from tests.grid_files import (
    G_PER_KWH_OF_LB_PER_MWH,
    MAPS_2024,
    MAPS_2025,
    MIX,
    ORIGIN,
    hour_of,
    maps_csv,
    maps_json,
    watttime_json,
)


@given(st.lists(st.floats(0, 1500), min_size=2, max_size=30))
def test_one_grid_written_in_every_format_gives_one_carbon(
    tmp_path_factory: pytest.TempPathFactory, values: list[float]
) -> None:
    folder = tmp_path_factory.mktemp("grid")
    pounds: list[float | None] = [value / G_PER_KWH_OF_LB_PER_MWH for value in values]
    plain = folder / "plain.csv"
    plain.write_text("t,x\n" + "".join(f"{hour_of(i).isoformat()},{v}\n" for i, v in enumerate(values)))
    read = [
        read_electricity_maps(maps_csv(folder / name, values, header), Terms("refuse", ORIGIN), basis="direct")
        for name, header in (("a.csv", MAPS_2024), ("b.csv", MAPS_2025))
    ]
    read.append(
        read_electricity_maps(maps_json(folder / "c.json", list(values)), Terms("refuse", ORIGIN), basis="direct")
    )
    marginal = read_watttime_json(watttime_json(folder / "d.json", pounds), Terms("refuse", ORIGIN))
    read.append(marginal)
    read.append(
        read_watttime_csv(plain, Terms("refuse", ORIGIN), time_column=None, column=None, si_per_value=1 / J_PER_KWH)
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
            maps_csv(tmp_path / "m.csv", values, header), Terms("refuse", ORIGIN), basis="life-cycle"
        )
        assert series.intensity is not None
        assert series.report is not None
        assert (series.intensity.values * J_PER_KWH).tolist() == pytest.approx([57, 67, 77])
        assert (series.basis, series.report.estimated) == ("life-cycle", 1)


def test_what_is_wrong_with_a_maps_or_watttime_file_is_said_with_its_line(tmp_path: Path) -> None:
    def maps(path: Path) -> None:
        read_electricity_maps(path, Terms("refuse", 0), basis="direct")

    with pytest.raises(InputError, match=r"m.csv:4: is of zone 'DE', and the first row of 'FR'"):
        maps(maps_csv(tmp_path / "m.csv", [1, 2, 3], MAPS_2025, ["FR", "FR", "DE"]))
    with pytest.raises(InputError, match="no column of the direct carbon intensity"):
        maps(maps_csv(tmp_path / "m.csv", [1, 2, 3], MAPS_2025.replace("(direct)", "(x)")))
    with pytest.raises(InputError, match=r"m.csv:3: is below zero"):
        maps(maps_csv(tmp_path / "m.csv", [1, -2, 3], MAPS_2025))
    with pytest.raises(InputError, match=r"m.json:15: history.1: has no value; mend it, or write gaps: hold"):
        maps(maps_json(tmp_path / "m.json", [1.0, None, 3.0]))  # 8 lines an entry; the second's datetime is on the 15th
    with pytest.raises(InputError, match="its emissionFactorType is 'lifecycle', and direct was asked for"):
        maps(maps_json(tmp_path / "m.json", [1.0, 2.0], "lifecycle"))
    (tmp_path / "m.json").write_text("{")
    with pytest.raises(InputError, match="is not valid JSON"):
        maps(tmp_path / "m.json")

    def watttime(path: Path) -> None:
        read_watttime_json(path, Terms("refuse", 0))

    with pytest.raises(InputError, match="holds 'health_damage', which is no rate of CO2"):
        watttime(watttime_json(tmp_path / "w.json", [1, 2], signal_type="health_damage"))
    with pytest.raises(InputError, match="has values in 'kg'"):
        watttime(watttime_json(tmp_path / "w.json", [1, 2], units="kg"))
    with pytest.raises(InputError, match=r"w.json:8: data.1: has no value"):
        watttime(watttime_json(tmp_path / "w.json", [1, None, 3]))


def test_the_shares_of_a_mix_sum_to_one_and_its_files_may_leave_the_first_header_cell_empty(tmp_path: Path) -> None:
    body = "".join(f"{hour_of(i).isoformat()},{i},2,3,4,5,6,7,8,100\n" for i in range(5))
    (tmp_path / "a.csv").write_text(MIX + body)
    (tmp_path / "b.csv").write_text(MIX.removeprefix("timestamp") + body)
    read = [read_eia(tmp_path / name, Terms("refuse", ORIGIN)) for name in ("a.csv", "b.csv")]
    for series in read:
        assert series.mix is not None
        assert list(series.mix) == ["wind", "solar", "hydro", "oil", "gas", "coal", "nuclear", "other"]
        assert sum(signal.values for signal in series.mix.values()) == pytest.approx(np.ones(5))
        assert series.mix["wind"].values.tolist() == pytest.approx([i / (35 + i) for i in range(5)])
        assert series.intensity is None


def test_a_mix_with_a_blank_a_negative_or_an_empty_hour(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    rows = ["1,1,0,0,0,0,0,0,5", ",,,,,,,,", "-1,2,0,0,2,0,0,0,5", "0,0,0,0,0,0,0,0,5", "0,0,0,0,4,0,0,0,5"]
    path.write_text(MIX + "".join(f"{hour_of(i).isoformat()},{row}\n" for i, row in enumerate(rows)))
    with pytest.raises(InputError, match=r"m.csv:4: has a generation below zero"):
        read_eia(path, Terms("refuse", ORIGIN))
    series = read_eia(path, Terms("hold", ORIGIN))
    assert series.mix is not None
    assert series.report is not None
    assert series.mix["wind"].values.tolist() == [0.5, 0.5, 0, 0, 0]
    assert series.mix["gas"].values.tolist() == [0, 0, 0.5, 0.5, 1]
    assert (series.report.blank, series.report.below_zero) == (2, 1)
    path.write_text(MIX.replace("OTH", "FUS") + "2022-01-01,1,1,1,1,1,1,1,1,1\n")
    with pytest.raises(InputError, match=r"m.csv:1: has columns that are no fuel: FUS"):
        read_eia(path, Terms("hold", 0))


@given(st.lists(st.floats(-500, 5000), min_size=2, max_size=30))
def test_prices_of_zero_and_below_are_kept(tmp_path_factory: pytest.TempPathFactory, values: list[float]) -> None:
    path = tmp_path_factory.mktemp("price") / "p.csv"
    rows = "".join(f"{hour_of(i).isoformat()},local,{value}\n" for i, value in enumerate(values))
    path.write_text("Datetime (UTC),Datetime (Local),Price (USD/MWh)\n" + rows)
    series = read_price(path, Terms("refuse", ORIGIN))
    assert series.price is not None
    assert (series.price.values * 1000 * J_PER_KWH).tolist() == pytest.approx(values, rel=1e-12, abs=1e-12)


def test_parquet_and_csv_of_one_table_are_one_signal(tmp_path: Path) -> None:
    frame = pd.DataFrame({"t": pd.date_range("2024-01-01", periods=4, freq="h", tz="UTC"), "x": [1.0, 2.0, None, 4.0]})
    frame.to_csv(tmp_path / "s.csv", index=False)
    frame.to_parquet(tmp_path / "s.parquet")
    read = [
        read_plain(
            tmp_path / name,
            Terms("interpolate", 0),
            time_column="t",
            column="x",
            si_per_value=2.0,
            unit="g/J",
            may_be_negative=False,
        )
        for name in ("s.csv", "s.parquet")
    ]
    assert read[0][1] == read[1][1]
    for signal, _ in read:
        assert signal.values.tolist() == [2.0, 4.0, 6.0, 8.0]
        assert signal.edges_ns.tolist() == read[0][0].edges_ns.tolist()


@pytest.mark.parametrize("values", [[True, False], pd.to_timedelta([300, 400], unit="s"), [[1.0], [2.0]]])
def test_truth_durations_and_lists_in_parquet_are_no_numbers(tmp_path: Path, values: Any) -> None:
    """True would be 1 g/kWh, and a duration a number of whatever ticks it is kept in."""
    times = pd.date_range("2024-01-01", periods=2, freq="h", tz="UTC")
    pd.DataFrame({"t": times, "x": values}).to_parquet(tmp_path / "s.parquet")
    with pytest.raises(InputError, match="'x' is not a column of numbers, but of "):
        read_plain(
            tmp_path / "s.parquet",
            Terms("refuse", 0),
            time_column="t",
            column="x",
            si_per_value=1.0,
            unit="g/J",
            may_be_negative=False,
        )


@pytest.mark.shared_data
def test_the_files_that_people_have_are_read(shared_data: Path) -> None:
    grid = shared_data / "grid"
    year_2022 = epoch_ns(datetime(2022, 1, 1, tzinfo=UTC))
    for region, blank in (("ERCO", 0), ("NYIS", 0), ("CISO", 3)):
        series = read_eia(grid / f"eia_2022_{region}.csv.gz", Terms("hold", year_2022))
        assert series.report is not None
        assert (series.report.rows, series.report.blank, series.report.filled) == (8760, blank, 0)
    with pytest.raises(InputError) as caught:
        read_eia(grid / "eia_2022_CISO.csv.gz", Terms("refuse", year_2022))
    assert [problem.line for problem in caught.value.problems] == [108]
    assert "(2 more alike: lines 3284, 3932)" in str(caught.value)
    price = read_price(grid / "ercot_price_2022.csv.gz", Terms("refuse", year_2022)).price
    assert price is not None
    assert price.covers(0, 8760 * HOUR_NS)
    moer = read_watttime_csv(
        grid / "watttime_caiso_north_2023_5min.csv.gz",
        Terms("refuse", 0, labels=Labels(zone="UTC")),
        time_column="oootime",
        column=None,
        si_per_value=1 / J_PER_KWH,
    )
    assert moer.report is not None
    assert moer.report.step_ns == HOUR_NS // 12
