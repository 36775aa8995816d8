"""Recordings in other tools' formats, with their traps. Every expected number is written in the text above it."""

from __future__ import annotations

import gzip
import json
import math
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.errors import InputError
from sim.instants import parse_instant
from sim.measure import recording
from sim.measure.readers import formats, read_recording
from sim.measure.readers.codecarbon import read_runs
from sim.measure.recording import Recording, energy_j
from sim.units import J_PER_KWH, NS_PER_S

MS = NS_PER_S // 1000


def read(folder: Path, content: str | bytes, name: str = "log") -> Recording:
    """The recording in a file of a name that says nothing."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_recording(path)


def refusal(folder: Path, content: str | bytes) -> str:
    """Why a file is refused."""
    with pytest.raises(InputError) as caught:
        read(folder, content)
    return str(caught.value)


def faults(found: Recording) -> str:
    """All that went wrong, in one text."""
    return "\n".join(map(str, found.faults))


def column(found: Recording, device: str, name: str) -> list[float]:
    """What one device measured, in order of time."""
    return [float(value) for value in found.of_device(device)[name]]


def seconds(found: Recording, device: str) -> list[float]:
    """The times of one device, from the first sample of the recording."""
    return [(int(t) - int(found.samples["time_ns"].iloc[0])) / NS_PER_S for t in found.of_device(device)["time_ns"]]


# Every format: what is in it decides, and what is not whole is said


SMI = (
    "timestamp, index, name, uuid, power.draw [W], utilization.gpu [%], memory.used [MiB], clocks.current.sm [MHz]\n"
    "2025/07/27 00:34:45.100, 0, NVIDIA H100 80GB HBM3, GPU-aa, 72.36 W, 50 %, 2 MiB, 1980 MHz\n"
    "2025/07/27 00:34:45.104, 1, NVIDIA H100 80GB HBM3, GPU-bb, 300.50 W, 100 %, 3 MiB, 345 MHz\n"
    "2025/07/27 00:34:46.100, 0, NVIDIA H100 80GB HBM3, GPU-aa, 80.00 W, 0 %, 2 MiB, 1980 MHz\n"
    "2025/07/27 00:34:46.104, 1, NVIDIA H100 80GB HBM3, GPU-bb, 310.00 W, 99 %, 3 MiB, 345 MHz\n"
)
DCGM = "\n".join(
    f'DCGM_FI_DEV_{metric}{{gpu="{gpu}",UUID="GPU-{gpu}",device="nvidia{gpu}",modelName="NVIDIA H100 80GB HBM3",'
    f'Hostname="n1"}} {value + 10 * gpu + step} {1_700_000_000_000 + 1000 * step}'
    for step in range(3)
    for metric, value in (("POWER_USAGE", 70.5), ("TOTAL_ENERGY_CONSUMPTION", 5000), ("GPU_UTIL", 20), ("FB_USED", 4))
    for gpu in (0, 1)
)
DCGM = f"# HELP DCGM_FI_DEV_POWER_USAGE Power draw (in W).\n# TYPE DCGM_FI_DEV_POWER_USAGE gauge\n{DCGM}\n"
ZEUS_POWER = "1700000000.5,72.5,100.25\n1700000001.5,73.0,101.0\n1700000002.5,74.0,102.0\n"
ZEUS_WINDOWS = (
    "start_time,window_name,elapsed_time,gpu0_energy,gpu1_energy\n"
    "1700000000.25,epoch 1, warm,4.5,900.0,450.0\n"
    "1700000001.0,step,1.0,200.0,100.0\n"
    "1700000002.0,step,1.0,210.0,110.0\n"
)
CARBON_HEADER = (
    "timestamp,project_name,run_id,experiment_id,duration,emissions,emissions_rate,cpu_power,gpu_power,ram_power,"
    "cpu_energy,gpu_energy,ram_energy,energy_consumed,cpu_count,cpu_model,gpu_count,gpu_model,pue\n"
)
CARBON = CARBON_HEADER + (
    "2025-03-01T10:00:10,p,r1,e,10.0,0.1,0.01,45,300,10,0.15,1.5,0.03,1.68,64,EPYC,8,8 x NVIDIA A40,1.5\n"
    "2025-03-01T11:00:00,p,r2,e,60.0,0.1,0.01,45,300,10,0.2,0,0.05,0.25,64,EPYC,,,1.0\n"
)
SPL = (
    "Time,08-09-2021 13:14:36.532,Watts,22.950000,Volts,228.7,Amps,0.2,PF,0.5,Mark,run_1\n"
    "Time,08-09-2021 13:14:37.532,Watts,23.950000,Volts,228.7,Amps,0.2,PF,0.5,Mark,run_1\n"
    "Time,08-09-2021 13:14:38.532,Watts,275.63,Volts,-1.0,Amps,-1.0,PF,-1.0,Mark,run_1,Ch1,Watts,91.96,Volts,120.9\n"
)


def mllog(time_ms: int, key: str, value: object, metadata: object = "", colons: str = ":::") -> str:
    """A line of an MLPerf log."""
    entry = {"namespace": "", "time_ms": time_ms, "event_type": "POINT_IN_TIME", "key": key, "value": value}
    return f"{colons}MLLOG {json.dumps({**entry, 'metadata': metadata})}\n"


NODE = (
    mllog(1_715_267_038_172, "power_measurement_start", None)
    + mllog(1_715_267_038_172, "conversion_eff", 1.0)
    + mllog(1_715_267_038_172, "power_reading", 2708.0, {"host": "node_0"})
    + mllog(1_715_267_040_266, "power_reading", 2712, {"host": "node_0"})
    + mllog(1_715_267_040_266, "power_measurement_stop", "null", colons="::")  # as one submitter's script leaves it
)
TURBOSTAT = (
    "turbostat version 2023.03.17 - Len Brown <lenb@kernel.org>\n"
    "Time_Of_Day_Seconds\tPackage\tCore\tCPU\tBusy%\tPkgTmp\tPkgWatt\tRAMWatt\n"
    "1700000001.000100\t-\t-\t-\t0.51\t40\t192.41\t20.00\n"
    "1700000001.000000\t0\t0\t0\t7.05\t38\t98.00\t9.00\n"
    "1700000001.000050\t0\t0\t192\t0.02\n"
    "1700000001.000000\t1\t0\t96\t0.28\t40\t94.41\t11.00\n"
    "Time_Of_Day_Seconds\tPackage\tCore\tCPU\tBusy%\tPkgTmp\tPkgWatt\tRAMWatt\n"
    "1700000002.000100\t-\t-\t-\t0.51\t40\t200.00\t22.00\n"
    "1700000002.000000\t0\t0\t0\t7.05\t39\t99.00\t10.00\n"
    "1700000002.000050\t0\t0\t192\t0.02\n"
    "1700000002.000000\t1\t0\t96\t0.28\t41\t101.00\t12.00\n"
)
PERF = (
    "#           time             counts   unit events\n"
    "     1.001073498              12.34 Joules power/energy-pkg/\n"
    "     1.001073498               1.50 Joules power/energy-ram/\n"
    "     2.002073498           1,020.00 Joules power/energy-pkg/                                (100.00%)\n"
    "     2.002073498               1.60 Joules power/energy-ram/\n"
)
PERF_SOCKETS = (
    "1.000000000,S0,1,12.50,Joules,power/energy-pkg/,1000,100.00,,\n"
    "1.000000000,S1,1,10.50,Joules,power/energy-pkg/,1000,100.00,,\n"
    "2.000000000,S0,1,13.50,Joules,power/energy-pkg/,1000,100.00,,\n"
    "2.000000000,S1,1,11.50,Joules,power/energy-pkg/,1000,100.00,,\n"
)


def api(*series: tuple[dict[str, str], list[list[object]]], status: str = "success") -> str:
    """An answer of Prometheus."""
    result = [{"metric": metric, "values": values} for metric, values in series]
    return json.dumps({"status": status, "data": {"resultType": "matrix", "result": result}})


API = api(
    (
        {"__name__": "DCGM_FI_DEV_POWER_USAGE", "gpu": "0", "UUID": "GPU-0"},
        [[1700000000.781, "70.5"], [1700000001, "71"]],
    ),
    (
        {"__name__": "DCGM_FI_DEV_SM_CLOCK", "gpu": "0", "UUID": "GPU-0"},
        [[1700000000.781, "1980"], [1700000001, "NaN"]],
    ),
    ({"__name__": "node_rapl_package_joules_total", "index": "0"}, [[1700000000.781, "100"], [1700000001, "150.5"]]),
)
WHOLE = {
    "nvidia-smi": SMI,
    "Prometheus text": DCGM,
    "Prometheus HTTP API": API,
    "Zeus power CSV": ZEUS_POWER,
    "Zeus window log": ZEUS_WINDOWS,
    "CodeCarbon": CARBON,
    "PTDaemon": SPL,
    "MLPerf Training power log": NODE,
    "turbostat": TURBOSTAT,
    "perf stat": PERF,
}
LINES = {name: text for name, text in WHOLE.items() if name != "Prometheus HTTP API"}


@pytest.mark.parametrize("name", WHOLE)
def test_the_content_tells_the_format(tmp_path: Path, name: str) -> None:
    plain = read(tmp_path, WHOLE[name], "emissions.parquet")  # a name that lies
    assert plain.origin["format"] == name
    assert plain.complete
    packed = read(tmp_path, gzip.compress(WHOLE[name].encode()), "no-suffix")
    assert packed.samples.equals(plain.samples)
    assert packed.devices == plain.devices


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_whole_has_no_faults(tmp_path: Path, name: str) -> None:
    told = [fault for fault in read(tmp_path, WHOLE[name]).faults if "divided out" not in fault.reason]
    assert told == []


@pytest.mark.parametrize("name", LINES)
def test_blank_lines_and_windows_ends_of_line_change_nothing(tmp_path: Path, name: str) -> None:
    plain = read(tmp_path, LINES[name])
    for other in (LINES[name].replace("\n", "\r\n"), LINES[name].replace("\n", "\n\n"), "\ufeff" + LINES[name]):
        assert read(tmp_path, other).samples.equals(plain.samples)
    assert read(tmp_path, LINES[name].encode("utf-16")).samples.equals(plain.samples)  # PowerShell's redirection


@pytest.mark.parametrize("name", LINES)
def test_a_file_cut_in_its_last_line_says_so(tmp_path: Path, name: str) -> None:
    whole, cut = read(tmp_path, LINES[name]), read(tmp_path, LINES[name][:-2])
    lines = LINES[name].count("\n")
    assert not cut.complete
    assert [fault.line for fault in cut.faults if "middle of this line" in fault.reason] == [lines]
    assert len(cut.samples) <= len(whole.samples)


@pytest.mark.parametrize("name", LINES)
def test_a_packed_file_that_ends_early_is_read_as_far_as_it_goes(tmp_path: Path, name: str) -> None:
    lines = LINES[name].splitlines(keepends=True)
    first = gzip.compress("".join(lines).encode())
    found = read(tmp_path, first[:-8])  # all of the content, but not the sums behind it
    assert not found.complete
    assert found.samples.equals(read(tmp_path, LINES[name]).samples)


@pytest.mark.parametrize("name", LINES)
def test_a_header_alone_is_refused(tmp_path: Path, name: str) -> None:
    text = LINES[name]
    header = {
        "Zeus power CSV": "time,gpu0\n",
        "PTDaemon": "Time,x,Watts,\n",
        "MLPerf Training power log": NODE.split("\n")[0],
    }
    lone = header.get(
        name, "".join(text.splitlines(keepends=True)[: 2 if name in ("turbostat", "Prometheus text") else 1])
    )
    assert "no " in refusal(tmp_path, lone)


def test_perf_with_a_header_and_no_counts_is_no_known_format(tmp_path: Path) -> None:
    assert "no format" in refusal(tmp_path, PERF.splitlines()[0] + "\n")


def test_nothing_and_nonsense_are_refused(tmp_path: Path) -> None:
    for nothing in (b"", b"\n\n", b"\0\0\0"):
        assert "is empty" in refusal(tmp_path, nothing)
    message = refusal(tmp_path, "a,b,c\n1,2,3\n")
    assert all(form.NAME in message for form in formats())
    assert "own Parquet" in message
    assert "not text" in refusal(tmp_path, b"\x80abc\n")
    with pytest.raises(InputError, match="no such file"):
        read_recording(tmp_path / "absent")
    with pytest.raises(InputError, match="no file to read but a folder"):
        read_recording(tmp_path)


def test_our_own_parquet_is_read_by_its_content(tmp_path: Path) -> None:
    first = read(tmp_path, SMI)
    recording.write(first, tmp_path / "mine.csv")
    again = read_recording(tmp_path / "mine.csv")
    assert again.samples.equals(first.samples)
    assert (again.devices, again.origin) == (first.devices, dict(first.origin))
    pd.DataFrame({"t": [0.0], "watts": [1]}).to_parquet(tmp_path / "theirs.parquet")
    with pytest.raises(InputError, match="not a recording"):
        read_recording(tmp_path / "theirs.parquet")


# nvidia-smi


def test_nvidia_smi_in_si(tmp_path: Path) -> None:
    found = read(tmp_path, SMI)
    assert [(device.name, device.kind, device.model) for device in found.devices] == [
        ("gpu0", "gpu", "NVIDIA H100 80GB HBM3"),
        ("gpu1", "gpu", "NVIDIA H100 80GB HBM3"),
    ]
    assert "GPU-aa" not in str(found.devices)  # serials are hashed
    assert found.devices[0].identity != found.devices[1].identity
    assert column(found, "gpu0", "power_w") == [72.36, 80.0]
    assert column(found, "gpu1", "gpu_utilization") == [1.0, 0.99]
    assert column(found, "gpu1", "memory_used_bytes") == [3 * 2**20, 3 * 2**20]
    assert column(found, "gpu1", "sm_clock_mhz") == [345.0, 345.0]
    assert int(found.samples["time_ns"].iloc[0]) == parse_instant("2025-07-27T00:34:45.100Z")
    assert "UTC" in found.origin["clock"]
    assert all(math.isnan(value) for value in column(found, "gpu0", "energy_j"))  # what is not there is not 0


def test_nvidia_smi_without_units_and_in_another_order(tmp_path: Path) -> None:
    bare = (
        "power.draw [W], memory.used [MiB], index, timestamp, utilization.gpu [%]\n"
        "72.36, 2, 0, 2025/07/27 00:34:45.100, 50\n80.00, 2, 0, 2025/07/27 00:34:46.100, 0\n"
    )
    one, other = read(tmp_path, bare), read(tmp_path, SMI)
    for name in ("power_w", "memory_used_bytes", "gpu_utilization", "time_ns"):
        assert column(one, "gpu0", name) == column(other, "gpu0", name)


@pytest.mark.parametrize("absent", ["[N/A]", "N/A", "[Not Supported]", "ERR!", "[Unknown Error]"])
def test_what_nvidia_smi_does_not_know_is_nan_and_never_0(tmp_path: Path, absent: str) -> None:
    found = read(tmp_path, SMI.replace("72.36 W", absent))
    assert column(found, "gpu0", "power_w")[1:] == [80.0]
    assert math.isnan(column(found, "gpu0", "power_w")[0])
    assert faults(found) == f"line 2, gpu0: 'power.draw' is {absent} (1 times), of 2 rows"


def test_the_best_power_column_that_says_anything_is_used(tmp_path: Path) -> None:
    text = "timestamp, index, power.draw [W], power.draw.instant [W], power.draw.average [W]\n"
    text += "".join(f"2025/07/27 00:34:4{s}.000, 0, 1.00 W, {{}}, 3.00 W\n" for s in range(2))
    assert column(read(tmp_path, text.format("2.00 W", "2.50 W")), "gpu0", "power_w") == [2.0, 2.5]
    fallen = read(tmp_path, text.format("[N/A]", "[N/A]"))
    assert column(fallen, "gpu0", "power_w") == [1.0, 1.0]
    assert fallen.origin["columns"]["power_w"] == "power.draw"


def test_a_cell_in_another_unit_is_a_fault(tmp_path: Path) -> None:
    found = read(tmp_path, SMI.replace("72.36 W", "72.36 mW"))
    assert math.isnan(column(found, "gpu0", "power_w")[0])
    assert [fault.line for fault in found.faults] == [2]


def test_appended_nvidia_smi_files_with_other_columns(tmp_path: Path) -> None:
    more = "index, timestamp, power.draw [W]\n0, 2025/07/27 00:34:47.100, 90.00 W\n1, 2025/07/27 00:34:47.104, 5.00 W\n"
    found = read(
        tmp_path, SMI + more.replace("index", "uuid, index").replace("\n0", "\nGPU-aa, 0").replace("\n1", "\nGPU-bb, 1")
    )
    assert column(found, "gpu0", "power_w") == [72.36, 80.0, 90.0]
    assert column(found, "gpu1", "power_w") == [300.5, 310.0, 5.0]
    assert len(read(tmp_path, SMI + SMI.split("\n")[0] + "\n").samples) == 4


def test_one_index_with_another_serial_is_another_gpu(tmp_path: Path) -> None:
    found = read(tmp_path, SMI + SMI.replace("GPU-aa", "GPU-cc").replace("45.1", "47.1").replace("46.1", "48.1"))
    assert len(found.devices) == 3
    assert len(found.of_device("gpu0")) == 2


def test_devices_told_apart_by_uuid_alone(tmp_path: Path) -> None:
    text = "timestamp, uuid, power.draw [W]\n"
    text += "".join(f"2025/07/27 00:34:4{s}.000, GPU-{g}, {s}{g}.00 W\n" for s in range(3) for g in "97")
    found = read(tmp_path, text)
    assert column(found, "gpu0", "power_w") == [9.0, 19.0, 29.0]  # in the order of their first rows
    assert column(found, "gpu1", "power_w") == [7.0, 17.0, 27.0]


def test_rows_out_of_order_are_sorted_and_said(tmp_path: Path) -> None:
    header, a, b, c, d = SMI.splitlines(keepends=True)
    found = read(tmp_path, header + c + b + a + d)
    assert found.samples.equals(read(tmp_path, SMI).samples)
    assert "earlier" in faults(found)
    assert found.faults[0].device == "gpu0"
    assert found.faults[0].line == 4


def test_a_gpu_that_vanishes_is_said_with_its_last_time(tmp_path: Path) -> None:
    header = "timestamp, index, power.draw [W]\n"
    rows = [f"2025/07/27 00:34:{s:02}.000, {g}, 70.00 W\n" for s in range(20) for g in (0, 1) if g == 0 or s < 10]
    found = read(tmp_path, header + "".join(rows))
    assert not found.complete
    (fault,) = found.faults
    assert (fault.device, fault.time_ns) == ("gpu1", parse_instant("2025-07-27T00:34:09Z"))
    assert "10 s before the end" in fault.reason


def test_bad_rows_are_named_by_line(tmp_path: Path) -> None:
    header, a, b, *rest = SMI.splitlines(keepends=True)
    bad = header + a + "No devices were found\n" + b.replace("2025/07", "2025/77") + "".join(rest)
    found = read(tmp_path, bad)
    assert [fault.line for fault in found.faults] == [3, 4]
    assert len(found.samples) == 3


def test_a_log_without_time_is_refused_with_the_remedy(tmp_path: Path) -> None:
    assert "--query-gpu" in refusal(tmp_path, "index, power.draw [W]\n0, 72.36 W\n")


def sweeps(gaps_ms: Sequence[Sequence[int]], *, drop: Sequence[tuple[int, int]] = ()) -> str:
    """A log of as many GPUs as ``gaps_ms`` has columns: the wait before each row. Its power is 100 x GPU + sweep."""
    now = datetime(2025, 7, 27, tzinfo=UTC)
    text = "timestamp, power.draw [W]\n"
    for sweep, gaps in enumerate(gaps_ms):
        for gpu, gap in enumerate(gaps):
            now += timedelta(milliseconds=gap)
            if (sweep, gpu) not in drop:
                text += f"{now:%Y/%m/%d %H:%M:%S}.{now.microsecond // 1000:03}, {100 * gpu + sweep}.00 W\n"
    return text


@given(
    st.integers(1, 10).flatmap(
        lambda gpus: st.lists(
            st.tuples(st.integers(100, 140), *[st.sampled_from([0, 0, 0, 1, 1, 2, 3])] * (gpus - 1)),
            min_size=6,
            max_size=30,
        )
    )
)
def test_gpus_without_an_index_are_told_by_their_sweeps(gaps: list[tuple[int, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = read(Path(folder), sweeps(gaps))
    assert found.faults == ()
    assert len(found.devices) == len(gaps[0])
    for gpu in range(len(gaps[0])):
        assert column(found, f"gpu{gpu}", "power_w") == [100.0 * gpu + sweep for sweep in range(len(gaps))]


def test_a_stall_within_a_sweep_does_not_confuse_the_gpus(tmp_path: Path) -> None:
    gaps = [[100, 1, 0, 2] for _ in range(20)]
    gaps[3], gaps[9], gaps[10] = [100, 400, 0, 0], [100, 0, 0, 900], [100, 110, 120, 0]
    found = read(tmp_path, sweeps(gaps))
    assert found.faults == ()
    assert column(found, "gpu3", "power_w") == [300.0 + sweep for sweep in range(20)]


def test_a_sweep_that_misses_a_row_is_left_out_and_said(tmp_path: Path) -> None:
    gaps = [[100, 1, 0, 2]] * 20
    found = read(tmp_path, sweeps(gaps, drop=[(7, 1)]))
    kept = [sweep for sweep in range(20) if sweep != 7]
    for gpu in range(4):
        assert column(found, f"gpu{gpu}", "power_w") == [100.0 * gpu + sweep for sweep in kept]
    (fault,) = found.faults
    assert "3 rows where there are 4" in fault.reason
    assert fault.line == 2 + 4 * 7
    assert found.complete


def test_a_log_that_ends_within_a_sweep_says_so(tmp_path: Path) -> None:
    found = read(tmp_path, sweeps([[100, 1, 0, 2]] * 20, drop=[(19, 2), (19, 3)]))
    assert not found.complete
    assert "2 of the 4" in faults(found)
    assert [len(found.of_device(f"gpu{gpu}")) for gpu in range(4)] == [20, 20, 19, 19]


@pytest.mark.parametrize(("gpus", "left"), [(2, 1), (4, 3), (8, 4), (6, 2)])
def test_a_gpu_that_vanishes_from_a_log_without_an_index_is_said(tmp_path: Path, gpus: int, left: int) -> None:
    """Two sweeps of half the GPUs look like one that stalled; nobody knows which GPUs are left."""
    drop = [(sweep, gpu) for sweep in range(20, 35) for gpu in range(left, gpus)]
    found = read(tmp_path, sweeps([[100, *[1] * (gpus - 1)]] * 35, drop=drop))
    assert not found.complete
    assert "vanished" in faults(found)
    for gpu in range(gpus):
        assert column(found, f"gpu{gpu}", "power_w") == [100.0 * gpu + sweep for sweep in range(20)]


def test_appended_logs_without_an_index_start_a_sweep_anew(tmp_path: Path) -> None:
    first = sweeps([[100, 1, 0, 2]] * 20, drop=[(19, 3)])
    found = read(tmp_path, first + sweeps([[100, 1, 0, 2]] * 20).replace("2025/07/27", "2025/07/28"))
    assert [len(found.of_device(f"gpu{gpu}")) for gpu in range(4)] == [40, 40, 40, 39]
    assert "3 of the 4" in faults(found)


def test_gpus_that_cannot_be_told_apart_are_refused_with_the_remedy(tmp_path: Path) -> None:
    assert "timestamp,index" in refusal(tmp_path, sweeps([[1, 1, 0, 2]]))
    lost = [(sweep, gpu) for sweep in range(12) for gpu in range(1 + sweep * 7 % 12, 12)]
    assert "timestamp,index" in refusal(tmp_path, sweeps([[100, *[1] * 11]] * 12, drop=lost))  # 1 to 12 rows, once each


def test_one_gpu_whose_loop_stalls_is_one_gpu(tmp_path: Path) -> None:
    gaps = [[100 if sweep not in (7, 20, 23) else 700] for sweep in range(40)]
    found = read(tmp_path, sweeps(gaps))
    assert [device.name for device in found.devices] == ["gpu0"]
    assert found.faults == ()


@pytest.mark.shared_data
def test_eight_real_gpus_without_an_index(shared_data: Path) -> None:
    path = shared_data / "measured" / "nvidia_smi_8xh100_training.csv.gz"
    found = read_recording(path)
    assert [device.name for device in found.devices] == [f"gpu{i}" for i in range(8)]
    assert found.faults == ()
    assert found.complete
    # The file is 6804 whole sweeps, so every eighth row is one GPU's: an independent reading of the same file.
    with gzip.open(path, "rt") as text:
        rows = [line.split(", ") for line in text.read().splitlines()[1:]]
    for gpu in range(8):
        assert column(found, f"gpu{gpu}", "power_w") == [float(row[1].removesuffix(" W")) for row in rows[gpu::8]]
        mib = [float(row[3].removesuffix(" MiB")) * 2**20 for row in rows[gpu::8]]
        assert column(found, f"gpu{gpu}", "memory_used_bytes") == mib


@pytest.mark.shared_data
def test_real_gpus_after_a_lost_row_and_a_cut(shared_data: Path, tmp_path: Path) -> None:
    with gzip.open(shared_data / "measured" / "nvidia_smi_8xh100_training.csv.gz", "rb") as packed:
        lines = packed.read().splitlines(keepends=True)[:8001]
    whole = read(tmp_path, b"".join(lines))
    damaged = read(tmp_path, b"".join(lines[:4003] + lines[4004:])[:-9])
    assert "7 rows where there are 8" in faults(damaged)
    assert "middle of this line" in faults(damaged)
    assert not damaged.complete
    for gpu in range(8):
        expected = whole.of_device(f"gpu{gpu}").drop(index=500)  # the 501st sweep has the lost row
        expected = expected.iloc[: -1 if gpu == 7 else None].reset_index(drop=True)
        assert damaged.of_device(f"gpu{gpu}").equals(expected)


def smi_log(draws: Sequence[tuple[int, int, float]]) -> list[str]:
    """A log with an index: a header and a row for each (ms, GPU, W)."""
    start = datetime(2025, 7, 27, tzinfo=UTC)
    moments = [start + timedelta(milliseconds=ms) for ms, _, _ in draws]
    rows = [
        f"{moment:%Y/%m/%d %H:%M:%S}.{moment.microsecond // 1000:03}, {gpu}, {power:.2f} W, 17 MiB\n"
        for moment, (_, gpu, power) in zip(moments, draws, strict=True)
    ]
    return ["timestamp, index, power.draw [W], memory.used [MiB]\n", *rows]


SMI_ROWS = st.lists(st.tuples(st.integers(0, 3), st.floats(0, 700)), min_size=1, max_size=12).map(
    lambda rows: [(137 * at, gpu, power) for at, (gpu, power) in enumerate(rows)]
)


@given(rows=SMI_ROWS, data=st.data())
def test_a_cut_log_is_the_same_or_a_prefix_that_is_known_to_be_one(
    rows: list[tuple[int, int, float]], data: st.DataObject
) -> None:
    text = "".join(smi_log(rows)).encode()
    cut = data.draw(st.integers(0, len(text)))
    with tempfile.TemporaryDirectory() as folder:
        whole = read(Path(folder), text)
        try:
            part = read(Path(folder), text[:cut])
        except InputError:
            assert b"W, 17 MiB\n" not in text[:cut]  # not one whole row
            return
    count = len(part.samples)
    assert part.samples.equals(whole.samples.iloc[:count])
    ends_a_line = text[:cut].endswith(b"\n")
    assert count == text[:cut].count(b"\n") - 1  # no whole row is lost, and no half row is read
    assert ends_a_line or not part.complete


@given(rows=SMI_ROWS, data=st.data())
def test_the_order_of_rows_with_an_index_does_not_matter(
    rows: list[tuple[int, int, float]], data: st.DataObject
) -> None:
    header, *lines = smi_log(rows)
    shuffled = data.draw(st.permutations(lines))
    with tempfile.TemporaryDirectory() as folder:
        one = read(Path(folder), header + "".join(lines))
        other = read(Path(folder), header + "".join(shuffled))
    assert other.samples.equals(one.samples)
    disorder = any(
        [at for at in shuffled if f", {gpu}, " in at] != [at for at in lines if f", {gpu}, " in at] for gpu in range(4)
    )
    assert ("earlier" in faults(other)) == disorder


@given(st.sampled_from(sorted(WHOLE)), st.data())
def test_no_cut_and_no_damage_ends_in_anything_but_a_recording_or_a_refusal(name: str, data: st.DataObject) -> None:
    content = bytearray(WHOLE[name].encode())
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.sampled_from(b',: \t\n"{}[]-0x9\0\x80eN'))
    damaged = bytes(content[: data.draw(st.integers(0, len(content)))])
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = read(Path(folder), damaged)
        except InputError:
            return
    assert len(found.samples) > 0
    assert set(found.samples["device"]) == {device.name for device in found.devices}


@pytest.mark.parametrize("year", ["1025", "9025"])
def test_a_time_that_no_meter_can_have_is_a_fault(tmp_path: Path, year: str) -> None:
    found = read(tmp_path, SMI.replace("2025", year, 1))
    assert [fault.line for fault in found.faults] == [2]
    assert len(read(tmp_path, SPL.replace("2021", year, 1)).samples) == 2


# Prometheus


def test_dcgm_scrapes(tmp_path: Path) -> None:
    found = read(tmp_path, DCGM)
    assert [(device.name, device.model) for device in found.devices] == [
        ("gpu0", "NVIDIA H100 80GB HBM3"),
        ("gpu1", "NVIDIA H100 80GB HBM3"),
    ]
    assert column(found, "gpu0", "power_w") == [70.5, 71.5, 72.5]
    assert column(found, "gpu1", "gpu_utilization") == pytest.approx([0.30, 0.31, 0.32])
    assert column(found, "gpu0", "memory_used_bytes") == [4 * 2**20, 5 * 2**20, 6 * 2**20]
    assert energy_j(found.of_device("gpu0")) == pytest.approx(0.002)  # the counter is in mJ and rose by 2
    assert seconds(found, "gpu1") == [0.0, 1.0, 2.0]


def test_a_scrape_without_times_is_refused_with_the_remedy(tmp_path: Path) -> None:
    untimed = "\n".join(line.rpartition(" ")[0] if "{" in line else line for line in DCGM.splitlines())
    assert "query_range" in refusal(tmp_path, untimed + "\n")


def test_one_sample_without_a_time_is_a_fault(tmp_path: Path) -> None:
    found = read(tmp_path, DCGM + 'DCGM_FI_DEV_POWER_USAGE{gpu="0",Hostname="n1"} 99.0\n')
    assert column(found, "gpu0", "power_w") == [70.5, 71.5, 72.5]
    assert "no time" in faults(found)


def test_openmetrics_times_are_in_seconds(tmp_path: Path) -> None:
    text = '# TYPE x gauge\nDCGM_FI_DEV_POWER_USAGE{gpu="0"} 70.5 1700000000.781\n# EOF\n'
    found = read(tmp_path, text)
    assert int(found.samples["time_ns"].iloc[0]) == 1_700_000_000_781 * MS


def test_what_dcgm_leaves_blank_is_nan(tmp_path: Path) -> None:
    text = DCGM.replace(" 70.5 ", " 140737488355328 ").replace(" 71.5 ", " NaN ").replace(" 72.5 ", " -Inf ")
    assert np.isnan(column(read(tmp_path, text), "gpu0", "power_w")).all()


def test_hosts_are_kept_apart(tmp_path: Path) -> None:
    found = read(tmp_path, DCGM + DCGM.replace('"n1"', '"n2"').replace("GPU-", "GPU-2"))
    assert sorted(device.name for device in found.devices) == ["n1/gpu0", "n1/gpu1", "n2/gpu0", "n2/gpu1"]


def test_labels_may_hold_quotes_and_braces(tmp_path: Path) -> None:
    text = 'DCGM_FI_DEV_POWER_USAGE{pod="a\\"} 1 {b",gpu="3",modelName="x"} 70.5 1700000000000\n'
    found = read(tmp_path, text)
    assert [(device.name, device.model) for device in found.devices] == [("gpu3", "x")]
    assert column(found, "gpu3", "power_w") == [70.5]


def test_range_export(tmp_path: Path) -> None:
    found = read(tmp_path, API)
    assert column(found, "gpu0", "power_w") == [70.5, 71.0]
    clocks = column(found, "gpu0", "sm_clock_mhz")
    assert clocks[0] == 1980
    assert math.isnan(clocks[1])
    assert found.device("cpu-package0").kind == "cpu-package"
    assert energy_j(found.of_device("cpu-package0")) == 50.5
    assert seconds(found, "gpu0") == [0.0, 0.219]


def test_a_pod_that_changes_splits_a_series_but_not_the_gpu(tmp_path: Path) -> None:
    name = {"__name__": "DCGM_FI_DEV_POWER_USAGE", "gpu": "0"}
    late = ({**name, "pod": "b"}, [[1700000002, "3"], [1700000003, "4"]])
    early = ({**name, "pod": "a"}, [[1700000000, "1"], [1700000001, "2"]])
    found = read(tmp_path, api(late, early))
    assert column(found, "gpu0", "power_w") == [1, 2, 3, 4]
    assert found.faults == ()
    clash = read(tmp_path, api(late, early, ({**name, "pod": "c"}, [[1700000001, "9"]])))
    assert "two values" in faults(clash)
    assert column(clash, "gpu0", "power_w") == [1, 2, 3, 4]


def test_a_counter_that_is_reset_adds_nothing_for_the_gap_and_says_so(tmp_path: Path) -> None:
    name = {"__name__": "node_rapl_dram_joules_total", "index": "0"}
    values: list[list[object]] = [[1700000000 + 15 * at, str(j)] for at, j in enumerate([162000, 162100, 40, 140, 240])]
    found = read(tmp_path, api((name, values)))
    assert energy_j(found.of_device("dram0")) == 100 + 0 + 100 + 100
    (fault,) = found.faults
    assert fault.device == "dram0"
    assert fault.time_ns == (1700000000 + 30) * NS_PER_S
    assert "15 s" in fault.reason


@given(st.integers(0, 1), st.floats(20.0, 400.0), st.integers(2, 60))
def test_a_rapl_counter_that_wraps_counts_on(which: int, power_w: float, count: int) -> None:
    """At steady power, whatever the range, the counter's energy is power x time."""
    full_j = (65532.610987, 262143.328850)[which]  # as Linux has it in max_energy_range_uj
    start_j = full_j - 15 * power_w * (count // 2 + 0.5)  # wraps in the middle
    values: list[list[object]] = [
        [1700000000 + 15 * at, repr((start_j + 15 * power_w * at) % full_j)] for at in range(count + 1)
    ]
    with tempfile.TemporaryDirectory() as folder:
        found = read(Path(folder), api(({"__name__": "node_rapl_package_joules_total", "index": "0"}, values)))
    assert found.faults == ()
    assert energy_j(found.of_device("cpu-package0")) == pytest.approx(15 * power_w * count, abs=1e-3)  # of full_j's µJ


def test_a_counter_that_slips_back_a_little_is_not_counted_twice(tmp_path: Path) -> None:
    """Prometheus' own increase() would add all of 999.9 J here."""
    name = {"__name__": "node_rapl_dram_joules_total", "index": "0"}
    found = read(tmp_path, api((name, [[1, "900"], [2, "1000"], [3, "999.9"], [4, "1010"]])))
    assert energy_j(found.of_device("dram0")) == pytest.approx(100 + 10.1)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (json.dumps({"status": "error", "errorType": "bad_data", "error": "parse error"}), "bad_data: parse error"),
        (json.dumps({"status": "success", "data": {"resultType": "vector", "result": []}}), "'vector'"),
        (json.dumps({"a": 1}), "no 'status'"),
        (API[:-7], "cut short"),
        (api(), "no samples"),
        (api(({"gpu": "0"}, [[1700000000, "1"]])), "rate()"),
        (api(({"__name__": "up"}, [[1700000000, "1"]])), "up, which is not read"),
        (api(({"__name__": "DCGM_FI_DEV_POWER_USAGE", "gpu": "0"}, [[1, "x"], [2]])), "no [time"),
    ],
)
def test_range_exports_that_are_refused(tmp_path: Path, content: str, says: str) -> None:
    assert says in refusal(tmp_path, content)


# Zeus


@pytest.mark.parametrize("header", ["", "time,gpu0,gpu1\n", "time,power0,power1\n"])
def test_zeus_power(tmp_path: Path, header: str) -> None:
    found = read(tmp_path, header + ZEUS_POWER)
    assert column(found, "gpu0", "power_w") == [72.5, 73.0, 74.0]
    assert energy_j(found.of_device("gpu1")) == pytest.approx((100.25 + 101) / 2 + (101 + 102) / 2)
    assert int(found.samples["time_ns"].iloc[0]) == 1_700_000_000_500 * MS


def test_zeus_power_of_chosen_gpus(tmp_path: Path) -> None:
    found = read(tmp_path, "time,power2,power5\n" + ZEUS_POWER + "1700000003.5,70\n1700000004.5,,70\n")
    assert [device.name for device in found.devices] == ["gpu2", "gpu5"]
    assert [fault.line for fault in found.faults] == [5]
    assert math.isnan(column(found, "gpu2", "power_w")[-1])


def test_zeus_windows_may_overlap_and_hold_commas(tmp_path: Path) -> None:
    found = read(tmp_path, ZEUS_WINDOWS)
    energies = {device.name: energy_j(found.of_device(device.name)) for device in found.devices}
    assert energies == {
        "epoch 1, warm#1/gpu0": 900, "epoch 1, warm#1/gpu1": 450, "step#1/gpu0": 200, "step#1/gpu1": 100,
        "step#2/gpu0": 210, "step#2/gpu1": 110,
    }  # fmt: skip
    epoch = found.of_device("epoch 1, warm#1/gpu0")
    assert list(epoch["time_ns"]) == [1_700_000_000_250 * MS, 1_700_000_004_750 * MS]
    assert set(epoch["phase"]) == {"epoch 1, warm"}


def test_a_zeus_window_that_ends_early_has_not_vanished(tmp_path: Path) -> None:
    found = read(tmp_path, ZEUS_WINDOWS + "1700090000.0,late,1.0,210.0,110.0\n")
    assert found.complete
    assert found.faults == ()


def test_zeus_windows_without_a_gpu_are_refused(tmp_path: Path) -> None:
    assert "gpu0_energy" in refusal(tmp_path, "start_time,window_name,elapsed_time,\n1700000000.25,w,4.5,\n")


# CodeCarbon


def test_codecarbon_takes_the_pue_out(tmp_path: Path) -> None:
    found = read(tmp_path, CARBON)
    # 1.5 kWh with a PUE of 1.5 is 1 kWh of IT energy.
    assert energy_j(found.of_device("r1/gpu")) == pytest.approx(1.0 * J_PER_KWH)
    assert energy_j(found.of_device("r1/cpu-package")) == pytest.approx(0.1 * J_PER_KWH)
    assert energy_j(found.of_device("r1/dram")) == pytest.approx(0.02 * J_PER_KWH)
    assert energy_j(found.of_device("r2/cpu-package")) == pytest.approx(0.2 * J_PER_KWH)
    assert found.device("r1/gpu").model == "8 x NVIDIA A40"
    assert "r2/gpu" not in {device.name for device in found.devices}  # no GPU: no device of 0 J
    assert list(found.of_device("r1/gpu")["time_ns"]) == [
        parse_instant("2025-03-01T10:00:00Z"),
        parse_instant("2025-03-01T10:00:10Z"),
    ]
    assert found.origin["pue_taken_out"] == [1.0, 1.5]


def test_codecarbon_runs(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text(CARBON)
    first, second = read_runs(tmp_path / "e.csv")
    assert (first.run, first.project, first.pue) == ("r1", "p", 1.5)
    assert first.total_j == pytest.approx(1.12 * J_PER_KWH)
    assert first.gpu_j == pytest.approx(J_PER_KWH)
    assert second.gpu_j is None
    assert (first.end_ns - first.start_ns) / NS_PER_S == 10
    (tmp_path / "e.csv").write_text(SPL)
    with pytest.raises(InputError, match="CodeCarbon"):
        read_runs(tmp_path / "e.csv")


@given(st.floats(1.0, 3.0), st.floats(1e-9, 1e3), st.floats(1e-9, 1e3), st.floats(1e-9, 1e3))
def test_the_pue_that_codecarbon_was_told_does_not_change_the_it_energy(
    pue: float, cpu: float, gpu: float, ram: float
) -> None:
    kwh = [repr(part * pue) for part in (cpu, gpu, ram, cpu + gpu + ram)]
    row = f"2025-03-01T10:00:10,p,r1,e,10.0,0.1,0.01,45,300,10,{','.join(kwh)},64,EPYC,8,A40,{pue!r}\n"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "e"
        path.write_text(CARBON_HEADER + row)
        (run,) = read_runs(path)
    wanted = [part * J_PER_KWH for part in (cpu, gpu, ram, cpu + gpu + ram)]
    assert [run.cpu_j, run.gpu_j, run.dram_j, run.total_j] == pytest.approx(wanted)  # but for rounding


def test_codecarbon_without_a_pue_says_that_one_may_be_folded_in(tmp_path: Path) -> None:
    old = "\n".join(line.rpartition(",")[0] for line in CARBON.splitlines()) + "\n"
    found = read(tmp_path, old)
    assert "folded" in faults(found)
    assert energy_j(found.of_device("r1/gpu")) == pytest.approx(1.5 * J_PER_KWH)


def test_a_flushed_run_is_one_run(tmp_path: Path) -> None:
    later = CARBON.splitlines()[1].replace("10:00:10", "10:00:30").replace(",10.0,0.1", ",30.0,0.1")
    later = later.replace("0.15,1.5,0.03,1.68", "0.3,3.0,0.06,3.36").replace(",30.0,", ",29.4,")  # times are whole s
    found = read(tmp_path, CARBON + later + "\n")
    assert seconds(found, "r1/gpu") == [0.0, 10.0, 30.0]
    assert energy_j(found.of_device("r1/gpu")) == pytest.approx(2 * J_PER_KWH)
    assert "not in the order" in faults(found)
    (tmp_path / "e.csv").write_text(CARBON + later + "\n")
    run = {run.run: run for run in read_runs(tmp_path / "e.csv")}["r1"]
    assert run.gpu_j == pytest.approx(2 * J_PER_KWH)
    assert run.start_ns == parse_instant("2025-03-01T10:00:00Z")


def test_a_run_that_counts_less_than_before_is_another_run(tmp_path: Path) -> None:
    again = CARBON.splitlines()[1].replace("10:00:10", "12:00:10").replace("1.68", "0.84")
    found = read(tmp_path, CARBON + again.replace("0.15,1.5,0.03", "0.075,0.75,0.015") + "\n")
    assert sum(energy_j(found.of_device(d.name)) for d in found.devices if d.kind == "gpu") == pytest.approx(
        1.5 * J_PER_KWH
    )
    assert "another run" in faults(found)


def test_codecarbon_zeros_bad_sums_and_bad_rows_are_said(tmp_path: Path) -> None:
    text = CARBON + (
        "2025-03-01T12:00:00,p,r3,e,60.0,0.1,0.01,0,0,3,0,0,0.05,0.05,4,i5,1,A40,1.0\n"
        "2025-03-01T13:00:00,p,r4,e,60.0,0.1,0.01,0,0,3,1,1,1,9,4,i5,1,A40,1.0\n"
        "2025-03-01T14:00:00,p,r5,e,60.0,0.1,0.01,0,0,3,1,1,1,3,4,i5,1,A40,0.9\n"
        "2025-03-01T15:00:00,p,r6,e,nan,0.1,0.01,0,0,3,1,1,1,3,4,i5,1,A40,1\n"
    )
    found = read(tmp_path, text)
    told = [(fault.line, fault.reason) for fault in found.faults]
    assert [line for line, _ in told] == [4, 4, 5, 6, 7, 2]
    assert "not measured" in told[0][1]
    assert "add up" in told[2][1]
    assert "PUE" in told[3][1]
    assert [device.name for device in found.devices if device.name.startswith("r3")] == ["r3/dram"]


# MLPerf


def test_ptdaemon(tmp_path: Path) -> None:
    found = read(tmp_path, SPL)
    assert column(found, "node", "power_w") == [22.95, 23.95, 275.63]  # the sum of the channels, not the first
    assert list(found.samples["phase"]) == ["run_1"] * 3
    assert int(found.samples["time_ns"].iloc[0]) == parse_instant("2021-08-09T13:14:36.532Z")  # month before day
    assert found.device("node").kind == "node"


def test_a_watt_that_ptdaemon_does_not_have_is_nan(tmp_path: Path) -> None:
    found = read(tmp_path, SPL.replace("Watts,22.950000", "Watts,-1.000000").replace("Watts,23.950000", "Watts,nan"))
    assert np.isnan(column(found, "node", "power_w")).tolist() == [True, True, False]
    assert [fault.line for fault in found.faults] == [1, 2]


def test_mlperf_training_node(tmp_path: Path) -> None:
    found = read(tmp_path, NODE)
    assert column(found, "node_0", "power_w") == [2708.0, 2712.0]
    assert seconds(found, "node_0") == [0.0, 2.094]
    assert found.origin["conversion_eff"] == 1.0


def test_mlperf_training_oddities_are_said(tmp_path: Path) -> None:
    lines = NODE.splitlines(keepends=True)
    text = "".join(lines[:-1]).replace('"value": 1.0', '"value": 0.94')
    text += (
        mllog(1, "interconnect_power_est", 300) + mllog(1, "power_reading", "much") + ":::MLLOG {oops\nother output\n"
    )
    found = read(tmp_path, text)
    assert not found.complete  # no stop
    assert column(found, "node_0", "power_w") == [2708.0, 2712.0]
    assert all(
        word in faults(found) for word in ("0.94 is not applied", "switch", "'much'", "no entry", "never stopped")
    )


# turbostat and perf


def test_turbostat_packages(tmp_path: Path) -> None:
    found = read(tmp_path, TURBOSTAT)
    assert column(found, "cpu-package0", "power_w") == [98.0, 99.0]
    assert column(found, "cpu-package1", "power_w") == [94.41, 101.0]
    assert column(found, "dram1", "power_w") == [11.0, 12.0]
    assert column(found, "cpu-package1", "temperature_c") == [40, 41]
    assert int(found.samples["time_ns"].iloc[0]) == 1_700_000_001 * NS_PER_S
    assert len(found.devices) == 4  # not the sum as well


def test_turbostat_of_one_socket_and_of_sums_alone(tmp_path: Path) -> None:
    single = (
        "Core CPU Time_Of_Day_Seconds PkgWatt RAMWatt\n"
        "- - 1700000001.000100 98.50 9.00\n0 0 1700000001.000000 98.00 9.00\n"
        "0 2 1700000001.000001\n1 1 1700000001.000002\n"
        "- - 1700000002.000100 99.50 9.00\n0 0 1700000002.000000 99.00 9.00\n"
        "0 2 1700000002.000001\n1 1 1700000002.000002\n"
    )
    assert column(read(tmp_path, single), "cpu-package0", "power_w") == [98.0, 99.0]
    summary = "Time_Of_Day_Seconds PkgWatt\n1700000001.0 192.41\n1700000002.0 200.00\n"
    found = read(tmp_path, summary)
    assert column(found, "cpu-package", "power_w") == [192.41, 200.0]
    assert found.origin["scope"] == "all packages together"
    both = "Time_Of_Day_Seconds PkgWatt\n1700000001.000100 192.41\n1700000001.0 98.00\n1700000001.0 94.41\n"
    assert "--Summary" in refusal(tmp_path, both)


def test_turbostat_in_joules(tmp_path: Path) -> None:
    found = read(tmp_path, TURBOSTAT.replace("PkgWatt", "Pkg_J").replace("RAMWatt", "RAM_J"))
    assert energy_j(found.of_device("cpu-package0")) == 99.0  # the J of the second interval: the first has no start
    assert np.isnan(column(found, "cpu-package0", "power_w")).all()


def test_turbostat_without_times_is_refused_with_the_remedy(tmp_path: Path) -> None:
    text = "\n".join(line.partition("\t")[2] for line in TURBOSTAT.splitlines()[1:]) + "\n"
    assert "--enable Time_Of_Day_Seconds" in refusal(tmp_path, text)


def test_turbostat_rows_that_are_damaged(tmp_path: Path) -> None:
    found = read(tmp_path, TURBOSTAT.replace("\t99.00\t", "\t****\t") + "1 2 3 4 5 6 7 8 9\n")
    assert [fault.line for fault in found.faults if fault.line] == [9, 12]
    assert column(found, "cpu-package0", "power_w") == [98.0]


def test_perf_counts_from_its_start(tmp_path: Path) -> None:
    found = read(tmp_path, PERF)
    assert energy_j(found.of_device("cpu-package")) == pytest.approx(12.34 + 1020.0)
    assert energy_j(found.of_device("dram")) == pytest.approx(3.1)
    assert seconds(found, "dram") == [0.0, 1.001073498, 2.002073498]
    assert column(found, "cpu-package", "power_w")[1:] == pytest.approx([12.34 / 1.001073498, 1020 / 1.001])
    assert "start of perf" in found.origin["clock"]
    dated = read(tmp_path, "# started on Tue Mar  3 10:00:00 2026\n\n" + PERF)
    assert int(dated.samples["time_ns"].iloc[0]) == parse_instant("2026-03-03T10:00:00Z")


@pytest.mark.parametrize(
    "text",
    [
        PERF_SOCKETS,
        PERF_SOCKETS.replace(",", ";"),
        PERF_SOCKETS.replace(",", ";").replace(".", ","),  # a locale with a decimal comma
        PERF_SOCKETS.replace(",S0,1,", ",CPU0,").replace(",S1,1,", ",CPU1,"),
        "".join(
            f"     {time}.000000000 S{socket}        1              {joules} Joules power/energy-pkg/\n"
            for time, socket, joules in ((1, 0, "12.50"), (1, 1, "10,50"), (2, 0, "13.50"), (2, 1, "11.50"))
        ),
    ],
)
def test_perf_per_socket(tmp_path: Path, text: str) -> None:
    found = read(tmp_path, text)
    assert column(found, "cpu-package0", "energy_j") == [0.0, 12.5, 26.0]
    assert column(found, "cpu-package1", "energy_j") == [0.0, 10.5, 22.0]
    assert found.faults == ()


@pytest.mark.parametrize("machine", ['"socket" : "S{}", "counters" : 1, ', '"cpu" : "{}", '])
def test_perf_as_json(tmp_path: Path, machine: str) -> None:
    """As perf 7.2 writes it with -j --per-socket, and with -A; 6.1 says aggregate-number for counters."""
    rows = ((1, 0, "12.500000"), (1, 1, "10.500000"), (2, 0, "13.500000"), (2, 1, "11.500000"), (3, 0, "<not counted>"))
    text = "".join(
        f'{{"interval" : {time}.000000000, {machine.format(socket)}"counter-value" : "{joules}", "unit" : "Joules", '
        '"event" : "power/energy-pkg/", "event-runtime" : 1000000000, "pcnt-running" : 100.00}\n'
        for time, socket, joules in rows
    )
    found = read(tmp_path, text)
    assert found.origin["format"] == "perf stat"
    assert column(found, "cpu-package0", "energy_j") == [0.0, 12.5, 26.0]
    assert column(found, "cpu-package1", "energy_j") == [0.0, 10.5, 22.0]
    assert [fault.line for fault in found.faults] == [5]


@pytest.mark.parametrize("gone", ["<not supported>", "<not counted>"])
def test_what_perf_did_not_count_is_a_fault_and_never_0(tmp_path: Path, gone: str) -> None:
    found = read(tmp_path, PERF.replace("              1.50", f"  {gone}").replace("              1.60", f"  {gone}"))
    assert [device.name for device in found.devices] == ["cpu-package"]
    assert [fault.line for fault in found.faults] == [3, 5]
    assert gone.strip("<>") in faults(found)
    counts = enumerate(["5.0", gone, "7.0"], 1)
    part = read(tmp_path, "".join(f"{time}.000,{count},Joules,power/energy-ram/\n" for time, count in counts))
    assert column(part, "dram", "power_w")[1:] == [5.0, 7.0]  # the 7 J are of one second, not of two
    assert [fault.line for fault in part.faults] == [2]
    assert "not supported" in refusal(tmp_path, "1.000,<not supported>,Joules,power/energy-ram/\n")


def test_perf_out_of_order(tmp_path: Path) -> None:
    lines = PERF_SOCKETS.splitlines(keepends=True)
    found = read(tmp_path, "".join(lines[2:] + lines[:2]))
    assert found.samples.equals(read(tmp_path, PERF_SOCKETS).samples)
    assert "sorted" in faults(found)
