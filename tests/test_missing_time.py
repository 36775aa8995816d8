"""Time and devices that a recording lacks: nothing is put in their place, they are not judged, and they are told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import sim
from sim.cli.command import app
from sim.errors import InputError
from sim.measure import alike_faults as faults
from sim.measure.accuracy import autocorrelation
from sim.measure.fit.gpu import phases
from sim.measure.judge.recordings import Validation, against_run
from sim.measure.judge.validation_text import as_dict, picture
from sim.measure.known import holes, metered, usual_ns
from sim.measure.missing import told
from sim.measure.readers import read_recording
from sim.measure.recording import Device, Fault, Recording, energy_j, read, write
from sim.results.files import to_json, to_yaml
from sim.results.results import Results
from sim.units import NS_PER_S

WATTS = 350.0
SECONDS = 600

WORLD: dict[str, Any] = {
    "name": "GPUs at 350 W",
    "start": "2025-03-01T00:00:00Z",
    "duration": "10 min",
    "site": {"grid": {"intensity": "400 gCO2e/kWh"}, "facility": {"kind": "fixed-pue", "pue": 1.0}},
    "cluster": {"nodes": [{"profile": "dgx-h100", "count": 1}]},
    "workloads": {
        "train": {
            "kind": "training",
            "gpus": 8,
            "work": {"kind": "gpu-hours", "gpu_hours": 4, "load": {"kind": "measured", "active": "350 W"}},
            "cpu_load": 0.2,
        }
    },
    "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "6 years"},
    "outputs": {"bin": "1 min"},
}


@lru_cache(maxsize=1)
def eight() -> Results:
    """Eight GPUs at 350 W for ten minutes."""
    return sim.run(WORLD)


def sampled(moments: Iterable[float], column: str = "power_w", watts: float = WATTS) -> dict[float, dict[str, float]]:
    """One GPU at a constant power, read at moments in s: its power, or the counter of its energy."""
    return {t: {column: watts if column == "power_w" else 5e6 + watts * t} for t in moments}


def recorded(*gpus: dict[float, dict[str, float]], kind: str = "gpu") -> Recording:
    """A recording of GPUs by their readings."""
    rows = [(t, f"gpu{i}", values) for i, gpu in enumerate(gpus) for t, values in gpu.items()]
    columns: dict[str, Any] = {
        "time_ns": [round(t * NS_PER_S) for t, _, _ in rows],
        "device": [name for _, name, _ in rows],
        "power_w": [values.get("power_w", np.nan) for _, _, values in rows],
        "energy_j": [values.get("energy_j", np.nan) for _, _, values in rows],
    }
    return told(Recording.of(columns, [Device(f"gpu{i}", kind) for i in range(len(gpus))]))  # type: ignore[arg-type]


def judged(*gpus: dict[float, dict[str, float]]) -> Validation:
    """Those GPUs against the run of eight."""
    results = eight()
    return against_run("m", recorded(*gpus), results.energy, "w")


def every(step: float, *spans: tuple[float, float]) -> list[float]:
    """Moments in s, ``step`` apart, within spans."""
    return [t for a, b in spans for t in np.arange(a, b + 1e-9, step).tolist()]


ALL = every(5, (0, SECONDS))


def remarks(found: Validation) -> str:
    """All of them."""
    return "\n".join(found.remarks)


@pytest.mark.parametrize("column", ["power_w", "energy_j"])
@pytest.mark.parametrize(
    ("last", "bins", "says"),
    [
        (every(5, (300, 600)), 5, "gpu7: its first sample is 300 s after the start"),
        (every(5, (0, 300)), 5, "gpu7: its last sample is 300 s before the end"),
        (every(5, (0, 120), (300, 600)), 7, "for 180 s, where it usually comes every 5 s"),
        (every(5, (0, 120), (300, 420), (540, 600)), 5, "gpu7 120 to 300 s, 420 to 540 s"),
    ],
    ids=["late", "early", "hole", "drops out twice"],
)
def test_a_device_that_is_absent_is_not_at_0_w(column: str, last: list[float], bins: int, says: str) -> None:
    found = judged(*[sampled(ALL, column)] * 7, sampled(last, column))
    assert found.errors.count == bins
    assert len(found.measured_w) == 10  # also where nothing of the last device is known at the end
    assert f"{10 - bins} of 10 bins are not judged" in remarks(found)
    known = found.measured_w[~np.isnan(found.measured_w)]
    assert known == pytest.approx(8 * WATTS)
    assert found.errors.mape == pytest.approx(0.0, abs=1e-9)
    assert found.errors.energy == pytest.approx(0.0, abs=1e-9)
    assert says in remarks(found)
    assert "not complete" in remarks(found)


@pytest.mark.parametrize("column", ["power_w", "energy_j"])
def test_a_run_that_lasts_longer_than_the_recording_has_no_bins_there(column: str) -> None:
    found = judged(*[sampled(every(5, (0, 300)), column)] * 8)
    assert len(found.measured_w) == found.errors.count == 5
    assert found.remarks == ()


@pytest.mark.parametrize("column", ["power_w", "energy_j"])
def test_bins_of_a_hole_in_all_devices_are_not_judged(column: str) -> None:
    found = judged(*[sampled(every(5, (0, 180), (420, 600)), column)] * 8)
    assert found.errors.count == 6
    assert np.isnan(found.measured_w).tolist() == [False] * 3 + [True] * 4 + [False] * 3
    assert "gpu0 and 7 more 180 to 420 s" in remarks(found)
    assert ("it used 84000 J" in remarks(found)) == (column == "energy_j")
    assert json.loads(to_json(as_dict(found)))["measured_w"][3:7] == [None] * 4
    assert picture(found).count("<polyline") == 3  # measured in two parts, simulated in one


def test_many_devices_without_a_meter_are_one_problem(tmp_path: Path) -> None:
    rows = [f"2025/03/01 00:{m:02}:00.000, {gpu}, [Not Supported]\n" for m in range(10) for gpu in range(96)]
    (tmp_path / "log").write_text("timestamp, index, power.draw [W]\n" + "".join(rows))
    with pytest.raises(InputError) as error:
        against_run("m", read_recording(tmp_path / "log"), eight().energy, "w")
    (problem,) = error.value.problems
    assert "of gpu0 and 95 more: has no power: 'power.draw' is [Not Supported] (10 times)" in problem.message


def test_a_bin_without_a_reading_is_not_judged_though_the_pause_is_no_hole() -> None:
    found = judged(*[sampled(every(20, (0, 100), (200, 600)))] * 8)
    assert np.isnan(found.measured_w).tolist() == [False] * 2 + [True] + [False] * 7
    assert "120 to 180 s" in remarks(found)


def test_a_hole_at_the_start_and_nothing_but_scraps() -> None:
    found = judged(*[sampled([0.0, *every(5, (240, 600))])] * 8)
    assert found.errors.count == 6
    with pytest.raises(InputError, match=r"gpu0 0 to 300 s; gpu1 300 to 600 s"):
        judged(sampled(every(5, (0, 300))), sampled(every(5, (300, 600))))


def test_samples_that_are_not_there_do_not_change_what_is_judged() -> None:
    """A device that reads [N/A] for a while lacks its power as much as one without rows."""
    blank = {t: {"power_w": np.nan if 120 < t < 300 else WATTS} for t in ALL}
    found = judged(*[sampled(ALL)] * 7, blank)
    assert found.errors.count == 7
    assert "gpu7: has no power for 180 s" in remarks(found)


def test_the_energy_of_a_recording_leaves_out_holes_of_power_and_counts_those_of_a_counter() -> None:
    spans = every(1, (0, 180), (420, 600))
    power, counter = (recorded(sampled(spans, column)).of_device("gpu0") for column in ("power_w", "energy_j"))
    assert energy_j(power) == pytest.approx(WATTS * 360)
    assert energy_j(counter) == pytest.approx(WATTS * 600)
    assert metered(power).watts == pytest.approx(WATTS)
    assert metered(counter).watts == pytest.approx(WATTS)


def test_a_counter_that_comes_late_leaves_the_power_to_be_judged() -> None:
    both = sampled(ALL)
    for t in every(5, (300, 600)):
        both[t]["energy_j"] = WATTS * t
    found = judged(*[both] * 8)
    assert found.errors.count == 10
    assert found.errors.mape == pytest.approx(0.0, abs=1e-9)


def test_a_meter_that_is_read_more_slowly_from_some_time_on_has_no_hole() -> None:
    times = np.array([*range(100), *range(100, 1000, 20)], dtype=np.int64) * NS_PER_S
    assert usual_ns(times) == NS_PER_S
    assert not holes(times).any()


@given(st.lists(st.floats(0.8, 1.2), min_size=8, max_size=60), st.integers(0, 7), st.floats(20.0, 1e4))
def test_one_hole_is_found_wherever_it_is(gaps: list[float], at: int, long_s: float) -> None:
    gaps[at] = long_s
    times = np.round(np.cumsum([0.0, *gaps]) * NS_PER_S).astype(np.int64)
    assert np.flatnonzero(holes(times)).tolist() == [at]


def test_autocorrelation_without_some_values_is_that_of_the_others() -> None:
    wave = np.sin(np.arange(4000) / 5.0)
    gone = wave.copy()
    gone[1000:1500] = np.nan
    assert autocorrelation(gone, 20) == pytest.approx(autocorrelation(wave, 20), abs=0.02)


def test_phases_are_fitted_without_their_holes() -> None:
    """300 W until the logger stops, 700 W for a second before it does: a straight line would say 500 W of the hole."""
    watts = dict.fromkeys(every(1, (0, 60), (300, 360)), 300.0) | {60.0: 700.0}
    recording = recorded({t: {"power_w": w} for t, w in watts.items()})
    recording.samples["phase"] = "idle"
    (phase,) = phases(recording)
    assert phase.seconds == pytest.approx(59 + 60)
    assert phase.watts == pytest.approx((300 * 58 + 500 + 300 * 60) / 119)


def test_a_counter_that_is_reset_does_not_draw_0_w_meanwhile(tmp_path: Path) -> None:
    """RAPL scraped every 30 s, the host restarted after 300 s: what it used around the restart is not known."""
    values = [[1740787200 + t, str(7000 + 2800 * t if t < 300 else 2800 * (t - 300))] for t in range(0, 601, 30)]
    series = {"metric": {"__name__": "node_rapl_package_joules_total", "index": "0"}, "values": values}
    answer = {"status": "success", "data": {"resultType": "matrix", "result": [series]}}
    (tmp_path / "rapl.json").write_text(json.dumps(answer))
    recording = read_recording(tmp_path / "rapl.json")
    assert recording.metered("cpu-package0").watts == pytest.approx(2800)
    found = against_run("m", recording, eight().energy, "w")
    assert found.measured_w == pytest.approx(2800)
    assert "was reset" in remarks(found)
    write(recording, tmp_path / "rapl.parquet")
    assert read(tmp_path / "rapl.parquet").unknown == recording.unknown


# Clocks


def local(zone: str, start: datetime, seconds: Iterable[float]) -> list[datetime]:
    """What a clock on the wall shows so many s after an instant."""
    return [(start + timedelta(seconds=s)).astimezone(ZoneInfo(zone)).replace(tzinfo=None) for s in seconds]


def smi(moments: list[datetime]) -> str:
    """nvidia-smi of two GPUs."""
    rows = [f"{t:%Y/%m/%d %H:%M:%S}.000, {gpu}, 100.00 W\n" for t in moments for gpu in (0, 1)]
    return "timestamp, index, power.draw [W]\n" + "".join(rows)


def spl(moments: list[datetime]) -> str:
    """PTDaemon."""
    rest = "Watts,100.0,Volts,230.0,Amps,0.4,PF,0.9,Mark,NotSet"
    return "".join(f"Time,{t:%m-%d-%Y %H:%M:%S}.000,{rest}\n" for t in moments)


CHANGES = [
    ("Europe/Berlin", datetime(2024, 10, 27, 0, 0, tzinfo=UTC), "back"),
    ("Europe/Berlin", datetime(2024, 3, 31, 0, 0, tzinfo=UTC), "forward"),
    ("America/New_York", datetime(2024, 11, 3, 5, 0, tzinfo=UTC), "back"),
    ("Australia/Lord_Howe", datetime(2024, 4, 6, 14, 0, tzinfo=UTC), "back"),
    ("Australia/Lord_Howe", datetime(2024, 10, 5, 14, 30, tzinfo=UTC), "forward"),
]


@pytest.mark.parametrize("form", [smi, spl])
@pytest.mark.parametrize(("zone", "start", "way"), CHANGES)
def test_a_change_of_clock_changes_no_energy(
    tmp_path: Path, form: Callable[[list[datetime]], str], zone: str, start: datetime, way: str
) -> None:
    """Two hours at 100 W, with the change in their middle: 720 kJ, and what the clock hides is told and not filled."""
    (tmp_path / "log").write_text(form(local(zone, start, range(0, 7201, 10))))
    named = read_recording(tmp_path / "log", ZoneInfo(zone))
    assert energy_j(named.of_device(named.devices[0].name)) == pytest.approx(720e3)
    assert named.seconds == 7200
    assert named.faults == ()
    bare = read_recording(tmp_path / "log")
    assert energy_j(bare.of_device(bare.devices[0].name)) == pytest.approx(720e3, rel=2e-3)
    assert "--zone" in bare.faults[0].reason
    assert way in bare.faults[0].reason
    assert bare.complete == (way == "back")
    assert not any("sorted" in fault.reason for fault in bare.faults)


@pytest.mark.parametrize("form", [smi, spl])
@pytest.mark.parametrize("step_s", [60, 300, 600])
def test_a_change_of_clock_is_seen_in_slow_logs_too(
    tmp_path: Path, form: Callable[[list[datetime]], str], step_s: int
) -> None:
    """Six hours with 100 W throughout; the clock goes back in their middle, in another file forward."""
    for start, way in ((datetime(2025, 10, 25, 22, tzinfo=UTC), "back"), (datetime(2025, 3, 29, 22, tzinfo=UTC), "")):
        (tmp_path / "log").write_text(form(local("Europe/Berlin", start, range(0, 6 * 3600 + 1, step_s))))
        bare = read_recording(tmp_path / "log")
        device = bare.of_device(bare.devices[0].name)
        assert len(device) == 6 * 3600 / step_s + 1
        assert "--zone" in bare.faults[0].reason
        assert bare.seconds == 6 * 3600 + (0 if way == "back" else 3600)
        assert ("goes back" if way == "back" else "jumps forward") in bare.faults[0].reason


def test_of_rows_half_an_hour_apart_a_change_of_clock_is_told(tmp_path: Path) -> None:
    for start in (datetime(2025, 10, 25, 22, tzinfo=UTC), datetime(2025, 3, 29, 22, tzinfo=UTC)):
        (tmp_path / "log").write_text(smi(local("Europe/Berlin", start, range(0, 12 * 3600, 1800))))
        assert any("--zone" in fault.reason for fault in read_recording(tmp_path / "log").faults)


def test_rows_out_of_order_are_no_change_of_clock(tmp_path: Path) -> None:
    moments = local("UTC", datetime(2025, 3, 1, tzinfo=UTC), range(0, 7200, 10))
    moments.insert(500, moments.pop(140))  # one row an hour late
    (tmp_path / "log").write_text(smi(moments))
    found = read_recording(tmp_path / "log")
    assert found.seconds == 7190
    assert "sorted" in faults.lines(found.faults)[0]


CARBON = (
    "timestamp,project_name,run_id,experiment_id,duration,emissions,cpu_energy,gpu_energy,ram_energy,energy_consumed,"
    "cpu_model,gpu_count,gpu_model,pue\n"
)


def carbon(*runs: tuple[datetime, str, float, float]) -> str:
    """Rows by the clock at the end, the name, the duration in s, and the J of the GPUs."""
    return CARBON + "".join(
        f"{end:%Y-%m-%dT%H:%M:%S},p,{run},e,{s},0.1,0,{j / 3.6e6!r},0,{j / 3.6e6!r},EPYC,8,H100,1.0\n"
        for end, run, s, j in runs
    )


NIGHT = datetime(2025, 3, 1)


def at(seconds: float) -> datetime:
    """So many s after midnight."""
    return NIGHT + timedelta(seconds=seconds)


def test_runs_of_codecarbon_that_follow_each_other_are_one_device(tmp_path: Path) -> None:
    energy = 8 * WATTS * 300
    (tmp_path / "e.csv").write_text(carbon((at(300), "a", 300.0, energy), (at(600), "b", 300.4, energy)))
    recording = read_recording(tmp_path / "e.csv")
    found = against_run("m", recording, eight().energy, "w")
    assert found.errors.count == 10
    assert found.errors.energy == pytest.approx(0.0, abs=2e-3)
    assert found.measured_w.sum() * 60 == pytest.approx(2 * energy, rel=2e-3)
    assert {device.unit for device in recording.devices} == {"gpu"}
    write(recording, tmp_path / "e.parquet")
    assert read(tmp_path / "e.parquet").devices == recording.devices


def test_time_between_runs_of_codecarbon_is_not_judged(tmp_path: Path) -> None:
    energy = 8 * WATTS * 240
    (tmp_path / "e.csv").write_text(carbon((at(240), "a", 240.0, energy), (at(600), "b", 240.0, energy)))
    found = against_run("m", read_recording(tmp_path / "e.csv"), eight().energy, "w")
    assert found.errors.count == 8
    assert found.errors.energy == pytest.approx(0.0, abs=1e-9)
    assert "gpu 240 to 360 s" in remarks(found)


def test_runs_of_codecarbon_at_one_time_are_several_devices_and_told(tmp_path: Path) -> None:
    energy = 4 * WATTS * 600
    (tmp_path / "e.csv").write_text(carbon((at(600), "a", 600.0, energy), (at(600), "b", 600.0, energy)))
    found = against_run("m", read_recording(tmp_path / "e.csv"), eight().energy, "w")
    assert found.errors.energy == pytest.approx(0.0, abs=1e-9)
    assert "overlaps" in remarks(found)


def test_codecarbon_over_a_change_of_clock(tmp_path: Path) -> None:
    """Three hours in three runs; the last two end when clocks show 02:30 for the first and for the second time."""
    start = datetime(2024, 10, 26, 23, 30, tzinfo=UTC)  # 01:30 in Berlin
    ends = local("Europe/Berlin", start, [0, 3600, 7200])
    assert ends[1] == ends[2]
    runs = [(end, name, 3600.0, 360e3) for end, name in zip(ends, "abc", strict=True)]
    (tmp_path / "e.csv").write_text(carbon(*runs))
    found = read_recording(tmp_path / "e.csv", ZoneInfo("Europe/Berlin"))
    assert found.seconds == 3 * 3600
    assert {device.unit for device in found.devices} == {"gpu"}
    flushed = [(end, "a", s, 100.0 * s) for end, s in zip(ends, [1800.0, 5400.0, 9000.0], strict=True)]
    (tmp_path / "e.csv").write_text(carbon(*flushed))
    bare = read_recording(tmp_path / "e.csv")
    assert bare.seconds == 9000
    assert energy_j(bare.of_device("a/gpu")) == pytest.approx(900e3)
    assert any("was set back by 60 min" in line for line in faults.lines(bare.faults))


@pytest.mark.parametrize("hours", [1.5, 2.0, 2.75])
def test_long_runs_of_codecarbon_over_a_change_of_clock(tmp_path: Path, hours: float) -> None:
    """Three runs, one begun when the other ends, from 00:00; none is parallel to another, whatever the clock says."""
    ends = local("Europe/Berlin", datetime(2025, 10, 25, 22, tzinfo=UTC), [hours * 3600 * i for i in (1, 2, 3)])
    runs = [(end, name, hours * 3600, 360e3) for end, name in zip(ends, "abc", strict=True)]
    (tmp_path / "e.csv").write_text(carbon(*runs))
    bare = read_recording(tmp_path / "e.csv")
    assert {device.unit for device in bare.devices} == {"gpu"}
    assert bare.seconds == pytest.approx(3 * hours * 3600)
    assert any("was set back by 60 min" in line for line in faults.lines(bare.faults))
    week = [(end + timedelta(days=2), name, s, j) for end, name, s, j in runs]  # no clock is set on a Tuesday
    (tmp_path / "e.csv").write_text(carbon(*week))
    assert any("overlaps" in fault.reason for fault in read_recording(tmp_path / "e.csv").faults)


def test_a_pause_of_an_hour_over_a_night_in_which_clocks_are_set_is_told(tmp_path: Path) -> None:
    ends = local("Europe/Berlin", datetime(2025, 3, 29, 22, tzinfo=UTC), [7200, 14400, 21600])
    runs = [(end, name, 7200.0, 360e3) for end, name in zip(ends, "abc", strict=True)]
    for days, told_of in ((0, True), (2, False)):
        (tmp_path / "e.csv").write_text(carbon(*[(end + timedelta(days=days), name, s, j) for end, name, s, j in runs]))
        lines = faults.lines(read_recording(tmp_path / "e.csv").faults)
        assert any("begins 3600 s after the end of the run before it" in line for line in lines) == told_of


def test_windows_within_others_count_once(tmp_path: Path) -> None:
    """Zeus's epoch of ten minutes and its steps are one meter."""
    start = 1740787200
    rows = [f"{start}.0,epoch,600.0,{8 * WATTS * 600}"]
    rows += [f"{start + s}.0,step,100.0,{8 * WATTS * 100}" for s in range(0, 600, 100)]
    (tmp_path / "z.csv").write_text("start_time,window_name,elapsed_time,gpu0_energy\n" + "\n".join(rows) + "\n")
    found = against_run("m", read_recording(tmp_path / "z.csv"), eight().energy, "w")
    assert found.errors.energy == pytest.approx(0.0, abs=1e-9)
    (tmp_path / "z.csv").write_text("start_time,window_name,elapsed_time,gpu0_energy\n" + "\n".join(rows[1:]) + "\n")
    found = against_run("m", read_recording(tmp_path / "z.csv"), eight().energy, "w")
    assert found.errors.energy == pytest.approx(0.0, abs=1e-9)


# Two meters, and faults alike


@pytest.mark.parametrize(("scale", "differ"), [(1.0, False), (1.05, False), (0.94, False), (1.74, True), (1e-3, True)])
def test_two_meters_of_one_device_are_compared(scale: float, differ: bool) -> None:
    both = {t: {"power_w": WATTS, "energy_j": 7e6 + scale * WATTS * t} for t in ALL}
    found = judged(*[both] * 8)
    assert ("over the same 600 s" in remarks(found)) == differ
    assert ("the counter is judged (7 more like it, on 8 devices)" in remarks(found)) == differ
    assert found.measured_w.mean() == pytest.approx(8 * WATTS * scale)


def test_meters_are_compared_over_the_time_they_have_in_common() -> None:
    """A counter that stopped at half time is no disagreement, nor is a hole of one of them."""
    early = {t: {"power_w": WATTS, **({"energy_j": WATTS * t} if t <= 300 else {})} for t in ALL}
    holed = {t: {"energy_j": WATTS * t, **({} if 200 < t < 400 else {"power_w": WATTS})} for t in ALL}
    assert not any("one of them is wrong" in fault.reason for fault in recorded(early, holed).faults)


def test_faults_alike_are_one_line_with_their_number() -> None:
    alike = [Fault(f"has {n} cells, not 8", line=n) for n in range(2, 300)]
    shown = faults.lines([*alike, Fault("was reset", device="gpu1"), *alike])
    assert shown == ["line 2: has 2 cells, not 8 (595 more like it)", "gpu1: was reset"]
    assert faults.lines([Fault("Not Supported", device=f"gpu{i}") for i in range(3)]) == [
        "gpu0, gpu1, gpu2: Not Supported"
    ]


def test_many_faults_of_one_kind_leave_room_for_others(tmp_path: Path) -> None:
    bad = "".join(f"2025/03/01 00:{i // 60:02}:{i % 60:02}.000, 0\n" for i in range(500))
    good = "".join(f"2025/03/01 00:{i // 60:02}:{i % 60:02}.000, 0, 100.00 W\n" for i in range(500, 600))
    (tmp_path / "log").write_text(f"timestamp, index, power.draw [W]\n{bad}{good}2025/03/01 00:10:00.000, 0, -1.00 W\n")
    first, second = faults.lines(read_recording(tmp_path / "log").faults)
    assert first == "line 2: has 2 cells, not 3 (499 more like it)"
    assert "power_w cannot be -1" in second


def test_mig_instances_share_the_meter_of_their_board(tmp_path: Path) -> None:
    """A board of 300 W in seven instances draws 300 W; their memory adds up; one line tells of it."""

    def series(metric: str, value: float, instance: int) -> dict[str, Any]:
        labels = {"gpu": "0", "UUID": "GPU-1", "Hostname": "n", "GPU_I_ID": str(instance), "GPU_I_PROFILE": "1g.10gb"}
        values = [[1740787200 + t, str(value + 0.01 * instance)] for t in range(0, 601, 5)]
        return {"metric": {"__name__": metric, **labels}, "values": values}

    result = [series("DCGM_FI_DEV_POWER_USAGE", 300.0, i) for i in range(7)]
    result += [series("DCGM_FI_DEV_FB_USED", 1000.0, i) for i in range(7)]
    answer = {"status": "success", "data": {"resultType": "matrix", "result": result}}
    (tmp_path / "mig.json").write_text(json.dumps(answer))
    found = read_recording(tmp_path / "mig.json")
    (device,) = found.devices
    assert energy_j(found.of_device(device.name)) == pytest.approx(180_000, rel=1e-3)
    memory = found.of_device(device.name)["memory_used_bytes"]
    assert memory.iloc[0] == pytest.approx(7 * 1000 * 2**20, rel=1e-3)
    (line,) = faults.lines(found.faults)
    assert "7 MIG instances share the board's meter" in line


def test_a_zone_from_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_text(to_yaml(WORLD))
    start = datetime(2024, 10, 27, 0, 55, tzinfo=UTC)
    (tmp_path / "log").write_text(smi(local("Europe/Berlin", start, range(0, 601, 5))).replace("100.00 W", "1400.00 W"))

    def run(*options: str) -> Any:
        return CliRunner().invoke(
            app, ["validate", str(tmp_path / "log"), "--scenario", str(tmp_path / "w.yaml"), *options]
        )

    shown = json.loads(run("--zone", "Europe/Berlin", "--json").output)
    assert shown["errors"]["energy"] == pytest.approx(0.0, abs=1e-9)
    assert shown["remarks"] == []
    shown = json.loads(run("--json").output)
    assert shown["errors"]["energy"] == pytest.approx(0.0, abs=1e-9)
    assert any("--zone" in remark for remark in shown["remarks"])
    wrong = run("--zone", "Europe/Berln")
    assert isinstance(wrong.exception, InputError)
    assert "did you mean 'Europe/Berlin'" in str(wrong.exception)
