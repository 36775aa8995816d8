"""A closed loop at its mean: the cost of iterations by how many prompts they hold, weighted by how often that is so.

Fitting wants thousands of evaluations, and the simulator takes seconds for all rows: this is its cost function
(``profiles.step``) on arrays of configurations, with Poisson many prompts an iteration. It fits constants; what the
accuracy table prints comes from the simulator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import norm, poisson

from benchmarks.accuracy.serving_stack import BOARDS, GRAPH_TOKENS
from sim.profiles.catalog import Catalog
from sim.profiles.model import ModelShape

Floats = npt.NDArray[np.float64]

PROMPTS = np.arange(36.0)
"""Prompts in an iteration that are reckoned with; the rows have eight of them on average at most."""
LINK_EFFICIENCY = 0.7
OUTPUT_BYTES = {"bfloat16": 2.0, "fp8": 1.0, "mxfp4": 0.53125}
STATE_BYTES = 4.0


@dataclass(frozen=True)
class Configurations:
    """Columns (n, 1) of measured configurations in SI, and the modality of each (0 text, 1 image, 2 video)."""

    column: Mapping[str, Floats]
    expert_parallel: npt.NDArray[np.bool_]
    task: npt.NDArray[np.str_]
    chance: Floats

    @classmethod
    def of(cls, table: pd.DataFrame, shapes: list[ModelShape]) -> Configurations:
        """From rows of the table and the shape of each row's model."""

        def of_shape(name: str) -> Floats:
            return np.array([[float(getattr(shape, name))] for shape in shapes])

        column = {name: of_shape(name) for name in ModelShape.__dataclass_fields__}
        for name in ("num_gpus", "avg_batch_size", "avg_output_len", "residual", "data_parallel"):
            column[name] = table[name].to_numpy(np.float64)[:, np.newaxis]
        column["weight_bytes"] = np.array([[OUTPUT_BYTES[word]] for word in table["weight_precision"]])
        boards = {label: Catalog().gpu(name) for label, name in BOARDS.items()}
        board = [boards[label] for label in table["gpu_model"]]
        column["tdp_w"] = np.array([[float(gpu.tdp.value)] for gpu in board])
        column["loaded_w"] = np.array([[float(gpu.power.loaded.value)] for gpu in board])
        column["byte_per_s"] = np.array([[float(gpu.memory.bandwidth.value)] for gpu in board])
        column["link_byte_per_s"] = np.array([[float(gpu.link.bandwidth.value) / 2.0] for gpu in board])
        fp8 = table["weight_precision"].to_numpy() == "fp8"
        column["peak"] = np.array(
            [[float(gpu.peak["fp8" if low else "bf16"].value)] for gpu, low in zip(board, fp8, strict=True)]
        )
        chance = np.asarray(poisson.pmf(PROMPTS, column["avg_batch_size"] / column["avg_output_len"]), dtype=np.float64)
        spread = (table["expert_parallel"] > 1).to_numpy() | (table["data_parallel"] > 1).to_numpy()
        return cls(
            column, spread[:, np.newaxis], table["task"].to_numpy(dtype=np.str_), chance / chance.sum(1, keepdims=True)
        )


def prompt_tokens(task: str, constants: Mapping[str, float]) -> float:
    """Tokens of a prompt by task; the reasoning questions are taken to be half as long again as chats."""
    names = {"sourcegraph-fim": "code_tokens", "image-chat": "image_tokens", "video-chat": "video_tokens"}
    return constants[names[task]] if task in names else constants["chat_tokens"] * (1.5 if task == "gpqa" else 1.0)


def prompt_work_s(task: str, constants: Mapping[str, float]) -> float:
    """Host seconds for a prompt by task, the stack's own included."""
    return constants[{"image-chat": "image_s", "video-chat": "video_s"}.get(task, "prompt_s")]


def predict(rows: Configurations, constants: Mapping[str, float]) -> tuple[Floats, Floats, Floats]:
    """Mean W of a GPU, mean s of an iteration, and s of an iteration without a prompt, each (n,)."""
    c, at = constants, rows.column
    prompt = np.array([[prompt_tokens(task, c)] for task in rows.task])
    host_s = np.array([[prompt_work_s(task, c)] for task in rows.task])
    users, gpus = at["avg_batch_size"], at["num_gpus"]
    tokens = users + PROMPTS * prompt
    context = prompt + at["residual"] * at["avg_output_len"]
    windowed = np.where(at["window"] > 0, np.minimum(context, at["window"]), 0.0)
    dense_gpus = np.where(at["data_parallel"] > 1, 1.0, gpus)
    copies = np.maximum(1.0, dense_gpus / at["kv_heads"])
    fp8, mxfp4 = at["weight_bytes"] == 1.0, at["weight_bytes"] < 1.0
    kept_bytes = np.where(mxfp4, 2.0, at["weight_bytes"])

    cached = at["kv_values_per_token_full"] * context + at["kv_values_per_token_windowed"] * windowed
    dense_byte = at["resident_parameters"] * kept_bytes / dense_gpus
    dense_byte = (
        dense_byte + 2.0 * cached * users * copies / gpus + 2.0 * STATE_BYTES * at["state_values"] * users / gpus
    )
    mean_byte, most_byte = _expert_bytes(at, rows.expert_parallel, tokens, c)
    own = {"fp8": c["fp8_expert_efficiency"], "mxfp4": c["mxfp4_expert_efficiency"]}
    efficiency = np.where(fp8, own["fp8"], np.where(mxfp4, own["mxfp4"], c["expert_efficiency"]))
    power = np.where(fp8, c["fp8_expert_power"], np.where(mxfp4, c["mxfp4_expert_power"], c["expert_power"]))
    memory_s = dense_byte / (at["byte_per_s"] * c["memory_efficiency"]) + most_byte / (at["byte_per_s"] * efficiency)

    pairs = users * context + PROMPTS * prompt**2 / 2.0
    near = np.where(at["window"] > 0, np.minimum(prompt, at["window"]), 0.0)
    window_pairs = users * windowed + PROMPTS * prompt * near / 2.0
    flop = at["matmul_flop_per_token"] * tokens + at["attention_flop_full"] * pairs
    flop = (flop + at["attention_flop_windowed"] * window_pairs) / gpus
    compute_s = flop / (at["peak"] * c["compute_efficiency"])
    work_s = np.maximum(memory_s, compute_s) + (1.0 - c["overlap"]) * np.minimum(memory_s, compute_s)

    several = gpus > 1
    sent = 4.0 * (gpus - 1.0) / gpus * tokens * at["hidden"] * 2.0 * at["layers"]
    latency_s = c["link_latency_s"] + c["link_latency_per_gpu_s"] * gpus
    link_s = 2.0 * at["layers"] * latency_s + sent / (at["link_byte_per_s"] * LINK_EFFICIENCY)
    link_s = np.where(several, link_s, 0.0)
    a_layer_s = c["layer_s"] + np.where(fp8, c["fp8_layer_s"], 0.0)
    gaps_s = a_layer_s * at["layers"] + c["expert_layer_s"] * at["moe_layers"]
    late_s = np.maximum(c["launch_s"] * at["layers"] - np.maximum(memory_s, compute_s) - link_s, 0.0)
    other_s = link_s + c["iteration_s"] + np.where(tokens > GRAPH_TOKENS, late_s, gaps_s)
    other_s = other_s + c["sequence_s"] * users + PROMPTS * host_s
    seconds = work_s + other_s

    streamed = dense_byte / at["byte_per_s"] + power * c["memory_efficiency"] * mean_byte / (
        at["byte_per_s"] * efficiency
    )
    share = c["waiting_share"] * other_s + c["streaming_share"] * streamed + c["computing_share"] * flop / at["peak"]
    dynamic_j = share * at["tdp_w"]
    seconds = np.maximum(seconds, dynamic_j / (at["tdp_w"] - at["loaded_w"]))
    mean_s = (seconds * rows.chance).sum(axis=1)
    watts = at["loaded_w"][:, 0] + (dynamic_j * rows.chance).sum(axis=1) / mean_s
    return watts, mean_s, seconds[:, 0]


def _expert_bytes(
    at: Mapping[str, Floats], expert_parallel: npt.NDArray[np.bool_], tokens: Floats, c: Mapping[str, float]
) -> tuple[Floats, Floats]:
    """As ``profiles.step._expert_bytes``."""
    gpus = at["num_gpus"]
    experts = np.where(at["experts"] > 0, at["experts"], 2.0)
    asked = 1.0 - (1.0 - at["experts_per_token"] / experts) ** (c["routing_independence"] * tokens)
    own = experts / gpus
    variance = own * asked * (1.0 - asked) * (1.0 - own / experts) / (1.0 - 1.0 / experts)
    above = np.where(gpus > 1, norm.ppf((gpus - 0.375) / (gpus + 0.25)), 0.0)
    spread = c["expert_imbalance"] * above * np.sqrt(np.maximum(variance, 0.0))
    most = np.minimum(own, own * asked + np.where(expert_parallel, spread, 0.0))
    a_layer = at["moe_layers"] * at["expert_parameters"] * at["weight_bytes"]
    return a_layer * own * asked, a_layer * most
