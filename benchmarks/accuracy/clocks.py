"""An A100 by locked clock and power cap, one memory-bound and one compute-bound kernel, each predicted from the other.

The curve of voltage is fitted on one kernel; the other is predicted from its own single point at the highest clock
without a cap. Data: M. Giordano, gpu-power-frequency-benchmarks.
"""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pandas as pd

from benchmarks.accuracy.sources import MEASURED
from benchmarks.table import Row
from sim.measure.accuracy import errors
from sim.measure.fit.cap import Kernels
from sim.measure.fit.clock import ClockRows, curve_of, fit_curve, predict
from sim.profiles.catalog import Catalog
from sim.profiles.machines.gpu import still_w
from sim.profiles.power_laws.clock import ClockCurve

FILE = MEASURED / "a100_clock_by_powercap.csv"
HIGHEST_MHZ, HIGHEST_W = 1410, 300
_BOARD = Catalog().gpu("nvidia-a100-sxm-80gb")
LOADED_W = float(_BOARD.power.loaded.value)
"""Of the SXM board, as a run has it; this one ends at 300 W, a PCIe card, whose rest the table does not tell."""
CLOCKED_W = LOADED_W - still_w(_BOARD)
CORE_SHARE = {"babelstream": 0.0, "pi-solver": 1.0}
"""By what the kernels are: a memory stream and arithmetic in registers."""


def _rows(bench: str) -> ClockRows:
    table = pd.read_csv(FILE)
    table = table[table["bench"] == bench]
    top = table[(table["f_mhz"] == HIGHEST_MHZ) & (table["cap"] == HIGHEST_W)].iloc[0]
    points = table.drop(index=[top.name])
    count = len(points)
    return ClockRows(
        clock=points["f_mhz"].to_numpy(np.float64) / HIGHEST_MHZ,
        cap_w=points["cap"].to_numpy(np.float64),
        watts=points["P"].to_numpy(np.float64),
        seconds=points["time"].to_numpy(np.float64),
        full_w=np.full(count, float(top["P"])),
        full_s=np.full(count, float(top["time"])),
        core_share=np.full(count, CORE_SHARE[bench]),
    )


def kernels() -> Kernels | None:
    """Both kernels, for fits beside jobs on other boards; None where the table is not here."""
    if not FILE.is_file():
        return None
    both = [_rows(bench) for bench in CORE_SHARE]
    together = ClockRows(*(np.concatenate([getattr(rows, f.name) for rows in both]) for f in fields(ClockRows)))
    memory_share = fit_curve(together, loaded_w=LOADED_W, clocked_w=CLOCKED_W).values["memory_share"]
    return Kernels(together, LOADED_W, ClockCurve(0.7, 1.4, memory_share, CLOCKED_W))


def rows() -> list[Row]:
    """Power and time, each kernel held out in turn; the naive guess is the uncapped point itself."""
    if not FILE.is_file():
        print(f"{FILE.name} is not here: its rows are left out")
        return []
    watts, seconds, naive_w, naive_s = [], [], [], []
    for known, judged in (("pi-solver", "babelstream"), ("babelstream", "pi-solver")):
        values = fit_curve(_rows(known), loaded_w=LOADED_W, clocked_w=CLOCKED_W).values
        points = _rows(judged)
        w, s = predict(points, curve_of(values, CLOCKED_W), LOADED_W)
        watts.append(errors(w, points.watts).mape)
        seconds.append(errors(s, points.seconds).mape)
        naive_w.append(errors(points.full_w, points.watts).mape)
        naive_s.append(errors(points.full_s, points.seconds).mape)
    result = []
    for case, found, naive, reach in (("power", watts, naive_w, 6.0), ("time", seconds, naive_s, 5.0)):
        each = " and ".join(f"{100 * value:.1f}" for value in found)
        note = f"naive {100 * np.mean(naive):.0f} %, noise 0.3 %; memory-bound and compute-bound {each}"
        result.append(Row(f"A100 clock x cap, {case}", float(100 * np.mean(found)), "%", reach, note))
    return result
