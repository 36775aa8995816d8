"""Whole servers that the optional package lists beside its kernels: closed loops under vLLM, by InferenceX and others.

Nothing of ``step_time: kernels`` is fitted to them; the stack's constants are fitted elsewhere, where its profile says.
Each row is a closed loop of equal lengths; TPOT and TTFT are means over ten rounds, the first of which sends all at
once (they were read as medians until ``silicon`` showed that they are means). SemiAnalysis, "InferenceX" (Apache-2.0),
as listed in aiconfigurator-core 0.12.0, ``systems/silicon_sample.csv``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from benchmarks.accuracy.minimax import stack
from benchmarks.table import Row
from sim.profiles.kernel_tables.package import installed

MODELS = {
    "MiniMaxAI/MiniMax-M2.5": ("minimax-m2.5", "fp8", "block"),
    "meta-llama/Llama-3.1-70B": ("llama-3.1-70b", "fp8", "tensor"),
    "openai/gpt-oss-120b": ("gpt-oss-120b", "mxfp4", "tensor"),
}
"""Profiles, weights, and how fp8 is scaled."""
NODES = {"h100_sxm": "dgx-h100", "h200_sxm": "hgx-h200", "b200_sxm": "dgx-b200"}
PRECISIONS = {"fp8": ("fp8",), "mxfp4": ("fp4", "fp8")}
"""Of weights, as the rows have them: gpt-oss is published in mxfp4 alone, whatever its activations."""
OLDEST = (0, 15)
"""Releases of 2026, as the stack's; rows of late 2025 that name none are taken too."""
SHORTEST = 0.8
"""Lengths are drawn between this share of what a row says and all of it, as InferenceX draws them."""
GPUS = 8
"""Of a node."""
ROUNDS = 10
"""Requests of each user, as were measured."""
MOST_TOKENS = 3_000_000
"""Output tokens of a row that is simulated; longer rows say what shorter ones say."""


def measurements() -> pd.DataFrame:
    """The rows of vLLM whose model and board have profiles, each configuration once."""
    package = installed()
    assert package is not None
    table = pd.read_csv(package.systems / "silicon_sample.csv")
    table = table[(table["backend"] == "vllm") & (table["mode"] == "agg") & table["system"].isin(NODES)]
    known = np.array(
        [
            model in MODELS and precision in PRECISIONS[MODELS[model][1]]
            for model, precision in zip(table["model_path"], table["precision"], strict=True)
        ]
    )
    table = table[known & (table["backend_version"].map(version) >= OLDEST)]
    table = table[(table["pp_size"] == 1) & (table["batch_size"] * table["osl"] * ROUNDS <= MOST_TOKENS)]
    key = ["backend_version", "model_path", "system", "isl", "osl", "batch_size", "tp_size", "attention_dp_size"]
    key += ["moe_tp_size", "moe_ep_size"]
    measured = ["silicon_ttft_ms", "silicon_tpot_ms"]
    table = table.fillna({"backend_version": "of 2025", **{name: 1.0 for name in key if name.endswith("_size")}})
    spread, gpus = table["moe_tp_size"] * table["moe_ep_size"], table["tp_size"] * table["attention_dp_size"]
    table = table[((spread == 1.0) | (spread == gpus)) & (gpus <= GPUS)]  # others say no layout of one node
    return table.groupby(key)[measured].median().reset_index()


def version(release: object) -> tuple[int, ...]:
    """Its numbers; of a nightly build, none; of a row that names none, the oldest that is taken."""
    if not isinstance(release, str):  # a hole in the table
        return OLDEST
    return tuple(int(part) for part in release.split(".") if part.isdigit())


def scenario(row: Any, steps: dict[str, Any]) -> dict[str, Any]:
    """A measured loop."""
    model, weights, scaled = MODELS[row["model_path"]]
    users, ranks = int(row["batch_size"]), int(row["attention_dp_size"])
    replicas: dict[str, Any] = {"count": 1, "tensor_parallel": int(row["tp_size"]), "data_parallel": ranks}
    if row["moe_ep_size"] > 1:
        replicas["expert_parallel"] = True
    if steps["kind"] == "kernels":
        steps = {**steps, "fp8": scaled}
    return {
        "name": f"{row['model_path']} {row['system']} {users}",
        "start": "2026-02-14T00:00:00Z",
        "site": {"name": "x", "grid": {"intensity": "1 gCO2e/kWh"}, "facility": {"kind": "fixed-pue", "pue": 1.0}},
        "cluster": {"nodes": [{"profile": NODES[row["system"]], "count": 1}]},
        "workloads": {
            "w": {
                "kind": "serving",
                "model": model,
                "stack": stack(),
                "precision": {"weights": weights},
                "replicas": replicas,
                "batching": {"max_num_seqs": 1024, "max_num_batched_tokens": 8192},
                "step_time": steps,
                "routing": "round-robin",
                "arrivals": {"kind": "closed-loop", "concurrency": users, "requests": ROUNDS * users},
                "lengths": {
                    "kind": "separate",
                    "prompt": {"kind": "uniform", "low": int(SHORTEST * row["isl"]), "high": int(row["isl"])},
                    "output": {"kind": "uniform", "low": int(SHORTEST * row["osl"]), "high": int(row["osl"])},
                },
                "cpu_load": 0.1,
            }
        },
        "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "6 years"},
        "outputs": {"bin": "1 d"},
    }


def simulated(table: pd.DataFrame, steps: dict[str, Any]) -> pd.DataFrame:
    """Mean TTFT and TPOT of each row in ms."""
    import sim

    found = []
    for row in table.to_dict("records"):
        served = sim.run(scenario(row, steps)).summary["serving"]["w"]
        found.append((1e3 * served["ttft_s"]["mean"], 1e3 * served["tpot_s"]["mean"]))
    return pd.DataFrame(found, columns=["silicon_ttft_ms", "silicon_tpot_ms"], index=table.index)


def rows(*, quick: bool) -> list[Row]:
    """Errors of TPOT and TTFT by each way of timing, and of each model; ``quick`` simulates every sixth row."""
    if installed() is None:
        print("aiconfigurator-core is not installed: its rows of whole servers are left out")
        return []
    table = measurements().iloc[:: 6 if quick else 1]
    found = []
    for way, steps in (
        ("kernels", {"kind": "kernels", "framework": "vllm", "version": "0.24.0"}),
        ("roofline", {"kind": "roofline"}),
    ):
        ours = simulated(table, steps)
        for name, column in (("TPOT", "silicon_tpot_ms"), ("TTFT", "silicon_ttft_ms")):
            off = 100.0 * (ours[column] / table[column] - 1.0)
            each = off.abs().groupby(table["model_path"]).mean()
            told = ", ".join(f"{MODELS[str(model)][0]} {error:.0f} %" for model, error in each.items())
            at = int(off.abs().to_numpy().argmax())
            worst = table.iloc[at]
            note = f"{len(table)} rows of vLLM, mean {off.mean():+.0f} %, median {off.abs().median():.0f} %; {told}; "
            note += f"worst {MODELS[worst['model_path']][0]} on {worst['tp_size']:.0f} {worst['system']}, "
            note += f"{worst['isl']:.0f} in, {worst['batch_size']:.0f} users: {off.iloc[at]:+.0f} %"
            found.append(Row(f"vLLM servers by {way}, {name}", float(off.abs().mean()), "%", None, note))
    return found


if __name__ == "__main__":
    for one in rows(quick=False):
        print(one)
