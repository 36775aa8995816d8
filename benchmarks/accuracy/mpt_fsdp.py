"""HFU of measured trainings of MPT with FSDP, each size predicted by a stack fitted to the others.

The table is that of MosaicML's LLM Foundry: 125 M to 70 B parameters on 8 to 512 H100 and A100. Its MFU counts
6 N FLOP a token and the whole square of attention, its HFU 8 N with recomputation, over the peak of the precision; an
error of tokens a second is the same error of either, as all three count the same FLOP.
"""

from __future__ import annotations

import numpy as np

from benchmarks.accuracy.sources import MEASURED
from benchmarks.accuracy.training_steps import by_model, carried_over, held_out_errors, runs_of, told
from benchmarks.table import Row
from sim.measure.fit.training_fit import FSDP_FORM

FILE = MEASURED / "mpt_fsdp_training_throughput.csv"
FEW_GPUS = 64


def rows() -> list[Row]:
    """By size held out, and from few GPUs to many."""
    runs = runs_of(FILE)
    if not runs:
        return []
    errors = held_out_errors(runs, FSDP_FORM)
    many, own = carried_over(runs, FSDP_FORM, lambda run: run.gpus > FEW_GPUS)
    worst = max(range(len(own)), key=lambda i: abs(float(many[i])))
    note = f"naive 14 %, median {100 * np.median(np.abs(errors)):.1f} %, {told()}"
    boards = []
    for board in ("a100_80gb", "h100_80gb"):
        crossed, there = carried_over(runs, FSDP_FORM, lambda run, board=board: run.system == board)  # type: ignore[misc]  # mypy infers no lambda with a default
        error = 100 * float(np.abs(crossed).mean())
        boards.append(Row(f"MPT/FSDP, all {board} from the other board", error, "%", None, f"{len(there)} runs"))
    return [
        Row("MPT/FSDP, HFU, size held out", 100 * float(np.abs(errors).mean()), "%", 6.0, note),
        *by_model("MPT/FSDP", runs, errors),
        Row(
            "MPT/FSDP, tokens/s, 128-512 GPUs from 64 and fewer",
            100 * float(np.abs(many).mean()),
            "%",
            5.0,
            f"{len(own)} runs, worst {own[worst].model} on {own[worst].gpus} GPUs {100 * float(many[worst]):+.0f} %",
        ),
        *boards,
    ]
