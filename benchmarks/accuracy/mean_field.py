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

from benchmarks.accuracy.serving_stack import BOARDS, GRAPH_TOKENS, WEIGHTS, streaming_share
from sim.profiles.catalog import Catalog
from sim.profiles.clock import ClockCurve, highest_clock, voltage
from sim.profiles.experts import SHARPNESS, ExpertWork
from sim.profiles.hardware import clock_curve
from sim.profiles.model import ModelShape, popularity

Floats = npt.NDArray[np.float64]

PROMPTS = np.arange(36.0)
"""Prompts in an iteration that are reckoned with; the rows have eight of them on average at most."""
LINK_EFFICIENCY = 0.7
OUTPUT_BYTES = {"bfloat16": 2.0, "fp8": 1.0, "mxfp4": 0.53125}
STATE_BYTES = 4.0
BESIDE = 50.0
CLOCK = ("floor", "slope", "memory_share")


@dataclass(frozen=True)
class Configurations:
    """Columns (n, 1) of measured configurations in SI, their tasks and pictures, and chances of ``PROMPTS``."""

    column: Mapping[str, Floats]
    expert_parallel: npt.NDArray[np.bool_]
    task: npt.NDArray[np.str_]
    pictures: tuple[str, ...]
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
        column["vector"] = np.array([[float(gpu.peak["fp32"].value)] for gpu in board])
        column["link_byte_per_s"] = np.array([[float(gpu.link.bandwidth.value) / 2.0] for gpu in board])
        curves = [clock_curve(gpu) for gpu in board]
        for name in CLOCK:
            column[f"clock_{name}"] = np.array([[getattr(curve, name)] for curve in curves])
        column["tuned"], column["few_until"], column["few"], column["many"] = _tiles(table, shapes)
        fp8 = table["weight_precision"].to_numpy() == "fp8"
        column["peak"] = np.array(
            [[float(gpu.peak["fp8" if low else "bf16"].value)] for gpu, low in zip(board, fp8, strict=True)]
        )
        chance = np.asarray(poisson.pmf(PROMPTS, column["avg_batch_size"] / column["avg_output_len"]), dtype=np.float64)
        spread = (table["expert_parallel"] > 1).to_numpy() | (table["data_parallel"] > 1).to_numpy()
        pictures = tuple(pictures_of(model) for model in table["model_id"])
        tasks = table["task"].to_numpy(dtype=np.str_)
        return cls(column, spread[:, np.newaxis], tasks, pictures, chance / chance.sum(1, keepdims=True))


def _tiles(table: pd.DataFrame, shapes: list[ModelShape]) -> tuple[Floats, Floats, Floats, Floats]:
    """Of each row (n, 1): 1 where its experts, as one GPU holds them, have tuned tiles; tokens for each of them up to
    which tiles are small; rows of small and of large tiles, 0 where kernels have none."""
    stack = Catalog().stack("vllm-2025")
    tiles = stack.tiles
    assert tiles is not None
    found = []
    for row, shape in zip(table.to_dict("records"), shapes, strict=True):
        gpus, spread = int(row["num_gpus"]), row["expert_parallel"] > 1 or row["data_parallel"] > 1
        width = shape.expert_width
        held = (shape.experts // gpus, width) if spread else (shape.experts, width // gpus)
        weights = WEIGHTS[row["weight_precision"]]
        tuned = stack.is_tuned(*held, weights, BOARDS[row["gpu_model"]])
        until = tiles.tuned_until.value if tuned else tiles.few_until.value * (weights != "fp8")
        rows = (tiles.few.value, tiles.many.value) if weights != "mxfp4" else (0, 0)
        found.append((float(tuned), float(until), *map(float, rows)))
    tuned_, until_, few, many = np.array(found)[..., np.newaxis].transpose(1, 0, 2)
    return tuned_, until_, few, many


def pictures_of(model_id: str) -> str:
    """How a model turns a picture into tokens; one without pictures has the first way."""
    return next((way for way in ("gemma", "Scout") if way in model_id), "patches")


def prompt_tokens(task: str, pictures: str, constants: Mapping[str, float]) -> float:
    """Tokens of a prompt by task; the reasoning questions are taken to be half as long again as chats.

    A picture is 256 tokens (Gemma 3, arXiv:2503.19786, section 2), 144 for every tile of 336 x 336 pixels and for the
    whole (Llama 4), or one for every 32 x 32 pixels (Qwen3-VL and Omni); text beside it is ``BESIDE`` tokens.
    """
    if task == "sourcegraph-fim":
        return constants["code_tokens"]
    if task not in ("image-chat", "video-chat"):
        return constants["chat_tokens"] * (1.5 if task == "gpqa" else 1.0)
    pixels = 1e6 * constants["video_megapixels" if task == "video-chat" else "image_megapixels"]
    ways = {"gemma": 256.0, "Scout": 144.0 * (1.0 + pixels / 336.0**2), "patches": pixels / 32.0**2}
    return BESIDE + ways[pictures]


def prompt_work_s(task: str, constants: Mapping[str, float]) -> float:
    """Host seconds for a prompt by task, the stack's own included."""
    return constants[{"image-chat": "image_s", "video-chat": "video_s"}.get(task, "prompt_s")]


def encoder_s(task: str, constants: Mapping[str, float]) -> float:
    """Seconds of the picture encoder in an iteration with prompts."""
    return constants.get({"image-chat": "image_encoder_s", "video-chat": "video_encoder_s"}.get(task, ""), 0.0)


def predict(rows: Configurations, constants: Mapping[str, float]) -> tuple[Floats, Floats, Floats]:
    """Mean W of a GPU, mean s of an iteration, and s of an iteration without a prompt, each (n,)."""
    c, at = constants, rows.column
    prompt = np.array([[prompt_tokens(task, way, c)] for task, way in zip(rows.task, rows.pictures, strict=True)])
    host_s = np.array([[prompt_work_s(task, c)] for task in rows.task])
    encoder = np.array([[encoder_s(task, c)] for task in rows.task])
    users, gpus, ranks = at["avg_batch_size"], at["num_gpus"], at["data_parallel"]
    a_rank = users / ranks + prompt * np.ceil(PROMPTS / ranks)
    tokens = ranks * a_rank  # padded to the largest rank
    context = prompt + at["residual"] * at["avg_output_len"]
    windowed = np.where(at["window"] > 0, np.minimum(context, at["window"]), 0.0)
    dense_gpus = gpus / ranks
    copies = np.maximum(1.0, dense_gpus / at["kv_heads"])
    fp8, mxfp4 = at["weight_bytes"] == 1.0, at["weight_bytes"] < 1.0
    kept_bytes = np.where(mxfp4, 2.0, at["weight_bytes"])

    cached = at["kv_values_per_token_full"] * context + at["kv_values_per_token_windowed"] * windowed
    context_byte = 2.0 * cached * users * copies / gpus + 2.0 * STATE_BYTES * at["state_values"] * users / gpus
    dense_byte = at["resident_parameters"] * kept_bytes / dense_gpus
    routed = at["moe_layers"] * at["experts_per_token"] * at["hidden"] * 2.0 * tokens
    dense_byte = dense_byte + np.where(ranks > 1, c["routed_passes"] * routed, 0.0)
    experts = _experts(at, rows.expert_parallel, tokens, c)
    power = c["expert_power"] * np.where(fp8, c["fp8_power"], np.where(mxfp4, c["mxfp4_power"], 1.0))
    context_s = context_byte / (at["byte_per_s"] * c["memory_efficiency"])
    memory_s = dense_byte / (at["byte_per_s"] * c["memory_efficiency"]) + experts.slowest_s

    pairs = users * context + PROMPTS * prompt**2 / 2.0
    near = np.where(at["window"] > 0, np.minimum(prompt, at["window"]), 0.0)
    window_pairs = users * windowed + PROMPTS * prompt * near / 2.0
    flop = at["matmul_flop_per_token"] * tokens / gpus + experts.padding_flop
    pair_flop = (at["attention_flop_full"] * pairs + at["attention_flop_windowed"] * window_pairs) / gpus
    compute_s, pair_s = (
        flop / (at["peak"] * c["compute_efficiency"]),
        pair_flop / (at["peak"] * c["compute_efficiency"]),
    )

    link_s = _link_s(at, tokens, c)
    late_s = (c["launch_s"] + np.where(fp8, c["fp8_launch_s"], 0.0)) * at["layers"]
    late_s = late_s + c["expert_launch_s"] * at["moe_layers"] - np.maximum(memory_s, compute_s) - link_s
    graph = a_rank <= GRAPH_TOKENS
    quantising = np.where(graph & fp8, c["fp8_layer_s"] * at["layers"], 0.0)
    gaps_s = c["layer_s"] * at["layers"] + c["expert_layer_s"] * at["moe_layers"]
    other_s = link_s + c["iteration_s"] + np.where(graph, gaps_s, np.maximum(late_s, 0.0)) + quantising
    members_s = c["sequence_s"] * users / ranks + PROMPTS * host_s + np.where(PROMPTS > 0, encoder, 0.0)

    streaming = streaming_share(at["byte_per_s"], at["tdp_w"], c)
    share = c["waiting_share"] * (other_s + (c["fp8_layer_power"] - 1.0) * quantising + power * experts.short_s)
    share = (
        share + streaming * (dense_byte + experts.byte) / at["byte_per_s"] + c["computing_share"] * flop / at["peak"]
    )
    more = c["waiting_share"] * members_s + streaming * c["context_power"] * context_byte / at["byte_per_s"]
    more = more + c["computing_share"] * pair_flop / at["peak"]
    hidden, headroom = 1.0 - c["overlap"], 1.0 - at["loaded_w"] / at["tdp_w"]
    clock, left = _clock(at, compute_s, memory_s, other_s, share, hidden)
    dynamic = share * left + more
    compute_s, memory_s = compute_s / clock + pair_s, memory_s + context_s
    work_s = np.maximum(memory_s, compute_s) + hidden * np.minimum(memory_s, compute_s)
    seconds = np.maximum(work_s + other_s + members_s, dynamic / headroom)
    mean_s = (seconds * rows.chance).sum(axis=1)
    watts = at["loaded_w"][:, 0] + at["tdp_w"][:, 0] * (dynamic * rows.chance).sum(axis=1) / mean_s
    return watts, mean_s, seconds[:, 0]


def _clock(
    at: Mapping[str, Floats], compute_s: Floats, memory_s: Floats, other_s: Floats, share: Floats, hidden: float
) -> tuple[Floats, Floats]:
    """As ``profiles.step._clock``: the clock at the power limit, and what it leaves of the energy (``share`` s TDP)."""
    room = np.broadcast_to(1.0 - at["loaded_w"] / at["tdp_w"], share.shape)
    seconds = np.maximum(compute_s, memory_s) + hidden * np.minimum(compute_s, memory_s) + other_s
    some = share > room * seconds
    floor, slope, memory = (np.broadcast_to(at[f"clock_{name}"], share.shape)[some] for name in CLOCK)
    curve = ClockCurve(floor, slope, memory)
    computing, streaming, waiting, energy, limit = (x[some] for x in (compute_s, memory_s, other_s, share, room))

    def over(clock: Floats) -> npt.NDArray[np.bool_]:
        slowed = computing / clock
        slow_s = np.maximum(slowed, streaming) + hidden * np.minimum(slowed, streaming) + waiting
        return np.asarray(energy * _energy_left(clock, curve) > limit * slow_s)

    clock, left = np.ones_like(share), np.ones_like(share)
    clock[some] = highest_clock(over, energy.shape)
    left[some] = _energy_left(clock[some], curve)
    return clock, left


def _energy_left(clock: Floats, curve: ClockCurve) -> Floats:
    """Roughly what ``profiles.clock.Joules`` has by parts: of work without telling them apart."""
    return np.asarray((1.0 - curve.memory_share) * voltage(clock, curve) ** 2 + curve.memory_share)


def _link_s(at: Mapping[str, Floats], tokens: Floats, c: Mapping[str, float]) -> Floats:
    """As ``profiles.step._communication``: two all-reduces a layer, or gathering and scattering among ranks."""
    gpus, ranks = at["num_gpus"], at["data_parallel"]
    latency_s = c["link_latency_s"] + c["link_latency_per_gpu_s"] * gpus
    reduced = 4.0 * (gpus - 1.0) / gpus * tokens * at["hidden"] * 2.0
    gathered = 2.0 * (ranks - 1.0) * tokens / ranks * at["hidden"] * 2.0
    layers = np.where(ranks > 1, at["moe_layers"], at["layers"])
    sent = layers * np.where(ranks > 1, gathered, reduced)
    seconds = 2.0 * layers * latency_s + sent / (at["link_byte_per_s"] * LINK_EFFICIENCY)
    return np.where(gpus > 1, seconds, 0.0)


def _experts(
    at: Mapping[str, Floats], expert_parallel: npt.NDArray[np.bool_], tokens: Floats, c: Mapping[str, float]
) -> ExpertWork:
    """As ``profiles.experts.expert_work``, on columns."""
    gpus, mixture = at["num_gpus"], at["moe_layers"] > 0
    experts = np.where(mixture, at["experts"], 2.0)
    asked = np.zeros_like(tokens)
    pairs = {(int(e), int(k)) for e, k in zip(experts[:, 0], at["experts_per_token"][:, 0], strict=True) if k > 0}
    for each, per_token in pairs:
        some = ((experts == each) & (at["experts_per_token"] == per_token))[:, 0]
        chance = popularity(each, per_token, c["expert_skew"])
        with np.errstate(divide="ignore"):
            asked[some] = 1.0 - np.exp(tokens[some][..., np.newaxis] * np.log1p(-chance)).mean(axis=-1)
    fp8, mxfp4, tuned = at["weight_bytes"] == 1.0, at["weight_bytes"] < 1.0, at["tuned"] > 0
    floor = np.where(fp8 & ~tuned, c["fp8_floor"], 0.0)
    own = experts / gpus
    variance = own * asked * (1.0 - asked) * (1.0 - own / experts) / (1.0 - 1.0 / experts)
    above = np.where(gpus > 1, norm.ppf((gpus - 0.375) / (gpus + 0.25)), 0.0)
    ahead = c["expert_imbalance"] * above * np.sqrt(np.maximum(variance, 0.0))
    mean = own * (floor + (1.0 - floor) * asked)
    most = np.minimum(own, mean + np.where(expert_parallel, (1.0 - floor) * ahead, 0.0))

    few = tokens <= at["few_until"] * np.where(expert_parallel, own, experts)
    rows = asked * experts * np.where(few, at["few"], at["many"])
    routed = tokens * at["experts_per_token"]
    padding = np.maximum(rows, routed + rows / 2.0) - routed
    issue = np.where(tuned | mxfp4 | few, 0.0, c["tile_issue"])
    efficiency = c["expert_efficiency"] * np.where(mxfp4, c["mxfp4_efficiency"], 1.0)
    a_layer = at["moe_layers"] * at["expert_parameters"] * at["weight_bytes"]

    def kernels_s(read: Floats) -> Floats:
        memory_s, loads_s = a_layer * read / (at["byte_per_s"] * efficiency), a_layer * read * issue / at["vector"]
        return np.asarray((memory_s**SHARPNESS + loads_s**SHARPNESS) ** (1.0 / SHARPNESS))

    short_s = np.maximum(kernels_s(mean) - a_layer * mean / (at["byte_per_s"] * c["memory_efficiency"]), 0.0)
    flop = np.where(mixture, 2.0 * at["moe_layers"] * at["expert_parameters"] * padding / gpus, 0.0)
    return ExpertWork(a_layer * mean, kernels_s(most), short_s, flop)
