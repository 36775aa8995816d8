"""Times without an offset, labels at the ends of intervals, and files that hold another signal than they should."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.complaints import Complaints
from sim.errors import InputError
from sim.instants import epoch_ns
from sim.results.files import to_yaml
from sim.signals.grid.eia import read_eia
from sim.signals.grid.electricity_maps import read_electricity_maps
from sim.signals.grid.plain import read_plain
from sim.signals.grid.price import read_price
from sim.signals.grid.series import Terms
from sim.signals.grid.watttime import read_watttime_csv, read_watttime_json
from sim.signals.labels import Labels, Stamps, says_utc
from sim.signals.series_file import read_series
from sim.signals.signal import Signal
from sim.units import HOUR_NS, J_PER_KWH
from tests.grid_files import MIX, ORIGIN, hour_of, maps_json, watttime_json
from tests.small import small

BERLIN = ZoneInfo("Europe/Berlin")
PER_MWH = 1 / (1000 * J_PER_KWH)


def _plain(path: Path, time_column: str, labels: Labels, *, origin_ns: int = 0, unit: str = "EUR/J") -> Signal:
    signal, _ = read_plain(
        path,
        Terms("refuse", origin_ns, labels=labels),
        time_column=time_column,
        column="v",
        si_per_value=1.0,
        unit=unit,
        may_be_negative=True,
    )
    return signal


def _written(folder: Path, name: str, times: list[str], suffix: str = "csv") -> Path:
    path = folder / f"s.{suffix}"
    path.write_text(f"{name},v\n" + "".join(f"{time},{i}\n" for i, time in enumerate(times)))
    return path


def test_a_local_clock_is_refused_in_one_line_and_with_its_zone_gives_the_right_hour(tmp_path: Path) -> None:
    # 10:00 in Berlin in July is 08:00 UTC: read as UTC the price of two hours before is paid.
    times = [f"2024-07-01 {hour:02d}:00" for hour in range(24)]
    path = _written(tmp_path, "Datetime (Local)", times)
    with pytest.raises(InputError) as caught:
        _plain(path, "Datetime (Local)", Labels())
    assert len(caught.value.problems) == 1
    assert "'Datetime (Local)' has no offset from UTC" in str(caught.value)
    assert "zone: Europe/Berlin" in str(caught.value)
    assert "(23 more alike" in str(caught.value)
    signal = _plain(path, "Datetime (Local)", Labels(zone="Europe/Berlin"))
    assert signal.at(epoch_ns(datetime(2024, 7, 1, 8, tzinfo=UTC))) == 10.0


@pytest.mark.parametrize("name", ["datetime_utc", "UTC time", "Datetime (UTC)", "timestamp_utc"])
def test_a_column_that_says_utc_needs_no_offset_and_takes_no_other_zone(tmp_path: Path, name: str) -> None:
    path = _written(tmp_path, name, ["2024-07-01 00:00", "2024-07-01 01:00"])
    assert _plain(path, name, Labels()).first_ns == epoch_ns(datetime(2024, 7, 1, tzinfo=UTC))
    with pytest.raises(InputError, match=r"is in UTC by its name, and 'zone' says Europe/Berlin: leave 'zone' out"):
        _plain(path, name, Labels(zone="Europe/Berlin"))


def test_names_of_local_clocks_do_not_say_utc() -> None:
    assert not any(says_utc(name) for name in ("time (UTC+1)", "Date (GMT+1)", "Datetime (Local)", "nutch", "time", ""))


@given(st.sampled_from([datetime(2024, 3, 30, 23), datetime(2024, 10, 26, 22)]), st.sampled_from([15, 60]))
def test_local_days_of_23_and_25_hours_are_read_in_their_order(
    tmp_path_factory: pytest.TempPathFactory, first: datetime, minutes: int
) -> None:
    instants = [first.replace(tzinfo=UTC) + timedelta(minutes=minutes * i) for i in range(26 * 60 // minutes)]
    local = [instant.astimezone(BERLIN).strftime("%Y-%m-%d %H:%M") for instant in instants]
    folder = tmp_path_factory.mktemp("dst")
    for suffix in ("csv", "parquet"):
        path = _written(folder, "t", local)
        if suffix == "parquet":
            frame = pd.read_csv(path)
            frame["t"], path = pd.to_datetime(frame["t"]), folder / "s.parquet"
            frame.to_parquet(path)
            with pytest.raises(InputError, match="'t' has no offset from UTC"):
                _plain(path, "t", Labels())
        signal = _plain(path, "t", Labels(zone="Europe/Berlin"))
        assert signal.edges_ns[:-1].tolist() == [epoch_ns(instant) for instant in instants]


def test_an_hour_that_a_change_of_clock_skips_is_told(tmp_path: Path) -> None:
    path = _written(tmp_path, "t", ["2024-03-31 01:00", "2024-03-31 02:00", "2024-03-31 03:00"])
    with pytest.raises(InputError, match=r"s.csv:3: 2024-03-31 02:00:00 never was in Europe/Berlin"):
        _plain(path, "t", Labels(zone="Europe/Berlin"))


def test_research_tables_of_eia_need_an_offset_or_a_zone_too(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text(MIX + "".join(f"2022-01-01 0{h}:00,1,0,0,0,{h},0,0,0,\n" for h in range(3)))
    with pytest.raises(InputError, match="'timestamp' has no offset"):
        read_eia(path, Terms("refuse", 0))
    mix = read_eia(path, Terms("refuse", 0, labels=Labels(zone="America/Chicago", stamps="end"))).mix
    assert mix is not None
    assert mix["gas"].first_ns == epoch_ns(datetime(2022, 1, 1, 5, tzinfo=UTC))  # 06:00 UTC, the hour before it


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("name", ["Interval End", "period_end", "intervalEnd", "HOUR ENDING", "interval_end_utc"])
def test_a_column_of_ends_by_its_name_is_not_read_as_starts(tmp_path: Path, name: str, suffix: str) -> None:
    """gridstatus's Interval End taken for the time of a series: each price an hour late, unless that is said."""
    path = _written(tmp_path, name, [f"2024-07-01 {hour:02d}:00+00:00" for hour in range(1, 4)])
    if suffix == "parquet":
        frame = pd.read_csv(path, parse_dates=[name])
        path = tmp_path / "s.parquet"
        frame.to_parquet(path)
    with pytest.raises(InputError, match=f"'{name}' holds the ends of intervals by its name: write stamps: end"):
        _plain(path, name, Labels(stamps="start"))
    assert _plain(path, name, Labels(stamps="end")).first_ns == epoch_ns(datetime(2024, 7, 1, tzinfo=UTC))


Reader = Callable[[Path, Stamps | None], Signal]


def _maps(path: Path, stamps: Stamps | None) -> Signal:
    series = read_electricity_maps(
        maps_json(path, [1.0, 2.0, 3.0]), Terms("refuse", ORIGIN, labels=Labels(None, stamps)), basis="direct"
    )
    assert series.intensity is not None
    return series.intensity


def _watttime(path: Path, stamps: Stamps | None) -> Signal:
    file = watttime_json(path, [1.0, 2.0, 3.0])
    series = read_watttime_json(file, Terms("refuse", ORIGIN, labels=Labels(None, stamps)))
    assert series.intensity is not None
    return series.intensity


def _csv_of(head: str) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        path.write_text(head + "\n" + "".join(f"{hour_of(i).isoformat()},{i + 1}\n" for i in range(3)))
        return path

    return write


def _price(path: Path, stamps: Stamps | None) -> Signal:
    file = _csv_of("Datetime (UTC),Price (USD/MWh)")(path)
    price = read_price(file, Terms("refuse", ORIGIN, labels=Labels(None, stamps))).price
    assert price is not None
    return price


def _moer(path: Path, stamps: Stamps | None) -> Signal:
    series = read_watttime_csv(
        _csv_of("point_time,value")(path),
        Terms("refuse", ORIGIN, labels=Labels(None, stamps)),
        time_column=None,
        column=None,
        si_per_value=1.0,
    )
    assert series.intensity is not None
    return series.intensity


def _power(path: Path, stamps: Stamps | None) -> Signal:
    return read_series(
        _csv_of("t,v")(path),
        time_column="t",
        value_column="v",
        si_per_value=1.0,
        unit="W",
        origin_ns=ORIGIN,
        may_be_negative=False,
        labels=Labels(None, stamps),
    )


def _any(path: Path, stamps: Stamps | None) -> Signal:
    return _plain(_csv_of("t,v")(path), "t", Labels(None, stamps), origin_ns=ORIGIN)


@pytest.mark.parametrize("read", [_maps, _watttime, _price, _moer, _power, _any])
def test_labels_at_the_end_mean_the_same_values_one_step_earlier(tmp_path: Path, read: Reader) -> None:
    start, end = read(tmp_path / "f", "start"), read(tmp_path / "f", "end")
    assert read(tmp_path / "f", None).edges_ns.tolist() == start.edges_ns.tolist()
    assert end.values.tolist() == start.values.tolist()
    assert (start.edges_ns - end.edges_ns).tolist() == [HOUR_NS] * 4


def test_a_gap_before_an_end_is_told_where_it_is(tmp_path: Path) -> None:
    path = _written(tmp_path, "t_utc", [f"2024-01-01T{hour:02d}:00" for hour in (1, 2, 4, 5)])
    with pytest.raises(InputError, match=r"s.csv:4: comes 3600 s after the end of the row above it"):
        _plain(path, "t_utc", Labels(stamps="end"))


def test_a_unit_in_the_name_of_a_column_is_held_against_the_scenario(tmp_path: Path) -> None:
    def read(header: str, si_per_value: float, unit: str) -> None:
        path = tmp_path / "u.csv"
        path.write_text(f"t_utc,{header}\n2024-01-01,1\n2024-01-02,1\n")
        read_plain(
            path,
            Terms("refuse", 0),
            time_column="t_utc",
            column=header,
            si_per_value=si_per_value,
            unit=unit,
            may_be_negative=True,
        )

    read("Price (EUR/MWh)", PER_MWH, "EUR/J")
    read("price_usd_per_mwh", PER_MWH, "USD/J")
    read("anything", 1.0, "g/J")
    for header, si_per_value, unit in [
        ("Price (EUR/MWh)", 1000 * PER_MWH, "EUR/J"),
        ("Price (EUR/MWh)", PER_MWH, "USD/J"),
        ("price_usd_per_mwh", 1000 * PER_MWH, "USD/J"),
        ("MOER [lbs CO2/MWh]", 1 / J_PER_KWH, "g/J"),
        ("ci_g_per_kwh", 0.45359237 / J_PER_KWH, "g/J"),
    ]:
        with pytest.raises(InputError, match="by its name, and the scenario's 'unit' says otherwise"):
            read(header, si_per_value, unit)


def test_what_a_watttime_file_holds_is_read_from_it(tmp_path: Path) -> None:
    def json_of(**meta: Any) -> bool | None:
        return read_watttime_json(watttime_json(tmp_path / "w.json", [1, 2], **meta), Terms("refuse", 0)).marginal

    def csv_of(text: str, column: str | None) -> bool | None:
        (tmp_path / "w.csv").write_text(text)
        return read_watttime_csv(
            tmp_path / "w.csv",
            Terms("refuse", 0),
            time_column="t_utc",
            column=column,
            si_per_value=0.45359237 / J_PER_KWH,
        ).marginal

    assert json_of() is True
    assert json_of(signal_type="co2_aoer") is False
    rows = "2024-01-01T00:00,5,{0}\n2024-01-01T00:05,5,{0}\n"
    assert csv_of("t_utc,co2_moer,x\n" + rows, "co2_moer") is True
    assert csv_of("t_utc,co2_aoer,x\n" + rows, "co2_aoer") is False
    assert csv_of("t_utc,value,signal_type\n" + rows.format("co2_aoer"), "value") is False
    meta = "\"{{'data_point_period_seconds': 300, 'signal_type': '{}', 'units': '{}'}}\""
    of_client = "t_utc,value,meta\n" + rows  # WattTime's client 1.4.0 with include_meta=True
    assert csv_of(of_client.format(meta.format("co2_aoer", "lbs_co2_per_mwh")), None) is False
    assert csv_of(of_client.format(meta.format("co2_moer", "lbs_co2_per_mwh")), "value") is True
    with pytest.raises(InputError, match="no rate of CO2"):
        csv_of(of_client.format(meta.format("health_damage", "lbs_co2_per_mwh")), None)
    with pytest.raises(InputError, match="is in 'dollars_per_mwh'"):
        csv_of(of_client.format(meta.format("co2_moer", "dollars_per_mwh")), None)
    with pytest.raises(InputError, match="no rate of CO2"):
        csv_of("t_utc,value,signal_type\n" + rows.format("health_damage"), "value")
    with pytest.raises(InputError, match="no rate of CO2"):
        csv_of("t_utc,health_damage,x\n" + rows, "health_damage")
    with pytest.raises(InputError, match="is in 'dollars_per_mwh'"):
        csv_of("t_utc,value,units\n" + rows.format("dollars_per_mwh"), "value")


def test_one_wrong_choice_of_basis_is_one_line(tmp_path: Path) -> None:
    path = maps_json(tmp_path / "m.json", [float(v) for v in range(96)], "lifecycle")
    with pytest.raises(InputError) as caught:
        read_electricity_maps(path, Terms("refuse", 0), basis="direct")
    assert len(caught.value.problems) == 1
    assert "(95 more alike" in str(caught.value)


def test_entries_on_one_line_are_counted_and_the_line_is_not_said_again() -> None:
    found = Complaints("f.json")
    for i in range(96):
        found.add(1, "is wrong", f"history.{i}")
    (problem,) = found.problems()
    assert str(problem) == "f.json:1: history.0: is wrong  (95 more alike)"


def test_hours_in_which_only_storage_generates_are_told_as_such_and_may_be_held(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    head = "timestamp,WND,NG,BAT\n"
    rows = [(1, 3, 0), (0, 0, 5), (0, 0, 0), (2, 2, -4)]
    path.write_text(head + "".join(f"{hour_of(i).isoformat()},{w},{g},{b}\n" for i, (w, g, b) in enumerate(rows)))
    with pytest.raises(InputError) as caught:
        read_eia(path, Terms("refuse", ORIGIN))
    stored, idle = (problem.message for problem in caught.value.problems)
    assert "nothing but storage generating" in stored
    assert "no fuel generating" in idle
    assert "write gaps: hold" in stored
    mix = read_eia(path, Terms("hold", ORIGIN)).mix
    assert mix is not None
    assert mix["gas"].values.tolist() == pytest.approx([0.75, 0.75, 0.75, 0.5])
    assert np.allclose(sum(share.values for share in mix.values()), 1.0)


def _checked(folder: Path, grid: Mapping[str, Any]) -> list[str]:
    world = small()
    world["site"]["grid"] = {"intensity": "380 gCO2e/kWh", **grid}
    world["start"] = "2024-02-28T00:00:00Z"
    (folder / "s.yaml").write_text(to_yaml(world))
    return [problem.message for problem in sim.check(folder / "s.yaml")]


def test_an_average_is_no_marginal_rate_and_a_marginal_rate_no_average(tmp_path: Path) -> None:
    hours: list[float | None] = [500.0] * 48
    watttime = {"kind": "watttime", "file": str(tmp_path / "w.json")}
    maps = {"kind": "electricity-maps", "file": str(maps_json(tmp_path / "m.json", hours)), "basis": "direct"}
    watttime_json(tmp_path / "w.json", hours)
    assert _checked(tmp_path, {"marginal": watttime}) == []
    assert _checked(tmp_path, {"intensity": maps}) == []
    assert any("give it as 'marginal'" in message for message in _checked(tmp_path, {"intensity": watttime}))
    watttime_json(tmp_path / "w.json", hours, signal_type="co2_aoer")
    assert _checked(tmp_path, {"intensity": watttime}) == []
    for average in (watttime, maps, {"kind": "average", "region": "FRA"}):
        (message,) = _checked(tmp_path, {"marginal": average})
        assert "is an average of all that generates; give it as 'intensity'" in message


def test_a_scenario_may_name_the_zone_and_the_stamps_of_its_files(tmp_path: Path) -> None:
    berlin = [hour_of(i).astimezone(BERLIN).strftime("%Y-%m-%d %H:%M") for i in range(49)]
    path = _written(tmp_path, "t", berlin)
    series = {"kind": "series", "file": str(path), "time_column": "t", "column": "v", "unit": "1 EUR/MWh"}
    (message,) = _checked(tmp_path, {"price": series})
    assert "'t' has no offset from UTC" in message
    assert _checked(tmp_path, {"price": series | {"zone": "Europe/Berlin"}}) == []
    assert _checked(tmp_path, {"price": series | {"zone": "Europe/Berlin", "stamps": "end"}}) == []
    (message,) = _checked(tmp_path, {"price": series | {"zone": "Europe/Berln"}})
    assert "did you mean 'Europe/Berlin'" in message
    (message,) = _checked(tmp_path, {"price": series | {"zone": "Europe/Berlin", "stamps": "middle"}})
    assert "start" in message
