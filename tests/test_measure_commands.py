"""The commands that calibrate and validate: round trips, exit statuses, and what they refuse."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import sim
from sim.cli.command import app
from sim.errors import InputError, RunError
from sim.measure.fit.calibrate import base_for
from sim.measure.fit.clock import ClockRows
from sim.measure.fit.clock import predict as predict_clock
from sim.measure.judge.recordings import against_run
from sim.measure.judge.validation_text import parse_tolerances
from sim.measure.recording import Device, Recording, write
from sim.profiles.catalog import Catalog, read_gpu, read_profile
from sim.profiles.machines.gpu import still_w
from sim.profiles.machines.node import CPUProfile
from sim.profiles.power_laws.clock import ClockCurve
from sim.results.results import Results
from sim.units import NS_PER_S
from tests.test_fits import TRUE, suite_recording

WORLD: dict[str, Any] = {
    "name": "a job and a rest",
    "start": "2025-03-03T00:00:00Z",
    "duration": "2 h",
    "site": {"name": "here", "grid": {"intensity": "300 gCO2e/kWh"}, "facility": {"kind": "fixed-pue", "pue": 1.2}},
    "cluster": {"nodes": [{"profile": "dgx-h100", "count": 1}]},
    "workloads": {
        "train": {
            "kind": "training",
            "gpus": 8,
            "work": {"kind": "gpu-hours", "gpu_hours": 8, "load": {"kind": "measured", "active": "600 W"}},
            "cpu_load": 0.2,
        }
    },
    "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "6 years"},
    "outputs": {"bin": "1 min"},
}


def metered(results: Results, *, kind: str, scale: float = 1.0, hz: float = 1.0, power: bool = False) -> Recording:
    """What a perfect meter of the run would have recorded: cumulative joules at each sample, or power in between."""
    ledger = results.energy if kind == "node" else results.energy.where(lambda key: key.component == "gpu")
    joules = np.concatenate([[0.0], np.cumsum(ledger.energy_j.sum(axis=0))]) * scale
    edges_s = ledger.edges_ns / NS_PER_S
    seconds = np.arange(0, edges_s[-1] + 1e-9, 1.0 / hz)
    counter = np.interp(seconds, edges_s, joules)
    columns: dict[str, Any] = {
        "time_ns": (seconds * NS_PER_S).astype(np.int64) + results.start_ns,
        "device": ["meter0"] * len(seconds),
    }
    if power:
        columns["power_w"] = np.gradient(counter, seconds)
    else:
        columns["energy_j"] = counter
    return Recording.of(columns, [Device("meter0", kind)])  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["node", "gpu"])
def test_a_perfect_meter_finds_no_error(kind: str) -> None:
    results = sim.run(WORLD)
    found = against_run("m", metered(results, kind=kind), results.energy, "w")
    assert found.errors.mape == pytest.approx(0.0, abs=1e-9)
    assert found.errors.energy == pytest.approx(0.0, abs=1e-9)
    assert found.errors.autocorrelation == pytest.approx(0.0, abs=1e-9)
    assert len(found.measured_w) == 120


def test_power_samples_give_the_same_energy_as_a_counter() -> None:
    results = sim.run(WORLD)
    found = against_run("m", metered(results, kind="gpu", power=True), results.energy, "w")
    assert found.errors.energy == pytest.approx(0.0, abs=2e-3)


def test_a_meter_that_reads_a_tenth_more_shows_a_bias_of_minus_a_tenth() -> None:
    results = sim.run(WORLD)
    found = against_run("m", metered(results, kind="gpu", scale=1.0 / 0.9), results.energy, "w")
    assert found.errors.bias == pytest.approx(-0.1, rel=1e-6)
    assert found.errors.energy == pytest.approx(-0.1, rel=1e-6)
    assert found.errors.mape == pytest.approx(0.1, rel=1e-6)


def test_a_recording_that_ends_early_is_judged_up_to_there_and_a_scrap_is_refused() -> None:
    results = sim.run(WORLD)
    whole = metered(results, kind="gpu")
    half = replace(whole, samples=whole.samples[whole.samples.index <= 1800], complete=False)
    found = against_run("m", half, results.energy, "w")
    assert len(found.measured_w) == 30
    assert "not complete" in found.remarks[0]
    scrap = replace(whole, samples=whole.samples[whole.samples.index <= 100])
    with pytest.raises(InputError, match="finer"):
        against_run("m", scrap, results.energy, "w")


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


def test_tables_are_among_the_formats_that_are_named(tmp_path: Path) -> None:
    table = tmp_path / "units.csv"
    table.write_text("unit,load,pwr_w\na,0.5,100\n", encoding="utf-8")
    for words in (
        ["calibrate", str(table), "--out", str(tmp_path / "o.yaml")],
        ["validate", str(table), "--profile", "x"],
    ):
        refused = str(run(*words).exception)
        assert all(
            columns in refused for columns in ("nvidia-smi CSV", "unit, load, power_w", "machine, load, power_w")
        )


def test_calibrate_and_validate_from_the_command(tmp_path: Path) -> None:
    recording, profile, plot = tmp_path / "suite.parquet", tmp_path / "mine.yaml", tmp_path / "plot.svg"
    write(suite_recording(noise=0.01), recording)
    made = run("calibrate", str(recording), "--out", str(profile), "--stack", "torch 2.9")
    assert made.exit_code == 0, made.output
    assert "held out 2 phases" in made.output
    read = read_gpu(str(profile))
    assert float(read.power.idle.value) == pytest.approx(TRUE["idle"], rel=0.02)
    assert float(read.power.energy_per_flop["fp8"].value) == pytest.approx(TRUE["flop/fp8"], rel=0.03)
    assert read.power.idle.confidence == "measured"
    assert read.calibration is not None
    assert read.calibration.stack == "torch 2.9"
    assert set(read.calibration.held_out).isdisjoint(read.calibration.fitted)
    assert read.calibration.errors["held_out"] < 0.02
    covariance = np.array(read.calibration.covariance)
    assert covariance.shape == (5, 5)
    assert (np.linalg.eigvalsh(covariance) > -1e-12).all()
    good = run("validate", str(recording), "--profile", str(profile), "--tolerance", "mape=3", "--plot", str(plot))
    assert good.exit_code == 0, good.output
    assert plot.read_text().startswith("<svg")
    found = json.loads(run("validate", str(recording), "--profile", str(profile), "--json").output)
    assert found["errors"]["count"] == 2
    bad = run("validate", str(recording), "--profile", "nvidia-h100-sxm-80gb", "--tolerance", "mape=3")
    assert isinstance(bad.exception, RunError)
    assert "3 % was allowed" in str(bad.exception)


def test_a_calibrated_profile_round_trips(tmp_path: Path) -> None:
    from ruamel.yaml import YAML

    from sim.results.files import to_yaml

    recording, profile = tmp_path / "suite.parquet", tmp_path / "mine.yaml"
    write(suite_recording(noise=0.01), recording)
    assert run("calibrate", str(recording), "--out", str(profile)).exit_code == 0
    plain = YAML(typ="safe").load(profile.read_text())
    again = tmp_path / "again" / "mine.yaml"
    again.parent.mkdir()
    again.write_text(to_yaml(plain))
    assert read_profile(again) == read_profile(profile)


def test_a_recording_validates_a_scenario_from_the_command(tmp_path: Path) -> None:
    from sim.results.files import to_yaml

    scenario, recording = tmp_path / "w.yaml", tmp_path / "m.parquet"
    scenario.write_text(to_yaml(WORLD))
    write(metered(sim.run(WORLD), kind="gpu"), recording)
    good = run("validate", str(recording), "--scenario", str(scenario), "--tolerance", "energy=1")
    assert good.exit_code == 0, good.output
    assert "measured" in good.output
    off = run(
        "validate", str(recording), "--scenario", str(scenario), "--tolerance", "energy=1",
        "--set", "workloads.train.work.load.active=500 W",
    )  # fmt: skip
    assert isinstance(off.exception, RunError)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["validate", "FILE"], "either --scenario FILE or --profile NAME"),
        (["validate", "FILE", "--profile", "dgx-h100"], "not of a GPU"),
        (["validate", "FILE", "--profile", "nvidia-h100-sxm-80gb", "--tolerance", "charm=3"], "is no tolerance"),
        (["validate", "nowhere.csv", "--profile", "nvidia-h100-sxm-80gb"], "nowhere.csv"),
        (["calibrate", "FILE", "--out", "OUT.txt"], "must end in .yaml"),
        (["calibrate", "FILE", "--out", "OUT.yaml", "--base", "nvidia-h1"], "unknown profile"),
    ],
)
def test_wrong_words_are_refused_with_the_remedy(tmp_path: Path, arguments: list[str], says: str) -> None:
    recording = tmp_path / "suite.parquet"
    write(suite_recording(), recording)
    names = {"FILE": str(recording), "OUT.txt": str(tmp_path / "o.txt"), "OUT.yaml": str(tmp_path / "o.yaml")}
    done = run(*(names.get(word, word) for word in arguments))
    assert isinstance(done.exception, InputError)
    assert says in str(done.exception)
    assert not (tmp_path / "o.yaml").exists()


def test_boards_of_two_models_are_not_calibrated_together(tmp_path: Path) -> None:
    other = replace(suite_recording(), devices=(Device("gpu0", "gpu", "NVIDIA A100-SXM4-80GB"),))
    write(suite_recording(), tmp_path / "a.parquet")
    write(other, tmp_path / "b.parquet")
    done = run("calibrate", str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet"), "--out", str(tmp_path / "x.yaml"))
    assert isinstance(done.exception, InputError)
    assert "several models" in str(done.exception)


def loads_csv(folder: Path, tail: str = "") -> Path:
    """Three machines whose power rises with the 0.6th power of load."""
    lines = ["machine,load,power_w"]
    for name, idle, full in (("a", 30.0, 200.0), ("b", 40.0, 260.0), ("c", 35.0, 180.0)):
        lines += [f"{name},{k / 10},{idle + (full - idle) * (k / 10) ** 0.6}" for k in range(11)]
    path = folder / "loads.csv"
    path.write_text("\n".join(lines) + tail)
    return path


def test_a_measured_table_gives_a_load_curve(tmp_path: Path) -> None:
    profile = tmp_path / "mine.yaml"
    done = run("calibrate", str(loads_csv(tmp_path)), "--out", str(profile), "--base", "amd-epyc-7543")
    assert done.exit_code == 0, done.output
    assert "each machine held out in turn: 0.0% off" in done.output
    read = read_profile(profile)
    assert isinstance(read, CPUProfile)
    assert float(read.power.exponent.value) == pytest.approx(0.6, abs=1e-3)
    assert float(read.power.idle.value) == pytest.approx(35.0)
    assert read.power.full.confidence == "measured"


@pytest.mark.parametrize(
    ("tail", "base", "says"),
    [
        ("\nd,0.5,100", "amd-epyc-7543", "rows of 'd' at load 0 and at load 1"),
        ("\na,50,100", "amd-epyc-7543", "load is 50; it must be from 0 to 1"),
        ("\na,0.5,5e-324", "amd-epyc-7543", "power_w is 4.94066e-324; it must be from 0.001 to 50,000"),
        ("", "nvidia-l4", "nvidia-l4"),
        ("", None, "--base NAME"),
    ],
)
def test_a_load_table_that_does_not_tell_is_refused(tmp_path: Path, tail: str, base: str | None, says: str) -> None:
    table, out = loads_csv(tmp_path, tail), tmp_path / "x.yaml"
    done = run("calibrate", str(table), "--out", str(out), *(["--base", base] if base else []))
    assert isinstance(done.exception, InputError)
    assert says in str(done.exception)
    assert not out.exists()


def test_a_board_without_a_name_needs_a_base(tmp_path: Path) -> None:
    write(replace(suite_recording(), devices=(Device("gpu0", "gpu"),)), tmp_path / "a.parquet")
    done = run("calibrate", str(tmp_path / "a.parquet"), "--out", str(tmp_path / "x.yaml"))
    assert isinstance(done.exception, InputError)
    assert "--base NAME" in str(done.exception)


@pytest.mark.parametrize(
    ("driver", "profile"),
    [
        ("NVIDIA H100 80GB HBM3", "nvidia-h100-sxm-80gb"),
        ("NVIDIA H100 PCIe", "nvidia-h100-pcie-80gb"),
        ("NVIDIA H200", "nvidia-h200-sxm-141gb"),
        ("NVIDIA H800", "nvidia-h800-sxm-80gb"),
        ("NVIDIA A100-SXM4-80GB", "nvidia-a100-sxm-80gb"),
        ("NVIDIA A100-SXM4-40GB", "nvidia-a100-sxm-40gb"),
        ("NVIDIA A100 80GB PCIe", "nvidia-a100-pcie-80gb"),
        ("Tesla V100-SXM2-32GB", "nvidia-v100-sxm2-32gb"),
        ("Tesla V100-PCIE-16GB", "nvidia-v100-pcie-16gb"),
        ("NVIDIA B200", "nvidia-b200-sxm-180gb"),
        ("NVIDIA GB200", "nvidia-gb200-186gb"),
        ("NVIDIA GB300", "nvidia-gb300-279gb"),
        ("NVIDIA L40S", "nvidia-l40s"),
        ("NVIDIA L40", "nvidia-l40"),
        ("NVIDIA A10", "nvidia-a10"),
        ("NVIDIA A10G", "nvidia-a10g"),
        ("NVIDIA A30", "nvidia-a30"),
        ("NVIDIA H20", "nvidia-h20-96gb"),
        ("NVIDIA GH200 480GB", "nvidia-gh200-96gb"),
        ("NVIDIA RTX 6000 Ada Generation", "nvidia-rtx-6000-ada"),
        ("Quadro RTX 6000", "nvidia-quadro-rtx-6000"),
        ("NVIDIA GeForce RTX 3090", "nvidia-rtx-3090"),
        ("NVIDIA GeForce RTX 4090", "nvidia-rtx-4090"),
        ("NVIDIA GeForce RTX 5090", "nvidia-rtx-5090"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "nvidia-rtx-pro-6000-server"),
    ],
)
def test_a_drivers_name_means_one_profile(driver: str, profile: str) -> None:
    recording = replace(suite_recording(), devices=(Device("gpu0", "gpu", driver),))
    assert base_for([recording], Catalog(), None)[0] == profile


def test_tolerances_are_read_as_people_write_them() -> None:
    assert parse_tolerances(["10", "energy=5%"]) == {"mape": 0.1, "energy": 0.05}


A100 = read_gpu("nvidia-a100-sxm-80gb")
LOADED_W = float(A100.power.loaded.value)


def clock_csv(folder: Path, *, works: tuple[str, ...] = ("stream", "solver"), lie: str = "") -> Path:
    """What two kinds of work on a board with a known curve would measure: one follows the clock, one does not."""
    truth = ClockCurve(0.65, 1.5, 0.25, clocked_w=LOADED_W - still_w(A100))
    lines = ["work,clock_mhz,cap_w,power_w,time_s,remark"]
    for name in works:
        share, full_w = (1.0, 380.0) if name == "solver" else (0.0, 250.0)
        for mhz in (900, 1100, 1300, 1410):
            for cap in (150.0, 200.0, 250.0, 400.0):
                rows = ClockRows(*(np.array([v]) for v in (mhz / 1410, cap, 0.0, 0.0, full_w, 10.0, share)))
                watts, seconds = predict_clock(rows, truth, LOADED_W)
                lines.append(f"{name},{mhz},{cap:g},{watts[0]},{seconds[0]},")
    path = folder / "clock.csv"
    path.write_text("\n".join(lines) + lie)
    return path


def test_a_measured_table_gives_a_clock_curve(tmp_path: Path) -> None:
    profile = tmp_path / "mine.yaml"
    done = run("calibrate", str(clock_csv(tmp_path)), "--out", str(profile), "--base", "nvidia-a100-sxm-80gb")
    assert done.exit_code == 0, done.output
    assert "each work held out in turn" in done.output
    clock = read_gpu(str(profile)).power.clock
    assert clock is not None
    assert float(clock.floor.value) == pytest.approx(0.65, abs=0.03)
    assert float(clock.slope.value) == pytest.approx(1.5, abs=0.1)
    assert clock.floor.confidence == "measured"


@pytest.mark.parametrize(
    ("works", "lie", "base", "says"),
    [
        (("stream",), "\nsolver,900,150,100,12,", "nvidia-l4", "no row at 1410 MHz and 400 W for solver"),
        (
            ("stream",),
            "\nstream,fast,150,100,12,",
            "nvidia-l4",
            "clock_mhz is empty or no number; it must be from 1 to",
        ),
        (
            (),
            "\nx,1410,400,250,10,\nx,900,400,200,12,",
            "nvidia-l4",
            "3 rows below its top clock and cap; it has 1",
        ),
        (
            ("stream",),
            "\nstream,150,150,5e-324,12,",
            "nvidia-l4",
            "power_w is 4.94066e-324; it must be from 0.001 to 50,000",
        ),
        (("stream",), "", None, "--base NAME"),
        (("stream",), '\n"stream,900', "nvidia-l4", "cannot be read as CSV"),
    ],
)
def test_a_table_that_does_not_tell_is_refused(
    tmp_path: Path, works: tuple[str, ...], lie: str, base: str | None, says: str
) -> None:
    table, out = clock_csv(tmp_path, works=works, lie=lie), tmp_path / "x.yaml"
    done = run("calibrate", str(table), "--out", str(out), *(["--base", base] if base else []))
    assert isinstance(done.exception, InputError)
    assert says in str(done.exception)
    assert not out.exists()


def test_the_residual_of_every_phase_is_written(tmp_path: Path) -> None:
    recording, profile = tmp_path / "suite.parquet", tmp_path / "mine.yaml"
    write(suite_recording(lie=2.0), recording)
    assert run("calibrate", str(recording), "--out", str(profile)).exit_code == 0
    calibration = read_gpu(str(profile)).calibration
    assert calibration is not None
    assert set(calibration.residuals) == {*calibration.fitted, *calibration.held_out}
    for name in calibration.held_out:
        assert calibration.residuals[name] == pytest.approx(-0.5, abs=0.01)  # they drew twice what the rest tells


def test_a_table_by_clock_validates_a_profile(tmp_path: Path) -> None:
    """Calibrated on two works of a board, a profile tells one of them again; it exits 1 past its tolerance, and says
    what it has seen."""
    learned, judged = tmp_path / "learned", tmp_path / "judged"
    learned.mkdir()
    judged.mkdir()
    profile = tmp_path / "mine.yaml"
    seen = clock_csv(learned, works=("stream", "solver"))
    assert run("calibrate", str(seen), "--out", str(profile), "--base", "nvidia-a100-sxm-80gb").exit_code == 0
    other = clock_csv(judged, works=("stream",)).rename(judged / "other.csv")
    done = run("validate", str(other), "--profile", str(profile), "--json", "--plot", str(tmp_path / "power.svg"))
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["errors"]["mape"] < 0.01
    assert len(found["labels"]) == 15
    assert any("Time: MAPE" in remark for remark in found["remarks"])
    assert not any("no validation" in remark for remark in found["remarks"])
    assert "<svg" in (tmp_path / "power.svg").read_text()
    shipped = run("validate", str(other), "--profile", "nvidia-a100-sxm-80gb", "--tolerance", "mape=0.001")
    assert isinstance(shipped.exception, RunError)
    assert "no validation" in run("validate", str(seen), "--profile", str(profile)).stdout


def test_a_table_by_load_validates_a_socket(tmp_path: Path) -> None:
    profile = tmp_path / "mine.yaml"
    table = loads_csv(tmp_path)
    assert run("calibrate", str(table), "--out", str(profile), "--base", "amd-epyc-7543").exit_code == 0
    mean = tmp_path / "mean.csv"
    rows = [f"m,{k / 10},{35 + (640 / 3 - 35) * (k / 10) ** 0.6}" for k in range(11)]
    mean.write_text("\n".join(["machine,load,power_w", *rows]))
    found = json.loads(run("validate", str(mean), "--profile", str(profile), "--json").stdout)
    assert found["errors"]["mape"] < 1e-3  # the mean machine of the three, whose curve the profile is
    assert found["labels"][0] == "m at 0 %"
    assert len(found["labels"]) == 11


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--profile", "nvidia-l4"], "not of a CPU"),
        (["--scenario", "chat-service"], "hold it against a --profile"),
        (["--profile", "amd-epyc-7542"], "did you mean"),
    ],
)
def test_a_table_is_held_against_what_it_tells_of(tmp_path: Path, options: list[str], says: str) -> None:
    done = run("validate", str(loads_csv(tmp_path)), *options)
    assert isinstance(done.exception, InputError)
    assert says in str(done.exception)
