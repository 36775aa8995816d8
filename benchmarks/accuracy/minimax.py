"""MiniMax-M2.5 on eight H200 under vLLM, simulated as it was measured, with nothing fitted to it.

Each row is a closed loop of ``concurrency`` users who send ten requests each of fixed lengths, from all at once on:
medians of TTFT and TPOT, and requests per second over the whole run. Iterations are timed once by the roofline with the
newest stack, once by the measured kernels of the optional package, where it is installed.

The measurements hold more than kernels. Waves of equal requests begin with a pause of 0.4 to 0.7 s that does not grow
with their tokens, and prompts of more than 8,192 tokens pass at some 20,000 tokens/s, a third of the rate at which
their kernels do. The same publisher's rows of the same model on the same boards some weeks later (``inferencex``, vLLM
0.18: a TTFT of 0.11 s and a TPOT of 8 ms where here stand 0.48 s and 13.6 ms) have neither.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from benchmarks.accuracy.sources import MEASURED
from benchmarks.table import Row
from sim.profiles.kernel_tables.package import installed

FILE = MEASURED / "vllm_2026_h200_minimax_m25.csv"
ROUNDS = 10
"""Requests of each user."""
STEPS: dict[str, tuple[dict[str, Any], tuple[float, float, float]]] = {
    "roofline": ({"kind": "roofline"}, (18.0, 30.0, 18.0)),
    "kernels": ({"kind": "kernels", "framework": "vllm", "version": "0.24.0", "fp8": "block"}, (12.0, 25.0, 12.0)),
}
"""How iterations are timed, and what was asked of TPOT, TTFT and throughput, in percent."""
MEASURES = {"TPOT": "median_tpot", "TTFT": "median_ttft", "throughput": "request_throughput"}
STACKS = ("vllm-2026", "vllm-2025")
"""The newest that there is."""


def measurements() -> pd.DataFrame:
    """The table, with how the model was spread: tensor and expert parallel, or data and expert parallel."""
    table = pd.read_csv(FILE)
    table["spread"] = table["config"].str[-4:-1]
    return table


def stack() -> str:
    """The newest stack of vLLM that ships."""
    from sim.profiles.catalog import Catalog

    shipped = Catalog().paths()
    return next(name for name in STACKS if name in shipped)


def scenario(row: Any, steps: dict[str, Any]) -> dict[str, Any]:
    """A measured run."""
    spread = {"tep": {"tensor_parallel": 8}, "dep": {"data_parallel": 8}}[row["spread"]]
    users = int(row["concurrency"])
    return {
        "name": f"{row['config']} {row['isl']} {users}",
        "start": "2026-02-14T00:00:00Z",
        "site": {"name": "x", "grid": {"intensity": "1 gCO2e/kWh"}, "facility": {"kind": "fixed-pue", "pue": 1.0}},
        "cluster": {"nodes": [{"profile": "hgx-h200", "count": 1}]},
        "workloads": {
            "w": {
                "kind": "serving",
                "model": "minimax-m2.5",
                "stack": stack(),
                "precision": {"weights": "fp8"},
                "replicas": {"count": 1, "expert_parallel": True, **spread},
                "batching": {"max_num_seqs": 1024, "max_num_batched_tokens": 8192},
                "step_time": steps,
                "routing": "round-robin",
                "arrivals": {"kind": "closed-loop", "concurrency": users, "requests": ROUNDS * users},
                "lengths": {
                    "kind": "separate",
                    "prompt": {"kind": "constant", "tokens": int(row["isl"])},
                    "output": {"kind": "constant", "tokens": int(row["osl"])},
                },
                "cpu_load": 0.1,
            }
        },
        "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "6 years"},
        "outputs": {"bin": "1 d"},
    }


def simulated(table: pd.DataFrame, steps: dict[str, Any]) -> pd.DataFrame:
    """Median TPOT and TTFT in s and requests per second of each row, by running it."""
    import sim

    found = []
    for row in table.to_dict("records"):
        results = sim.run(scenario(row, steps))
        served = results.summary["serving"]["w"]
        rate = served["completed"] / results.summary["simulated_s"]
        found.append((served["tpot_s"]["p50"], served["ttft_s"]["p50"], rate))
    return pd.DataFrame(found, columns=list(MEASURES), index=table.index)


def rows(*, quick: bool) -> list[Row]:
    """Errors over all rows by each way of timing; ``quick`` simulates every fourth."""
    if not FILE.is_file():
        print(f"{FILE.name} is not here: its rows are left out")
        return []
    table = measurements().iloc[:: 4 if quick else 1]
    found = []
    for way, (steps, reach) in STEPS.items():
        if way == "kernels" and installed() is None:
            print("aiconfigurator-core is not installed: MiniMax by kernels is left out")
            continue
        ours = simulated(table, steps)
        for (measure, column), most in zip(MEASURES.items(), reach, strict=True):
            off = 100.0 * (ours[measure] / table[column] - 1.0)
            note = f"{len(table)} rows, mean {off.mean():+.0f} %, median of errors {off.abs().median():.0f} %; "
            note += _by_spread(table, off)
            found.append(Row(f"MiniMax-M2.5 on 8 H200 by {way}, {measure}", float(off.abs().mean()), "%", most, note))
    return found


def _by_spread(table: pd.DataFrame, off: pd.Series[float]) -> str:
    each = off.abs().groupby(table["spread"]).mean()
    at = int(off.abs().to_numpy().argmax())
    row = table.iloc[at]
    named = f"worst {row['config'][-4:]} {row['isl']} in, {row['concurrency']} users: {off.iloc[at]:+.0f} %"
    return ", ".join(f"{spread} {error:.0f} %" for spread, error in each.items()) + f"; {named}"


if __name__ == "__main__":
    np.set_printoptions(linewidth=200)
    for one in rows(quick=False):
        print(one)
