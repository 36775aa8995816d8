"""A closed loop at its mean: the cost of iterations by how many prompts they hold, weighted by how often that is so.

Fitting wants thousands of evaluations: this asks the simulator's own cost function (``iteration.cost``) for all
measured configurations at once, at the batch sizes that Poisson many prompts make, with contexts as long as the
campaign's window has them (``campaign``). It fits constants; what the accuracy table prints comes from the simulator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import poisson

from benchmarks.accuracy.campaign import Window, drawn, window
from benchmarks.accuracy.prefix_cache import Cache, found
from benchmarks.accuracy.serving_stack import WEIGHTS, Configuration, Rows, deployment, with_constants
from benchmarks.accuracy.sweeps import SETS, requests_of
from sim.build.serving.deployment import Deployment
from sim.profiles.iteration.capped import CHUNK, PAIR, READ, SEQUENCE, WINDOW_PAIR, WINDOW_READ
from sim.profiles.iteration.cost import ENERGY, iteration_cost
from sim.profiles.iteration.kv import kept
from sim.profiles.iteration.terms import columns

Floats = npt.NDArray[np.float64]

PROMPTS = np.array([0.0, 1.0, 2.0, 4.0, 8.0, 20.0])
"""Prompts in an iteration that are reckoned with; between them costs are interpolated."""
MOST = 20
BESIDE = 50.0
LONG = np.array([40.0, 160.0, 320.0, 640.0, 1400.0, 2800.0, 6000.0])
"""Tokens of prompts for which it is reckoned how many are found; between them that is interpolated."""


@dataclass(frozen=True)
class Configurations:
    """Measured configurations: their terms as columns (n, 1), tasks and pictures, chances of ``PROMPTS``, and
    tokens found of a prompt by those of ``LONG``."""

    made_of: Rows
    users: Floats
    age: Floats
    task: npt.NDArray[np.str_]
    pictures: tuple[str, ...]
    chance: Floats
    met: Floats

    @classmethod
    def of(cls, table: pd.DataFrame, models: list[Any]) -> Configurations:
        """From rows of the table and each row's model."""
        laid_out = [deployment(layout_of(row, model)) for row, model in zip(records(table), models, strict=True)]
        terms = columns([each.terms(0.0) for each in laid_out])
        weights = table["weight_precision"].to_numpy()[:, np.newaxis]
        apart = np.array([[flashinfer(model)] for model in table["model_id"]])
        aligned = replace(terms.stack.aligned, rows=np.where(apart, 0.0, terms.stack.aligned.rows))
        terms = replace(terms, stack=replace(terms.stack, aligned=aligned))
        made_of = Rows(terms, weights == "fp8", weights == "mxfp4")
        seen = [window_of(row) for row in records(table)]
        begun = np.array([[each.begun] for each in seen])
        chance = np.asarray(poisson.pmf(np.arange(MOST + 1.0), begun), dtype=np.float64) @ _shares()
        return cls(
            made_of,
            table["avg_batch_size"].to_numpy(np.float64)[:, np.newaxis],
            np.array([[each.age] for each in seen]),
            table["task"].to_numpy(dtype=np.str_),
            tuple(pictures_of(model) for model in table["model_id"]),
            chance / chance.sum(axis=1, keepdims=True),
            np.array([_met(row, at) for row, at in zip(records(table), laid_out, strict=True)]),
        )

    def cached(self, prompt: Floats) -> Floats:
        """Tokens found of a prompt of so many tokens (n, 1)."""
        met = np.array([[np.interp(long, LONG, of)] for long, of in zip(prompt[:, 0], self.met, strict=True)])
        return np.asarray(np.minimum(met, prompt), dtype=np.float64)


def _shares() -> Floats:
    """Of every number of prompts (row), what its chance counts at each of ``PROMPTS``: linear interpolation."""
    several = np.arange(MOST + 1.0)
    return np.array([np.interp(several, PROMPTS, own) for own in np.eye(len(PROMPTS))]).T


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows by the names of their columns."""
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def asked_of(row: Mapping[str, Any]) -> int:
    """Requests that a row's server was asked."""
    return requests_of(str(row["task"]), str(row["model_id"]), str(row["gpu_model"]), int(row["max_num_seqs"]))


def window_of(row: Mapping[str, Any]) -> Window:
    """What is running while a row is measured; the mean length of answers is as measured."""
    return window(*answers_of(row), batch=int(row["max_num_seqs"]), requests=asked_of(row))


def answers_of(row: Mapping[str, Any]) -> tuple[Floats, Floats]:
    """Output tokens and their weights."""
    lengths, counts = row["bins"]
    scale = row["avg_output_len"] / float((lengths * counts).sum() / counts.sum())
    return lengths * scale, counts


def cached_tokens(row: Mapping[str, Any], model: Any, prompt: float) -> float:
    """Tokens that a row's server finds of a prompt, on average over its window."""
    return min(float(np.interp(prompt, LONG, _met(row, deployment(layout_of(row, model))))), prompt)


def _met(row: Mapping[str, Any], at: Deployment) -> list[float]:
    """The same by the tokens of ``LONG``, for a row's deployment."""
    several = SETS[str(row["task"])]
    if asked_of(row) <= several or at.model.state_values:
        return [0.0] * len(LONG)
    cache = cache_of(at)
    answers = tuple(drawn(*answers_of(row), requests=asked_of(row)).tolist())
    batch = int(row["max_num_seqs"])
    return [found(answers, batch=batch, several=several, prompt=round(long), cache=cache) for long in LONG.tolist()]


def cache_of(at: Deployment) -> Cache:
    """The prefix cache of a deployment."""
    tensor = at.replicas.tensor_parallel
    keeps = kept(at.model, at.bytes(), tensor)
    a_token = keeps.full + keeps.windowed
    return Cache(
        tokens=at.kv_bytes_per_gpu() * tensor / a_token,
        full=keeps.full / a_token,
        window=float(at.model.window or np.inf),
        ranks=at.replicas.data_parallel,
    )


def layout_of(row: Mapping[str, Any], model: Any) -> Configuration:
    """The row's model and GPUs, at the batch that it allows; what it is asked does not matter."""
    return Configuration(
        board=row["gpu_model"],
        model=model,
        gpus=int(row["num_gpus"]),
        expert_parallel=row["expert_parallel"] > 1,
        data_parallel=row["data_parallel"] > 1,
        weights=WEIGHTS[row["weight_precision"]],
        users=int(row["max_num_seqs"]),
        prompt_tokens=1,
        prompt_work_s=0.0,
        encoder_s=0.0,
        output={"kind": "constant", "tokens": 1},
        seconds=1.0,
    )


def pictures_of(model_id: str) -> str:
    """How a model turns a picture into tokens; one without pictures has the first way."""
    return next((way for way in ("gemma", "Scout") if way in model_id), "patches")


def flashinfer(model_id: str) -> bool:
    """Whether a model was served with FlashInfer's kernels for its experts: DeepSeek's were
    (``VLLM_USE_FLASHINFER_MOE_FP8`` in ml-energy/benchmark, ``monolithic.env.yaml``), Qwen's were not."""
    return model_id.startswith("deepseek-ai/")


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
    prompt = np.array(
        [[prompt_tokens(task, way, constants)] for task, way in zip(rows.task, rows.pictures, strict=True)]
    )
    at = with_constants(rows.made_of, constants)
    host_s = np.array([[prompt_work_s(task, constants)] for task in rows.task])
    computed = prompt - rows.cached(prompt)
    encoder = np.array([[encoder_s(task, constants)] for task in rows.task]) * computed / prompt
    stack = replace(at.stack, prompt_s=host_s, encoder_s=encoder)
    data, gpus = at.layout.data, at.layout.gpus
    tokens = data * (rows.users / data + computed * np.ceil(PROMPTS / data))  # padded to the largest rank
    cost = iteration_cost(replace(at, stack=stack), tokens=tokens, most_sampled=rows.users, block_tokens=16)
    kind = np.where(PROMPTS > 0.0, 2, 0)[np.newaxis, :, np.newaxis]
    own = np.take_along_axis(cost.table, np.broadcast_to(kind, cost.table.shape[1:])[np.newaxis], axis=0)[0]

    context = prompt + rows.age
    window_ = np.where(at.model.window > 0, at.model.window, np.inf)
    near, short = np.minimum(context, window_), np.minimum(prompt, window_)
    counts = {
        PAIR: rows.users * context + PROMPTS * computed * (prompt - computed / 2.0),
        READ: rows.users * context + 0.0 * PROMPTS,
        WINDOW_PAIR: rows.users * near + PROMPTS * computed * short / 2.0,
        WINDOW_READ: rows.users * near + 0.0 * PROMPTS,
        SEQUENCE: rows.users + PROMPTS,
        CHUNK: 0.0 * rows.users + PROMPTS,
    }
    more = [sum(cost.slope[row, place] * n for place, n in counts.items()) for row in range(ENERGY + 1)]
    whole = np.stack([own[..., row] + of_counts for row, of_counts in enumerate(more)])
    seconds, dynamic = whole[:ENERGY].max(axis=0), whole[ENERGY]
    mean_s = (seconds * rows.chance).sum(axis=1)
    loaded_w = np.asarray(at.device.loaded_w)[:, 0]
    watts = loaded_w + (dynamic * rows.chance).sum(axis=1) / mean_s / np.asarray(gpus)[:, 0]
    return watts, mean_s, seconds[:, 0]
