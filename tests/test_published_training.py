"""Published training runs: their counts of FLOP, and that what is read is what was published."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.accuracy import published_runs
from benchmarks.accuracy.published_runs import families
from benchmarks.accuracy.published_training import rows
from sim.documents import read_document
from sim.measure.fit.training_table import Run
from sim.training.flops import training_flops


def run_of(name: str, model: str) -> Run:
    family = next(each for each in families() if each.name == name)
    return next(run for run in family.runs if run.model == model)


def test_every_family_has_a_source_with_a_place_to_read_it_and_says_what_is_assumed() -> None:
    data: Any = read_document(published_runs.FILE).data
    assert {family.source for family in families()} == set(data["sources"])
    assert all({"url", "arxiv"} & set(source) for source in data["sources"].values())
    assert all(family.assumed for family in families())


def test_the_largest_run_of_2021_takes_as_long_as_its_authors_reckon() -> None:
    """450e9 tokens of the 1008B model in 84 days on 3,072 A100 at 163 TFLOP/s (arXiv:2104.04473, equation 4)."""
    run = run_of("GPT on Selene's A100, 1.7B to 1T, 2021", "gpt-1t")
    days = 450e9 / (run.tokens_per_s * run.gpus) / 86400.0
    assert days == pytest.approx(84.0, rel=0.03)


def test_hardware_flop_are_those_of_equation_3() -> None:
    run = run_of("GPT on Selene's A100, 1.7B to 1T, 2021", "gpt-18b")
    layers, hidden, sequence, vocabulary = 40, 6144, 2048, 51200
    per_token = 96 * layers * hidden**2 * (1 + sequence / (6 * hidden) + vocabulary / (16 * layers * hidden))
    assert run.tokens_per_s == pytest.approx(135e12 / per_token, rel=1e-3)


def test_models_without_a_profile_count_the_flop_that_their_tables_imply() -> None:
    """TFLOP/s over tokens/s of NeMo's tables, which count the whole square of attention."""
    implied = {"gpt-5b": 736e12 / 22521, "gpt-20b": 750e12 / 5851, "nemotron-22b": 554e12 / 4256}
    implied |= {"nemotron-8b": 653e12 / 12701, "nemotron-340b": 678e12 / 322}
    for model, expected in implied.items():
        run = run_of("NeMo 24.07 on H100, pre-training", model)
        forward = training_flops(run.architecture, run.recipe).forward
        counted = 3.0 * (forward.total - forward.attention + forward.square)
        assert counted == pytest.approx(expected, rel=0.04), model


def test_a_board_with_another_limit_keeps_all_else() -> None:
    run = run_of("torchtitan on H100 of 500 W, 2024", "llama-3.1-8b")
    assert (float(run.gpu.tdp.value), float(run.gpu.memory.bandwidth.value)) == (500.0, 2.4e12)
    assert run.gpu.peak == run_of("NeMo 24.07 on H100, pre-training", "gpt-5b").gpu.peak


def test_families_stand_from_the_worst_to_the_best() -> None:
    names = {f"published training, {family.name}" for family in families()}
    errors = [row.value for row in rows() if row.case in names]
    assert len(errors) == len(names)
    assert errors == sorted(errors, reverse=True)
