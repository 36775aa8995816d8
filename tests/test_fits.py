"""Fits find the truth in made-up measurements, stay within physics, and never see what they are judged by."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.measure.accuracy import autocorrelation, errors
from sim.measure.fit.cap import CappedJobs, fit_jobs
from sim.measure.fit.cap import predict as predict_jobs
from sim.measure.fit.clock import ClockRows, curve_of, fit_curve, predict
from sim.measure.fit.fleet import pool
from sim.measure.fit.gpu import Phase, fit_power, phases, watts
from sim.measure.fit.least_squares import Bound, fit, held_out
from sim.measure.fit.load import LoadCurves, fit_shape
from sim.measure.fit.load import predict as predict_load
from sim.measure.recording import Device, Recording, energy_j
from sim.profiles.power_laws.clock import ClockCurve
from sim.units import NS_PER_S


def test_a_line_is_found_with_its_uncertainty() -> None:
    rng = np.random.default_rng(0)
    x = np.linspace(1, 10, 400)
    y = (2.0 + 3.0 * x) * np.exp(rng.normal(0, 0.01, len(x)))

    found = fit(lambda v: np.log((v["a"] + v["b"] * x) / y), {"a": Bound(1.0, 0.0, 10.0), "b": Bound(1.0, 0.0, 10.0)})
    for name, truth in (("a", 2.0), ("b", 3.0)):
        assert found.values[name] == pytest.approx(truth, abs=4 * found.spread[name])
        assert found.spread[name] < 0.05


def test_what_the_data_do_not_tell_stays_uncertain() -> None:
    x = np.linspace(1, 10, 50)
    found = fit(lambda v: np.log((v["a"] * x) / (2.0 * x)), {"a": Bound(1.0, 0.0, 5.0), "b": Bound(0.5, 0.0, 1.0)})
    assert found.values["a"] == pytest.approx(2.0, rel=1e-6)
    assert found.spread["b"] == pytest.approx(1.0)  # the whole width of its bounds


def test_groups_are_held_out_whole() -> None:
    groups = ["a", "b", "a", "c"]
    seen = []
    for known, judged in held_out(groups):
        assert not (known & judged).any()
        assert (known | judged).all()
        names = {groups[i] for i in np.flatnonzero(judged)}
        assert len(names) == 1
        assert names.isdisjoint({groups[i] for i in np.flatnonzero(known)})
        seen += list(names)
    assert sorted(seen) == ["a", "b", "c"]


@given(st.floats(0.62, 0.85), st.floats(0.8, 1.8))
def test_a_clock_curve_is_found_again(floor: float, slope: float) -> None:
    truth = ClockCurve(floor, slope, 0.1)
    clock, cap = (x.ravel() for x in np.meshgrid(np.linspace(0.4, 1.0, 10), [150.0, 200.0, 250.0, 400.0]))
    count = len(clock)
    rows = ClockRows(
        clock, cap, np.zeros(count), np.zeros(count), np.full(count, 300.0), np.full(count, 10.0),
        np.repeat([1.0, 0.0], count // 2),
    )  # fmt: skip
    w, s = predict(rows, truth, 60.0)
    rows = replace(rows, watts=w, seconds=s)
    found = fit_curve(rows, loaded_w=60.0)
    again_w, again_s = predict(rows, curve_of(found.values), 60.0)
    assert errors(again_w, w).mape < 0.01
    assert errors(again_s, s).mape < 0.01


def test_capped_jobs_are_predicted_beyond_those_fitted() -> None:
    truth = {"floor": 0.7, "slope": 1.4, "contrast": 0.4}
    full, cap = (x.ravel() for x in np.meshgrid(np.linspace(160, 300, 12), [100.0, 125.0, 150.0]))
    one = np.ones(len(full))
    made = CappedJobs(cap, one, one, full, one * 100.0, one * 300.0, one * 45.0, one * 30.0, one * 0.15, one * 0.9)
    w, s = predict_jobs(made, truth)
    made = replace(made, watts=w, seconds=s)
    known = full < 230
    constants = fit_jobs(made.where(known)).values
    found_w, found_s = predict_jobs(made.where(~known), constants)
    assert errors(found_w, w[~known]).mape < 0.02
    assert errors(found_s, s[~known]).mape < 0.03


def test_a_load_curve_is_found_again_and_passes_through_its_known_points() -> None:
    loads = np.arange(0, 11) / 10.0
    idle, full = np.array([[50.0], [90.0], [30.0]]), np.array([[300.0], [450.0], [280.0]])
    curves = LoadCurves(loads, idle + (full - idle) * (0.6 * loads**0.5 + 0.4 * loads**3))
    found = fit_shape(curves, (0.0, 0.7))
    assert found.values["exponent"] == pytest.approx(0.5, abs=0.01)
    assert found.values["cubic_share"] == pytest.approx(0.4, abs=0.01)
    told = predict_load(curves, (0.0, 0.7), found.values)
    assert told[:, [0, 7]] == pytest.approx(curves.watts[:, [0, 7]])


# A GPU's power, from phases of a recording

TRUE = {"idle": 70.0, "loaded": 120.0, "flop/bf16": 0.5e-12, "flop/fp8": 0.3e-12, "byte": 120e-12}


def suite_recording(*, seed: int = 0, noise: float = 0.0, lie: float = 1.0) -> Recording:
    """A board that draws what ``TRUE`` says, its held-out phases times ``lie``, sampled ten times a second."""
    rng = np.random.default_rng(seed)
    work: list[dict[str, Any]] = [
        {"phase": f"{precision}-{i}", "flop": flop, "byte": byte, "seconds": 5.0, "precision": precision,
         "held_out": i == 2}
        for precision, rate in (("bf16", 600e12), ("fp8", 1000e12))
        for i, (flop, byte) in enumerate(((rate * 4, 1e12), (rate, 8e12), (rate * 2, 6e12)))
    ]  # fmt: skip
    steps = [("idle", TRUE["idle"]), ("loaded", TRUE["loaded"])]
    for item in work:
        p = Phase("gpu0", str(item["phase"]), "active", 0, 0, float(item["flop"]) / 5.0, float(item["byte"]) / 5.0,
                  str(item["precision"]), False, bool(item["held_out"]))  # fmt: skip
        steps.append((p.name, watts(p, TRUE) * (lie if p.held_out else 1.0)))
    columns: dict[str, list[float]] = {"time_ns": [], "power_w": [], "energy_j": [], "power_limit_w": []}
    names, energy, now = [], 0.0, 0
    for name, level in steps:
        for _ in range(60):
            w = level * float(np.exp(rng.normal(0, noise)))
            columns["time_ns"].append(now)
            columns["power_w"].append(w)
            columns["energy_j"].append(energy)
            columns["power_limit_w"].append(700.0)
            names.append(name)
            now += NS_PER_S // 10
            energy += w * 0.1
    table: dict[str, list[Any]] = {**columns, "device": ["gpu0"] * len(names), "phase": names}
    return Recording.of(table, [Device("gpu0", "gpu", "NVIDIA H100 80GB HBM3")], origin={"work": work})


def test_a_board_s_constants_are_found_again() -> None:
    found = fit_power(phases(suite_recording(noise=0.01)))
    for name, truth in TRUE.items():
        assert found.values[name] == pytest.approx(truth, rel=0.03), name


def test_a_calibration_never_sees_its_validation_phases() -> None:
    honest, lying = (fit_power(phases(suite_recording(lie=lie))) for lie in (1.0, 3.0))
    assert honest.values == lying.values
    judged = [p for p in phases(suite_recording(lie=3.0)) if p.held_out]
    assert judged
    assert all(watts(p, lying.values) == pytest.approx(p.watts / 3.0, rel=0.01) for p in judged)


def test_phases_at_the_limit_are_not_fitted() -> None:
    recording = suite_recording()
    samples = recording.samples.copy()
    samples.loc[samples["phase"] == "bf16-0", "power_limit_w"] = samples.loc[
        samples["phase"] == "bf16-0", "power_w"
    ].mean()
    capped = [p for p in phases(replace(recording, samples=samples)) if p.capped]
    assert [p.name for p in capped] == ["bf16-0"]


@pytest.mark.parametrize("missing", ["idle", "loaded", "active"])
def test_a_missing_state_is_an_error_and_no_guess(missing: str) -> None:
    found = [p for p in phases(suite_recording()) if p.state != missing]
    with pytest.raises(ValueError, match=missing):
        fit_power(found)


def test_energy_comes_from_the_counter_and_else_from_power() -> None:
    frame = pd.DataFrame(
        {"time_ns": np.arange(11) * NS_PER_S, "power_w": np.full(11, 100.0), "energy_j": np.arange(11) * 90.0}
    )
    assert energy_j(frame) == 900.0
    assert energy_j(frame.assign(energy_j=np.nan)) == pytest.approx(1000.0)
    with pytest.raises(ValueError, match="fewer than two"):
        energy_j(frame.assign(energy_j=np.nan, power_w=np.nan))


def test_pooling_shrinks_noise_and_keeps_real_differences() -> None:
    rng = np.random.default_rng(1)
    truth = {f"gpu{i}": float(np.exp(rng.normal(0, 0.05))) for i in range(40)}
    fleet = pool({unit: list(truth[unit] * np.exp(rng.normal(0, 0.03, 6))) for unit in truth})
    assert fleet.spread == pytest.approx(0.05, rel=0.4)
    assert fleet.noise == pytest.approx(0.03, rel=0.2)
    same = pool({unit: list(np.exp(rng.normal(0, 0.03, 6))) for unit in truth})
    assert same.spread < 0.01
    assert max(abs(np.log(v)) for v in same.units.values()) < 0.02  # drawn to the fleet where units do not differ


def test_errors_say_what_they_measure() -> None:
    measured = np.array([100.0, 200.0, 300.0, 400.0] * 4)
    same = errors(measured, measured, series=True)
    assert (same.bias, same.mape, same.rmse, same.peak, same.energy, same.autocorrelation) == (0, 0, 0, 0, 0, 0)
    high = errors(measured * 1.1, measured)
    assert high.bias == pytest.approx(0.1)
    assert high.mape == pytest.approx(0.1)
    assert high.energy == pytest.approx(0.1)
    assert high.peak == pytest.approx(0.1)
    shuffled = errors(np.sort(measured), measured, series=True)
    assert shuffled.energy == 0.0
    assert shuffled.autocorrelation is not None
    assert shuffled.autocorrelation > 0.3  # right in sum, wrong in time
    with pytest.raises(ValueError, match="above zero"):
        errors(measured, measured * 0.0)


def test_autocorrelation_of_a_period() -> None:
    wave = np.sin(2 * np.pi * np.arange(400) / 20)
    assert autocorrelation(wave, 20)[19] == pytest.approx(1.0, abs=0.06)
    assert autocorrelation(wave, 20)[9] == pytest.approx(-1.0, abs=0.06)
