"""A measured table of power and time by locked clock and power cap, from which a GPU's clock curve is calibrated.

CSV with a header: ``work`` (what was run), ``clock_mhz``, ``cap_w``, ``power_w``, ``time_s``; further columns are left
alone. Each work needs a row at the table's highest clock and highest cap, to which its others are held.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sim.errors import InputError
from sim.measure.accuracy import Errors, errors
from sim.measure.fit.clock import CURVE, ClockRows, curve_of, fit_curve, predict
from sim.measure.fit.least_squares import Fit, held_out, others_tell
from sim.measure.fit.measured_csv import has_columns, read_columns, refuse_rows
from sim.possible import MEASURED_W

Floats = npt.NDArray[np.float64]

COLUMNS = ("clock_mhz", "cap_w", "power_w", "time_s")
POSSIBLE = {"clock_mhz": (1.0, 1e5), "cap_w": MEASURED_W, "power_w": MEASURED_W, "time_s": (1e-9, 1e9)}
"""Clocks have lain between some MHz and 9 GHz, and no run of a measurement lasts for 30 years."""


@dataclass(frozen=True, eq=False)
class ClockTable:
    """Rows below the top, the work of each, and how it fared at the top."""

    rows: ClockRows
    work: npt.NDArray[np.object_]


@dataclass(frozen=True, eq=False)
class ClockCalibration:
    """The curve fitted on all works; errors of power and time of each work predicted from the others' curve, or None
    where there is only one, or too little of the others."""

    fit: Fit
    power: Errors | None
    time: Errors | None


def is_clock_table(path: Path) -> bool:
    """Whether the file's first line names the columns."""
    return has_columns(path, ("work", *COLUMNS))


def read_clock_table(path: Path) -> ClockTable:
    """The table. Raises ``InputError`` naming each row that cannot be used, and each work without its top row."""
    work, values = read_columns(path, "work", COLUMNS)
    refuse_rows(path, values, POSSIBLE, remedies={"cap_w": ", the board's own limit where no lower one was set"})
    top_mhz, top_w = values["clock_mhz"].max(), values["cap_w"].max()
    at_top = (values["clock_mhz"] == top_mhz) & (values["cap_w"] == top_w)
    missing = sorted(set(work) - set(work[at_top]))
    if missing:
        message = f"has no row at {top_mhz:g} MHz and {top_w:g} W for {', '.join(missing)}"
        raise InputError.one(str(path), message)
    first = {name: int(np.flatnonzero(at_top & (work == name))[0]) for name in set(work)}
    top = np.array([first[name] for name in work])
    power, time = values["power_w"], values["time_s"]
    clock = values["clock_mhz"] / float(top_mhz)
    keep = np.arange(len(work)) != top
    rows = ClockRows(
        clock=clock,
        cap_w=values["cap_w"],
        watts=power,
        seconds=time,
        full_w=power[top],
        full_s=time[top],
        core_share=_core_shares(work, clock, values["cap_w"] == top_w, time / time[top]),
    )
    return ClockTable(rows.where(keep), work[keep])


def _core_shares(
    work: npt.NDArray[np.object_], clock: Floats, uncapped: npt.NDArray[np.bool_], slower: Floats
) -> Floats:
    """How much of each work's time follows the clock: the slope of its uncapped times over 1 / clock, from 0 to 1."""
    shares = np.zeros(len(work))
    for name in set(work):
        mine = (work == name) & uncapped & (clock < 1.0)
        rise = 1.0 / clock[mine] - 1.0
        slope = float(rise @ (slower[mine] - 1.0) / (rise @ rise)) if mine.any() else 1.0
        shares[work == name] = min(1.0, max(0.0, slope))
    return shares


def calibrate_clock(table: ClockTable, *, loaded_w: float, clocked_w: float = 0.0) -> ClockCalibration:
    """The curve, and how well each work is told by the others."""
    found = fit_curve(table.rows, loaded_w=loaded_w, clocked_w=clocked_w)
    if not others_tell(table.work.tolist(), least=len(CURVE)):
        return ClockCalibration(found, None, None)
    watts, seconds = np.zeros(len(table.work)), np.zeros(len(table.work))
    for known, judged in held_out(table.work.tolist()):
        values = fit_curve(table.rows.where(known), loaded_w=loaded_w, clocked_w=clocked_w).values
        watts[judged], seconds[judged] = predict(table.rows.where(judged), curve_of(values, clocked_w), loaded_w)
    return ClockCalibration(found, errors(watts, table.rows.watts), errors(seconds, table.rows.seconds))
