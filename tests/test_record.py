"""Recording: energy is conserved, what a meter does not say is never zero, and what goes wrong is told and survived."""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim.cli.command
from sim.errors import InputError, RunError
from sim.measure import live
from sim.measure.meters.nvml import CONTEXT_BYTES, NvmlSource, open_nvml
from sim.measure.meters.rapl import RaplSource, open_rapl
from sim.measure.meters.record import Command, record
from sim.measure.meters.source import Missing, Reading, Source, hashed
from sim.measure.recording import MEASURED, Device, Recording, energy_j, read, write
from sim.measure.recording_text import recording_table
from sim.units import NS_PER_S, UJ_PER_J
from tests.fake_meters import START_NS, FakeActivity, FakeClock, FakeGpu, FakeNvml, FakePowercap


def nvml(clock: FakeClock, *gpus: FakeGpu) -> NvmlSource:
    """The source over fake GPUs."""
    source = open_nvml(FakeNvml(clock, *gpus))
    assert isinstance(source, NvmlSource)
    return source


def rapl(root: Path) -> RaplSource:
    """The source over a fake tree."""
    source = open_rapl(root, model="Xeon")
    assert isinstance(source, RaplSource)
    return source


# --- Energy ---------------------------------------------------------------------------------------------------------


def test_the_counters_of_a_recording_hold_exactly_what_the_gpus_drew() -> None:
    """Bursts between samples, which power readings miss: 250 W, then 600 W for 50 ms, then 100 W to the end of 4 s."""
    clock = FakeClock()
    gpus = FakeGpu(draws={0: 250_000, 1.025: 600_000, 1.075: 100_000}), FakeGpu(uuid="other", draws={0: 400_000})
    recording = record([nvml(clock, *gpus)], hz=10, seconds=4, clock=clock)
    first, second = (recording.of_device(name) for name in ("gpu0", "gpu1"))
    assert energy_j(first) == 250 * 1.025 + 600 * 0.05 + 100 * 2.925  # 578.75 J: whole quarters, exact in binary
    assert energy_j(second) == 400 * 4
    assert first["power_w"].max() == 250
    assert recording.complete
    assert recording.faults == ()


def test_the_energies_of_phases_add_up_to_the_whole() -> None:
    clock = FakeClock()
    gpu = FakeGpu(draws={0: 100_000, 2.0: 500_000, 5.25: 120_000}, gpu_percent=0)
    recording = record([nvml(clock, gpu)], hz=10, activity=FakeActivity(clock, 3.25), idle_seconds=2, clock=clock)
    samples = recording.of_device("gpu0")
    by_phase = {phase: energy_j(rows) for phase, rows in samples.groupby("phase")}
    assert by_phase == {"idle": 200, "command": 500 * 3.25, "after": 240}
    assert sum(by_phase.values()) == energy_j(samples)


def test_package_and_dram_hold_exactly_what_they_drew_over_many_wraps(tmp_path: Path) -> None:
    """262 J at 50 W wraps every 5.2 s; the counter begins near its end."""
    clock = FakeClock()
    tree = FakePowercap(tmp_path / "powercap", clock)
    tree.zone("intel-rapl:0", "package-0", power_mw=50_000, span_uj=262_000_000, before_uj=261_999_999)
    tree.zone("intel-rapl:0/intel-rapl:0:0", "dram", power_mw=3_000, span_uj=65_000_000)
    recording = record([rapl(tmp_path / "powercap")], hz=1, seconds=60, clock=clock)
    package, dram = recording.of_device("cpu0"), recording.of_device("dram0")
    assert energy_j(package) == 3000
    assert energy_j(dram) == 180
    assert math.isnan(package["power_w"].iloc[0])
    assert package["power_w"].iloc[1:].to_numpy() == pytest.approx(50)  # a counter over a time: rounded
    assert [device.kind for device in recording.devices] == ["cpu-package", "dram"]


@given(st.integers(1000, 2**38), st.lists(st.floats(0, 0.999), min_size=1, max_size=30), st.floats(0, 0.999))
def test_a_counter_that_wraps_between_samples_loses_nothing(span_uj: int, shares: list[float], start: float) -> None:
    drawn_uj = [int(share * span_uj) for share in shares]
    raw = int(start * span_uj)
    texts = {"name": "package-0", "max_energy_range_uj": str(span_uj)}
    root = Path(__file__).parent / "nowhere"

    def read_text(path: Path) -> str:
        return texts.get(path.name, str(raw))

    source = _over_one_zone(root, read_text)
    for uj in drawn_uj:
        raw = (raw + uj) % span_uj
        (reading,) = source.sample(lambda: 0)
    assert reading.values["energy_j"] == sum(drawn_uj) / UJ_PER_J


def _over_one_zone(root: Path, read_text: Callable[[Path], str]) -> RaplSource:
    """A source over one zone that has no file behind it."""

    class Root(type(root)):  # type: ignore[misc]
        def glob(self, pattern: str) -> Iterator[Path]:
            return iter([root / "intel-rapl:0"] if pattern == "*:*" else [])

    source = open_rapl(Root(root), read_text=read_text)
    assert isinstance(source, RaplSource)
    return source


def test_nothing_is_counted_twice(tmp_path: Path) -> None:
    """psys holds the packages; packages hold core and uncore; MMIO shows a package again; the class lists all flat."""
    clock = FakeClock()
    tree = FakePowercap(tmp_path / "powercap", clock)
    for place, name, watts in (
        ("intel-rapl:0", "package-0", 100),
        ("intel-rapl:0/intel-rapl:0:0", "core", 60),
        ("intel-rapl:0/intel-rapl:0:1", "uncore", 10),
        ("intel-rapl:0/intel-rapl:0:2", "dram", 8),
        ("intel-rapl:1", "package-1", 90),
        ("intel-rapl:1/intel-rapl:1:0", "dram", 7),
        ("intel-rapl:2", "psys", 300),
        ("intel-rapl-mmio:0", "package-0", 100),
    ):
        folder = tree.zone(place, name, power_mw=watts * 1000)
        if "/" in place:
            (tmp_path / "powercap" / folder.name).symlink_to(folder)
    recording = record([rapl(tmp_path / "powercap")], hz=2, seconds=10, clock=clock)
    drawn = {device.name: energy_j(recording.of_device(device.name)) for device in recording.devices}
    assert drawn == {"cpu0": 1000, "dram0": 80, "cpu1": 900, "dram1": 70}
    told = recording.origin["sources"]["rapl"]
    assert told["zones"]["cpu0"] == "intel-rapl:0"
    assert {"intel-rapl:2 (psys)", "intel-rapl:0:0 (core)", "intel-rapl-mmio:0 (package-0)"} <= set(told["not_counted"])


# --- What is not read is not zero -----------------------------------------------------------------------------------


def test_a_field_that_is_not_supported_is_nan_named_once_and_not_asked_again() -> None:
    clock = FakeClock()
    gpu = FakeGpu(broken={"UtilizationRates": "NOT_SUPPORTED", "TotalEnergyConsumption": "NOT_SUPPORTED"})
    recording = record([nvml(clock, gpu)], hz=10, seconds=2, clock=clock)
    samples = recording.of_device("gpu0")
    missing = ["energy_j", "gpu_utilization", "memory_utilization"]
    assert samples[missing].isna().all(axis=None)
    assert samples[[name for name in MEASURED if name not in missing]].notna().all(axis=None)
    named = [fault.reason for fault in recording.faults]
    assert named == [
        "the counter of energy: Not Supported",
        "GPU utilization: Not Supported",
        "memory utilization: Not Supported",
    ]
    assert gpu.calls.count("TotalEnergyConsumption") == 1
    assert energy_j(samples) == pytest.approx(500)  # trapezoids of 250 W; 2 s, rounded in their sum
    assert set(samples["phase"]) == {""}  # without utilization nobody can tell
    assert recording.complete


def test_a_field_that_fails_for_a_moment_comes_back() -> None:
    clock = FakeClock()
    gpu = FakeGpu()
    clock.at(0.95, lambda: gpu.broken.update(Temperature="TIMEOUT"))
    clock.at(1.25, lambda: gpu.broken.clear())
    recording = record([nvml(clock, gpu)], hz=10, seconds=2, clock=clock)
    temperatures = recording.of_device("gpu0")["temperature_c"]
    assert temperatures.isna().sum() == 3  # at 1.0, 1.1 and 1.2 s
    assert [(fault.device, fault.reason, fault.time_ns) for fault in recording.faults] == [
        ("gpu0", "temperature: Timeout", START_NS + NS_PER_S)
    ]


def test_units_are_si_and_older_drivers_are_asked_by_older_names() -> None:
    clock = FakeClock()
    gpu = FakeGpu(gpu_percent=50, broken={"CurrentClocksEventReasons": "FUNCTION_NOT_FOUND"})
    row = record([nvml(clock, gpu)], hz=10, seconds=1, clock=clock).samples.iloc[0]
    assert row["power_w"] == 250
    assert row["gpu_utilization"] == 0.5
    assert row["memory_utilization"] == 0.25
    assert row["throttle_reasons"] == 0x8
    assert (row["sm_clock_mhz"], row["memory_clock_mhz"]) == (1980, 2619)
    assert row["memory_used_bytes"] == 2**21
    assert row["power_limit_w"] == 700
    assert row["temperature_c"] == 41


def test_a_lost_gpu_is_told_with_its_time_and_the_others_go_on() -> None:
    clock = FakeClock()
    lost, kept = FakeGpu(), FakeGpu(uuid="other")
    clock.at(1.05, lambda: lost.broken.update(everything="GPU_IS_LOST"))
    recording = record([nvml(clock, lost, kept)], hz=10, seconds=3, clock=clock)
    assert len(recording.of_device("gpu0")) == 11  # 0.0 to 1.0 s
    assert len(recording.of_device("gpu1")) == 31
    (fault,) = recording.faults
    assert (fault.device, fault.reason, fault.time_ns) == ("gpu0", "lost: Gpu Is Lost", START_NS + 11 * NS_PER_S // 10)
    assert not recording.complete
    assert lost.calls[-1] == "TotalEnergyConsumption"  # not asked again


def test_a_zone_that_vanishes_is_told_and_the_gpu_goes_on(tmp_path: Path) -> None:
    clock = FakeClock()
    zone = FakePowercap(tmp_path / "powercap", clock).zone("intel-rapl:0", "package-0", power_mw=1000)
    clock.at(1.05, lambda: zone.rename(tmp_path / "gone"))
    recording = record([nvml(clock, FakeGpu()), rapl(tmp_path / "powercap")], hz=10, seconds=2, clock=clock)
    assert len(recording.of_device("cpu0")) == 11
    assert len(recording.of_device("gpu0")) == 21
    assert [fault.device for fault in recording.faults] == ["cpu0"]
    assert not recording.complete


def test_a_counter_that_begins_anew_never_goes_back() -> None:
    clock = FakeClock()
    gpu = FakeGpu()
    clock.at(1.0, lambda: setattr(gpu, "counted_before_mj", 0))
    recording = record([nvml(clock, gpu)], hz=10, seconds=2, clock=clock)
    counter = recording.of_device("gpu0")["energy_j"]
    assert (counter.diff().dropna() >= 0).all()
    assert energy_j(recording.of_device("gpu0")) == 475  # 500 J less the 0.1 s before the reset
    assert "began anew" in recording.faults[0].reason


# --- Sources that are not there -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "says"),
    [
        ("LIBRARY_NOT_FOUND", "no NVIDIA driver on this machine"),
        ("DRIVER_NOT_LOADED", "not loaded"),
        ("UNKNOWN", "does not start: Unknown"),
    ],
)
def test_no_driver_is_a_reason_and_no_exception(error: str, says: str) -> None:
    source = open_nvml(FakeNvml(FakeClock(), start_error=error))
    assert isinstance(source, Missing)
    assert says in source.reason


def test_no_library_and_no_gpu_are_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    library = FakeNvml(FakeClock())
    source = open_nvml(library)
    assert isinstance(source, Missing)
    assert "shows no GPU" in source.reason
    assert not library.open
    closed = open_nvml(FakeNvml(FakeClock(), FakeGpu(broken={"HandleByIndex": "NO_PERMISSION"})))
    assert str(closed) == "NVML: gpu0: cannot be opened: No Permission"
    monkeypatch.setitem(sys.modules, "pynvml", None)
    source = open_nvml()
    assert isinstance(source, Missing)
    assert "nvidia-ml-py is not installed" in source.reason


def _denied(path: Path) -> str:
    if path.name == "energy_uj":
        raise PermissionError(13, "Permission denied", str(path))
    return path.read_text()


def test_permission_denied_is_said_with_its_remedy_and_is_no_zero(tmp_path: Path) -> None:
    tree = FakePowercap(tmp_path / "powercap", FakeClock())
    tree.zone("intel-rapl:0", "package-0", power_mw=1000)
    source = open_rapl(tmp_path / "powercap", read_text=_denied)
    assert isinstance(source, Missing)
    assert "only root may read intel-rapl:0/energy_uj" in source.reason
    assert "sudo chmod" in source.reason


def test_a_zone_that_is_denied_beside_one_that_is_not_is_a_fault(tmp_path: Path) -> None:
    clock = FakeClock()
    tree = FakePowercap(tmp_path / "powercap", clock)
    tree.zone("intel-rapl:0", "package-0", power_mw=1000)
    tree.zone("intel-rapl:1", "package-1", power_mw=1000)
    source = open_rapl(
        tmp_path / "powercap", read_text=lambda path: _denied(path) if ":1" in str(path) else path.read_text()
    )
    assert isinstance(source, RaplSource)
    recording = record([source], hz=1, seconds=2, clock=clock)
    assert [device.name for device in recording.devices] == ["cpu0"]
    assert [fault.device for fault in recording.faults] == ["cpu1"]


def test_no_powercap_tree_is_a_reason(tmp_path: Path) -> None:
    source = open_rapl(tmp_path / "powercap")
    assert isinstance(source, Missing)
    assert "no counters of CPU energy" in source.reason


def test_a_missing_source_is_named_in_the_recording() -> None:
    clock = FakeClock()
    missing = Missing("RAPL", "only root may")
    recording = record([nvml(clock, FakeGpu())], hz=1, seconds=1, missing=[missing], clock=clock)
    assert [str(fault) for fault in recording.faults] == ["RAPL: only root may"]
    assert recording.origin["missing"] == {"rapl": "only root may"}
    assert recording.complete


# --- States, phases, pace -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gpu", "state"),
    [
        (FakeGpu(), "idle"),
        (FakeGpu(processes=1), "loaded"),
        (FakeGpu(used_bytes=CONTEXT_BYTES + 1), "loaded"),  # in a container NVML lists no processes
        (FakeGpu(processes=1, gpu_percent=1), "busy"),
        (FakeGpu(broken={"UtilizationRates": "NOT_SUPPORTED"}), ""),
        (FakeGpu(broken={"MemoryInfo2": "FUNCTION_NOT_FOUND", "MemoryInfo": "NOT_SUPPORTED"}), "idle"),
    ],
)
def test_idle_and_loaded_are_told_apart(gpu: FakeGpu, state: str) -> None:
    clock = FakeClock()
    recording = record([nvml(clock, gpu)], hz=1, seconds=1, clock=clock)
    assert set(recording.samples["phase"]) == {state}


def test_a_gpu_at_work_before_the_command_is_no_baseline() -> None:
    clock = FakeClock()
    gpu = FakeGpu(gpu_percent=30)
    recording = record([nvml(clock, gpu)], hz=1, activity=FakeActivity(clock, 2), idle_seconds=2, clock=clock)
    assert list(dict.fromkeys(recording.samples["phase"])) == ["busy", "command", "after"]
    assert [fault.reason for fault in recording.faults] == ["is at work before the command: the baseline is not idle"]


def test_an_activity_names_its_own_phases_by_the_moment_they_begin() -> None:
    clock = FakeClock()
    activity = FakeActivity(clock, 3, {0.5: "warm-up", 1.25: "matmul"})
    recording = record([nvml(clock, FakeGpu())], hz=10, activity=activity, clock=clock)
    samples = recording.samples
    seconds = (samples["time_ns"] - START_NS) / NS_PER_S
    assert set(samples[seconds < 0.5]["phase"]) == {"command"}
    assert set(samples[(seconds >= 0.5) & (seconds < 1.25)]["phase"]) == {"warm-up"}
    assert set(samples[seconds >= 1.25]["phase"]) == {"matmul"}
    assert 1.25 in set(seconds)  # off the grid of 0.1 s: a phase begins with a sample
    assert recording.origin["sampling"]["missed"] == 0


def test_samples_keep_to_their_grid_and_none_is_missed() -> None:
    clock = FakeClock()
    recording = record([nvml(clock, FakeGpu())], hz=8, seconds=2, clock=clock)
    assert [time_ns - START_NS for time_ns in recording.samples["time_ns"]] == [i * NS_PER_S // 8 for i in range(17)]
    assert recording.origin["sampling"] == {
        "hz_asked": 8,
        "hz_reached": 8.0,  # 16 times from one sample to the next, in 2 s
        "missed": 0,
        "seconds": 2.0,
        "wall_clock_set_by_s": 0.0,
    }


class SlowMeter:
    """Takes ``takes_s`` of the fake clock for each reading."""

    name = "slow"
    devices = (Device("node", "node"),)
    faults = ()
    lost = False
    origin: dict[str, Any]

    def __init__(self, clock: FakeClock, takes_s: float) -> None:
        self._clock = clock
        self._takes_s = takes_s
        self.origin = {}

    def sample(self, stamp: Callable[[], int]) -> list[Reading]:
        time_ns = stamp()
        self._clock.pass_s(self._takes_s)
        return [Reading(time_ns, "node", {"power_w": 1.0})]

    def close(self) -> None:
        pass


def test_deadlines_that_a_slow_meter_misses_are_counted_and_not_made_up_for() -> None:
    """0.25 s a reading at 10 Hz: from 0 on to 0.25, so 0.1 and 0.2 are missed and 0.3 is next; and so on."""
    clock = FakeClock()
    slow: Source = SlowMeter(clock, 0.25)
    recording = record([slow], hz=10, seconds=3, clock=clock)
    stamps = [(time_ns - START_NS) / NS_PER_S for time_ns in recording.samples["time_ns"]]
    assert stamps == pytest.approx([0.3 * i for i in range(11)])  # times in decimal, rounded
    assert recording.origin["sampling"]["missed"] == 2 * 10


def test_setting_the_wall_clock_back_does_not_turn_time_round() -> None:
    clock = FakeClock()
    clock.at(1.0, lambda: setattr(clock, "wall_shift_ns", -3600 * NS_PER_S))
    recording = record([nvml(clock, FakeGpu())], hz=10, seconds=2, clock=clock)
    assert recording.samples["time_ns"].is_monotonic_increasing
    assert recording.seconds == pytest.approx(2)
    assert recording.origin["sampling"]["wall_clock_set_by_s"] == -3600


def test_a_time_limit_ends_the_activity() -> None:
    clock = FakeClock()
    activity = FakeActivity(clock, 100)
    recording = record([nvml(clock, FakeGpu())], hz=1, seconds=5, activity=activity, idle_seconds=2, clock=clock)
    assert activity.stopped_while_running
    assert recording.seconds == 2 + 5 + 2


# --- What is kept ---------------------------------------------------------------------------------------------------


def test_a_recording_survives_its_file_and_names_nobody(tmp_path: Path) -> None:
    clock = FakeClock()
    gpu = FakeGpu(broken={"Temperature": "NOT_SUPPORTED"})
    made = record([nvml(clock, gpu)], hz=10, seconds=1, missing=[Missing("RAPL", "none")], clock=clock)
    write(made, tmp_path / "r.parquet")
    again = read(tmp_path / "r.parquet")
    assert again.samples.equals(made.samples)
    assert (again.devices, again.faults, again.complete) == (made.devices, made.faults, made.complete)
    assert dict(again.origin) == json.loads(json.dumps(made.origin))
    assert again.devices == (Device("gpu0", "gpu", gpu.model, hashed(gpu.uuid)),)
    assert len(again.devices[0].identity) == 16
    assert gpu.uuid.encode() not in (tmp_path / "r.parquet").read_bytes()
    assert os.uname().nodename not in json.dumps(again.origin["machine"]["host"])
    assert again.origin["sources"]["nvml"]["driver"] == "550.54.15"
    assert again.origin["sources"]["nvml"]["cuda_driver"] == "12.4"
    assert {"kernel", "python", "cpu", "packages"} <= set(again.origin["machine"])


def test_ctrl_c_ends_the_activity_and_keeps_what_was_sampled() -> None:
    clock = FakeClock()

    def interrupt() -> None:
        raise KeyboardInterrupt

    clock.at(1.45, interrupt)
    activity = FakeActivity(clock, 100)
    recording = record([nvml(clock, FakeGpu())], hz=10, activity=activity, clock=clock)
    assert activity.stopped_while_running
    assert len(recording.samples) == 15  # 0.0 to 1.4 s
    assert not recording.complete
    assert recording.origin["interrupted"]
    assert recording.faults[-1].reason == "interrupted"


def test_meters_that_are_all_lost_at_once_leave_no_recording() -> None:
    clock = FakeClock()
    gpu = FakeGpu()
    source = nvml(clock, gpu)
    gpu.broken["everything"] = "GPU_IS_LOST"
    with pytest.raises(RunError, match="gpu0: lost"):
        record([source], hz=1, seconds=1, clock=clock)


# --- Commands: real programs, so real time, but little of it --------------------------------------------------------


def program(text: str, **options: Any) -> Command:
    """A command that runs ``text`` in this Python."""
    return Command([sys.executable, "-S", "-c", text], **options)


def test_a_command_is_recorded_to_its_end_with_its_exit_status() -> None:
    recording = record(
        [nvml(FakeClock(), FakeGpu())], hz=50, activity=program("import time; time.sleep(0.3); raise SystemExit(3)")
    )
    assert recording.origin["command"]["exit_status"] == 3
    assert recording.origin["command"]["ended_by"] == "itself"
    assert recording.origin["command"]["argv"][-1].endswith("raise SystemExit(3)")
    assert set(recording.samples["phase"]) == {"command"}
    assert len(recording.samples) >= 2
    assert live.failure(recording) == "the command exited with 3; what was sampled is kept"


def test_stopping_a_command_interrupts_it_once_and_waits_for_its_own_ending(tmp_path: Path) -> None:
    told = tmp_path / "told"
    text = f"""
import signal, sys, time
count = 0
def heard(*_):
    global count
    count += 1
signal.signal(signal.SIGINT, heard)
print("ready", flush=True)
while not count: time.sleep(0.001)
time.sleep(0.05)
open({str(told)!r}, "w").write(str(count))
sys.exit(5)
"""
    wake = threading.Event()
    command = program(text, on_line=lambda _: None)
    command.start(wake)
    assert wake.wait(10)
    command.stop()
    assert not command.running
    assert told.read_text() == "1"
    assert (command.exit_status, command.ended_by) == (5, "coldaisle")


def test_a_command_that_ignores_everything_is_killed() -> None:
    text = (
        "import signal, time\nfor n in (2, 15): signal.signal(n, signal.SIG_IGN)\nprint(1, flush=True)\ntime.sleep(60)"
    )
    wake = threading.Event()
    command = program(text, on_line=lambda _: None, grace_s=0.05, patience_s=0.05)
    command.start(wake)
    assert wake.wait(10)
    command.stop()
    assert command.exit_status == -signal.SIGKILL


def test_a_command_that_cannot_start_is_a_run_error() -> None:
    with pytest.raises(RunError, match="cannot start"):
        record([nvml(FakeClock(), FakeGpu())], hz=1, activity=Command(["/nowhere/at/all"]))


# --- The command line -----------------------------------------------------------------------------------------------


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeNvml]:
    """This machine with one fake GPU and no RAPL, in a folder of its own; the process's signal handlers are kept."""
    library = FakeNvml(FakeClock(), FakeGpu())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(live, "open_nvml", lambda: open_nvml(library))
    monkeypatch.setattr(live, "open_rapl", lambda **_: Missing("RAPL", "only root may"))
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield library
    for number, handler in handlers.items():
        signal.signal(number, handler)


def coldaisle(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit status of the command, in this process."""
    monkeypatch.setattr(sys, "argv", ["coldaisle", *arguments])
    with pytest.raises(SystemExit) as left:
        sim.cli.main()
    return int(left.value.code or 0)


def test_the_command_writes_prints_and_says_what_is_missing(
    here: FakeNvml, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert coldaisle(monkeypatch, "record", "--out", "r.parquet", "--seconds", "0.1", "--hz", "50") == 0
    shown = capsys.readouterr()
    assert "gpu0  NVIDIA H100 80GB HBM3" in shown.out
    assert "RAPL: only root may" in shown.out
    assert shown.err == "written to r.parquet\n"
    assert read(Path("r.parquet")).complete
    assert not here.open  # NVML was let go


@pytest.mark.usefixtures("here")
def test_a_command_that_fails_is_exit_1_and_its_recording_is_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--out", "r.parquet", "--idle", "0", "--hz", "50", "--", sys.executable, "-c"]
    text = "import sys; sys.exit(len(sys.argv))"
    assert coldaisle(monkeypatch, "record", *words, text, "--debug", "--set", "a=1", "b=2") == 1
    assert "the command exited with 5" in capsys.readouterr().err  # -c, --debug, --set, a=1, b=2: all its own
    assert read(Path("r.parquet")).origin["command"]["exit_status"] == 5


@pytest.mark.usefixtures("here")
def test_an_interrupted_recording_is_exit_130_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "import os, signal, time; os.kill(os.getppid(), signal.SIGTERM); time.sleep(60)"
    words = ["--out", "r.parquet", "--idle", "0", "--hz", "50", "--", sys.executable, "-S", "-c", text]
    begin = time.monotonic()
    assert coldaisle(monkeypatch, "record", *words) == 130
    assert time.monotonic() - begin < 50  # far below the minute the command would have slept
    kept = read(Path("r.parquet"))
    assert not kept.complete
    assert kept.origin["command"]["ended_by"] == "coldaisle"


def test_without_any_meter_it_is_exit_1_with_both_reasons_and_no_file(
    here: FakeNvml, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here.gpus = ()
    assert coldaisle(monkeypatch, "record", "--out", "r.parquet", "--seconds", "1") == 1
    shown = capsys.readouterr().err
    assert "NVML: the NVIDIA driver shows no GPU" in shown
    assert "RAPL: only root may" in shown
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], ["--seconds N, --suite, or -- COMMAND"]),
        (["--hz", "0", "--seconds", "-1", "--idle", "nan"], ["--hz", "--seconds", "--idle"]),
        (["--hz", "inf", "--seconds", "1"], ["from 0.1 to 1000"]),
        (["--suite", "--", "true"], ["without it"]),
        (["--seconds", "1", "--power-caps"], ["give --suite too"]),
        (["--", "no-such-program-anywhere"], ["no program 'no-such-program-anywhere'"]),
    ],
)
@pytest.mark.usefixtures("here")
def test_wrong_input_is_exit_2_with_all_of_it_named(
    words: list[str], says: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert coldaisle(monkeypatch, "record", "--out", "r.parquet", *words) == 2
    shown = capsys.readouterr().err
    for word in says:
        assert word in shown
    assert list(Path().iterdir()) == []


def test_a_folder_as_target_is_refused_before_anything_is_sampled(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        live.refuse_wrong(live.Wanted(tmp_path, hz=1, idle_s=0, seconds=1))


def table(recording: Recording) -> str:
    """As it is printed."""
    from rich.console import Console

    console = Console(width=80)
    with console.capture() as shown:
        console.print(recording_table(recording))
    return shown.get()


def test_the_table_leaves_out_what_is_not_known() -> None:
    recording = Recording.of({"time_ns": [1], "device": ["cpu0"]}, [Device("cpu0", "cpu-package")])
    assert table(recording).split()[-2:] == ["cpu0", "1"]


def test_the_table_says_power_energy_pace_and_each_fault_once() -> None:
    clock = FakeClock()
    gpus = [FakeGpu(uuid=name, broken={"Temperature": "NOT_SUPPORTED"}) for name in "ab"]
    shown = table(record([nvml(clock, *gpus)], hz=10, seconds=4, clock=clock))
    assert shown.split("NVIDIA H100 80GB HBM3")[1].split()[:5] == ["250.0", "W", "1,000", "J", "41"]
    assert "4.0 s at 10 Hz, 10 Hz reached" in shown
    assert shown.count("Not Supported") == 1
    assert "gpu0, gpu1: temperature: Not Supported" in shown
