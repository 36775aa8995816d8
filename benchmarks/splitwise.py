"""The Azure conversation trace on eight replicas of Llama-2-70B, with Splitwise's own measured latencies.

Splitwise-sim (Patel et al., ISCA 2024, arXiv:2311.18677) interpolates a table of measured prompt and token times, takes
1.1 x the prompt time where an iteration has both, and joins the shortest queue by tokens. Here the same table drives
this project's engine; what its own simulator gives on this work is printed beside, and ``beside_splitwise`` runs it.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
TRACE = SHARED / "requests" / "azure_llm_2023_conv.csv.gz"
LATENCIES = SHARED / "measured" / "splitwise_llama2_70b.csv"

MEAN_LENGTHS = {"prompt": 1155, "context": 1227}
"""Tokens in the trace: of a prompt, and of what a token of an answer attends to."""
PUBLISHED = {"ttft_s": 0.097, "tpot_s": 0.032, "e2e_s": 4.38}
"""Medians of Splitwise-sim (Mutinifni/splitwise-sim, commit 3780880) run on this trace, table and cluster; its authors
print none for it. ``splitwise_rules`` tells its scheduler again, so that they can be held against a second opinion."""


def write_step_table(path: Path, hardware: str = "h100-80gb", tensor_parallel: int = 8) -> None:
    """Splitwise's rows for one kind of machine in the form of ``step_time: {kind: measured}``."""
    with LATENCIES.open(newline="") as source, path.open("w", newline="") as target:
        out = csv.writer(target)
        out.writerow(["phase", "tokens", "time_ms"])
        for row in csv.DictReader(source):
            if row["hardware"] == hardware and int(row["tensor_parallel"]) == tensor_parallel:
                prompt, batch = int(row["prompt_size"]), int(row["batch_size"])
                out.writerow(["prompt", prompt * batch, row["prompt_time"]])
                out.writerow(["decode", batch, row["token_time"]])


def scenario(steps: Path, **changes: Any) -> dict[str, Any]:
    """Eight DGX H100, a replica on each; ``changes`` to the workload."""
    return {
        "name": "Azure conversations, 8 replicas of Llama 2 70B",
        "start": "2023-11-16T18:00:00Z",
        "site": {"name": "none", "grid": {"intensity": "400 gCO2e/kWh"}, "facility": {"kind": "fixed-pue", "pue": 1.2}},
        "cluster": {"nodes": [{"profile": "dgx-h100", "count": 8}]},
        "workloads": {
            "conv": {
                "kind": "serving",
                "model": "llama-2-70b",
                "stack": "generic-2025",
                "precision": {"weights": "bf16"},
                "replicas": {"count": 8, "tensor_parallel": 8},
                "batching": {"max_num_seqs": 512, "max_num_batched_tokens": 2048, "prefill": "mixed"},
                "step_time": {"kind": "measured", "file": str(steps), "mixed": 1.1, "lengths": MEAN_LENGTHS},
                "routing": "fewest-tokens",
                "arrivals": {"kind": "trace", "file": str(TRACE)},
                "cpu_load": 0.1,
                **changes,
            }
        },
        "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "6 years"},
        "outputs": {"bin": "1 h"},
    }
