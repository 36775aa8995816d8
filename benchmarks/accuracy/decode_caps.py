"""LLaMA-65B decoding under power caps on four A100, simulated, against published changes of time and energy.

Samsi and others, "From Words to Watts" (HPEC 2023, arXiv:2310.03003): a batch of 64, caps of 250, 175 and 150 W. From
250 to 175 W the paper, read in quotations, has 6.7 % more time and 23 % less energy, to 150 W 15 to 22 % and 33 to 35
%. Theirs was the model's own PyTorch code and not vLLM, and how long prompts were was not found (questions and
instructions, some hundred tokens): it is the changes that are held to each other, in points.

The published changes were in sight while the form of the cap was chosen: this is no figure held out. It depends on the
batch: with half of the sequences, or prompts of 512 tokens, a cap of 150 W costs 10 %.
"""

from __future__ import annotations

from typing import Any

import sim
from benchmarks.table import Row

LLAMA_65B = {
    "name": "llama-65b",
    "architecture": {
        "kind": "transformer", "layers": 80, "hidden": 8192, "heads": 64, "kv_heads": 64, "head_dim": 128, "ffn": 22016,
        "vocabulary": 32000,
    },
}  # fmt: skip
"""arXiv:2302.13971, table 2, and the released checkpoints."""
SEQUENCES, PROMPT, OUTPUT = 64, 100, 512
FROM_W = 250
PUBLISHED = {175: (6.7, -23.0, 4.0), 150: (18.0, -34.0, 8.0)}
"""By cap in W: percent more time and more energy than at 250 W, and how many points of time are asked for."""


def scenario(cap_w: float) -> dict[str, Any]:
    """Closed batches of the published size, all with the longest output."""
    return {
        "name": "LLaMA-65B under a cap",
        "start": "2023-09-01T00:00:00Z",
        "site": {"name": "x", "grid": {"intensity": "1 gCO2e/kWh"}, "facility": {"kind": "fixed-pue", "pue": 1.0}},
        "cluster": {"nodes": [{"profile": "dgx-a100", "count": 1}]},
        "workloads": {
            "w": {
                "kind": "serving", "model": LLAMA_65B, "stack": "vllm-2025", "precision": {"weights": "bf16"},
                "replicas": {"count": 1, "tensor_parallel": 4, "power_cap": f"{cap_w} W"},
                "batching": {"max_num_seqs": SEQUENCES, "max_num_batched_tokens": 8192, "prefill": "static"},
                "routing": "round-robin",
                "arrivals": {"kind": "closed-loop", "concurrency": SEQUENCES, "requests": 2 * SEQUENCES},
                "lengths": {
                    "kind": "separate", "prompt": {"kind": "constant", "tokens": PROMPT},
                    "output": {"kind": "constant", "tokens": OUTPUT},
                },
                "cpu_load": 0.1,
            }
        },
        "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "6 years"},
    }  # fmt: skip


def time_and_energy(cap_w: float) -> tuple[float, float]:
    """Seconds and J of the GPUs while they work."""
    ledger = sim.run(scenario(cap_w)).energy.where(lambda key: key.component == "gpu" and key.owner == "w")
    active = ledger.where(lambda key: key.state == "active")
    return float(active.slot_ns.sum()) * 1e-9, float(active.total_j())


def rows() -> list[Row]:
    """How far the change of time is from the published one; and the energy, which has to fall."""
    free_s, free_j = time_and_energy(FROM_W)
    result = []
    for cap_w, (slower, more, reach) in PUBLISHED.items():
        seconds, joules = time_and_energy(cap_w)
        time, energy = 100 * (seconds / free_s - 1), 100 * (joules / free_j - 1)
        case = f"LLaMA-65B decode under caps, {FROM_W} -> {cap_w} W"
        note = f"simulated {time:+.1f} %, published {slower:+.1f} %"
        result.append(Row(f"{case}, time", abs(time - slower), "points", reach, note))
        note = f"simulated {energy:+.1f} %, published {more:+.0f} %; has to fall"
        result.append(Row(f"{case}, energy", energy, "%", 0.0, note))
    return result
