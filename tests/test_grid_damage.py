"""Grid files that were cut, patched or retyped: read or refused, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.errors import InputError
from sim.signals.gaps import Policy
from sim.signals.grid.eia import read_eia
from sim.signals.grid.electricity_maps import read_electricity_maps
from sim.signals.grid.entsoe import read_entsoe_mix, read_entsoe_price
from sim.signals.grid.price import read_price
from sim.signals.grid.series import Terms
from sim.signals.grid.watttime import read_watttime_json
from tests.grid_files import (
    MAPS_2025,
    MIX,
    PRICES,
    hour_of,
    maps_csv,
    maps_json,
    time_units,
    watttime_json,
)

READERS: dict[str, Callable[[Path, Policy], object]] = {
    "maps.csv": lambda path, policy: read_electricity_maps(path, Terms(policy, 0), basis="direct"),
    "maps.json": lambda path, policy: read_electricity_maps(path, Terms(policy, 0), basis="direct"),
    "watttime.json": lambda path, policy: read_watttime_json(path, Terms(policy, 0)),
    "eia.csv": lambda path, policy: read_eia(path, Terms(policy, 0)),
    "price.csv": lambda path, policy: read_price(path, Terms(policy, 0)),
    "day-ahead.csv": lambda path, policy: read_entsoe_price(path, Terms(policy, 0)),
    "generation.csv": lambda path, policy: read_entsoe_mix(path, Terms(policy, 0)),
}


def _sound(folder: Path, name: str) -> Path:
    """A file of each kind that its reader accepts."""
    path = folder / name
    if name == "maps.csv":
        return maps_csv(path, [1, 2, 3], MAPS_2025)
    if name == "maps.json":
        return maps_json(path, [1, 2, 3])
    if name == "watttime.json":
        return watttime_json(path, [1, 2, 3])
    units = [text for text, _ in time_units(datetime(2023, 10, 28, 22, tzinfo=UTC), 5)]
    times = [hour_of(i).isoformat() for i in range(5)]
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
