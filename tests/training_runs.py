"""The measured training runs, as architectures, layouts and steps; recomputation is stated for FSDP's alone."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sim.profiles.catalog import Catalog
from sim.profiles.language_models.architecture import ParameterCounts, Transformer
from sim.training.terms import Recipe, Shard, Spread, TrainingPrecision

PROFILES = {
    "DeepSeekV3": "deepseek-v3",
    "GPT OSS 120B": "gpt-oss-120b",
    "Qwen3_235B_a22B": "qwen3-235b-a22b",
    "LLAMA3_70B": "llama-3.1-70b",
    "LLAMA3_8B": "llama-3.1-8b",
}
PRECISIONS: dict[str, TrainingPrecision] = {
    "BF16": "bf16",
    "FP8": "fp8",
    "FP8-CS": "fp8",
    "FP8-MX": "mxfp8",
    "MXFP8": "mxfp8",
    "NVFP4": "nvfp4",
    "": "fp8",
}
"""Releases of 25.09 do not say; their notes have 8 bits first."""
MPT = {"125m": (768, 12, 12), "350m": (1024, 24, 16), "760m": (1536, 24, 12), "1b": (2048, 24, 16)}
MPT |= {"3b": (2560, 32, 20), "7b": (4096, 32, 32), "13b": (5120, 40, 40), "30b": (7168, 48, 56), "70b": (8192, 80, 64)}
"""Width, layers and heads."""


@dataclass(frozen=True)
class Run:
    """A row of a table."""

    row: dict[str, str]
    architecture: Transformer | ParameterCounts
    spread: Spread
    recipe: Recipe
    gpus: int


def _rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def _first(cell: str) -> int:
    """The first number of a cell; 1 of an empty one."""
    return int(re.split(r"\s", cell.strip())[0] or 1)


def megatron(shared: Path) -> Iterator[Run]:
    """The runs of Megatron-Bridge, gradients in 16 bits as its recipes sum them."""
    for row in _rows(shared / "measured" / "megatron_bridge_training_throughput.csv"):
        name = re.sub(r" \(.*", "", row["model"])
        tensor, pipeline, context, chunks, expert = (_first(row[key]) for key in ("tp", "pp", "cp", "vp", "ep"))
        gpus = int(row["gpus"])
        spread = Spread(
            data=gpus // (tensor * pipeline * context),
            tensor=tensor,
            pipeline=pipeline,
            context=context,
            expert=expert,
            chunks=chunks,
            shard="parameters" if row["fsdp"].strip() and _first(row["fsdp"]) > 1 else "optimizer",
            sequence_parallel=tensor > 1,
        )
        recipe = Recipe(
            sequence=int(row["sequence"]),
            global_batch=int(row["gbs"]),
            micro_batch=int(row["mbs"]),
            precision=PRECISIONS[row["precision"].split(" ")[0]],
            lora_rank=16 if row["phase"] == "lora" else None,
            gradient_bytes=2.0,
            mtp_modules=int(name == "DeepSeekV3" and "w/o" not in row["model"]),
        )
        yield Run(row, Catalog().model(PROFILES[name]).architecture, spread, recipe, gpus)


def mpt(shared: Path) -> Iterator[Run]:
    """The runs of llm-foundry, shared out among all GPUs."""
    for row in _rows(shared / "measured" / "mpt_fsdp_training_throughput.csv"):
        hidden, layers, heads = MPT[row["model"]]
        sequence, gpus = int(row["sequence"]), int(row["gpus"])
        model = Transformer(
            kind="transformer",
            layers=layers,
            hidden=hidden,
            heads=heads,
            kv_heads=heads,
            head_dim=hidden // heads,
            ffn=4 * hidden,
            gated_ffn=False,
            vocabulary=50368,
            tied_embeddings=True,
            norm="layer",
            qkv_bias=True,
            output_bias=True,
            ffn_bias=True,
            positions=sequence,
        )
        recipe = Recipe(
            sequence=sequence,
            global_batch=int(row["global_batch"]),
            micro_batch=int(row["micro_batch"]),
            precision="fp8" if row["precision"] == "amp_fp8" else "bf16",
            recompute="full" if row["activation_recompute"] == "True" else "none",
        )
        shard: Shard = "parameters" if row["sharding"] == "FULL_SHARD" else "gradients"
        yield Run(row, model, Spread(data=gpus, shard=shard), recipe, gpus)
