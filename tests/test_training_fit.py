"""Training stacks and the runs they are fitted to: what a table says, and that a fit finds what ships."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from sim.cli.command import app
from sim.documents import read_document
from sim.errors import InputError
from sim.measure.fit.from_measured_table import profile_from_table
from sim.measure.fit.training_fit import FSDP_FORM, MEGATRON_FORM, Form, fit_stack, held_out_tokens_per_s, tokens_per_s
from sim.measure.fit.training_profile import FIELDS, calibrated_stack, written
from sim.measure.fit.training_table import FOUNDRY, is_training_table, profile_named, read_training_table, training_runs
from sim.profiles.catalog import Catalog, read_profile
from sim.profiles.stacks.training import TrainingStackProfile
from sim.training.stack import training_stack
from sim.training.tensors import Tensors

CATALOG = Catalog()
BRIDGE_HEADER = (
    "release,phase,model,system,gpus,precision,gbs,mbs,sequence,fsdp,tp,pp,cp,vp,ep,ga,tokens_per_s_per_gpu,note"
)
FOUNDRY_HEADER = ",".join(FOUNDRY)


def bridge(path: Path, *rows: str) -> Path:
    path.write_text("\n".join([BRIDGE_HEADER, *rows]) + "\n", encoding="utf-8")
    return path


def foundry(path: Path, rates: dict[tuple[str, int], float]) -> Path:
    rows = [
        f"{size},2048,{gpus},h100_80gb,8,1,{8 * gpus},{rate},amp_bf16,FULL_SHARD,False"
        for (size, gpus), rate in rates.items()
    ]
    path.write_text("\n".join([FOUNDRY_HEADER, *rows]) + "\n", encoding="utf-8")
    return path


def test_a_row_with_a_second_figure_in_brackets_is_two_runs(tmp_path: Path) -> None:
    table = bridge(
        tmp_path / "t.csv",
        "25.09,pre-training,LLAMA3_70B,DGX-GB200,64,,128,2,8192,64 (0),1 (2),1 (4),1,1 (5),1,1 (16),3986,"
        "tokens_per_s_per_gpu printed as 3986 (3546)",
    )
    assert is_training_table(table)
    first, second = read_training_table(table, CATALOG)
    assert (first.tokens_per_s, second.tokens_per_s) == (3986.0, 3546.0)
    assert (first.recipe.precision, second.recipe.precision) == ("fp8", "mxfp8")
    assert (first.spread.shard, first.spread.data) == ("parameters", 64)
    assert (second.spread.tensor, second.spread.pipeline, second.spread.chunks, second.spread.data) == (2, 4, 5, 8)
    assert second.spread.shard == "optimizer"
    assert first.year == 2025.0 + 8.0 / 12.0


@pytest.mark.parametrize(
    ("spelled", "profile"),
    [
        ("LLAMA3_70B", "llama-3.1-70b"),
        ("LLAMA3.1_405B", "llama-3.1-405b"),
        ("GPT OSS 120B", "gpt-oss-120b"),
        ("Qwen3_30B_a3B", "qwen3-30b-a3b"),
        ("Kimi-K2", "kimi-k2"),
        ("Nemotron_3_Nano", "nemotron-3-nano-30b-a3b"),
    ],
)
def test_models_are_found_however_they_are_spelled(spelled: str, profile: str) -> None:
    assert profile_named(spelled, tuple(CATALOG.paths())) == profile


def test_rows_that_cannot_be_read_are_each_named(tmp_path: Path) -> None:
    good = "26.04,pre-training,LLAMA3_8B,DGX-H100,8,BF16,128,1,8192,8,1,1,1,1,,,14451,"
    table = bridge(
        tmp_path / "t.csv",
        good,
        good.replace("LLAMA3_8B", "NoSuchModel"),
        good.replace("DGX-H100,8,", "DGX-H100,8,").replace(",128,1,", ",127,1,"),
        good.replace("BF16", "NVFP4"),
    )
    runs, wrong = training_runs(table, CATALOG)
    assert len(runs) == 1
    assert [problem.line for problem in wrong] == [3, 4, 5]
    assert "NoSuchModel" in wrong[0].message
    assert "multiple" in wrong[1].message
    assert "fp4" in wrong[2].message
    with pytest.raises(InputError, match="NoSuchModel"):
        read_training_table(table, CATALOG)


GOOD = "26.04,pre-training,LLAMA3_8B,DGX-H100,8,BF16,128,1,8192,8,1,1,1,1,,,14451,"


@pytest.mark.parametrize(
    ("there", "instead", "column", "says"),
    [
        (",14451,", f",{figure},", "tokens_per_s_per_gpu", f"must be a number above zero, and is '{figure}'")
        for figure in ("", "nan", "inf", "0", "-5", "many")
    ]
    + [
        (",128,1,", ",128,0,", "mbs", "at least 1, and is '0'"),
        (",128,1,", ",-128,1,", "gbs", "at least 1, and is '-128'"),
        (",8192,", ",1e3,", "sequence", "at least 1, and is '1e3'"),
        ("H100,8,", "H100,,", "gpus", "at least 1, and is ''"),
        ("DGX-H100", "DGX-H10", "system", "did you mean 'DGX-H100'?"),
        ("BF16", "INT3", "precision", "unknown 'INT3'"),
        ("26.04", "26", "release", "a year and a month"),
    ],
)
def test_a_cell_that_is_no_number_or_name_is_told_by_its_column(
    tmp_path: Path, there: str, instead: str, column: str, says: str
) -> None:
    """What would be NaN in the fit, or another number than is written, is refused where it stands."""
    _, (wrong,) = training_runs(bridge(tmp_path / "t.csv", GOOD.replace(there, instead, 1)), CATALOG)
    assert (wrong.line, wrong.path) == (2, column)
    assert says in wrong.message


def test_columns_that_are_missing_are_named(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text(BRIDGE_HEADER.replace("pp,cp,vp", "cp") + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="without columns pp, vp"):
        read_training_table(table, CATALOG)


def made_up(tmp_path: Path, faster: float = 1.0) -> Path:
    """Runs as the shipped stack has them, all ``faster`` by one factor."""
    sizes = {(size, gpus): 1.0 for size in ("1b", "3b", "7b") for gpus in (8, 16, 32)}
    runs = read_training_table(foundry(tmp_path / "sizes.csv", sizes), CATALOG)
    shipped = training_stack(CATALOG.training_stack("fsdp-2024"))
    rates = tokens_per_s(runs, shipped) * faster
    return foundry(tmp_path / "runs.csv", dict(zip(sizes, rates.tolist(), strict=True)))


def test_a_fit_finds_the_constants_that_made_the_runs(tmp_path: Path) -> None:
    profile, found = calibrated_stack(made_up(tmp_path), "fsdp-2024", CATALOG, "mine")
    assert found.errors.mean() < 0.01
    assert found.held_out.mean() < 0.02
    assert profile["name"] == "mine"
    assert profile["compute_efficiency"]["source"] == "runs"
    assert profile["tensor_exposed"]["source"] == "judgement"


def test_held_out_models_are_not_in_the_fit(tmp_path: Path) -> None:
    """However wrong the runs of one model are, what is predicted for it stays the same."""
    runs = read_training_table(made_up(tmp_path), CATALOG)
    own = np.array([run.model == "3b" for run in runs])
    before = held_out_tokens_per_s(runs, FSDP_FORM)[own]
    wrong = [run.__class__(**{**run.__dict__, "tokens_per_s": 2.0 * run.tokens_per_s}) if mine else run
             for run, mine in zip(runs, own, strict=True)]  # fmt: skip
    after = held_out_tokens_per_s(wrong, FSDP_FORM)
    assert np.array_equal(after[own], before)
    assert not np.array_equal(after[~own], held_out_tokens_per_s(runs, FSDP_FORM)[~own])


def test_calibrate_writes_a_stack_that_can_be_read(tmp_path: Path) -> None:
    out = tmp_path / "mine.yaml"
    runs = str(made_up(tmp_path, 0.8))
    done = CliRunner().invoke(app, ["calibrate", runs, "--base", "fsdp-2024", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "held out" in done.stdout
    read = read_profile(out)
    assert isinstance(read, TrainingStackProfile)
    slower, shipped = training_stack(read), training_stack(CATALOG.training_stack("fsdp-2024"))
    assert slower.compute16 < shipped.compute16
    assert slower.year == shipped.year
    with pytest.raises(InputError, match="--base"):
        profile_from_table(Path(runs), None, CATALOG, "mine")


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "table", "form"),
    [
        ("megatron-2026", "megatron_bridge_training_throughput.csv", MEGATRON_FORM),
        ("fsdp-2024", "mpt_fsdp_training_throughput.csv", FSDP_FORM),
    ],
)
def test_shipped_constants_are_what_the_fit_gives(name: str, table: str, form: Form, shared_data: Path) -> None:
    runs = read_training_table(shared_data / "measured" / table, CATALOG)
    found = fit_stack(runs, form)
    shipped = read_document(CATALOG.path(name)).data
    assert isinstance(shipped, dict)
    for constant in form.fitted:
        value = shipped[FIELDS[constant]]["value"]
        expected = written(constant, getattr(found, constant))
        # The minimum is found to 1e-4 of a constant; libraries of linear algebra differ below.
        assert _number(value) == pytest.approx(_number(expected), rel=2e-3), constant
    for constant, held in form.held.items():
        own = getattr(training_stack(CATALOG.training_stack(name)), constant)
        assert own == (held if isinstance(held, Tensors) else pytest.approx(held, rel=1e-9)), constant


def _number(value: float | str) -> float:
    return float(str(value).split()[0])
