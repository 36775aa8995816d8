"""Bad layouts are refused, each reason by name and all at once; what was really run is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sim.profiles.catalog import Catalog
from sim.profiles.language_models.architecture import ParameterCounts
from sim.training.layout import problems, stage_slots
from sim.training.terms import Recipe, Spread
from tests.training_runs import megatron

STEP = Recipe(sequence=4096, global_batch=512, micro_batch=1, precision="bf16")
DENSE, MIXTURE, HYBRID = "llama-3.1-70b", "qwen3-235b-a22b", "qwen3-next-80b-a3b"
GOOD = Spread(data=8, tensor=4, pipeline=4, context=1, chunks=5, shard="optimizer", sequence_parallel=True)

BAD = [
    ("gang", DENSE, replace(GOOD, data=4), STEP, "data", "'data' would be 8"),
    ("gang that nothing fits", DENSE, replace(GOOD, context=3), STEP, "data", "48 do not divide 128"),
    ("heads", HYBRID, Spread(data=8, tensor=32, sequence_parallel=True), STEP, "tensor", "32 does not divide 16 heads"),
    ("heads of the cache", DENSE, Spread(data=8, tensor=16), STEP, "tensor", "16 does not divide 8 kv_heads"),
    ("stages", DENSE, replace(GOOD, chunks=7), STEP, "pipeline", "4 stages x 7 chunks do not divide 80 layers"),
    ("too many stages", DENSE, Spread(data=1, pipeline=128), STEP, "pipeline", "more than the 80 layers"),
    ("chunks without a pipeline", DENSE, Spread(data=128, chunks=2), STEP, "chunks", "'pipeline' is 1"),
    ("groups", DENSE, GOOD, replace(STEP, global_batch=8 * 6), "chunks", "groups of 4, and a rank has 6"),
    ("context", DENSE, Spread(data=16, context=8), replace(STEP, sequence=4104), "context", "no multiple"),
    ("sequence", DENSE, GOOD, replace(STEP, sequence=4098), "sequence_parallel", "4,098 tokens"),
    ("sequence of one", DENSE, Spread(data=128, sequence_parallel=True), STEP, "sequence_parallel", "'tensor' is 1"),
    ("experts", MIXTURE, Spread(data=128, expert=24), STEP, "expert", "24 does not divide 128 experts"),
    ("more experts than ranks", MIXTURE, Spread(data=16, pipeline=8, expert=64), STEP, "expert", "more than the 16"),
    ("experts of none", DENSE, Spread(data=128, expert=8), STEP, "expert", "the model has none"),
    (
        "experts and tensor",
        MIXTURE,
        Spread(data=32, tensor=4, expert=8),
        STEP,
        "sequence_parallel",
        "is needed where experts are spread",
    ),
    ("expert slices", MIXTURE, Spread(data=80, expert_tensor=80), STEP, "expert_tensor", "does not divide the 1,536"),
    ("batch", DENSE, GOOD, replace(STEP, global_batch=100), "global_batch", "96 or 104 would be"),
    ("small batch", DENSE, GOOD, replace(STEP, global_batch=4), "global_batch", "8 would be"),
    ("gathering", DENSE, replace(GOOD, shard="parameters"), STEP, "shard", "which is 'gradients'"),
    ("sharers of nothing", DENSE, replace(GOOD, shard="none", shard_gpus=4), STEP, "shard_gpus", "share nothing out"),
    ("sharers", DENSE, replace(GOOD, shard_gpus=3), STEP, "shard_gpus", "3 does not divide data x context = 8"),
    ("offload", DENSE, GOOD, replace(STEP, offload="parameters"), "offload", "'shard: parameters'"),
    ("rank", DENSE, GOOD, replace(STEP, lora_rank=9000), "lora_rank", "that is no low rank"),
]


@pytest.mark.parametrize(("name", "model", "spread", "step", "field", "words"), BAD, ids=[row[0] for row in BAD])
def test_a_bad_layout_is_named(name: str, model: str, spread: Spread, step: Recipe, field: str, words: str) -> None:
    """By the field that is wrong, and what would be right."""
    gpus = 128 if name.startswith("gang") else spread.gpus
    found = problems(Catalog().model(model).architecture, spread, step, gpus)
    assert any(at == field and words in text for at, text in found), found


def test_all_that_is_wrong_is_told_at_once() -> None:
    """Four mistakes, four problems."""
    spread = Spread(data=3, tensor=5, pipeline=1, chunks=2, shard_gpus=2)
    found = [field for field, _ in problems(Catalog().model(DENSE).architecture, spread, STEP, 16)]
    assert {"data", "tensor", "chunks", "global_batch", "shard_gpus"} <= set(found)


def test_a_good_layout_has_no_problem() -> None:
    """Eight replicas of four stages of four GPUs."""
    assert problems(Catalog().model(DENSE).architecture, GOOD, STEP, 128) == []


def test_predicting_further_needs_a_known_layer() -> None:
    """Counts alone do not say what the module's layer is."""
    counts = ParameterCounts(
        kind="parameters",
        total=10**9,
        active=10**9,
        layers=16,
        hidden=2048,
        heads=16,
        kv_heads=16,
        head_dim=128,
        kv_values_per_token=65536,
        vocabulary=32000,
    )
    found = problems(counts, Spread(data=1), replace(STEP, mtp_modules=1), 1)
    assert [field for field, _ in found] == ["mtp_modules"]


def test_embedding_and_head_may_stand_for_layers() -> None:
    """DeepSeek-V3: 61 layers, a module and both ends are 64, four in each of 16 chunks; Qwen3's 94 and both are 96."""
    assert stage_slots(61, Spread(data=1, pipeline=4, chunks=4), 1) == (4, 2)
    assert stage_slots(94, Spread(data=1, pipeline=8, chunks=3), 0) == (4, 2)
    assert stage_slots(80, Spread(data=1, pipeline=8, chunks=5), 0) == (2, 0)


@pytest.mark.shared_data
def test_layouts_that_were_run_are_allowed(shared_data: Path) -> None:
    """All 83, but two of DeepSeek-V3 without its module: 61 layers in 16 and 32 chunks, by a list of their own."""
    runs = list(megatron(shared_data))
    assert len(runs) == 83
    for run in runs:
        found = problems(run.architecture, run.spread, run.recipe, run.gpus)
        assert [field for field, _ in found] == (["pipeline"] if "w/o MTP" in run.row["model"] else []), run.row
        assert not problems(run.architecture, run.spread, run.recipe, run.gpus, uneven=True)
