"""A measured table of socket power by load, from which a CPU's curve is calibrated.

CSV with a header: ``machine``, ``load`` (0 to 1) and ``power_w`` of one socket; further columns are left alone. Each
machine needs a row at load 0 and one at load 1; the exponent between them is one for all machines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sim.errors import InputError
from sim.measure.accuracy import Errors, errors
from sim.measure.fit.least_squares import Bound, Fit, fit, held_out, others_tell
from sim.measure.fit.measured_csv import has_columns, read_columns, refuse_rows
from sim.possible import MEASURED_W
from sim.profiles.power_laws.devices import load_rise

Floats = npt.NDArray[np.float64]

COLUMNS = ("load", "power_w")
EXPONENT = {"exponent": Bound(0.7, 0.1, 1.0)}


@dataclass(frozen=True, eq=False)
class LoadTable:
    """Points between idle and full (n,), the machine of each, and its idle and full W; and both by machine."""

    machine: npt.NDArray[np.object_]
    load: Floats
    watts: Floats
    idle_w: Floats
    full_w: Floats
    ends: Mapping[str, tuple[float, float]]

    def where(self, mask: npt.NDArray[np.bool_]) -> LoadTable:
        """Some of the points."""
        return LoadTable(
            machine=self.machine[mask],
            load=self.load[mask],
            watts=self.watts[mask],
            idle_w=self.idle_w[mask],
            full_w=self.full_w[mask],
            ends=self.ends,
        )


@dataclass(frozen=True, eq=False)
class LoadCalibration:
    """The exponent, mean idle and full W, and the error on each machine by the others' exponent (None for one)."""

    fit: Fit
    idle_w: float
    full_w: float
    held_out: Errors | None


def is_load_table(path: Path) -> bool:
    """Whether the file's first line names the columns."""
    return has_columns(path, ("machine", *COLUMNS))


def read_load_table(path: Path) -> LoadTable:
    """The table. Raises ``InputError`` naming each row that cannot be used, and each machine without its ends."""
    machine, values = read_columns(path, "machine", COLUMNS)
    load, watts = values["load"], values["power_w"]
    refuse_rows(path, values, {"load": (0.0, 1.0), "power_w": MEASURED_W})
    ends = {}
    for name in dict.fromkeys(machine):
        idle, full = (watts[(machine == name) & (load == end)] for end in (0.0, 1.0))
        if not len(idle) or not len(full) or idle.mean() >= full.mean():
            raise InputError.one(str(path), f"needs rows of '{name}' at load 0 and at load 1, the second drawing more")
        ends[str(name)] = (float(idle.mean()), float(full.mean()))
    between = (load > 0.0) & (load < 1.0)
    if not between.any():
        raise InputError.one(str(path), "has no row between load 0 and load 1")
    idle_w, full_w = (np.array([ends[str(name)][k] for name in machine]) for k in (0, 1))
    whole = LoadTable(machine, load, watts, idle_w, full_w, ends)
    return whole.where(between)


def predict(points: LoadTable, exponent: float) -> Floats:
    """W of each point from its machine's idle and full power."""
    rise = load_rise(points.load, exponent=exponent, cubic_share=0.0)
    return np.asarray(points.idle_w + (points.full_w - points.idle_w) * rise)


def calibrate_load(points: LoadTable) -> LoadCalibration:
    """The exponent of all machines, and how well the others' tells each."""

    def fitted(known: LoadTable) -> Fit:
        return fit(lambda values: np.log(predict(known, values["exponent"]) / known.watts), EXPONENT)

    error = None
    if others_tell(points.machine.tolist(), least=len(EXPONENT)):
        told = np.zeros(len(points.load))
        for known, judged in held_out(points.machine.tolist()):
            told[judged] = predict(points.where(judged), fitted(points.where(known)).values["exponent"])
        error = errors(told, points.watts)
    idle, full = (float(np.mean([end[k] for end in points.ends.values()])) for k in (0, 1))
    return LoadCalibration(fitted(points), idle, full, error)
