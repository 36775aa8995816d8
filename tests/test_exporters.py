"""Exporters change, restart and overlap; the devices they meter do not. No meter within another counts twice."""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.measure.readers.series import put_together, series
from sim.measure.recording import Recording, energy_j
from tests.test_readers import DCGM, api, column, faults, read, refusal

POWER = "DCGM_FI_DEV_POWER_USAGE"
START_S = 1_740_787_200


def steady(watts: float, start: int = 0, stop: int = 61, **labels: str) -> tuple[dict[str, str], list[list[object]]]:
    """A series of constant power, a sample a second."""
    named = {"__name__": labels.pop("metric", POWER), "gpu": "0", **labels}
    return named, [[START_S + at, str(watts)] for at in range(start, stop)]


def as_text(answer: str) -> str:
    """The same series as a scrape with times, all samples of a moment together."""
    lines = []
    for one in json.loads(answer)["data"]["result"]:
        metric = dict(one["metric"])
        name = metric.pop("__name__")
        labels = ",".join(f'{key}="{value}"' for key, value in metric.items())
        lines += [(at, f"{name}{{{labels}}} {value} {1000 * at}") for at, value in one["values"]]
    return "# HELP x y\n" + "".join(f"{line}\n" for _, line in sorted(lines, key=lambda pair: pair[0]))


def joules(found: Recording) -> float:
    """Of all devices together."""
    return sum(energy_j(found.of_device(device.name)) for device in found.devices)


LABELS = st.dictionaries(
    st.sampled_from(["Hostname", "instance", "pod", "job", "exported_pod", "exported_namespace", "container"]),
    st.sampled_from(["a", "b", "10.0.0.1:9400"]),
)


@pytest.mark.parametrize("write", [str, as_text], ids=["json", "text"])
@given(one=LABELS, other=LABELS)
def test_one_uuid_is_one_gpu_whatever_else_differs(
    write: type[str], one: dict[str, str], other: dict[str, str]
) -> None:
    """300 W for 6 s are 1.8 kJ, through however many exporters they are seen."""
    text = write(api(steady(300, 0, 7, UUID="GPU-1", **one), steady(300, 0, 7, UUID="GPU-1", **other)))
    with tempfile.TemporaryDirectory() as folder:
        found = read(Path(folder), text)
    assert [device.name for device in found.devices] == ["gpu0"]
    assert joules(found) == 300 * 6
    assert found.faults == ()


@pytest.mark.parametrize("write", [str, as_text], ids=["json", "text"])
def test_a_restart_goes_on_where_the_last_exporter_stopped(tmp_path: Path, write: type[str]) -> None:
    early = steady(300, 0, 30, UUID="GPU-1", Hostname="dcgm-a", pod="train-0", instance="10.0.0.1:9400")
    late = steady(200, 30, 61, UUID="GPU-1", Hostname="dcgm-b", pod="train-1", instance="10.0.0.9:9400")
    found = read(tmp_path, write(api(late, early)))
    assert [device.name for device in found.devices] == ["gpu0"]
    assert column(found, "gpu0", "power_w") == [300.0] * 30 + [200.0] * 31
    assert found.faults == ()


def test_without_a_uuid_the_machine_and_the_index_are_the_gpu(tmp_path: Path) -> None:
    early = steady(300, 0, 30, Hostname="n1", instance="10.0.0.1:9400")
    late = steady(300, 30, 61, Hostname="n1", instance="10.0.0.9:9400")
    node = steady(100, 0, 61, node="n2", Hostname="dcgm-a")
    again = steady(100, 0, 61, node="n2", Hostname="dcgm-b")
    found = read(tmp_path, api(early, late, node, again))
    assert sorted(device.name for device in found.devices) == ["n1/gpu0", "n2/gpu0"]
    assert joules(found) == (300 + 100) * 60


@pytest.mark.parametrize("uuid", ["", "GPU-1"])
def test_a_target_whose_address_changes_is_still_that_machine(tmp_path: Path, uuid: str) -> None:
    """Sockets are told by their machine alone, here by its address; a GPU beside them by its UUID."""
    found = []
    for first, last, address in ((0, 30, "10.0.0.1:9100"), (35, 61, "10.0.0.9:9100")):
        found += [
            steady(100, first, last, metric="scaph_socket_power_microwatts", socket_id=s, instance=address)
            for s in "01"
        ]
        found += [steady(300, first, last, UUID=uuid, instance=address)] if uuid else []
    recording = read(tmp_path, api(*found))
    assert sorted(device.name for device in recording.devices) == [
        "cpu-package0",
        "cpu-package1",
        *["gpu0"] * bool(uuid),
    ]
    assert "'10.0.0.9:9100' goes on where '10.0.0.1:9100' stops, with the same meters" in faults(recording)


def test_machines_that_could_be_either_or_lack_a_meter_stay_apart(tmp_path: Path) -> None:
    socket = "scaph_socket_power_microwatts"
    early = [steady(100, 0, 30, metric=socket, socket_id="0", instance=host) for host in ("a", "b")]
    late = [steady(100, 35, 61, metric=socket, socket_id="0", instance=host) for host in ("c", "d")]
    assert len(read(tmp_path, api(*early, *late)).devices) == 4
    more = steady(100, 35, 61, metric=socket, socket_id="1", instance="c")
    assert len(read(tmp_path, api(early[0], late[0], more)).devices) == 3
    beside = steady(100, 20, 61, metric=socket, socket_id="0", instance="c")
    assert len(read(tmp_path, api(early[0], beside)).devices) == 2


def test_two_gpus_through_two_exporters_keep_their_names_in_whatever_order(tmp_path: Path) -> None:
    seen = [steady(300, gpu=str(g), UUID=f"GPU-{g}", Hostname=h) for g, h in ((0, "a"), (1, "b"), (1, "a"), (0, "b"))]
    found = read(tmp_path, api(*seen))
    assert {device.name: energy_j(found.of_device(device.name)) for device in found.devices} == {
        "gpu0": 18_000,
        "gpu1": 18_000,
    }


def test_a_series_without_the_uuid_is_of_the_gpu_at_its_place(tmp_path: Path) -> None:
    named = steady(300, UUID="GPU-1", Hostname="n1")
    bare = steady(1980, metric="DCGM_FI_DEV_SM_CLOCK", Hostname="n1")
    found = read(tmp_path, api(named, bare))
    assert [device.name for device in found.devices] == ["gpu0"]
    assert column(found, "gpu0", "sm_clock_mhz") == [1980.0] * 61


def test_two_gpus_of_one_index_stay_two(tmp_path: Path) -> None:
    found = read(tmp_path, api(steady(300, UUID="GPU-1", Hostname="n1"), steady(300, UUID="GPU-2", Hostname="n1")))
    assert len(found.devices) == 2
    assert joules(found) == 2 * 300 * 60


def test_overlapping_readings_of_one_gpu_that_differ_are_told(tmp_path: Path) -> None:
    found = read(tmp_path, api(steady(300, UUID="GPU-1", Hostname="a"), steady(150, 0, 60, UUID="GPU-1", Hostname="b")))
    assert joules(found) == 300 * 60
    assert "gpu0: DCGM_FI_DEV_POWER_USAGE has two values at one time, 60 times" in faults(found)
    assert "differ in Hostname" in faults(found)
    assert "50 % apart" in faults(found)


def test_readings_between_each_other_are_compared_by_their_means(tmp_path: Path) -> None:
    """Two exporters scraped half a second apart: one says 300 W, the other 300 W or half of it."""
    one = steady(300, UUID="GPU-1", Hostname="a")
    for watts, told in ((300, False), (150, True)):
        named, values = steady(watts, 0, 60, UUID="GPU-1", Hostname="b")
        shifted: list[list[object]] = [[START_S + at + 0.5, value] for at, (_, value) in enumerate(values)]
        found = read(tmp_path, api(one, (named, shifted)))
        assert joules(found) == 300 * 60
        assert ("50 % apart" in faults(found)) == told


def test_a_second_exporter_fills_the_hole_of_the_first(tmp_path: Path) -> None:
    named, values = steady(300, UUID="GPU-1", Hostname="a")
    holed = (named, values[:20] + values[40:])
    found = read(tmp_path, api(holed, steady(300, 15, 45, UUID="GPU-1", Hostname="b")))
    assert column(found, "gpu0", "power_w") == [300.0] * 61


def test_energy_counters_through_two_exporters_count_once(tmp_path: Path) -> None:
    """A stale scrape must not look like a reset: B says what A said a second ago."""
    metric = "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"
    labels = {"__name__": metric, "UUID": "GPU-1", "gpu": "0"}
    first: list[list[object]] = [[START_S + s, str(300e3 * s)] for s in range(60)]
    stale: list[list[object]] = [[START_S + s + 0.5, str(300e3 * max(s - 1, 0))] for s in range(59)]
    a, b = ({**labels, "pod": "a"}, first), ({**labels, "pod": "b"}, stale)
    found = read(tmp_path, api(a, b))
    assert energy_j(found.of_device("gpu0")) == 300 * 59
    assert "reset" not in faults(found)


def test_mig_instances_have_their_board_s_meter(tmp_path: Path) -> None:
    """Seven instances report the board's 300 W each, and the memory that each uses: 0 to 6 MiB."""
    series_ = [steady(300, UUID="GPU-1", GPU_I_ID=str(at), GPU_I_PROFILE="1g.10gb") for at in range(7)]
    memory = [steady(at, metric="DCGM_FI_DEV_FB_USED", UUID="GPU-1", GPU_I_ID=str(at)) for at in range(7)]
    found = read(tmp_path, api(*series_, *memory))
    assert joules(found) == 300 * 60
    assert set(column(found, "gpu0", "memory_used_bytes")) == {21 * 2.0**20}
    assert faults(found) == "7 MIG instances share the board's meter: its power and energy count once"


def test_a_board_s_own_series_is_not_added_to_those_of_its_instances(tmp_path: Path) -> None:
    memory = "DCGM_FI_DEV_FB_USED"
    instances = [
        steady(10, metric=memory, gpu=str(g), UUID=f"GPU-{g}", GPU_I_ID=str(i)) for g in (0, 1) for i in (1, 2)
    ]
    boards = [steady(25, metric=memory, gpu=str(g), UUID=f"GPU-{g}") for g in (0, 1)]
    power = [steady(300, gpu=str(g), UUID=f"GPU-{g}") for g in (0, 1)]
    found = read(tmp_path, api(*instances, *boards, *power))
    assert set(column(found, "gpu0", "memory_used_bytes")) == {25 * 2.0**20}
    assert "4 MIG instances on 2 boards share the board's meter" in faults(found)


def test_utilization_of_instances_is_not_the_board_s(tmp_path: Path) -> None:
    used = [steady(50, metric="DCGM_FI_DEV_GPU_UTIL", UUID="GPU-1", GPU_I_ID=str(at)) for at in range(7)]
    found = read(tmp_path, api(steady(300, UUID="GPU-1"), *used))
    assert "left out: 7 series of DCGM_FI_DEV_GPU_UTIL, which are of MIG instances" in faults(found)


def test_instant_power_is_preferred_and_said(tmp_path: Path) -> None:
    instant = steady(310, metric=f"{POWER}_INSTANT", UUID="GPU-1")
    found = read(tmp_path, api(steady(300, UUID="GPU-1"), instant, steady(300, UUID="GPU-2", gpu="1")))
    assert column(found, "gpu0", "power_w") == [310.0] * 61
    assert column(found, "gpu1", "power_w") == [300.0] * 61
    assert f"{POWER}_INSTANT (gpu0), {POWER} (none)" in faults(found)


def test_a_gpu_that_gives_no_value_is_named(tmp_path: Path) -> None:
    found = read(tmp_path, api(steady(300, UUID="GPU-1"), steady(2.0**47, UUID="GPU-2", gpu="1")))
    assert f"gpu1: {POWER} never gave a value" in faults(found)
    assert all(map(math.isnan, column(found, "gpu1", "power_w")))


# Kepler


def counter(metric: str, watts: float, **labels: str) -> tuple[dict[str, str], list[list[object]]]:
    """A counter in J that rises steadily from 5,000 J."""
    return {"__name__": metric, **labels}, [[START_S + at, str(5000 + watts * at)] for at in range(61)]


def gauge(metric: str, watts: float, **labels: str) -> tuple[dict[str, str], list[list[object]]]:
    return {"__name__": metric, **labels}, [[START_S + at, str(watts)] for at in range(61)]


@pytest.mark.parametrize("write", [str, as_text], ids=["json", "text"])
def test_kepler_s_zones_within_the_package_count_once(tmp_path: Path, write: type[str]) -> None:
    node = {"node_name": "n1", "instance": "10.0.0.1:28282"}
    zones = {"package": 100, "core": 60, "uncore": 5, "dram": 20, "psys": 150, "pp0": 60}
    cpu = [counter("kepler_node_cpu_joules_total", watts, zone=zone, **node) for zone, watts in zones.items()]
    watts = [gauge("kepler_node_cpu_watts", watts, zone=zone, **node) for zone, watts in zones.items()]
    active = counter("kepler_node_cpu_active_joules_total", 70, zone="package", **node)
    pods = [counter("kepler_container_cpu_joules_total", 40, zone="package", container_id=str(at)) for at in range(5)]
    found = read(tmp_path, write(api(*cpu, *watts, active, *pods)))
    assert {device.name: device.kind for device in found.devices} == {"cpu-package": "cpu-package", "dram": "dram"}
    assert energy_j(found.of_device("cpu-package")) == 100 * 60
    assert column(found, "dram", "power_w") == [20.0] * 61
    assert joules(found) == (100 + 20) * 60
    for told in ("zone 'core' lie within", "zone 'psys' span", "kepler_container_cpu_joules_total, which share out"):
        assert told in faults(found)


def test_kepler_s_modes_add_up_to_the_package(tmp_path: Path) -> None:
    label = {"package": "0", "instance": "10.0.0.1:9102", "exported_instance": "n1", "source": "rapl-sysfs"}
    modes = [
        counter("kepler_node_package_joules_total", w, mode=m, **label) for m, w in (("dynamic", 30), ("idle", 70))
    ]
    core = [counter("kepler_node_core_joules_total", w, mode=m, **label) for m, w in (("dynamic", 20), ("idle", 40))]
    found = read(tmp_path, api(*modes, *core))
    assert [device.name for device in found.devices] == ["cpu-package0"]
    assert joules(found) == (30 + 70) * 60
    alone = read(tmp_path, api(modes[0]))
    assert "has only mode 'dynamic'" in faults(alone)


def test_kepler_s_gpus_are_told_by_their_uuid(tmp_path: Path) -> None:
    """One counter through two pods of Kepler, before and after an upgrade that renames its labels' targets."""
    one = gauge("kepler_node_gpu_watts", 65, gpu="0", gpu_uuid="GPU-1", vendor="nvidia", node_name="n1", pod="a")
    two = gauge("kepler_node_gpu_watts", 65, gpu="0", gpu_uuid="GPU-1", vendor="nvidia", node_name="n1", pod="b")
    found = read(tmp_path, api(one, two))
    assert joules(found) == 65 * 60


def test_two_exporters_of_one_package_count_once(tmp_path: Path) -> None:
    node = [counter("node_rapl_package_joules_total", 50, index=str(at), instance="n1:9100") for at in (0, 1)]
    kepler = counter("kepler_node_cpu_joules_total", 100, zone="package", node_name="n1", instance="n1:28282")
    found = read(tmp_path, api(kepler, *node))
    assert joules(found) == 100 * 60
    assert "meter what node_exporter meters too" in faults(found)


def test_a_kepler_export_of_containers_alone_is_refused_with_the_reason(tmp_path: Path) -> None:
    lone = api(counter("kepler_container_cpu_joules_total", 40, zone="package", container_id="a"))
    assert "share out what the node's meter counts" in refusal(tmp_path, lone)


# Scaphandre


@pytest.mark.parametrize("write", [str, as_text], ids=["json", "text"])
def test_scaphandre_s_sockets_and_dram_in_microwatts(tmp_path: Path, write: type[str]) -> None:
    """80 W + 40 W of sockets and 10 W of DRAM; the host is their sum, cores lie within and processes share it."""
    sockets = [gauge("scaph_socket_power_microwatts", w * 1e6, socket_id=s) for s, w in (("0", 80), ("1", 40))]
    domain = {"domain_id": "0", "socket_id": "0"}
    dram = gauge("scaph_domain_power_microwatts", 10e6, domain_name="dram", **domain)
    core = gauge("scaph_domain_power_microwatts", 60e6, domain_name="core", **domain)
    host = gauge("scaph_host_power_microwatts", 130e6)
    process = gauge("scaph_process_power_consumption_microwatts", 5e6, pid="1", exe="x")
    found = read(tmp_path, write(api(host, *sockets, dram, core, process)))
    assert sorted(device.name for device in found.devices) == ["cpu-package0", "cpu-package1", "dram0"]
    assert joules(found) == pytest.approx((80 + 40 + 10) * 60)
    for told in ("scaph_host_power_microwatts, which span the sockets", "domain 'core' lie within", "share out"):
        assert told in faults(found)


def test_scaphandre_s_host_alone_is_read_and_what_it_spans_is_said(tmp_path: Path) -> None:
    found = read(tmp_path, api(gauge("scaph_host_power_microwatts", 130e6)))
    assert joules(found) == pytest.approx(130 * 60)
    assert "spans the sockets and DRAM" in faults(found)


def test_scaphandre_s_raw_counters_wrap_as_rapl_s_do(tmp_path: Path) -> None:
    full_uj = 262_143_328_850
    values: list[list[object]] = [[START_S + at, str((full_uj - 300e6 + 100e6 * at) % full_uj)] for at in range(10)]
    found = read(tmp_path, api(({"__name__": "scaph_socket_energy_microjoules", "socket_id": "0"}, values)))
    assert energy_j(found.of_device("cpu-package0")) == pytest.approx(900, abs=1e-3)
    assert found.faults == ()


# Damage


@pytest.mark.parametrize("value", ["NaN", "-5", "1e400", "x", None])
def test_a_value_that_is_none_is_left_out(tmp_path: Path, value: object) -> None:
    named, values = steady(300, UUID="GPU-1")
    values[7] = [values[7][0], value]
    found = read(tmp_path, api((named, values)))
    assert joules(found) == 300 * 60
    assert all(power == 300 or math.isnan(power) for power in column(found, "gpu0", "power_w"))


@pytest.mark.parametrize("moment", [-1, 1e30, 9e15])
@pytest.mark.parametrize("write", [str, as_text], ids=["json", "text"])
def test_a_time_that_no_meter_can_have_is_told(tmp_path: Path, moment: float, write: type[str]) -> None:
    named, values = steady(300, 0, 5, UUID="GPU-1")
    found = read(tmp_path, write(api((named, [*values, [moment, "300"]]))))
    assert len(found.samples) == 5
    assert "before 1970 or after 2116" in faults(found) or "no sample" in faults(found)


def test_json_nested_too_deep_and_odd_shapes_are_refused(tmp_path: Path) -> None:
    assert "nested deeper" in refusal(tmp_path, '{"status": ' + "[" * 50_000 + "]" * 50_000 + "}")
    odd = json.dumps(
        {"status": "success", "warnings": 3, "data": {"resultType": "matrix", "result": [1, {"metric": 2}]}}
    )
    assert "no 'metric'" in refusal(tmp_path, odd)


def test_the_text_form_and_the_answer_of_the_api_say_the_same(tmp_path: Path) -> None:
    answer = api(steady(300, UUID="GPU-1", pod='a"b\\c'), steady(70, UUID="GPU-2", gpu="1", pod="x"))
    one, other = read(tmp_path, answer), read(tmp_path, DCGM[:0] + as_text(answer).replace('a"b\\c', 'a\\"b\\\\c'))
    assert one.samples.equals(other.samples)


# Series


SAMPLES = st.lists(st.integers(0, 100), min_size=1, max_size=30, unique=True)


@given(st.lists(SAMPLES, min_size=1, max_size=4))
def test_series_that_agree_become_one_without_a_word(times: list[list[int]]) -> None:
    """Cut one steady meter into pieces that overlap as they like: nothing is invented and no time comes twice."""
    pieces = [series([(10**9 * at, 300.0, 1) for at in own])[0] for own in times]
    together, apart = put_together(pieces, counts=False)
    assert apart is None
    assert set(together.values.tolist()) == {300.0}
    assert set(together.times.tolist()) <= {10**9 * at for own in times for at in own}
    assert len(set(together.times.tolist())) == len(together.times)
    assert {10**9 * at for at in max(times, key=len)} <= set(together.times.tolist())
