"""Campaigns: what halving costs in closed form, whom rules keep, and that budgets and gangs are exact."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.errors import InputError
from sim.results.files import read, write
from sim.results.results import Results
from sim.workload.selection import Hyperband, ladder
from tests.small import small
from tests.training_worlds import training_world

HOURS = {"kind": "gpu-hours", "gpu_hours": 9, "load": {"kind": "measured", "active": "350 W"}}
HALVING = {"kind": "successive-halving", "trials": 27, "eta": 3, "rungs": 3, "promoted": "continue", "noise": 0.5}


def campaign(**changes: Any) -> dict[str, Any]:
    """27 trials of 9 GPU-hours on a GPU each, by halving."""
    return {
        "kind": "campaign",
        "trials": [{"share": 1.0, "gpus": 1, "work": HOURS}],
        "size": {"kind": "constant"},
        "selection": HALVING,
        "at_once": 16,
        "cpu_load": 0.1,
        "setup": "0 s",
        **changes,
    }


def scenario(*, until: str | None = None, **changes: Any) -> dict[str, Any]:
    """Two nodes of eight GPUs, and the campaign alone on them."""
    data = small() | {"workloads": {"search": campaign(**changes)}}
    data.pop("duration")
    return data | ({"duration": until} if until else {})


def run(**changes: Any) -> Results:
    return sim.run(scenario(**changes))


def found(results: Results) -> dict[str, Any]:
    metrics: dict[str, Any] = results.summary["campaigns"]["search"]
    return metrics


# --- rules ------------------------------------------------------------------------------------------------------------


def halving_hours(trials: int, eta: int, rungs: int, *, anew: bool) -> float:
    """Whole trainings' worth of work: n_k = floor(n / eta^k) trials reach the share eta^(k + 1 - rungs).

    The sum over rungs of n_k (r_k - r_(k-1)), or of n_k r_k where each begins anew.
    """
    shares = [0.0, *(float(eta) ** (k + 1 - rungs) for k in range(rungs))]
    return math.fsum(trials // eta**k * (shares[k + 1] - (0.0 if anew else shares[k])) for k in range(rungs))


@pytest.mark.parametrize("promoted", ["continue", "anew"])
@pytest.mark.parametrize(("trials", "eta", "rungs"), [(27, 3, 3), (16, 2, 5), (50, 4, 3), (10, 3, 1)])
def test_halving_costs_what_its_sum_says(trials: int, eta: int, rungs: int, promoted: str) -> None:
    selection = {**HALVING, "trials": trials, "eta": eta, "rungs": rungs, "promoted": promoted}
    metrics = found(run(selection=selection))
    expected = 9.0 * halving_hours(trials, eta, rungs, anew=promoted == "anew")
    assert math.isclose(metrics["gpu_hours"], expected, rel_tol=1e-9)
    assert metrics["trials"] == trials
    assert metrics["kept"] == trials // eta ** (rungs - 1)
    assert metrics["killed"] == trials - metrics["kept"]


def test_all_brackets_of_hyperband_cost_about_the_same() -> None:
    """Its design (arXiv:1603.06560, section 3.2): each bracket takes about as much. The sum is exact."""
    rule = Hyperband(3, 4)
    assert [sizes[0] for sizes in rule.brackets] == [27, 12, 6, 4]  # the paper's table 1 without its longest rung
    selection = {"kind": "hyperband", "eta": 3, "rungs": 4, "promoted": "anew", "noise": 0.3}
    metrics = found(run(selection=selection))
    shares = ladder(3, 4)
    each = [sum(n * r for n, r in zip(sizes, shares[-len(sizes) :], strict=True)) for sizes in rule.brackets]
    assert metrics["trials"] == 49
    assert math.isclose(metrics["gpu_hours"], 9.0 * sum(each), rel_tol=1e-9)
    assert max(each) < 1.25 * min(each)


def test_more_noise_finds_worse() -> None:
    """Over seeds, the rank of what is found rises with the error of what is judged by."""
    ranks = []
    for noise in (0.0, 3.0):
        data = scenario(selection={**HALVING, "noise": noise})
        ranks.append([found(sim.run(data | {"seed": seed}))["best_rank"] for seed in range(8)])
    assert ranks[0] == [1] * 8
    assert np.mean(ranks[1]) > 2.0


# --- energy, gangs and budgets ----------------------------------------------------------------------------------------


FAILING = {"profile": "dgx-a100", "count": 2, "failures": {"mtbf": "4 h", "repair": "20 min"}}


def test_trials_add_up_to_the_meters() -> None:
    """Energy of all trials is the energy of the workload, and their held time the GPUs' of the ledger; with set-up,
    evaluations, failures, sizes and a budget that cuts it off."""
    data = scenario(
        trials=[
            {"share": 0.5, "gpus": 1, "work": HOURS},
            {"share": 0.5, "gpus": 4, "work": HOURS, "growth": [{"at": 0.3, "gpus": 8, "work": HOURS}]},
        ],
        size={"kind": "lognormal", "cv": 0.6},
        setup="2 min",
        checkpoint={"every": "20 min", "write": "1 min"},
        evaluation={"each": 0.05, "last": 0.2},
        budget={"gpu_hours": 40},
    )
    data["cluster"]["nodes"] = [FAILING]
    results = sim.run(data)
    metrics, trials = found(results), results.trials()
    energy = results.at("energy_kwh.by_workload.search")
    assert math.isclose(metrics["energy_kwh"], energy, rel_tol=1e-12)
    assert math.isclose(trials.energy_kwh.sum() + trials.evaluation_kwh.sum(), energy, rel_tol=1e-12)
    assert math.isclose(sum(metrics["by_outcome_kwh"].values()), energy, rel_tol=1e-12)
    gpus = results.energy.where(lambda key: key.owner == "search" and key.component == "gpu")
    assert math.isclose(int(gpus.slot_ns.sum()) / sim.units.HOUR_NS, metrics["gpu_hours"], rel_tol=1e-12)
    assert metrics["interruptions"] > 0
    assert metrics["status"] == "out-of-budget"
    assert {"kept", "killed", "cut"} >= set(trials.outcome)


@given(
    hours=st.floats(0.5, 70.0),
    at_once=st.integers(1, 20),
    kind=st.sampled_from(["all", "successive-halving", "asha", "median"]),
)
def test_a_budget_is_never_exceeded(hours: float, at_once: int, kind: str) -> None:
    """And where it ends the campaign, less than a nanosecond of every GPU held is left of it."""
    selection = {
        "all": {"kind": "all", "trials": 27},
        "successive-halving": HALVING,
        "asha": {**HALVING, "kind": "asha"},
        "median": {"kind": "median", "trials": 27, "noise": 0.5, "grace": 0.1, "every": 0.1, "least": 3},
    }[kind]
    metrics = found(run(selection=selection, at_once=at_once, budget={"gpu_hours": hours}, setup="90 s"))
    assert metrics["gpu_hours"] <= hours * (1.0 + 1e-15)
    if metrics["status"] == "out-of-budget":
        assert hours - metrics["gpu_hours"] < 20 / sim.units.HOUR_NS + 1e-9
        assert metrics["cut"] > 0
    else:
        assert metrics["cut"] == 0


def test_a_stopped_trial_gives_its_gang_back_in_that_instant() -> None:
    """On one node, a trial of eight GPUs after another: each begins when the one before is stopped or done."""
    work = {"kind": "gpu-hours", "gpu_hours": 8, "load": {"kind": "measured", "active": "300 W"}}
    data = scenario(
        trials=[{"share": 1.0, "gpus": 8, "work": work}],
        selection={"kind": "median", "trials": 30, "noise": 0.2, "grace": 0.25, "every": 0.25, "least": 2},
        at_once=5,
    )
    data["cluster"]["nodes"] = [{"profile": "dgx-a100", "count": 1}]
    results = sim.run(data)
    trials = results.trials().sort_values("started_s")
    assert found(results)["killed"] >= 5
    assert trials.started_s.to_numpy()[1:] == pytest.approx(trials.ended_s.to_numpy()[:-1], abs=0.0)
    held_s = trials.ended_s - trials.started_s
    assert held_s.to_numpy() == pytest.approx(trials.progress.to_numpy() * 3600.0, rel=1e-12)
    stopped = trials[trials.outcome == "killed"]
    assert (stopped.progress < 1.0).all()
    gpus = results.energy.where(lambda key: key.component == "gpu" and key.owner == "unallocated")
    assert not int(gpus.slot_ns.sum()), "no GPU is idle between them"


def test_one_trial_is_a_training_job() -> None:
    """To the joule: the same gang, work, set-up and checkpoints give the same energy and the same time."""
    own = {"setup": "5 min", "checkpoint": {"every": "10 min", "write": "1 min"}, "cpu_load": 0.1}
    alone = run(trials=[{"share": 1.0, "gpus": 4, "work": HOURS}], selection={"kind": "all", "trials": 1}, **own)
    data = small() | {"workloads": {"search": {"kind": "training", "gpus": 4, "work": HOURS, **own}}}
    data.pop("duration")
    job = sim.run(data)
    assert alone.at("energy_kwh.by_workload.search") == job.at("energy_kwh.by_workload.search")
    assert found(alone)["gpu_hours"] == job.at("jobs.search.gpu_hours")
    assert found(alone)["makespan_s"] == job.at("jobs.search.makespan_s")
    assert "best_rank" not in found(alone)


def test_a_model_that_grows_takes_the_shares_of_its_sizes() -> None:
    """A quarter of 8 GPU-hours on one GPU, half of 16 on two, a quarter of 40 on four, each after its set-up."""
    sizes = [(1, 8.0), (2, 16.0), (4, 40.0)]
    works = [{**HOURS, "gpu_hours": hours} for _, hours in sizes]
    grown = [{"at": 0.25, "gpus": 2, "work": works[1]}, {"at": 0.75, "gpus": 4, "work": works[2]}]
    trial = {"share": 1.0, "gpus": 1, "work": works[0], "growth": grown}
    metrics = found(run(trials=[trial], selection={"kind": "all", "trials": 1}, setup="6 min"))
    assert math.isclose(metrics["gpu_hours"], 2.0 + 8.0 + 10.0 + 0.1 * (1 + 2 + 4), rel_tol=1e-9)
    assert math.isclose(metrics["makespan_s"], 3600 * (2.0 + 4.0 + 2.5 + 0.3), rel_tol=1e-9)


def test_evaluations_are_forward_passes_on_the_gang_that_is_there() -> None:
    """A third of the cost of training on as many samples, and no set-up of their own."""
    selection = {"kind": "successive-halving", "trials": 9, "eta": 3, "rungs": 3, "promoted": "continue", "noise": 0.1}
    metrics = found(run(selection=selection, evaluation={"each": 0.03, "last": 0.3}, setup="0 s"))
    assert math.isclose(metrics["by_outcome_gpu_hours"]["evaluation"], 9.0 * (13 * 0.03 + 0.3) / 3.0, rel_tol=1e-9)
    assert metrics["by_outcome_kwh"]["evaluation"] > 0.0


def test_no_more_run_at_once_than_may() -> None:
    """27 trials of nine hours, five at a time: six times nine hours."""
    assert found(run(at_once=5, selection={"kind": "all", "trials": 27}))["makespan_s"] == 6 * 9 * 3600


def test_caps_and_limits_hold_trials_as_they_hold_jobs() -> None:
    """Under half of the TDP of an A100 trials draw less and take longer; a site's limit is kept."""
    free = run()
    data = scenario()
    when = {"kind": "daily", "since": "00:00", "until": "23:59"}
    data["policies"] = [{"kind": "power-cap", "target": "search", "cap": "200 W", "when": when}]
    capped = sim.run(data)
    assert found(capped)["makespan_s"] > 1.2 * found(free)["makespan_s"]
    assert found(capped)["by_outcome_kwh"]["kept"] < found(free)["by_outcome_kwh"]["kept"] * 1.05
    data["policies"] = [{"kind": "throttle", "limit": "6 kW"}]
    throttled = sim.run(data)
    ledger = throttled.energy
    mean_w = ledger.energy_j.sum(axis=0) / (np.diff(ledger.edges_ns) / 1e9)
    assert mean_w.max() <= 6000.0 + 1e-3
    assert throttled.at("throttling")
    assert math.isclose(found(throttled)["energy_kwh"], throttled.at("energy_kwh.by_workload.search"), rel_tol=1e-12)


def test_a_run_that_ends_first_leaves_its_trials_cut_off() -> None:
    """After 90 minutes 16 trials have trained for an hour and rest; eleven others have half an hour behind them."""
    results = run(until="90 min")
    metrics = found(results)
    assert (metrics["status"], metrics["trials"], metrics["cut"]) == ("unfinished", 27, 27)
    assert math.isclose(metrics["gpu_hours"], 16 + 11 / 2, rel_tol=1e-12)
    assert math.isclose(metrics["energy_kwh"], results.at("energy_kwh.by_workload.search"), rel_tol=1e-12)


def test_trials_are_written_and_read(tmp_path: Path) -> None:
    results = run()
    write(results, tmp_path / "run")
    again = read(tmp_path / "run")
    assert again.trials().equals(results.trials())
    priced = sim.account(again, set={"site.grid.intensity": "800 gCO2e/kWh"})
    assert priced.summary["campaigns"] == results.summary["campaigns"]
    with pytest.raises(KeyError, match="had no campaign"):
        sim.run(small() | {"duration": "10 min"}).trials()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"trials": [{"share": 0.5, "gpus": 1, "work": HOURS}]}, "shares of 'trials' must sum to 1, and sum to 0.5"),
        ({"selection": {**HALVING, "trials": 8}}, "of 8 trials none reaches the last of 3 rungs; give 9 or more"),
        ({"trials": [{"share": 1.0, "gpus": 17, "work": HOURS}]}, "asks for 17 GPUs; 'dgx-a100' has 16"),
        ({"selection": {"kind": "all", "trials": 3, "noise": 0.1}}, "noise"),
        ({"selection": {k: v for k, v in HALVING.items() if k != "noise"}}, "noise"),
        (
            {"trials": [{"share": 1.0, "gpus": 1, "work": HOURS, "growth": [{"at": 0.5, "gpus": 64, "work": HOURS}]}]},
            "asks for 64 GPUs",
        ),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as error:
        run(**changes)
    assert says in str(error.value)


def on_failing(failures: dict[str, Any] | None, **changes: Any) -> dict[str, Any]:
    data = scenario(**changes)
    if failures is not None:
        data["cluster"]["nodes"][0]["failures"] = failures
    return data


@pytest.mark.parametrize("every", ["young", "daly"])
def test_laws_of_checkpoints_need_failures_in_campaigns_too(every: str) -> None:
    """They were taken for no checkpoints at all."""
    laws = {"checkpoint": {"every": every, "write": "20 s"}}
    (problem,) = sim.check(on_failing(None, **laws))
    assert (problem.path, "needs an MTBF" in problem.message) == ("workloads.search.checkpoint.every", True)
    assert not sim.check(on_failing({"mtbf": "20 h", "repair": "1 h"}, **laws))


@pytest.mark.parametrize("part", [{"kind": "device", "shows": "silent"}, {"kind": "slowdown", "rate": 0.5}])
def test_failures_that_no_trial_would_notice_are_refused(part: dict[str, Any]) -> None:
    """They were accepted, and no number changed."""
    parts = {"bad": {**part, "per": "node", "mtbf": "20 h"}}
    (problem,) = sim.check(on_failing({"kind": "components", "repair": "1 h", "parts": parts}))
    assert (problem.path, "do not notice bad of" in problem.message) == ("workloads.search", True)


def test_failures_by_component_interrupt_trials() -> None:
    parts = {"gpu": {"kind": "device", "per": "gpu", "mtbf": "20 h", "shows": "crash"}}
    failing = on_failing({"kind": "components", "repair": "1 h", "parts": parts})
    assert found(sim.run(failing))["interruptions"] > 0


# --- trials that train models -----------------------------------------------------------------------------------------


def tuning(**work: Any) -> dict[str, Any]:
    """Llama 3.1 8B on a node of eight, in bf16."""
    small_batch = {"model": "llama-3.1-8b", "precision": "bf16", "global_batch": 16, "steps": 20}
    spread = {"parallel": {"tensor": 4, "shard": "optimizer"}, "recompute": "full"}
    written: dict[str, Any] = training_world(**{**small_batch, **spread, **work})["workloads"]["llama"]["work"]
    return written


def of_models(gpus: int = 8, **work: Any) -> dict[str, Any]:
    data = scenario(
        trials=[{"share": 1.0, "gpus": gpus, "work": tuning(**work)}],
        selection={"kind": "all", "trials": 2},
        evaluation={"each": 0.5, "last": 0},
        setup="1 min",
    )
    return data | {"cluster": training_world()["cluster"]}


def test_a_trial_may_train_a_model() -> None:
    """As a job by itself does: the same energy and time, evaluations apart."""
    data = of_models()
    data["workloads"]["search"]["selection"] = {"kind": "all", "trials": 1}
    del data["workloads"]["search"]["evaluation"]
    job = {"kind": "training", "gpus": 8, "cpu_load": 0.1, "setup": "1 min", "work": tuning()}
    alone = sim.run(data | {"workloads": {"search": job}})
    search = sim.run(data)
    assert search.at("energy_kwh.by_workload.search") == alone.at("energy_kwh.by_workload.search")
    assert found(search)["gpu_hours"] == alone.at("jobs.search.gpu_hours")
    assert "llama-3.1-8b" in search.manifest["profiles_sha256"]


def test_frozen_weights_make_evaluation_dearer_beside_training() -> None:
    """Relative to training on as many samples: with adapters the backward pass leaves out the gradients of weights, so
    that the forward pass is a larger part; where activations are computed again, a smaller one."""
    shares = {}
    for name, work in (
        ("full", {}),
        ("kept", {"recompute": "selective", "micro_batch": 1}),
        ("adapters", {"lora": {"rank": 16}}),
    ):
        trials = sim.run(of_models(**work)).trials()
        training = trials.gpu_hours - 8 / 60
        shares[name] = float((trials.evaluation_gpu_hours / (0.5 * training)).iloc[0])
    assert shares["full"] < shares["kept"] < 1.0
    assert shares["full"] < shares["adapters"] < 1.0


def test_a_model_that_does_not_fit_a_trial_is_refused_where_it_stands() -> None:
    data = of_models(model="llama-3.1-405b")
    kind = data["workloads"]["search"]["trials"][0]
    data["workloads"]["search"]["trials"] = [
        {**kind, "work": tuning(), "growth": [{"at": 0.5, "gpus": 8, "work": kind["work"]}]}
    ]
    problems = sim.check(data)
    assert [problem.path for problem in problems] == ["workloads.search.trials.0.growth.0.work.parallel"]
    assert "weights" in problems[0].message
