"""How far readings of the same kernels are apart: modules of latent attention, which the campaign measured twice.

DeepSeek-V3 and DeepSeek-R1 are one architecture, so that their modules are the same kernels, measured in two turns
hours apart. Their times agree within 2 %; their watts do not, as the meter's last second holds what ran before. Who
takes one reading for the other errs by this much, and a law that knew every watt would by about 0.7 of it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.accuracy.kernel_rows import BOARDS, FOLDER, Board

MODULES = ("mla_context_module", "mla_generation_module")
TWINS = ("deepseek-ai/DeepSeek-V3", "deepseek-ai/DeepSeek-R1")
SAME = ["mla_dtype", "kv_cache_dtype", "gemm_type", "num_heads", "batch_size", "isl", "step"]
"""What a module is measured with."""


def apart(board: Board, kind: str) -> tuple[float, float] | None:
    """Mean difference of the twins' watts and of their times, in percent of one; None where their file is not here."""
    path = FOLDER / f"{board.file}_{kind}.parquet"
    if not path.is_file():
        return None
    table = pd.read_parquet(path)
    one, other = (table[table["model"] == model].set_index(SAME)[["power", "latency"]] for model in TWINS)
    both = one.join(other, lsuffix="_one", rsuffix="_other", how="inner")
    ratio = {name: (both[f"{name}_one"] / both[f"{name}_other"]).to_numpy(np.float64) for name in ("power", "latency")}
    watts, times = (float(100.0 * np.abs(ratio[name] - 1.0).mean()) for name in ("power", "latency"))
    return watts, times


def told() -> str:
    """For the note of a row: the mean over boards and modules."""
    found = [each for board in BOARDS for kind in MODULES if (each := apart(board, kind)) is not None]
    watts, times = np.mean(found, axis=0)
    return f"the same modules measured twice differ by {watts:.0f} % (times by {times:.0f} %)"
