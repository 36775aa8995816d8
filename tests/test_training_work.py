"""Work of the kind ``model``: refused where it cannot be, run where it can, its energy the meters'."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

import sim
from sim.accounting.ledger import Ledger
from sim.profiles.catalog import Catalog
from sim.report.compare import report as comparison
from sim.report.run import report
from sim.results.catalogue import columns_of
from sim.results.catalogue.jobs import STEPS
from sim.results.compare import Comparison
from sim.results.jobs import job_grids
from sim.results.results import Results
from sim.results.tables import comparison_tables, run_tables
from tests.training_worlds import failing_world, training_world


def problems(world: dict[str, Any], overrides: dict[str, Any] | None = None) -> list[tuple[str, str]]:
    """Paths below the work and messages of all that is refused."""
    found = sim.check(world, set=overrides or {})
    return [(problem.path.removeprefix("workloads.llama.work."), problem.message) for problem in found]


REFUSED = [
    ({"parallel.data": 4}, "parallel.data", "128 GPUs, and the gang has 64: 'data' would be 2"),
    ({"parallel.tensor": 3}, "parallel.tensor", "3 does not divide 64 heads"),
    ({"parallel.chunks": 6}, "parallel.pipeline", "8 stages x 6 chunks do not divide 80 layers"),
    ({"parallel.expert": 8}, "parallel.expert", "the model has none"),
    ({"parallel.shard": "parameters"}, "parallel.shard", "which is 'gradients'"),
    ({"parallel.shard_gpus": 4}, "parallel.shard_gpus", "does not divide data x context"),
    ({"global_batch": 129}, "global_batch", "128 or 130 would be"),
    ({"gradient_accumulation": 32}, "gradient_accumulation", "is 64, and the global batch 128"),
    ({"sequence": 8190}, "parallel.sequence", "a rank's 8,190 tokens"),
    ({"offload": "parameters"}, "offload", "'shard: parameters'"),
    ({"precision": "nvfp4"}, "precision", "no peak rate and energy per FLOP for nvfp4"),
    ({"precision": "mxfp8"}, "precision", "(fp32, tf32, bf16, fp8)"),
    ({"precision": "int8"}, "precision", "mxfp8"),
    ({"model": "llama-3-70b"}, "model", "did you mean"),
    ({"stack": "megatron"}, "stack", "megatron-2026"),
    ({"as_of": 2030}, "as_of", "'megatron-2026' is of 2026.42: it tells of older releases"),
    ({"as_of": "last year"}, "as_of", "number"),
    ({"stack": "fsdp-2024", "as_of": 2023}, "as_of", "nothing in it tells of other years"),
    ({"steps": None}, "", "needs either 'steps' or 'tokens'"),
    ({"tokens": 1e9}, "", "needs either 'steps' or 'tokens'"),
    ({"recompute": None}, "recompute", "required"),
    ({"optimizer": None}, "optimizer", "required"),
    ({"optimizer": "adamw"}, "optimizer", "adam"),
    ({"lora": {"rank": 10000}}, "lora.rank", "no low rank"),
    ({"evaluation": {"every": 1000, "tokens": 1000}}, "evaluation.every", "never comes: the job has 100 steps"),
    (
        {"parallel.pipeline": 1, "parallel.chunks": 1},
        "parallel",
        "'nvidia-h100-sxm-80gb' has 85.5 GB, of which 80.4 GB can be filled; 'shard: parameters' would fit",
    ),
]


@pytest.mark.parametrize(("changes", "path", "says"), REFUSED, ids=[str(row[0]) for row in REFUSED])
def test_what_cannot_be_is_refused(changes: dict[str, Any], path: str, says: str) -> None:
    """By the field that is wrong, and what would be right."""
    overrides = {f"workloads.llama.work.{name}": value for name, value in changes.items()}
    found = problems(training_world(), overrides)
    assert any(at in (path, "workloads.llama.work") and says in message for at, message in found), found


def test_problems_of_a_written_architecture_have_their_place_and_the_names_allowed() -> None:
    """The field 'model' is named as its kind, whose tag stands before it in what pydantic says."""
    written = {"kind": "transformer", "moe": {"experts": 8, "ffn": 4, "experts_per_tokn": 2}}
    world = training_world()
    world["workloads"]["llama"]["work"]["model"] = {"architecture": written}
    found = dict(problems(world))
    at = "model.architecture"
    assert "did you mean 'experts_per_token'?" in found[f"{at}.moe.experts_per_tokn"]
    assert found[f"{at}.layers"].startswith("required")


def test_what_no_number_of_replicas_makes_fit_is_not_said_to() -> None:
    """Activations are not shared out among replicas; weights are."""
    world = training_world(precision="bf16", parallel={"shard": "parameters"}, recompute="full", sequence=2**20)
    ((_, message),) = problems(world)
    assert message.endswith("activations alone do not: compute them again, or raise 'tensor' or 'context'")
    ((_, message),) = problems(training_world(model="deepseek-v3", parallel={"shard": "parameters"}, recompute="full"))
    assert "share it among more GPUs" in message


def test_the_arithmetic_of_what_does_not_fit_is_told() -> None:
    """Weights, gradients, optimizer and activations, as ``memory`` reckons them; and a fabric where a gang leaves a
    node."""
    world = training_world(precision="bf16", parallel={})
    world["cluster"]["nodes"][0] = {"profile": "dgx-h100", "count": 1}
    world["workloads"]["llama"] |= {"gpus": 8}
    ((at, message),) = problems(world)
    assert at == "parallel"
    assert message.startswith("needs weights 141.1 + gradients 282.2 + optimizer 846.6 + activations ")
    world = training_world()
    del world["cluster"]["nodes"][0]["fabric"]
    ((at, message),) = problems(world)
    assert (at, "give pool 'dgx-h100' a 'fabric'" in message) == ("parallel", True)


def test_the_host_must_hold_what_is_offloaded() -> None:
    """405 B: master weights and moments of 12 bytes are 4.9 TB, and a node has 2."""
    world = training_world(
        model="llama-3.1-405b",
        precision="bf16",
        recompute="full",
        offload="optimizer",
        parallel={"tensor": 8, "sequence": True, "shard": "parameters"},
    )
    world["workloads"]["llama"]["gpus"] = 16
    world["workloads"]["llama"]["work"]["parallel"]["shard"] = "parameters"
    found = problems(world)
    assert any(at == "offload" and "'dgx-h100' has 2," in message for at, message in found), found


def gpu_j(ledger: Ledger) -> float:
    """J of the job's GPUs as metered."""
    return ledger.where(lambda key: key.owner == "llama" and key.component == "gpu").total_j()


def step_of(results: Results) -> dict[str, Any]:
    """What the summary says of the job's steps."""
    found: dict[str, Any] = results.summary["jobs"]["llama"]["step"]
    return found


def test_a_run_by_its_model() -> None:
    """Time, tokens and energy agree with one another and with the meters."""
    results = sim.run(training_world(evaluation={"every": 25, "tokens": 10**6}))
    job, step = results.summary["jobs"]["llama"], step_of(results)
    assert step["steps"] == 100.0
    assert step["tokens"] == 100 * 128 * 8192
    assert sum(step["step_split_s"].values()) == pytest.approx(step["step_s"], rel=1e-12)
    assert job["makespan_s"] == pytest.approx(100 * (step["step_s"] + step["evaluation_s"]), rel=1e-9)
    assert sum(step["exposed_s"].values()) == pytest.approx(step["step_split_s"]["communication"], rel=1e-9)
    assert sum(step["gpu_energy_kwh"].values()) * 3.6e6 == pytest.approx(gpu_j(results.energy), rel=1e-12)
    assert step["hfu"] == step["mfu"]
    assert {"megatron-2026", "llama-3.1-70b"} <= results.manifest["profiles_sha256"].keys()
    assert step["throughput_tok_per_s"] == pytest.approx(step["tokens"] / (100 * step["step_s"]))
    assert 0.0 < step["mfu"] < 1.0


def test_energy_by_phase_is_the_meters_under_caps_too() -> None:
    """A cap that comes and goes, checkpoints and a set-up; phases that compute are slowed, and all adds up."""
    world = training_world()
    world["workloads"]["llama"] |= {"checkpoint": {"every": "2 min", "write": "20 s"}, "setup": "1 min"}
    when = {"kind": "daily", "since": "00:05", "until": "00:09"}
    free = sim.run(world)
    capped = sim.run({**world, "policies": [{"kind": "power-cap", "target": "llama", "cap": "400 W", "when": when}]})
    assert capped.summary["jobs"]["llama"]["slowed_by_caps_s"] > 0.0
    for results in (free, capped):
        kwh = step_of(results)["gpu_energy_kwh"]
        assert sum(kwh.values()) * 3.6e6 == pytest.approx(gpu_j(results.energy), rel=1e-12)
        assert kwh["loaded"] > 0.0
    assert step_of(capped)["gpu_energy_kwh"]["compute"] < step_of(free)["gpu_energy_kwh"]["compute"]
    assert step_of(capped)["step_s"] == step_of(free)["step_s"]  # of a step without caps


def test_energy_by_phase_is_the_meters_whatever_happens() -> None:
    """Failures of every kind, slow parts, spares, planned stops, data stalls, evaluations and smoothing together."""
    results = sim.run(failing_world(steps=4000))
    job, kwh = results.summary["jobs"]["llama"], step_of(results)["gpu_energy_kwh"]
    assert sum(kwh.values()) * 3.6e6 == pytest.approx(gpu_j(results.energy), rel=1e-12)
    assert job["interruptions"] > 0
    assert {"compute", "stall", "evaluation", "smoothing", "network", "idle", "loaded"} <= kwh.keys()


def test_tokens_are_whole_steps() -> None:
    """As many as train on no fewer."""
    world = training_world(tokens=3.5 * 128 * 8192)
    del world["workloads"]["llama"]["work"]["steps"]
    assert step_of(sim.run(world))["steps"] == 4.0


def test_recomputing_raises_hfu_and_not_mfu_by_more_than_time() -> None:
    """FLOP of the model are the same; a step takes longer, and a GPU needs less memory."""
    none = step_of(sim.run(training_world()))
    full = step_of(sim.run(training_world(recompute="full")))
    assert full["step_s"] > none["step_s"]
    assert full["mfu"] * full["step_s"] == pytest.approx(none["mfu"] * none["step_s"], rel=1e-12)
    assert 1.2 < full["hfu"] / full["mfu"] < 4 / 3
    assert full["memory_gb"]["activations"] < none["memory_gb"]["activations"]
    assert full["memory_gb"]["weights"] == none["memory_gb"]["weights"]


def test_loaders_that_are_too_slow_hold_steps_up() -> None:
    """To the time that their tokens take; ones that are fast enough do not show."""
    free = step_of(sim.run(training_world()))
    fast = step_of(sim.run(training_world(loading={"tokens_per_second": 2 * free["throughput_tok_per_s"]})))
    slow = step_of(sim.run(training_world(loading={"tokens_per_second": free["throughput_tok_per_s"] / 2})))
    assert fast["step_split_s"] == free["step_split_s"]
    assert slow["step_s"] == pytest.approx(2 * free["step_s"])
    assert slow["step_split_s"]["stall"] == pytest.approx(free["step_s"])
    assert slow["mfu"] == pytest.approx(free["mfu"] / 2)


def test_gpus_that_wait_draw_less_than_those_that_compute() -> None:
    """Time shares and energy shares differ that way round."""
    step = step_of(sim.run(training_world(loading={"tokens_per_second": 50_000})))
    kwh, seconds = step["gpu_energy_kwh"], step["step_split_s"]
    assert kwh["stall"] / seconds["stall"] < 0.5 * kwh["compute"] / seconds["compute"]


def test_adapters_take_less_time_and_memory() -> None:
    """Two thirds of the products, no optimizer to speak of."""
    whole = step_of(sim.run(training_world()))
    lora = step_of(sim.run(training_world(lora={"rank": 16})))
    assert lora["step_s"] < 0.9 * whole["step_s"]
    assert lora["memory_gb"]["optimizer"] < 0.05 * whole["memory_gb"]["optimizer"]
    assert lora["memory_gb"]["gradients"] < 0.05 * whole["memory_gb"]["gradients"]


def test_one_gpu_communicates_with_nobody() -> None:
    """No exposed communication, no bubble."""
    world = training_world(model="llama-3.2-1b", global_batch=4, parallel={})
    world["workloads"]["llama"]["gpus"] = 1
    step = step_of(sim.run(world))
    assert "exposed_s" not in step or not step["exposed_s"]
    assert not {"communication", "bubble"} & step["step_split_s"].keys()


def test_an_architecture_may_be_written_out() -> None:
    """The same as by its profile."""
    known = Catalog().model("llama-3.1-70b").architecture.model_dump(mode="json", exclude_defaults=True)
    inline = step_of(sim.run(training_world(model={"architecture": {**known, "kind": "transformer"}})))
    assert inline == step_of(sim.run(training_world()))


def test_a_job_that_chooses_its_pool_takes_the_steps_of_its_boards() -> None:
    """B200 on the cleaner grid: the same step is faster there, and the schedule knows for how long it holds them."""
    world = training_world()
    site = world.pop("site")
    grids = {"near": "400 gCO2e/kWh", "clean": "100 gCO2e/kWh"}
    world |= {"duration": "1 d", "sites": {name: {**site, "grid": {"intensity": g}} for name, g in grids.items()}}
    home = {**world["cluster"]["nodes"][0], "name": "home", "site": "near"}
    world["cluster"]["nodes"] = [home, {**home, "profile": "dgx-b200", "name": "away", "site": "clean"}]
    transfer = {"data": "1 GB", "bandwidth": "1 GB/s", "energy": "0.06 kWh/GB", "cost": "0.05 USD/GB"}
    forecast = {"kind": "perfect"}
    stays = {**world["workloads"]["llama"], "pool": "home"}
    choice = {"kind": "lowest", "signal": "carbon", "pools": ["home", "away"], "home": "home"}
    moves = {**world["workloads"]["llama"], "place": {**choice, "transfer": transfer, "forecast": forecast}}
    moves["schedule"] = {"kind": "flexible-start", "signal": "carbon", "within": "6 h", "forecast": forecast}
    here, there = (sim.run({**world, "workloads": {"llama": job}}) for job in (stays, moves))
    assert there.summary["placements"]["llama"]["pool"] == "away"
    assert step_of(there)["step_s"] < 0.7 * step_of(here)["step_s"]
    assert there.summary["jobs"]["llama"]["schedule"]["deadline_met"]


def test_tokens_may_be_what_the_sci_is_per() -> None:
    """Carbon of a run by the tokens that it trained on; of GPU-hours no tokens are known."""
    world = training_world()
    world["accounting"]["functional_unit"] = {"of": "llama", "per": "trained-token", "count": 10**6}
    summary = sim.run(world).summary
    assert summary["kpi"]["sci_unit"] == "1e+06 trained-tokens of llama"
    grams = summary["carbon_kg"]["total"] * 1000
    assert summary["kpi"]["sci_g_per_unit"] == pytest.approx(grams / (100 * 128 * 8192 / 10**6))
    hours = {"kind": "gpu-hours", "gpu_hours": 8, "load": {"kind": "nameplate"}}
    ((at, message),) = problems(world, {"workloads.llama.work": hours})
    assert (at, "tokens are not known" in message) == ("accounting.functional_unit.per", True)


def test_steps_are_compared_drawn_and_uncertain() -> None:
    """Two runs by their steps; pages that show them; an interval where the layout's batch is uncertain."""
    one, other = sim.run(training_world()), sim.run(training_world(recompute="full"))
    (rows,) = Comparison.of(one, [other]).differences
    found = {row.path: row for row in rows}
    assert found["jobs.llama.step.step_s"].first == step_of(one)["step_s"]
    assert found["jobs.llama.step.mfu"].other == step_of(other)["mfu"]
    assert "A step of training" in report(one)
    assert "pipeline bubble" in report(one)
    page = comparison([one, other], folders=["one", "other"])
    for at, run in enumerate((one, other), 1):
        assert f'<data value="{step_of(run)["mfu"]!r}" data-path="jobs.llama.step.mfu" data-run="{at}"' in page
    slow = {"kind": "uniform", "low": 50_000, "high": 90_000}
    world = training_world(loading={"tokens_per_second": 60_000})
    over = {"workloads.llama.work.loading.tokens_per_second": slow}
    drawn = sim.run({**world, "uncertainty": {"draws": 8, "seeds": 1, "over": over}})
    bounds = drawn.summary["intervals"]["jobs.llama.step.mfu"]
    assert bounds["p05"] < bounds["p95"]


def test_a_gang_without_multiprocessors_is_refused() -> None:
    """Times of kernels follow from them."""
    world = training_world(parallel={}, precision="bf16", model="llama-3.2-1b", global_batch=8)
    world["cluster"]["nodes"] = [{"profile": "tpu-v5e-host", "count": 1}]
    world["workloads"]["llama"]["gpus"] = 1
    assert any(at == "stack" and "no 'chip'" in message for at, message in problems(world))


def test_a_long_run_is_accounted_in_longer_bins() -> None:
    """A job of years by its steps makes no ledger that memory cannot hold."""
    results = sim.run(training_world(steps=10**7))
    assert results.summary["simulated_s"] > 3 * 365 * 86400
    assert len(results.energy.edges_ns) < 200_000


def test_all_tables_of_a_job_fit_a_terminal() -> None:
    """80 columns, with a long name; what is too wide is turned, and nothing is cut off."""
    results = sim.run(failing_world(steps=2000))
    summary = {**results.summary, "jobs": {"pretrain-70b": results.summary["jobs"]["llama"]}}
    out = StringIO()
    Console(file=out, width=80).print(run_tables("a run", summary))
    shown = out.getvalue()
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= 80
    assert "…" not in shown
    assert all(head in shown for grid in job_grids(summary) for head in grid[0])
    assert all(cell in shown for grid in job_grids(summary) for row in grid[1] for cell in row)


def test_an_older_release_takes_longer_for_the_same_work() -> None:
    """In the step and in the hours of the job; the stack's own year changes nothing."""
    now, same, older = (sim.run(training_world(**year)) for year in ({}, {"as_of": 2026.42}, {"as_of": 2023}))
    assert step_of(same)["step_s"] == pytest.approx(step_of(now)["step_s"], rel=1e-12)
    assert step_of(older)["step_s"] > 1.1 * step_of(now)["step_s"]
    assert older.at("jobs.llama.gpu_hours") > 1.1 * now.at("jobs.llama.gpu_hours")
    assert step_of(older)["mfu"] < step_of(now)["mfu"]


def test_a_step_is_shown_with_all_its_phases() -> None:
    """What a step takes is the sum of the columns beside it, so that no part of it is out of sight."""
    job = sim.run(training_world(loading={"tokens_per_second": 60_000})).summary["jobs"]["llama"]
    shown = {one.path.rpartition(".")[2] for _, one in columns_of(STEPS)}
    assert set(job["step"]["step_split_s"]) <= shown
    assert sum(job["step"]["step_split_s"].values()) == pytest.approx(job["step"]["step_s"], rel=1e-12)


def test_a_comparison_of_trainings_is_whole_in_a_terminal() -> None:
    """Large numbers break at their units before labels are cut off."""
    one, other = sim.run(training_world()), sim.run(training_world(recompute="full"))
    compared = Comparison.of(one, [other])
    (rows,) = compared.differences
    large = tuple(replace(row, first=50 * (row.first or 0.0), other=5 * (row.other or 0.0)) for row in rows)
    out = StringIO()
    Console(file=out, width=80).print(comparison_tables(replace(compared, differences=(large,)), ["a", "b"], [[]]))
    shown = out.getvalue()
    assert "…" not in shown
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= 80
    assert all(word in shown for row in large for word in row.cells[0].split())
