"""Training jobs under power caps on V100 and P100, from the uncapped point only; each network held out in turn.

Data: the traces of Zeus (You, Chung, Chowdhury, NSDI 2023). Judged where the cap binds: below the job's uncapped power.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.accuracy.sources import MEASURED
from benchmarks.table import Row
from sim.measure.accuracy import errors
from sim.measure.fit.cap import CappedJobs, fit_jobs, predict
from sim.measure.fit.least_squares import held_out

FILE = MEASURED / "zeus_power_limit_v100_p100.csv"
TDP_W = {"v100": 300.0, "p100": 250.0}
JOB = ["gpu", "dataset", "network", "batch_size", "optimizer"]


def binding() -> pd.DataFrame:
    """The rows under a binding cap, each with its job's uncapped power and time beside it."""
    table = pd.read_csv(FILE)
    top = table[table["power_limit"] == table.groupby(JOB)["power_limit"].transform("max")]
    full = top.set_index(JOB)[["average_power", "time_per_epoch"]]
    table = table.join(full.rename(columns={"average_power": "full_w", "time_per_epoch": "full_s"}), on=JOB)
    return table[table["power_limit"] < table["full_w"]].reset_index(drop=True)


def jobs(table: pd.DataFrame) -> CappedJobs:
    """The rows as arrays."""
    return CappedJobs(
        cap_w=table["power_limit"].to_numpy(np.float64),
        watts=table["average_power"].to_numpy(np.float64),
        seconds=table["time_per_epoch"].to_numpy(np.float64),
        full_w=table["full_w"].to_numpy(np.float64),
        full_s=table["full_s"].to_numpy(np.float64),
        tdp_w=np.array([TDP_W[board] for board in table["gpu"]]),
    )


def rows() -> list[Row]:
    """Time and energy by board; the naive guess is that the cap costs no time, and the mean power is the cap."""
    if not FILE.is_file():
        print(f"{FILE.name} is not here: its rows are left out")
        return []
    table = binding()
    points = jobs(table)
    watts, seconds = np.zeros(len(table)), np.zeros(len(table))
    for known, judged in held_out(table["network"].tolist()):
        constants = fit_jobs(points.where(known)).values
        watts[judged], seconds[judged] = predict(points.where(judged), constants)
    result = []
    for board in TDP_W:
        here = (table["gpu"] == board).to_numpy()
        measured_j = (points.watts * points.seconds)[here]
        naive_s = 100 * errors(points.full_s[here], points.seconds[here]).mape
        naive_j = 100 * errors((points.cap_w * points.full_s)[here], measured_j).mape
        count = f"{int(here.sum())} rows"
        time = 100 * errors(seconds[here], points.seconds[here]).mape
        joules = 100 * errors((watts * seconds)[here], measured_j).mape
        result += [
            Row(f"Zeus {board.upper()} under caps, time", time, "%", 8.0, f"naive {naive_s:.0f} %, noise 3 %; {count}"),
            Row(f"Zeus {board.upper()} under caps, energy", joules, "%", 10.0, f"naive {naive_j:.0f} %, noise 4 %"),
        ]
    return result
