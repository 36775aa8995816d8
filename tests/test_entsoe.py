"""Exports of ENTSO-E: days of 23 and of 25 hours, marks of the zone, several areas, and types without storage."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from sim.errors import InputError
from sim.signals.grid.entsoe import read_entsoe_mix, read_entsoe_price
from sim.signals.grid.series import Terms
from sim.units import HOUR_NS, J_PER_KWH
from tests.grid_files import (
    price_csv,
    time_units,
)


@pytest.mark.parametrize("end_by_clock", [False, True])
@pytest.mark.parametrize("step_min", [15, 60])
@pytest.mark.parametrize("first", [datetime(2023, 3, 25, 22, tzinfo=UTC), datetime(2023, 10, 28, 22, tzinfo=UTC)])
def test_local_days_of_23_and_25_hours_are_read_hour_by_hour(
    tmp_path: Path, first: datetime, step_min: int, end_by_clock: bool
) -> None:
    units = time_units(first, 30, step_min, end_by_clock=end_by_clock)
    starts = {text.partition(" - ")[0] for text, _ in units}
    assert len(starts) == len(units) - (60 // step_min if first.month == 10 else 0)
    path = price_csv(tmp_path / "p.csv", [(text, i - 5) for i, (text, _) in enumerate(units)])
    series = read_entsoe_price(path, Terms("refuse", 0))
    assert series.price is not None
    assert series.price.unit == "EUR/J"
    assert series.price.edges_ns.tolist() == [*(t for _, t in units), units[-1][1] + step_min * HOUR_NS // 60]
    assert (series.price.values * 1000 * J_PER_KWH).tolist() == pytest.approx([i - 5 for i in range(len(units))])


def test_a_lost_doubled_hour_is_a_gap_and_the_hour_that_never_was_must_be_empty(tmp_path: Path) -> None:
    autumn = time_units(datetime(2023, 10, 28, 22, tzinfo=UTC), 8)
    lost = [(text, 1) for i, (text, _) in enumerate(autumn) if i != 3]
    with pytest.raises(InputError, match=r"p.csv:5: comes 3600 s after the end of the row above"):
        read_entsoe_price(price_csv(tmp_path / "p.csv", list(lost)), Terms("refuse", 0))
    held = read_entsoe_price(price_csv(tmp_path / "p.csv", list(lost)), Terms("hold", 0))
    assert held.report is not None
    assert held.report.filled == 1
    spring: list[tuple[str, object]] = [(text, 1) for text, _ in time_units(datetime(2023, 3, 25, 22, tzinfo=UTC), 8)]
    for value, fine in (("", True), ("0", False)):
        never: tuple[str, object] = ("26.03.2023 02:00 - 26.03.2023 03:00", value)
        path = price_csv(tmp_path / "p.csv", [*spring[:3], never, *spring[3:]])
        if fine:
            series = read_entsoe_price(path, Terms("refuse", 0))
            assert series.price is not None
            assert len(series.price.values) == 8
        else:
            with pytest.raises(InputError, match=r"p.csv:5: starts in the hour that the change to summer time"):
                read_entsoe_price(path, Terms("refuse", 0))


def test_later_exports_mark_the_zone_and_a_header_in_utc_needs_none(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text(
        '"MTU (CET/CEST)","Area","Day-ahead Price (EUR/MWh)"\n'
        '"29/10/2023 01:00:00 - 29/10/2023 02:00:00 (CEST)","DE",1\n'
        '"29/10/2023 02:00:00 (CEST) - 29/10/2023 02:00:00 (CET)","DE",2\n'
        '"29/10/2023 02:00:00 (CET) - 29/10/2023 03:00:00","DE",-3\n'
    )
    marked = read_entsoe_price(path, Terms("refuse", 0))
    path.write_text(
        '"MTU (UTC)","Day-ahead Price [EUR/MWh]"\n'
        "28.10.2023 23:00 - 29.10.2023 00:00,1\n29.10.2023 00:00 - 29.10.2023 01:00,2\n"
        "29.10.2023 01:00 - 29.10.2023 02:00,-3\n"
    )
    utc = read_entsoe_price(path, Terms("refuse", 0))
    assert marked.price is not None
    assert utc.price is not None
    assert marked.price.edges_ns.tolist() == utc.price.edges_ns.tolist()
    assert marked.price.values.tolist() == utc.price.values.tolist()
    path.write_text('"MTU","Day-ahead Price [EUR/MWh]"\n28.10.2023 23:00 - 29.10.2023 00:00,1\n')
    with pytest.raises(InputError, match="2: does not say its clock"):
        read_entsoe_price(path, Terms("refuse", 0))


def test_a_file_with_several_areas_or_auctions_needs_a_choice(tmp_path: Path) -> None:
    rows = [
        f"01/01/2023 0{hour}:00:00 - 01/01/2023 0{hour + 1}:00:00,{area},{auction},{price}"
        for hour in range(3)
        for area, auction, price in (("DK1", "Sequence 1", 1), ("DK2", "Sequence 1", 2), ("DK2", "Sequence 2", 3))
    ]
    path = tmp_path / "p.csv"
    path.write_text("MTU (UTC),Area,Sequence,Day-ahead Price (EUR/MWh)\n" + "\n".join(rows) + "\n")
    with pytest.raises(InputError, match=r"p.csv:3: has Area 'DK2', and the first row 'DK1': say which, with only"):
        read_entsoe_price(path, Terms("hold", 0))
    with pytest.raises(InputError, match=r"p.csv:4: has Sequence 'Sequence 2'"):
        read_entsoe_price(path, Terms("hold", 0, only={"Area": "DK2"}))
    for auction, price in (("Sequence 1", 2), ("Sequence 2", 3)):
        only = {"Area": "DK2", "Sequence": auction}
        series = read_entsoe_price(path, Terms("refuse", 0, only=only))
        assert series.price is not None
        assert (series.price.values * 1000 * J_PER_KWH).tolist() == pytest.approx([price] * 3)


def test_generation_per_type_without_storage_and_with_types_that_are_not_expected(tmp_path: Path) -> None:
    path = tmp_path / "g.csv"
    names = ["Biomass", "Fossil Brown coal/Lignite", "Fossil Gas", "Hydro Pumped Storage", "Marine", "Solar"]
    header = ",".join(f'"{name}  - Actual Aggregated [MW]"' for name in names)
    header += ',"Hydro Pumped Storage  - Actual Consumption [MW]"'
    units = time_units(datetime(2023, 1, 1, 23, tzinfo=UTC), 2, 15)
    rows = [f'"Germany (DE)","{text} (CET/CEST)",10,20,30,999,n/e,40,500' for text, _ in units]
    path.write_text(f'"Area","MTU",{header}\n' + "\n".join(rows) + "\n")
    series = read_entsoe_mix(path, Terms("refuse", units[0][1]))
    assert series.mix is not None
    shares = {fuel: set(signal.values.tolist()) for fuel, signal in series.mix.items()}
    assert shares == {"biomass": {0.1}, "lignite": {0.2}, "gas": {0.3}, "marine": {0.0}, "solar": {0.4}}
    assert series.mix["gas"].edges_ns.tolist() == [i * HOUR_NS // 4 for i in range(9)]
    path.write_text('"MTU (UTC)","Fusion - Actual Aggregated [MW]"\n')
    with pytest.raises(InputError, match="unknown production types: fusion"):
        read_entsoe_mix(path, Terms("refuse", 0))
