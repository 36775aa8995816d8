"""MiniMax-M2.5 on eight H200 under vLLM, simulated as it was measured, with nothing fitted to it.

Each row is a closed loop of ``concurrency`` users who send ten requests each of fixed lengths, from all at once on:
medians of TTFT and TPOT, and requests per second over the whole run. Iterations are timed once by the roofline with the
newest stack, once by the measured kernels of the optional package, where it is installed.

**Prompts met again.** The campaign's client (kimbochen, "inferperf", 2026: ``benchmark_serving_random.py``, read as it
was published with MiniMax-M2.1) draws the prompts of every run from the same seed, from which fixed lengths take
nothing, and its server (``vllm-server`` of minimax-m2.5) keeps vLLM's prefix cache: prompt i of a run begins as prompt
i of all runs before, and what of those is still cached is not computed again, as long as the server was not started
anew (pauses of 15 min and more between runs tell). So half of the prompts of a run with twice the users of the last are
hits. The rows agree: 64 users see shorter TTFTs than 48 where all fits the cache, and much longer ones where nothing is
left of it; and medians of TPOT stay at 15 to 20 ms where TTFT is 10 s, since half of the requests wait for nothing, and
half for each other. ``again`` simulates the tensor-parallel rows so, with the prompts of earlier runs before them in
one trace; data-parallel ranks have a cache each, and few hits.

The measurements hold more than that. Prompts that are computed pass at some 15,000 tokens/s, a third of the rate at
which their kernels do, a token takes 1.7 times as long, and every wave waits 0.3 to 0.4 s whatever its tokens. The same
publisher's rows of the same model on the same boards some weeks later (``inferencex``, vLLM 0.18: a TTFT of 0.11 s and
a TPOT of 8 ms where here stand 0.48 s and 13.6 ms) have none of it. What is missing, 40 us a token and 30 us for each
of three all-reduces a layer, is what these would take at 33 GB/s, as over PCIe and not NVLink; nothing published says
that they did. The client's new session for each request (a look-up of the server's name) might explain the wait.
Neither is simulated, as both would be fitted to the rows they are judged by.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.accuracy.sources import MEASURED
from benchmarks.table import Row
from sim.profiles.kernel_tables.package import installed

FILE = MEASURED / "vllm_2026_h200_minimax_m25.csv"
ROUNDS = 10
"""Requests of each user."""
OUTPUT_TOKENS = 128
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


REMEMBERED_TOKENS = 7_000_000
"""Of earlier runs: more than twice what the cache holds."""
DOWN_S = 600.0
HASHED_TOKENS = 512
"""Of a block in the trace (Mooncake's)."""


def again(table: pd.DataFrame, steps: dict[str, Any], every: int = 1) -> pd.DataFrame:
    """As ``simulated``, of every so many tensor-parallel rows of the whole ``table``: the prompts of earlier runs stand
    before a row's own in the same queue, which as many users as the row has work on."""
    import sim

    runs = table[table["spread"] == "tep"].sort_values("date")
    order = list(zip(runs["isl"].astype(int), runs["concurrency"].astype(int), strict=True))
    began = _served_since(runs)
    found = {}
    for place in range(0, len(runs), every):
        row = runs.iloc[place].to_dict()
        earlier = _earlier(order[began[place] : place])
        tokens, users = order[place]
        own = [(tokens, prompt) for prompt in range(ROUNDS * users)]
        with tempfile.TemporaryDirectory() as folder:
            trace = Path(folder) / "prompts.jsonl"
            trace.write_text("".join(map(_line, [*earlier, *own])))
            asked = scenario(row, steps)
            served = asked["workloads"]["w"]
            del served["lengths"]
            served["arrivals"] = {"kind": "trace", "file": str(trace), "format": "mooncake"}
            served["batching"] |= {"max_num_seqs": users, "prefix_cache": True}
            asked["outputs"]["requests"] = "all"
            requests = sim.run(asked).requests().sort_values("request").iloc[len(earlier) :]
        begun, first, done = (
            requests[f"{name}_ns"].to_numpy(np.int64) for name in ("scheduled", "first_token", "done")
        )
        a_token = (done - first) / (requests["output_tokens"].to_numpy() - 1)
        rate = 1e9 * len(own) / (done.max() - begun.min())
        found[runs.index[place]] = (1e-9 * np.median(a_token), 1e-9 * np.median(first - begun), rate)
    return pd.DataFrame.from_dict(found, orient="index", columns=list(MEASURES))


def _served_since(runs: pd.DataFrame) -> list[int]:
    """The first run of each run's server: where a quarter of an hour lies between two, the scripts waited for it to be
    started again (they look every minute, and warm up for less than two)."""
    ended = pd.to_datetime(runs["date"], format="%Y%m%d-%H%M%S")
    idle_s = ended.diff().dt.total_seconds() - runs["duration"]
    anew = np.flatnonzero((idle_s > DOWN_S).to_numpy())
    return [int(max((start for start in anew if start <= place), default=0)) for place in range(len(runs))]


def _earlier(order: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Tokens and number of each prompt of the runs before, the newest that a cache could hold."""
    found: list[tuple[int, int]] = []
    held = 0
    for tokens, users in reversed(order):
        for prompt in reversed(range(ROUNDS * users)):
            held += tokens
            if held > REMEMBERED_TOKENS:
                return found[::-1]
            found.append((tokens, prompt))
    return found[::-1]


def _line(request: tuple[int, int]) -> str:
    """A request of the trace; a prompt's blocks are its own, and the first of a longer one with its number."""
    tokens, prompt = request
    ids = [1000 * prompt + block for block in range(tokens // HASHED_TOKENS)]
    row = {"timestamp": 0, "input_length": tokens, "output_length": OUTPUT_TOKENS, "hash_ids": ids}
    return json.dumps(row) + "\n"


def rows(*, quick: bool) -> list[Row]:
    """Errors over all rows by each way of timing; ``quick`` simulates every fourth."""
    if not FILE.is_file():
        print(f"{FILE.name} is not here: its rows are left out")
        return []
    every = 4 if quick else 1
    whole = measurements()
    found = []
    for way, (steps, reach) in STEPS.items():
        if way == "kernels" and installed() is None:
            print("aiconfigurator-core is not installed: MiniMax by kernels is left out")
            continue
        ours = simulated(whole.iloc[::every], steps)
        found += _summed_up(f"by {way}", whole.loc[ours.index], ours, reach)
    met = again(whole, STEPS["roofline"][0], every)
    return [*found, *_summed_up("by roofline, prompts met again", whole.loc[met.index], met, (None, None, None))]


def _summed_up(
    label: str, table: pd.DataFrame, ours: pd.DataFrame, reach: tuple[float | None, float | None, float | None]
) -> list[Row]:
    found = []
    for (measure, column), most in zip(MEASURES.items(), reach, strict=True):
        off = 100.0 * (ours[measure] / table[column] - 1.0)
        note = f"{len(table)} rows, mean {off.mean():+.0f} %, median of errors {off.abs().median():.0f} %; "
        note += _by_spread(table, off)
        found.append(Row(f"MiniMax-M2.5 on 8 H200 {label}, {measure}", float(off.abs().mean()), "%", most, note))
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
