"""AIConfigurator's own estimates beside ours: time between tokens on every row of ML.ENERGY whose model it knows.

Its estimator (static decode: a batch of equal sequences, no prompts between) runs in this process, where the optional
package is installed; ours is the median that ``mlenergy`` simulates with the constants of whichever fit judges the row.
NVIDIA, "AIConfigurator" 0.12.0, Apache-2.0, https://github.com/ai-dynamo/aiconfigurator.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.table import Row
from sim.profiles.kernel_tables.package import installed

SYSTEMS = {"H100": "h100_sxm", "B200": "b200_sxm"}
MODELS = {
    ("Qwen/Qwen3-8B", "bfloat16"): "Qwen/Qwen3-8B",
    ("Qwen/Qwen3-32B", "bfloat16"): "Qwen/Qwen3-32B",
    ("Qwen/Qwen3-VL-32B", "bfloat16"): "Qwen/Qwen3-32B",
    ("Qwen/Qwen3-30B-A3B", "bfloat16"): "Qwen/Qwen3-30B-A3B",
    ("Qwen/Qwen3-Coder-30B-A3B", "bfloat16"): "Qwen/Qwen3-30B-A3B",
    ("Qwen/Qwen3-VL-30B-A3B", "bfloat16"): "Qwen/Qwen3-30B-A3B",
    ("Qwen/Qwen3-235B-A22B", "bfloat16"): "Qwen/Qwen3-235B-A22B",
    ("Qwen/Qwen3-235B-A22B", "fp8"): "Qwen/Qwen3-235B-A22B-FP8",
    ("Qwen/Qwen3-VL-235B-A22B", "bfloat16"): "Qwen/Qwen3-235B-A22B",
    ("Qwen/Qwen3-VL-235B-A22B", "fp8"): "Qwen/Qwen3-235B-A22B-FP8",
    ("Qwen/Qwen3-Coder-480B", "bfloat16"): "Qwen/Qwen3-Coder-480B-A35B-Instruct",
    ("deepseek-ai/DeepSeek", "fp8"): "deepseek-ai/DeepSeek-V3",
    ("meta-llama/Llama-3.1-405B", "bfloat16"): "meta-llama/Meta-Llama-3.1-405B",
    ("meta-llama/Llama-4-Scout", "bfloat16"): "meta-llama/Llama-4-Scout-17B-16E-Instruct",
    ("openai/gpt-oss-120b", "mxfp4"): "openai/gpt-oss-120b",
}
"""By the beginning of a row's model and its weights: the model whose configuration the package holds and that has the
same text decoder, which is all that decodes."""
PROMPT_TOKENS = {"sourcegraph-fim": 1000, "image-chat": 850, "video-chat": 850}
"""Of a prompt by task, as in ``serving_stack``, where no fit says otherwise; others are chats of a hundred tokens."""
CHAT_TOKENS = 100
REACH = 0.25
"""Our mean error as a share of theirs."""


def decode_s(row: Mapping[str, Any]) -> float | None:
    """Seconds between tokens of a row by its estimator, in its newest full release; None for what it does not know."""
    name = next((known for (head, weights), known in MODELS.items() if _is(row, head, weights)), None)
    if name is None:
        return None
    from aiconfigurator_core.sdk.engine import EngineHandle

    gpus, ranks = int(row["num_gpus"]), int(row["data_parallel"])
    spread = row["expert_parallel"] > 1 or ranks > 1
    layout: dict[str, Any] = {"tp_size": gpus // max(ranks, 1), "attention_dp_size": ranks}
    layout |= {"moe_tp_size": 1 if spread else gpus, "moe_ep_size": gpus if spread else 1}
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            engine = EngineHandle.compile(name, SYSTEMS[row["gpu_model"]], "vllm", backend_version="current", **layout)
            tokens = max(2, round(row["avg_output_len"]))
            a_rank = max(1, round(row["avg_batch_size"] / ranks))
            prompt = PROMPT_TOKENS.get(row["task"], CHAT_TOKENS)
            _, decoding_ms, _ = engine.run_static(batch_size=a_rank, isl=prompt, osl=tokens)
    except Exception as error:  # whatever somebody else's code raises for what it does not know
        print(f"AIConfigurator has no estimate for {row['model_id']} on {gpus} {row['gpu_model']}: {error}")
        return None
    finally:
        logging.disable(logging.NOTSET)
    seconds: float = float(decoding_ms) / 1e3 / (tokens - 1)
    return seconds


def _is(row: Mapping[str, Any], head: str, weights: str) -> bool:
    return str(row["model_id"]).startswith(head) and row["weight_precision"] == weights


def estimates(table: pd.DataFrame) -> pd.Series[float]:
    """Of the rows that it knows, in seconds."""
    rows = zip(table.index, table.to_dict("records"), strict=True)
    found = {index: decode_s({str(name): value for name, value in row.items()}) for index, row in rows}
    return pd.Series({index: seconds for index, seconds in found.items() if seconds is not None}, dtype=np.float64)


def beside(case: str, table: pd.DataFrame, ours: pd.Series[float]) -> list[Row]:
    """``ours`` of some ``case`` against its estimates, on the rows of both: s between tokens, by index of ``table``."""
    if installed() is None:
        print("aiconfigurator-core is not installed: its estimates are left out")
        return []
    theirs = estimates(table.loc[ours.index])
    both = table.loc[theirs.index]
    off, off_theirs = (100.0 * (made.loc[both.index] / both["itl_s"] - 1.0) for made in (ours, theirs))
    mean, mean_theirs = float(off.abs().mean()), float(off_theirs.abs().mean())
    note = (
        f"{len(both)} rows: ours {mean:.1f} %, theirs {mean_theirs:.1f} % (static decode, {off_theirs.mean():+.0f} %); "
    )
    note += f"medians {off.abs().median():.1f} and {off_theirs.abs().median():.1f} %"
    return [Row(f"{case}: our ITL error / AIConfigurator 0.12's", mean / mean_theirs, "", REACH, note)]
