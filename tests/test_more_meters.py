"""Meters people own: dmon, PowerJoular, EnergiBridge, Scaphandre, amd-smi, rocm-smi. Units checked, nothing twice."""

from __future__ import annotations

import gzip
import json
import math
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.errors import InputError
from sim.instants import parse_instant
from sim.measure.recording import Recording, energy_j
from sim.units import NS_PER_S
from tests.test_readers import column, faults, read, refusal

START_S = 1_740_787_200
MS = NS_PER_S // 1000

POWERJOULAR = "Date,CPU Utilization,Total Power,CPU Power,GPU Power\n" + "".join(
    f"2025-03-01 00:00:{at:02},0.25000000000000,{110.5 + at},{30.5 + at},80.00000000000000\n" for at in range(5)
)
ENERGIBRIDGE = (
    "Delta,Time,CPU_FREQUENCY_0,CPU_USAGE_0,DRAM_ENERGY (J),GPU0_MEMORY_TOTAL,GPU0_POWER,GPU0_TEMPERATURE,GPU0_USAGE,"
    "PACKAGE_ENERGY (J),PP0_ENERGY (J),PP1_ENERGY (J),TOTAL_MEMORY\n"
) + "".join(
    f"200,{1000 * (START_S + at)},2592,17.5,{700 + 5 * at},24576,{85000 + at},50,90,{8740.855 + 65 * at},"
    f"{8041 + 40 * at},{29.25},34156023808\n"
    for at in range(5)
)


def report(at: int, sockets: dict[int, float], dram: float, host: float | None = None) -> str:
    """What Scaphandre's JSON exporter writes at a step, in µW."""
    moment = START_S + 2 * at + 0.25
    listed = [
        {
            "id": number,
            "consumption": watts * 1e6,
            "domains": [
                {"name": "dram", "consumption": dram * 1e6, "timestamp": moment},
                {"name": "core", "consumption": watts * 0.7e6, "timestamp": moment},
            ],
            "timestamp": moment,
        }
        for number, watts in sockets.items()
    ]
    total = sum(sockets.values()) + dram * len(sockets) if host is None else host
    shared = {"exe": "/usr/bin/python", "cmdline": "python", "pid": 7, "consumption": 3e6, "timestamp": moment}
    return json.dumps(
        {
            "host": {"consumption": total * 1e6, "timestamp": moment, "components": {"disks": None}},
            "consumers": [shared],
            "sockets": listed,
        }
    )


SCAPHANDRE = "".join(report(at, {0: 80, 1: 40}, 10) for at in range(5))
AMD_CSV = "timestamp,gpu,gfx_activity,socket_power,gfx_voltage,hotspot,total_energy_consumption\n" + "".join(
    f"{START_S + at},{gpu},95,{200 + 100 * gpu},N/A,55,{1e6 + (200 + 100 * gpu) * at}\n"
    for at in range(5)
    for gpu in (0, 1)
)
ROCM_CSV = "".join(
    f"timestamp,device,Current Socket Graphics Package Power (W),GPU use (%)\n{START_S + at},card0,210.0,99\n"
    f"{START_S + at},card1,190.0,98\n\n"
    for at in range(5)
)


def amd_answer(at: int, gpu: int, watts: Any, *, unit: str = "W", timed: bool = True) -> dict[str, Any]:
    moment = {"timestamp": START_S + at} if timed else {}
    power = {"socket_power": {"value": watts, "unit": unit}, "gfx_voltage": "N/A"}
    return {**moment, "gpu": gpu, "usage": {"gfx_activity": {"value": 95, "unit": "%"}}, "power": power}


AMD_JSON = "\n".join(json.dumps([amd_answer(at, gpu, 200 + 100 * gpu) for gpu in (0, 1)], indent=4) for at in range(5))
ROCM_JSON = "\n".join(
    json.dumps(
        {
            "timestamp": START_S + at,
            "card0": {"Average Graphics Package Power (W)": "210.0", "GPU use (%)": "99"},
            "card1": {"Average Graphics Package Power (W)": "190.0", "GPU use (%)": "98"},
        }
    )
    for at in range(5)
)
DMON_HEAD = (
    "#Date       Time        gpu    pwr  gtemp  mtemp     sm    mem    enc    dec    jpg    ofa   mclk   pclk \n"
    "#YYYYMMDD   HH:MM:SS    Idx      W      C      C      %      %      %      %      %      %    MHz    MHz \n"
)
DMON = (
    DMON_HEAD
    + "".join(
        (DMON_HEAD if at == 3 else "")  # again every screenful
        + f" 20250301   00:00:{at:02}      {gpu}    {at + 310 + 60 * gpu}     47     {'-' if gpu else 58}     99     41"
        "      0      0      0      0   2619   1755 \n"
        for at in range(5)
        for gpu in range(2)
    )
)
WHOLE = {
    "nvidia-smi dmon": DMON,
    "PowerJoular": POWERJOULAR,
    "EnergiBridge": ENERGIBRIDGE,
    "Scaphandre": SCAPHANDRE,
    "amd-smi": AMD_CSV,
    "rocm-smi": ROCM_CSV,
    "amd-smi JSON": AMD_JSON,
    "rocm-smi JSON": ROCM_JSON,
}


def joules(found: Recording) -> dict[str, float]:
    return {device.name: energy_j(found.of_device(device.name)) for device in found.devices}


@pytest.mark.parametrize("name", WHOLE)
def test_the_content_tells_the_format(tmp_path: Path, name: str) -> None:
    plain = read(tmp_path, WHOLE[name], "emissions.csv")  # a name that lies
    assert plain.origin["format"] == name.removesuffix(" JSON")
    assert plain.complete
    assert read(tmp_path, gzip.compress(WHOLE[name].encode())).samples.equals(plain.samples)
    assert read(tmp_path, WHOLE[name].replace("\n", "\r\n")).samples.equals(plain.samples)


@pytest.mark.parametrize("name", WHOLE)
@given(data=st.data())
def test_damage_ends_in_a_recording_or_a_refusal(name: str, data: st.DataObject) -> None:
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


@pytest.mark.parametrize("name", [name for name in WHOLE if "JSON" in name or name == "Scaphandre"])
@pytest.mark.parametrize("cut", [1, 30])
def test_a_stream_of_json_that_is_cut_is_read_up_to_there_and_said(tmp_path: Path, name: str, cut: int) -> None:
    whole, found = read(tmp_path, WHOLE[name]), read(tmp_path, WHOLE[name][:-cut])
    assert not found.complete
    assert "does not end" in faults(found)
    assert 0 < len(found.samples) < len(whole.samples)


# nvidia-smi dmon


def test_dmon_s_columns_are_read_by_their_names_and_units(tmp_path: Path) -> None:
    found = read(tmp_path, DMON)
    assert joules(found) == pytest.approx({"gpu0": 4 * 312, "gpu1": 4 * 372})
    assert column(found, "gpu1", "sm_clock_mhz") == [1755] * 5
    assert column(found, "gpu0", "gpu_utilization") == pytest.approx([0.99] * 5)
    assert column(found, "gpu0", "temperature_c") == [47] * 5
    assert found.faults == ()
    assert "local time without a zone" in found.origin["clock"]


def test_what_a_gpu_does_not_give_dmon_is_missing(tmp_path: Path) -> None:
    found = read(tmp_path, DMON.replace("    312  ", "      -  "))
    assert [math.isnan(watts) for watts in column(found, "gpu0", "power_w")] == [False, False, True, False, False]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("#Date       Time        gpu", "# gpu"), "no column Date and Time: record with nvidia-smi dmon -s pu -o DT"),
        (("#Date       Time        gpu", "#Time        gpu"), "no column Date: record with"),
        (("    pwr  gtemp", "  gtemp"), "no column pwr: record with"),
        (("Idx      W", "Idx     mW"), "'pwr' is in mW, not in W"),
    ],
)
def test_dmon_without_a_time_or_watts_is_refused(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    assert said in refusal(tmp_path, DMON.replace(*change))


# PowerJoular


def test_powerjoular_s_total_is_not_counted_beside_its_parts(tmp_path: Path) -> None:
    found = read(tmp_path, POWERJOULAR)
    assert column(found, "cpu-package", "power_w") == [30.5, 31.5, 32.5, 33.5, 34.5]
    assert joules(found) == pytest.approx({"cpu-package": 4 * 32.5, "gpu": 4 * 80})
    assert found.faults == ()
    assert "UTC" in found.origin["clock"]


@pytest.mark.parametrize(
    ("written", "iso"),
    [
        ("2025-02-14 14:30:07", "2025-02-14T14:30:07Z"),
        (" 2025- 2- 14  14: 30: 7. 123", "2025-02-14T14:30:07.123Z"),
        (" 2025- 12- 1  4: 3: 7. 5", "2025-12-01T04:03:07.005Z"),  # 5 ms, not half a second
        (" 2025- 12- 1  4: 3: 7. 0", "2025-12-01T04:03:07Z"),
    ],
)
def test_powerjoular_s_dates(tmp_path: Path, written: str, iso: str) -> None:
    found = read(tmp_path, POWERJOULAR.replace("2025-03-01 00:00:00", written))
    assert parse_instant(iso) in set(found.of_device("gpu")["time_ns"])


def test_a_machine_without_a_gpu_has_none(tmp_path: Path) -> None:
    found = read(tmp_path, POWERJOULAR.replace(",80.00000000000000", ",0.00000000000000"))
    assert [device.name for device in found.devices] == ["cpu-package"]
    assert "no GPU was found" in faults(found)


def test_powerjoular_of_a_process_is_said_to_be_perhaps_one(tmp_path: Path) -> None:
    lines = POWERJOULAR.splitlines()[1:]
    text = "Date,CPU Utilization,CPU Power\n" + "".join(f"{','.join(line.split(',')[:3])}\n" for line in lines)
    found = read(tmp_path, text)
    assert [device.name for device in found.devices] == ["cpu-package"]
    assert "may be of one process only" in faults(found)


# EnergiBridge


def test_energibridge_counts_the_package_and_what_lies_within_it_once(tmp_path: Path) -> None:
    found = read(tmp_path, ENERGIBRIDGE)
    assert joules(found) == pytest.approx({"cpu-package0": 4 * 65, "dram0": 4 * 5, "gpu0": 4 * 85}, rel=1e-3)
    assert column(found, "gpu0", "power_w")[0] == 85.0  # NVML's mW
    for told in ("PP0_ENERGY (J), PP1_ENERGY (J), which lie within", "four times too much on Xeon", "read as mW"):
        assert told in faults(found)
    assert int(found.samples["time_ns"].iloc[0]) == START_S * NS_PER_S


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_energibridge_with_another_separator(tmp_path: Path, separator: str) -> None:
    found = read(tmp_path, ENERGIBRIDGE.replace(",", separator))
    assert found.samples.equals(read(tmp_path, ENERGIBRIDGE).samples)


def test_energibridge_s_counter_starts_over(tmp_path: Path) -> None:
    """32 bits of 2^-14 J are 262,144 J: 65 W go on being 65 W."""
    text = "Delta,Time,PACKAGE_ENERGY (J)\n"
    text += "".join(f"200,{1000 * (START_S + at)},{(262144 - 130 + 65 * at) % 262144}\n" for at in range(9))
    found = read(tmp_path, text)
    assert joules(found) == {"cpu-package0": 65 * 8}
    assert found.faults == ()


def test_energibridge_on_amd_and_on_a_mac(tmp_path: Path) -> None:
    amd = "Delta,Time,CORE0_ENERGY (J),CORE1_ENERGY (J),CPU_ENERGY (J)\n"
    amd += "".join(f"200,{1000 * (START_S + at)},{5 * at},{6 * at},{30 * at}\n" for at in range(5))
    assert joules(read(tmp_path, amd)) == {"cpu-package0": 120}
    mac = "Delta,Time,CPU_POWER (Watts),GPU_POWER (Watts),SYSTEM_POWER (Watts)\n"
    mac += "".join(f"200,{1000 * (START_S + at)},8,3,20\n" for at in range(5))
    found = read(tmp_path, mac)
    assert {device.name: device.kind for device in found.devices} == {
        "cpu-package0": "cpu-package", "gpu0": "gpu", "node": "node",
    }  # fmt: skip


def test_energibridge_s_first_releases_had_no_joules(tmp_path: Path) -> None:
    """They took the unit from the wrong bits: 1 J a count for 61 µJ. No factor is guessed."""
    text = ENERGIBRIDGE.replace("PACKAGE_ENERGY", "PACAKGE_ENERGY")
    assert [device.name for device in read(tmp_path, text).devices] == ["gpu0"]
    lone = "Delta,Time,PACAKGE_ENERGY (J)\n" + "".join(f"200,{1000 * (START_S + at)},{at}\n" for at in range(5))
    assert "wrong unit" in refusal(tmp_path, lone)


# Scaphandre


def test_scaphandre_s_sockets_and_dram(tmp_path: Path) -> None:
    found = read(tmp_path, SCAPHANDRE)
    assert joules(found) == pytest.approx({"cpu-package0": 640, "dram0": 80, "cpu-package1": 320, "dram1": 80})
    assert found.faults == ()  # the host is their sum
    assert int(found.samples["time_ns"].iloc[0]) == START_S * NS_PER_S + 250 * MS
    listed = read(tmp_path, "[" + ",\n".join(report(at, {0: 80, 1: 40}, 10) for at in range(5)) + "]\n")
    assert listed.samples.equals(found.samples)


def test_a_host_that_draws_more_than_its_sockets_is_said(tmp_path: Path) -> None:
    """The exporter lists only the first socket of two."""
    found = read(tmp_path, "".join(report(at, {0: 80}, 10, host=180) for at in range(5)))
    assert "the sockets and DRAM listed are 50 % of the host" in faults(found)


def test_a_host_without_sockets_is_read_as_what_it_is(tmp_path: Path) -> None:
    found = read(tmp_path, "".join(report(at, {}, 0, host=90) for at in range(5)))
    assert joules(found) == pytest.approx({"cpu-package": 720})
    assert "has no sockets" in faults(found)


def test_a_report_without_a_consumption_is_a_fault(tmp_path: Path) -> None:
    odd = ['{"host": {"consumption": "much", "timestamp": 1}, "sockets": [3, {"id": 0, "consumption": true}]}', "[7]"]
    found = read(tmp_path, SCAPHANDRE + "".join(odd))
    assert len(found.samples) == len(read(tmp_path, SCAPHANDRE).samples)
    assert faults(found).count("has no consumption in µW") == 3
    assert "is no object" in faults(found)


# AMD


@pytest.mark.parametrize("name", ["amd-smi", "amd-smi JSON"])
def test_amd_smi(tmp_path: Path, name: str) -> None:
    found = read(tmp_path, WHOLE[name])
    assert joules(found) == {"gpu0": 800, "gpu1": 1200}
    assert column(found, "gpu0", "power_w") == [200.0] * 5
    assert column(found, "gpu1", "gpu_utilization") == pytest.approx([0.95] * 5)
    assert found.faults == ()


def test_amd_smi_since_rocm_7_wraps_its_answers(tmp_path: Path) -> None:
    wrapped = "\n".join(json.dumps({"gpu_data": [amd_answer(at, 0, 200)]}) for at in range(5))
    assert joules(read(tmp_path, wrapped)) == {"gpu0": 800}


@pytest.mark.parametrize("name", ["rocm-smi", "rocm-smi JSON"])
def test_rocm_smi_with_times_that_were_added(tmp_path: Path, name: str) -> None:
    found = read(tmp_path, WHOLE[name])
    assert joules(found) == {"gpu0": 840, "gpu1": 760}
    assert found.faults == ()


@pytest.mark.parametrize(
    "untimed",
    [
        "device,Average Graphics Package Power (W)\ncard0,210.0\ncard1,190.0\n",
        '{"card0": {"Average Graphics Package Power (W)": "210.0"}}\n',
        json.dumps([amd_answer(0, 0, 200, timed=False)]),
        "gpu,socket_power\n0,200\n",
    ],
)
def test_a_poll_without_a_time_is_refused_with_the_remedy(tmp_path: Path, untimed: str) -> None:
    message = refusal(tmp_path, untimed)
    assert "--watch" in message
    assert "'timestamp'" in message


@pytest.mark.parametrize("silent", ["N/A", "0"])
def test_the_second_die_of_an_mi250x_is_no_meter_of_its_own(tmp_path: Path, silent: str) -> None:
    text = "timestamp,gpu,socket_power\n" + "".join(
        f"{START_S + at},{gpu},{silent if gpu % 2 else 500}\n" for at in range(5) for gpu in range(4)
    )
    found = read(tmp_path, text)
    assert joules(found) == {"gpu0": 2000, "gpu2": 2000}
    assert "gpu1, gpu3 gave no power, as the second die of an MI250X" in faults(found)


def test_rocm_smi_says_itself_which_die_is_the_second(tmp_path: Path) -> None:
    found = read(tmp_path, ROCM_CSV.replace("card1,190.0", "card1,N/A (Secondary die)"))
    assert joules(found) == {"gpu0": 840}


def test_an_amd_gpu_without_power_is_named(tmp_path: Path) -> None:
    text = "timestamp,gpu,socket_power\n" + "".join(
        f"{START_S + at},{gpu},{'N/A' if gpu == 2 else 500}\n" for at in range(5) for gpu in range(4)
    )
    found = read(tmp_path, text)
    assert all(map(math.isnan, column(found, "gpu2", "power_w")))
    assert "gpu2: has no power: N/A (5 times)" in faults(found)


@pytest.mark.parametrize("unit", ["mW", "kW", "%"])
def test_another_unit_than_watts_is_a_fault_and_no_number(tmp_path: Path, unit: str) -> None:
    text = "\n".join(json.dumps([amd_answer(at, 0, 200, unit=unit if at == 2 else "W")], indent=4) for at in range(5))
    found = read(tmp_path, text)
    assert math.isnan(column(found, "gpu0", "power_w")[2])
    assert f"is no number in W: '200 {unit}'" in faults(found)


def test_partitions_have_their_package_s_meter(tmp_path: Path) -> None:
    text = "timestamp,gpu,xcp,power_usage\n" + "".join(
        f"{START_S + at},0,{xcp},{'N/A' if xcp else 500}\n" for at in range(5) for xcp in range(8)
    )
    found = read(tmp_path, text)
    assert joules(found) == {"gpu0": 2000}
    assert "35 rows of partitions" in faults(found)


# Any of them


@pytest.mark.parametrize("name", ["PowerJoular", "EnergiBridge", "amd-smi", "rocm-smi"])
def test_a_cell_past_the_limit_of_csv_costs_its_line(tmp_path: Path, name: str) -> None:
    found = read(tmp_path, WHOLE[name] + '"' + "x" * 200_000 + "\n")
    assert found.samples.equals(read(tmp_path, WHOLE[name]).samples)
    assert "field larger than field limit" in faults(found)


@pytest.mark.parametrize("name", ["Scaphandre", "amd-smi JSON", "rocm-smi JSON"])
def test_json_nested_too_deep_costs_its_sample(tmp_path: Path, name: str) -> None:
    found = read(tmp_path, WHOLE[name] + "[" * 100_000 + "]" * 100_000)
    assert found.samples.equals(read(tmp_path, WHOLE[name]).samples)
    assert "nested deeper" in faults(found)
