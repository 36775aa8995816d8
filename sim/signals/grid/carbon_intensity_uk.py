"""Great Britain's Carbon Intensity API, as its answers are saved: half-hours, forecast and estimated after.

``{"data": [{"from": "2018-01-20T12:00Z", "to": "2018-01-20T12:30Z", "intensity": {"forecast": 266, "actual": 263,
"index": "moderate"}}]}`` (https://carbon-intensity.github.io/api-definitions, v2.0.0): gCO2/kWh at the power stations,
imports and losses of lines counted, an average over what generates. An entry holds both a ``forecast`` and, once it is
past, an ``actual`` (null or absent before): which one is read is the user's to say, and the other never fills it in.
Regional answers nest their half-hours under ``data.data`` and have a forecast alone. Both ends are stated, in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from sim.plain import as_mapping
from sim.signals.grid.json_file import Answer, clock_of, json_number
from sim.signals.grid.series import GridSeries, Terms, intensity_series
from sim.signals.labels import Labels
from sim.units import J_PER_KWH

Value = Literal["actual", "forecast"]
_NAMES = "'from', 'to' and 'intensity'"


def read_carbon_intensity_uk(path: Path, terms: Terms, *, value: Value) -> GridSeries:
    """The ``actual`` or the ``forecast`` intensity in ``path``. Raises ``InputError`` with every fault."""
    answer = Answer(path)
    nested = answer.at("data.data") is not None
    answer.entries(("data.data",) if nested else ("data",), "from")
    clock = clock_of(Labels())

    def read(entry: Mapping[str, Any]) -> tuple[int, int, float]:
        intensity = as_mapping(entry["intensity"])
        if intensity is None:
            raise ValueError(f"is not an entry with {_NAMES}")
        return clock(entry["from"]), clock(entry["to"]), json_number(intensity.get(value))

    found = answer.each(("from", "to", "intensity"), _NAMES, read)
    rows = answer.rows([(start, number) for start, _, number in found], at_end=False)
    rows = replace(
        rows,
        ends_ns=np.array([end for _, end, _ in found], dtype=np.int64),
        blank_because={_lacking(value): np.isnan(rows.values[:, 0])},
    )
    return intensity_series(rows, terms, 1 / J_PER_KWH, basis="direct", marginal=False)


def _lacking(value: Value) -> str:
    other = "forecast" if value == "actual" else "actual"
    return f"has no {value!r} value; take value: {other}, cut the file, or write gaps: hold, or gaps: interpolate"
