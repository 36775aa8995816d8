"""Weather files as they are: hours that end, clocks that stand still, marks for what is missing; and moist air."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.build.site.weather import weather_series
from sim.errors import InputError, SignalRangeError
from sim.instants import epoch_ns
from sim.spec.weather import OpenMeteo, TypicalWeather
from sim.units import DAY_NS, HOUR_NS
from sim.weather.psychrometrics import (
    humidity_ratio,
    latent_heat_j_per_kg,
    saturation_pressure_pa,
    standard_pressure_pa,
    wet_bulb_c,
)

WEATHER = Path(__file__).resolve().parents[2] / "shared" / "data" / "weather"
START = datetime(2022, 1, 1, tzinfo=UTC)
START_NS = epoch_ns(START)


def test_saturation_pressure_is_that_of_the_tables() -> None:
    """ASHRAE Fundamentals 2017, chapter 1, table 3: Pa at -20, 0, 25, 50, 100 degC."""
    table = {-20.0: 103.26, 0.0: 611.2, 25.0: 3169.9, 50.0: 12352.7, 100.0: 101418.0}
    for celsius, pascal in table.items():
        assert float(saturation_pressure_pa(np.array(celsius))) == pytest.approx(pascal, rel=5e-4)


def test_wet_bulb_of_the_handbook_s_example() -> None:
    """ASHRAE Fundamentals 2017, chapter 1, example 1: 40 degC, 20 degC wet bulb, 101.325 kPa -> 0.0065 kg/kg, 14 %."""
    ratio = float(humidity_ratio(np.array(40.0), np.array(0.14), np.array(101325.0)))
    assert ratio == pytest.approx(0.0065, abs=1e-4)
    assert float(wet_bulb_c(np.array(40.0), np.array(0.14), np.array(101325.0))) == pytest.approx(20.0, abs=0.1)


@given(st.floats(1.0, 45.0), st.floats(0.02, 1.0), st.floats(70e3, 103e3))
def test_wet_bulb_lies_between_dew_point_and_dry_bulb(dry: float, humidity: float, pascal: float) -> None:
    wet = float(wet_bulb_c(np.array(dry), np.array(humidity), np.array(pascal)))
    assert wet <= dry + 1e-6
    vapour = humidity * float(saturation_pressure_pa(np.array(dry)))
    assert float(saturation_pressure_pa(np.array(wet))) >= vapour * (1 - 1e-6)  # not below the dew point


def test_wet_bulbs_agree_with_psychrolib() -> None:
    """Away from 0 degC, where ice and water jump; PsychroLib stops within 0.001 K."""
    psychrolib = pytest.importorskip("psychrolib")
    psychrolib.SetUnitSystem(psychrolib.SI)
    rng = np.random.default_rng(0)
    dry, humidity, pascal = rng.uniform(-20, 45, 300), rng.uniform(0.02, 1, 300), rng.uniform(70e3, 103e3, 300)
    ours = wet_bulb_c(dry, humidity, pascal)
    theirs = psychrolib.GetTWetBulbFromRelHum(dry, humidity, pascal)
    clear = np.abs(theirs) > 1.0
    assert clear.sum() > 250
    assert np.abs(ours - theirs)[clear].max() < 0.003
    assert latent_heat_j_per_kg(np.array(30.0)) == pytest.approx(2.43e6, rel=2e-3)
    assert standard_pressure_pa(1609.0) == pytest.approx(83.4e3, rel=2e-3)


def _epw(folder: Path, change: Any = None, offset: float = -6.0) -> Path:
    """A year in which each hour's temperature says which hour it is: month + day / 100, and the hour as humidity."""
    rows = [f"LOCATION,Town,TX,USA,X,1,32.9,-97.0,{offset},170.0", *(f"HEADER {i}" for i in range(7))]
    hour = datetime(2021, 1, 1, tzinfo=UTC)
    for i in range(8760):
        when = datetime.fromtimestamp(hour.timestamp() + 3600 * i, UTC)
        cells = [""] * 35
        cells[0:4] = ["2021", str(when.month), str(when.day), str(when.hour + 1)]
        cells[6], cells[8], cells[9] = f"{when.month + when.day / 100}", str(when.hour + 1), "98000"
        cells[13] = cells[14] = cells[15] = "0"
        cells[21] = "4"
        rows.append(",".join(cells))
    if change is not None:
        change(rows)
    path = folder / "town.epw"
    path.write_text("\n".join(rows))
    return path


def _series(path: Path, start_ns: int, hours: int, **kwargs: Any) -> Any:
    spec = TypicalWeather(kind="epw", file=str(path), **kwargs)
    return weather_series(spec, start_ns=start_ns, end_ns=start_ns + hours * HOUR_NS)


def test_an_epw_hour_ends_at_its_name_in_standard_time(tmp_path: Path) -> None:
    """06:00 UTC is midnight six hours behind: the row of hour 1, which ends at 01:00."""
    series = _series(_epw(tmp_path), START_NS + 6 * HOUR_NS, 2)
    assert series.dry_bulb_c[0] == 1.01
    assert series.relative_humidity[0] == pytest.approx(0.01)
    assert series.relative_humidity[1] == pytest.approx(0.02)
    late = _series(_epw(tmp_path), START_NS, 1)
    assert late.dry_bulb_c[0] == 12.31  # 18:00 of 31 December, local time
    assert late.relative_humidity[0] == pytest.approx(0.19)


def test_a_leap_day_has_the_weather_of_the_day_before(tmp_path: Path) -> None:
    leap = epoch_ns(datetime(2024, 2, 29, 12, tzinfo=UTC))
    assert _series(_epw(tmp_path), leap, 1).dry_bulb_c[0] == pytest.approx(2.28)


def test_half_hours_of_a_time_zone_shift_the_edges(tmp_path: Path) -> None:
    series = _series(_epw(tmp_path, offset=5.5), START_NS, 3)
    assert series.edges_ns[0] == -HOUR_NS // 2
    assert series.covers(0, 3 * HOUR_NS)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda rows: rows.__setitem__(0, "x"), "first line is not LOCATION"),
        (lambda rows: rows.pop(500), "it is not a whole year"),
        (lambda rows: rows.__setitem__(400, rows[400][:20]), "the file was cut"),
        (lambda rows: rows.__setitem__(400, rows[400].replace(",98000,", ",999999,")), "pressure is missing"),
    ],
)
def test_a_fault_in_an_epw_file_is_named(tmp_path: Path, change: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        _series(_epw(tmp_path, change), START_NS, 1)


def test_missing_values_are_filled_only_when_told_and_counted(tmp_path: Path) -> None:
    def lose(rows: list[str]) -> None:
        for i in (400, 401):
            cells = rows[i].split(",")
            cells[6] = "99.9"
            rows[i] = ",".join(cells)

    held = _series(_epw(tmp_path, lose), START_NS, 8700, gaps="hold")
    drawn = _series(_epw(tmp_path, lose), START_NS, 8700, gaps="interpolate")
    assert (held.filled, drawn.filled) == (2, 2)
    assert not np.isnan(held.dry_bulb_c).any()
    at = 392 + 6  # row 400 is the 393rd hour, local time; six hours later in UTC
    assert held.dry_bulb_c[at] == held.dry_bulb_c[at - 1]


def _open_meteo(folder: Path, **changes: Any) -> Path:
    times = [f"2022-01-01T{h:02d}:00" for h in range(24)]
    data: dict[str, Any] = {
        "latitude": 32.9,
        "longitude": -97.0,
        "elevation": 180.0,
        "utc_offset_seconds": -18000,
        "timezone": "America/Chicago",
        "hourly_units": {"temperature_2m": "°C", "relative_humidity_2m": "%", "wind_speed_10m": "km/h"},
        "hourly": {
            "time": times,
            "temperature_2m": [float(h) for h in range(24)],
            "relative_humidity_2m": [50.0] * 24,
            "wind_speed_10m": [36.0] * 24,
            "shortwave_radiation": [float(h) for h in range(24)],
        },
    }
    data["hourly"].update(changes.pop("hourly", {}))
    path = folder / "weather.json"
    path.write_text(json.dumps({**data, **changes}))
    return path


def test_open_meteo_s_clock_is_its_fixed_offset(tmp_path: Path) -> None:
    """Named America/Chicago, six hours behind in January; but the file says five, and that is what its hours are."""
    spec = OpenMeteo(kind="open-meteo", file=str(_open_meteo(tmp_path)))
    series = weather_series(spec, start_ns=START_NS + 5 * HOUR_NS, end_ns=START_NS + 29 * HOUR_NS)
    assert series.dry_bulb_c.tolist() == [float(h) for h in range(24)]
    assert series.extra["wind_m_s"][0] == pytest.approx(10.0)
    assert series.extra["ghi_w_m2"][0] == 1.0  # the mean of the hour before 01:00
    assert series.pressure_pa[0] == pytest.approx(standard_pressure_pa(180.0))
    with pytest.raises(InputError, match="write 'repeat: calendar'"):
        weather_series(spec, start_ns=START_NS, end_ns=START_NS + HOUR_NS)
    with pytest.raises(SignalRangeError):
        series.on_bins(np.array([0, DAY_NS + HOUR_NS]))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"hourly_units": {"wind_speed_10m": "Bft"}}, "is in 'Bft'"),
        ({"hourly": {"temperature_2m": [None] * 24}}, "has no dry-bulb temperature at all"),
        ({"hourly": {"temperature_2m": [1.0] * 23 + [None]}}, "the dry-bulb temperature is missing"),
        ({"latitude": "north"}, "is no hourly answer of Open-Meteo"),
        ({"hourly": {"temperature_2m": [1.0] * 23 + [9999]}}, r"hourly.temperature_2m\[23\]: .* from -95 to 65 degC"),
        ({"hourly": {"relative_humidity_2m": [-1.0] * 24}}, r"relative_humidity_2m\[0\]: .* from 0 to 110 %"),
        ({"hourly": {"wind_speed_10m": [36.0] * 4 + [1e6] * 20}}, r"wind_speed_10m\[4\]: .* from 0 to 150 m/s"),
    ],
)
def test_a_fault_in_an_open_meteo_file_is_named(tmp_path: Path, changes: Any, says: str) -> None:
    spec = OpenMeteo(kind="open-meteo", file=str(_open_meteo(tmp_path, **changes)))
    with pytest.raises(InputError, match=says):
        weather_series(spec, start_ns=START_NS + 5 * HOUR_NS, end_ns=START_NS + 6 * HOUR_NS)


@pytest.mark.shared_data
def test_the_epw_of_dallas_has_the_climate_of_its_own_header() -> None:
    """Its design conditions: 38.6 degC dry bulb exceeded 0.4 % of the hours of a year, by the ASHRAE handbook."""
    spec = TypicalWeather(kind="epw", file=str(WEATHER / "USA_TX_Dallas-Fort.Worth.epw.gz"))
    year = weather_series(spec, start_ns=START_NS, end_ns=epoch_ns(datetime(2023, 1, 1, tzinfo=UTC)))
    assert float(np.quantile(year.dry_bulb_c[:8760], 0.996)) == pytest.approx(38.6, abs=1.0)
    assert year.latitude_deg == pytest.approx(32.898)
    assert (year.wet_bulb_c <= year.dry_bulb_c + 1e-6).all()
    noon = year.extra["ghi_w_m2"][:8760].reshape(365, 24).mean(axis=0)
    assert int(noon.argmax()) in (18, 19)  # noon by the sun at 97 degrees west is 18:28 UTC
