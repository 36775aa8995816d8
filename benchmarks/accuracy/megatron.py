"""Tokens a second of measured trainings with Megatron-Core, each model predicted by a stack fitted to the others.

The table is that of NVIDIA's Megatron-Bridge: Llama 3, DeepSeek V3, Qwen3 and gpt-oss on 8 to 1,024 GPUs. What its rows
do not say (recomputation, offload, CUDA graphs, how tokens are dispatched) is not in the law, and neither is that
recipes changed between releases. Naive is the mean FLOP/s of other models on the system in the precision (of the
system, where there are none), by FLOP counted from the architecture.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.accuracy.sources import MEASURED
from benchmarks.accuracy.training_steps import Floats, by_model, carried_over, held_out_errors, off, runs_of, told
from benchmarks.table import Row
from sim.measure.fit.training_fit import MEGATRON_FORM
from sim.measure.fit.training_table import Run
from sim.training.flops import training_flops

FILE = MEASURED / "megatron_bridge_training_throughput.csv"


def rows() -> list[Row]:
    """By model held out, in all and by system, and one generation of boards from others."""
    runs = runs_of(FILE)
    if not runs:
        return []
    errors = held_out_errors(runs, MEGATRON_FORM)
    naive = np.abs(off(_naive(runs), runs))
    note = f"naive {100 * naive.mean():.0f} %, {told()}"
    between = f"naive {100 * np.median(naive):.0f} %, between releases 6 %"
    found = [
        Row("Megatron-Bridge, tokens/s, model held out, mean", 100 * float(np.abs(errors).mean()), "%", 15.0, note),
        Row(
            "Megatron-Bridge, tokens/s, model held out, median",
            100 * float(np.median(np.abs(errors))),
            "%",
            10.0,
            between,
        ),
        *by_model("Megatron-Bridge", runs, errors),
    ]
    systems = np.array([run.system for run in runs])
    for system in sorted(set(systems)):
        own = np.abs(errors[systems == system])
        found.append(
            Row(
                f"Megatron-Bridge on {system}, model held out",
                100 * float(own.mean()),
                "%",
                None,
                f"{len(own)} runs, median {100 * np.median(own):.0f} %",
            )
        )
    crossed, _ = carried_over(runs, MEGATRON_FORM, lambda run: run.system == "DGX-GB200")
    found.append(
        Row(
            "Megatron-Bridge, GB200 from H100 and B200",
            100 * float(np.abs(crossed).mean()),
            "%",
            22.0,
            f"{len(crossed)} runs, bias {100 * crossed.mean():+.0f} %",
        )
    )
    return found


def _naive(runs: Sequence[Run]) -> Floats:
    """Tokens/s of each GPU at the others' mean FLOP/s."""
    each = np.array([training_flops(run.architecture, run.recipe).model for run in runs])
    achieved = each * np.array([run.tokens_per_s for run in runs])
    found = np.zeros(len(runs))
    for i, run in enumerate(runs):
        others = [j for j, other in enumerate(runs) if other.system == run.system and other.model != run.model]
        alike = [j for j in others if runs[j].recipe.precision == run.recipe.precision]
        found[i] = achieved[alike or others].mean() / each[i]
    return found
