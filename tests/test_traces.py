"""Power within steps of a job that a scenario asks for: files, energy, ramps, smoothing that is paid for, refusals."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

import sim
from sim.errors import InputError
from sim.report.run import report
from sim.results.files import POWER_TRACE, read, write
from sim.results.results import Results
from sim.units import J_PER_KWH

FABRIC = {
    "kind": "rail",
    "bandwidth": "50 GB/s",
    "latency": "2 us",
    "switch_latency": "0.3 us",
    "energy_per_byte": "340 pJ/B",
    "nodes_per_leaf": 32,
    "oversubscription": 1,
}
SCENARIO: dict[str, Any] = {
    "name": "swings",
    "start": "2025-01-01T00:00:00Z",
    "site": {"name": "x", "grid": {"intensity": "100 gCO2e/kWh"}, "facility": {"kind": "fixed-pue", "pue": 1.1}},
    "cluster": {"nodes": [{"profile": "dgx-h100", "count": 4, "fabric": FABRIC}]},
    "workloads": {
        "train": {
            "kind": "training",
            "gpus": 32,
            "cpu_load": 0.1,
            "work": {
                "kind": "model",
                "model": "llama-3.1-8b",
                "stack": "megatron-2026",
                "precision": "bf16",
                "sequence": 8192,
                "global_batch": 128,
                "micro_batch": 1,
                "steps": 20,
                "parallel": {"tensor": 2, "pipeline": 4, "shard": "optimizer"},
                "optimizer": "adam",
                "recompute": "none",
            },
        }
    },
    "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "6 years"},
}


def run(**job: Any) -> Results:
    scenario = copy.deepcopy(SCENARIO)
    scenario["workloads"]["train"].update(job)
    return sim.run(scenario)


def gpu_j(results: Results) -> float:
    """Booked to GPUs, all of which the job holds from the beginning to the end."""
    return float(results.summary["energy_kwh"]["by_component"]["gpu"]) * J_PER_KWH


@pytest.fixture(scope="module")
def whole() -> Results:
    """Traced from its first to its last step."""
    step_s = run().summary["jobs"]["train"]["step"]["step_s"]
    return run(trace={"start": "0 s", "window": f"{20 * step_s!r} s", "resolution": f"{step_s / 400!r} s"})


def test_the_energy_of_the_trace_is_the_meters() -> None:
    """Of a thousand steps and more than 1e12 ns, to which the end of the last step is rounded."""
    work = {**SCENARIO["workloads"]["train"]["work"], "steps": 1000}
    once = run(work=work)
    all_s = f"{round(once.summary['simulated_s'] * 1e9)} ns"
    whole = run(work=work, trace={"start": "0 s", "window": all_s, "resolution": all_s})
    (mean_w,) = whole.power_trace()["gpus_w"]
    assert mean_w * whole.summary["simulated_s"] == pytest.approx(gpu_j(whole), rel=1e-12)
    (it_w,) = whole.power_trace()["it_w"]
    assert it_w * whole.summary["simulated_s"] == pytest.approx(
        whole.summary["energy_kwh"]["it"] * J_PER_KWH, rel=1e-12
    )


def test_energy_of_steps_by_phase_is_the_meters_to_rounding(whole: Results) -> None:
    by_phase = whole.summary["jobs"]["train"]["step"]["gpu_energy_kwh"]
    assert sum(by_phase.values()) * J_PER_KWH == pytest.approx(gpu_j(whole), rel=1e-12)


def test_a_synchronous_job_swings_with_its_steps(whole: Results) -> None:
    job = whole.summary["jobs"]["train"]
    ramps = job["ramps"]
    assert ramps["step_hz"] == pytest.approx(1.0 / job["step"]["step_s"], rel=1e-12)
    booked_w = gpu_j(whole) / whole.summary["simulated_s"]
    network_w = job["step"]["gpu_energy_kwh"]["network"] * J_PER_KWH / whole.summary["simulated_s"]  # no board's
    assert ramps["mean_w"] + network_w == pytest.approx(booked_w, rel=1e-9)
    assert ramps["swing_w"] == pytest.approx(ramps["peak_w"] - ramps["trough_w"])
    trace = whole.power_trace()
    assert trace["gpus_w"].max() <= (ramps["peak_w"] + network_w) * (1 + 1e-9)
    assert trace["gpus_w"].min() >= ramps["trough_w"] * (1 - 1e-9)
    assert (trace["it_w"] > trace["gpus_w"]).all()  # hosts come with it
    assert (trace["node_w"] > 8 * 100.0).all()


def test_a_floor_is_booked_and_costs_what_was_told(whole: Results) -> None:
    bare = whole.summary["jobs"]["train"]["ramps"]
    boards_j = bare["mean_w"] * whole.summary["simulated_s"]
    told = {floor["share"]: floor for floor in bare["floors"]}
    for share in (0.5, 1.0):
        smooth = run(smoothing={"kind": "floor", "share": share})
        ramps, step = (smooth.summary["jobs"]["train"][part] for part in ("ramps", "step"))
        burned_j = gpu_j(smooth) - gpu_j(whole)
        assert burned_j == pytest.approx(told[share]["burned_share"] * boards_j, rel=1e-6)
        assert ramps["swing_w"] == pytest.approx(told[share]["swing_w"], abs=1e-6)
        assert ramps["burned_share"] == pytest.approx(told[share]["burned_share"], rel=1e-9)
        assert step["gpu_energy_kwh"]["smoothing"] * J_PER_KWH == pytest.approx(burned_j, rel=1e-6)
        assert step["step_s"] == whole.summary["jobs"]["train"]["step"]["step_s"]


def test_a_ramp_limit_burns_more_the_lower_it_is() -> None:
    energies = [gpu_j(run(smoothing={"kind": "ramp-limit", "ramp": f"{ramp} W/s"})) for ramp in (100_000, 1_000, 10)]
    assert energies == sorted(energies)
    flat = run(smoothing={"kind": "floor", "share": 1.0})
    assert energies[-1] <= gpu_j(flat) * (1 + 1e-12)


def test_a_capped_job_swings_less_and_its_trace_stays_below_the_cap() -> None:
    night = {"kind": "daily", "since": "00:00", "until": "06:00"}  # the run begins at midnight
    scenario = copy.deepcopy(SCENARIO)
    scenario["policies"] = [{"kind": "power-cap", "target": "train", "cap": "400 W", "when": night}]
    scenario["workloads"]["train"]["trace"] = {"start": "1 s", "window": "6 s", "resolution": "10 ms"}
    trace = sim.run(scenario).power_trace()
    assert trace["gpu_w"].max() <= 401.0  # with what bytes between nodes take
    assert trace["gpu_w"].min() < 200.0


def test_a_trace_is_a_file_of_the_run_and_read_back_with_it(whole: Results, tmp_path: Path) -> None:
    write(whole, tmp_path / "run")
    again = read(tmp_path / "run")
    assert (tmp_path / "run" / POWER_TRACE).is_file()
    assert again.power_trace().equals(whole.power_trace())
    with pytest.raises(KeyError, match="trace"):
        run().power_trace()


def test_the_report_draws_it(whole: Results) -> None:
    drawn = 'id="within-steps-0"'
    assert drawn in report(whole)
    assert drawn in report(run(trace={"start": "1 s", "window": "1 s", "resolution": "10 ms"}))
    assert drawn not in report(run())


@pytest.mark.parametrize(
    ("job", "said"),
    [
        ({"trace": {"start": "0 s", "window": "1 h", "resolution": "0.1 ms"}}, "36,000,000 samples"),
        ({"trace": {"start": "0 s", "window": "1 ms", "resolution": "1 s"}}, "longer than the window"),
        ({"trace": {"start": "0 s", "resolution": "1 s"}}, "window: required"),
        ({"smoothing": {"kind": "floor", "share": "120 %"}}, "at most 1"),
        ({"smoothing": {"kind": "ramp-limit", "ramp": "0 W/s"}}, "above 0"),
        ({"smoothing": {"kind": "ramp-limit", "ramp": "500 W"}}, "W/s"),
    ],
)
def test_what_cannot_be_is_refused(job: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as refused:
        run(**job)
    assert said in str(refused.value)


def test_other_work_has_no_steps_to_trace() -> None:
    load = {"kind": "measured", "active": "500 W"}
    with pytest.raises(InputError, match="needs work of kind model"):
        run(
            work={"kind": "gpu-hours", "gpu_hours": 8, "load": load},
            trace={"start": "0 s", "window": "1 s", "resolution": "1 ms"},
        )
