"""Mean power of whole nodes of 8 H100 in MLPerf Training v4.0, each benchmark predicted from the others.

One thing is fitted: the share of its TDP that a GPU draws under tuned training, whatever the model. All six benchmarks
keep their GPUs near the limit, so this is little more than their common level, and says nothing of lighter training.
The rest of the node is the shipped DGX profile without its fans, as this machine is cooled by immersion; a training
job of the simulator draws it all. Data: MLCommons training_results_v4.0, one-node runs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import brentq

import sim
from benchmarks.accuracy.sources import MEASURED
from benchmarks.table import Row
from sim.measure.accuracy import errors
from sim.measure.fit.least_squares import held_out

FILE = MEASURED / "mlperf_v4_training_1node_runs.csv"
TDP_W = 700.0
NAMEPLATE_W = 10_200.0
"""The most that the data sheet of a DGX H100 says it draws."""


def node_w(gpu_share: float) -> float:
    """Mean IT W of a training node but its fans, each GPU at ``gpu_share`` of its TDP, by running it for an hour."""
    scenario: dict[str, Any] = {
        "name": "an hour of training",
        "start": "2024-05-01T00:00:00Z",
        "site": {"name": "x", "grid": {"intensity": "1 gCO2e/kWh"}, "facility": {"kind": "fixed-pue", "pue": 1.0}},
        "cluster": {"nodes": [{"profile": "dgx-h100", "count": 1}]},
        "workloads": {
            "train": {
                "kind": "training",
                "gpus": 8,
                "work": {
                    "kind": "gpu-hours",
                    "gpu_hours": 8,
                    "load": {"kind": "measured", "active": f"{gpu_share * TDP_W} W"},
                },
                "cpu_load": 0.2,
            }
        },
        "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "6 years"},
    }
    summary = sim.run(scenario).summary
    parts = summary["energy_kwh"]["by_component"]
    return float(1000.0 * (summary["energy_kwh"]["it"] - parts["fans"]) / (summary["simulated_s"] / 3600.0))


def rows() -> list[Row]:
    """Mean node power by benchmark."""
    if not FILE.is_file():
        print(f"{FILE.name} is not here: its rows are left out")
        return []
    table = pd.read_csv(FILE)
    means = table.groupby("benchmark")["mean_w_run"].mean()
    highest = table.groupby("benchmark")["p95_run"].mean().to_numpy(np.float64)
    measured = means.to_numpy(np.float64)
    shares = np.linspace(0.5, 1.05, 12)
    nodes = np.array([node_w(float(share)) for share in shares])
    predicted = np.zeros(len(measured))
    found = []
    for known, judged in held_out(list(means.index)):
        level = float(measured[known].mean())
        share = brentq(lambda s, level=level: float(np.interp(s, shares, nodes)) - level, shares[0], shares[-1])
        found.append(share)
        predicted[judged] = node_w(float(share))
    error = 100 * errors(predicted, measured).mape
    naive = 100 * errors(np.full(len(measured), NAMEPLATE_W), measured).mape
    note = f"naive {naive:.0f} % (nameplate), noise 0.1-1 %; GPUs at {np.mean(found):.2f} of TDP"
    return [
        Row("MLPerf Training node, mean power", error, "%", 8.0, note),
        Row(
            "MLPerf Training node, 95th percentile",
            100 * errors(predicted, highest).mape,
            "%",
            None,
            f"by the same steady level; naive {100 * errors(np.full(len(highest), NAMEPLATE_W), highest).mape:.0f} %",
        ),
    ]
