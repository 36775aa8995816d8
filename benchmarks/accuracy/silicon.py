"""Whole servers in closed loops by three engines, as the optional package lists them: what no fit here has seen.

Qwen3 32B and 235B, Llama 3.1 8B and 70B under vLLM, SGLang and TensorRT-LLM on H100, H200 and B200: TTFT and TPOT by
users (``systems/silicon_sample.csv`` of aiconfigurator-core 0.12.0, NVIDIA, Apache-2.0). Rows of InferenceX have
lengths drawn as that draws them, others constant ones. Which limits and warm-up the others had is not told: a server
batches at most 1,024 sequences and computes 8,192 tokens an iteration here.

Written down before any of them but Llama 3.1 70B's of vLLM (``inferencex``) was simulated: TPOT within 15 % on average
by vLLM, 20 % by the two others, rather short; TTFT 30 to 50 % too short with few users, as what a front end takes is
left out, and less so with many.

The first score: TPOT 20.6 % (median 9.3 %), 14.1 (9.4) and 12.1 % (9.6 %) by vLLM, SGLang and TensorRT-LLM; TTFT 51, 59
and 62 %, all too short. Two things were found in the table after that, and nothing in the model was changed. What it
calls TTFT is a mean of ten rounds, the first of which sends all at once, and was read as a median: by the mean Llama
3.1 70B's is met from 4 users to 64. And 24 rows of vLLM 0.12 in fp8 (``OF_SEVERAL``), up to five times too slow here,
tell the users of several servers: they are left out. TTFT of rows that are not InferenceX's is not judged: it falls
with users in some, as if a server's first requests waited for what is compiled. Scored so: TPOT 9.7 % (8), 13.2
(8) and 12.0 % (10); TTFT of Llama 3.1 70B 35 % by vLLM and 60 % (31 %) by TensorRT-LLM, too short.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.accuracy.inferencex import version
from benchmarks.table import Row
from sim.profiles.kernel_tables.package import installed

MODELS = {
    "Qwen/Qwen3-32B": "qwen3-32b",
    "Qwen/Qwen3-235B-A22B-FP8": "qwen3-235b-a22b",
    "meta-llama/Llama-3.1-8B-Instruct": "llama-3.1-8b",
    "nvidia/Llama-3.1-8B-Instruct-FP8": "llama-3.1-8b",
    "meta-llama/Llama-3.1-70B": "llama-3.1-70b",
}
LATENT = {
    "deepseek-ai/DeepSeek-R1": "deepseek-r1",
    "deepseek-ai/DeepSeek-V3": "deepseek-v3",
    "zhipuai/GLM-5": "glm-5",
    "moonshotai/Kimi-K2.5": "kimi-k2",
    "openai/gpt-oss-120b": "gpt-oss-120b",
}
"""A second set, large mixtures on one node, written down at 14:42 of 1 December 2026 before it was simulated. Expected:
TPOT within 25 % on average by each engine, DeepSeek and Kimi too short by vLLM and SGLang, TTFT 30 to 60 % too
short. Scored: TPOT 18, 26 and 4 % by SGLang, TensorRT-LLM and vLLM (Kimi K2 by vllm-2026; by vllm-2025, as it was
run first, 35 %), TTFT 81, 61 and 85 %. DeepSeek's TPOT by releases of 2026 without guessed tokens is met (SGLang
0.5.9 -1 % on H200 and +3 on B200, TensorRT-LLM 1.2.0rc6.post2 -13 to +2); rows of 2025 take longer, those of
1.2.0rc6.post3 much less, as with guesses, which the table does not tell; gpt-oss on B200 is 10 to 64 % too slow by
TensorRT-LLM, GLM-5 26 % too quick (14 % too slow since what an indexer launches is counted, by kernels of vLLM). A
prompt of 1,024 tokens of R1 takes 0.2 to 0.3 s by either engine whatever stands beside it, 0.15 to 0.2 s more than
simulated, one of 8,192 0.1 to 0.25 s more: what of that a front end takes, and what launches, is not told."""
STACKS = {"vllm": "vllm-2025", "sglang": "sglang-2026", "trtllm": "trtllm-2026"}
OF_2026 = (0, 15)
"""vLLM from this release on is `vllm-2026`."""
PREFILL = {"vllm": "chunked", "sglang": "prioritized", "trtllm": "chunked"}
NODES = {"h100_sxm": "dgx-h100", "h200_sxm": "hgx-h200", "b200_sxm": "dgx-b200"}
WEIGHTS = {"fp8": "fp8", "fp8_block": "fp8", "nvfp4": "nvfp4", "bf16": "bf16"}
OWN_WEIGHTS = {"openai/gpt-oss-120b": "mxfp4"}
"""Published in one precision alone, whatever its activations."""
DRAWN = 0.8
"""Of InferenceX's rows: lengths are drawn between this share of what a row says and all of it."""
GPUS = 8
"""Of a node."""
ROUNDS = 10
"""Requests of each user, as InferenceX has them."""
MOST_TOKENS = 3_000_000
"""Output tokens of a row that is simulated."""
OF_SEVERAL = ("0.12.0", "fp8")
"""Release and weights of vLLM's rows that count the users of a whole node, whatever a server of it has."""
MEASURED = ["silicon_ttft_ms", "silicon_tpot_ms"]


def measurements(models: Mapping[str, str] = MODELS) -> pd.DataFrame:
    """Rows of one server of ``models`` whose board has a profile, each configuration once."""
    package = installed()
    assert package is not None
    table = pd.read_csv(package.systems / "silicon_sample.csv")
    table = table[(table["mode"] == "agg") & table["system"].isin(NODES) & table["model_path"].isin(list(models))]
    table = table.fillna({"gemm_quant_mode": "bf16", "backend_version": "of 2025"})
    table = table.fillna({str(name): 1.0 for name in table if str(name).endswith("_size")})
    listed = table["silicon_data_source"].str.contains("source_file=2026-04-06.csv", regex=False)
    table["drawn"] = listed | table["model_path"].isin(list(LATENT))  # twice in the table, from one campaign
    table = table[table["gemm_quant_mode"].isin(WEIGHTS) & (table["pp_size"] == 1) & (table["attention_dp_size"] == 1)]
    several = (table["backend"] == "vllm") & (table["backend_version"] == OF_SEVERAL[0])
    several &= (table["gemm_quant_mode"] == OF_SEVERAL[1]) & (table["model_path"] != "Qwen/Qwen3-235B-A22B-FP8")
    sliced = (table["tp_size"] <= GPUS) & ((table["moe_tp_size"] * table["moe_ep_size"]).isin([1.0]) | _fills(table))
    elsewhere = (table["backend"] == "vllm") & table["model_path"].isin(["openai/gpt-oss-120b"])  # inferencex
    table = table[~several & sliced & ~elsewhere]
    table = table[table["batch_size"] * table["osl"] * ROUNDS <= MOST_TOKENS]
    key = ["backend", "backend_version", "model_path", "system", "gemm_quant_mode", "isl", "osl", "batch_size"]
    key += ["tp_size", "moe_ep_size", "drawn"]
    return table.groupby(key)[MEASURED].median().reset_index()


def _fills(table: pd.DataFrame) -> pd.Series:
    """Whether experts are spread over the GPUs that attention is on."""
    return table["moe_tp_size"] * table["moe_ep_size"] == table["tp_size"]


def scenario(row: Any) -> dict[str, Any]:
    """A measured loop."""
    users = int(row["batch_size"])
    replicas: dict[str, Any] = {"count": 1, "tensor_parallel": int(row["tp_size"])}
    if row["moe_ep_size"] > 1:
        replicas["expert_parallel"] = True
    prompt, output = (_length(int(row[name]), drawn=bool(row["drawn"])) for name in ("isl", "osl"))
    return {
        "name": f"{row['model_path']} {row['system']} {users}",
        "start": "2026-02-14T00:00:00Z",
        "site": {"name": "x", "grid": {"intensity": "1 gCO2e/kWh"}, "facility": {"kind": "fixed-pue", "pue": 1.0}},
        "cluster": {"nodes": [{"profile": NODES[row["system"]], "count": 1}]},
        "workloads": {
            "w": {
                "kind": "serving",
                "model": {**MODELS, **LATENT}[row["model_path"]],
                "stack": stack(row["backend"], row["backend_version"]),
                "precision": {"weights": OWN_WEIGHTS.get(row["model_path"], WEIGHTS[row["gemm_quant_mode"]])},
                "replicas": replicas,
                "batching": {
                    "max_num_seqs": 1024,
                    "max_num_batched_tokens": 8192,
                    "prefill": PREFILL[row["backend"]],
                },
                "routing": "round-robin",
                "arrivals": {"kind": "closed-loop", "concurrency": users, "requests": ROUNDS * users},
                "lengths": {"kind": "separate", "prompt": prompt, "output": output},
                "cpu_load": 0.1,
            }
        },
        "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "6 years"},
        "outputs": {"bin": "1 d"},
    }


def stack(engine: str, release: str) -> str:
    """The profile of an engine in a release."""
    return "vllm-2026" if engine == "vllm" and release[0].isdigit() and version(release) >= OF_2026 else STACKS[engine]


def _length(tokens: int, *, drawn: bool) -> dict[str, Any]:
    if drawn:
        return {"kind": "uniform", "low": int(DRAWN * tokens), "high": tokens}
    return {"kind": "constant", "tokens": tokens}


def simulated(table: pd.DataFrame) -> pd.DataFrame:
    """Mean TTFT and TPOT of each row in ms; not numbers where it does not fit."""
    import sim
    from sim.errors import InputError, RunError

    found = []
    for row in table.to_dict("records"):
        try:
            served = sim.run(scenario(row)).summary["serving"]["w"]
            found.append((1e3 * served["ttft_s"]["mean"], 1e3 * served["tpot_s"]["mean"]))
        except (InputError, RunError):
            found.append((np.nan, np.nan))
    return pd.DataFrame(found, columns=MEASURED, index=table.index)


def rows(*, quick: bool) -> list[Row]:
    """Errors of TPOT and TTFT by engine, and of each model and board; ``quick`` simulates every sixth row."""
    if installed() is None:
        print("aiconfigurator-core is not installed: its rows of whole servers are left out")
        return []
    return [
        row
        for what, models in (("servers", MODELS), ("servers of large mixtures", LATENT))
        for row in _judged(what, measurements(models).iloc[:: 6 if quick else 1])
    ]


def _judged(what: str, table: pd.DataFrame) -> list[Row]:
    """Two rows of an engine."""
    ours = simulated(table)
    found = []
    for engine, of_engine in table.groupby("backend"):
        for name, column in (("TPOT", MEASURED[1]), ("TTFT", MEASURED[0])):
            off = (100.0 * (ours[column] / of_engine[column] - 1.0)).reindex(of_engine.index)
            if name == "TTFT":
                off = off[of_engine["drawn"]]
            if not len(off):
                continue
            model = of_engine["model_path"].map({**MODELS, **LATENT})
            kind = model + " " + of_engine["system"] + " " + of_engine["gemm_quant_mode"]
            told = ", ".join(f"{of} {error:+.0f}" for of, error in off.groupby(kind).median().items())
            note = f"{off.notna().sum()} rows, median {off.abs().median():.0f} %; medians {told}"
            if off.isna().any():
                note += f"; {off.isna().sum()} do not fit"
            found.append(Row(f"{what} by {engine}, {name}", float(off.abs().mean()), "%", None, note))
    return found


if __name__ == "__main__":
    for one in rows(quick=False):
        print(one)
