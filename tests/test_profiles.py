"""Profiles: every shipped number cites its source, and the loader refuses one that does not."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from sim.build.world import node_hardware
from sim.engine.metering.draws import Share, node_draws
from sim.errors import InputError
from sim.profiles import Catalog, GPUProfile, NodeProfile
from sim.profiles.catalog import read_profile, shipped_folder
from sim.profiles.kernels.power import drawn_w
from sim.profiles.power_laws.devices import capped_step_s, cpu_power_w, gpu_power_w
from sim.results.files import to_yaml
from tests.commands import coldaisle
from tests.test_reach import BOARDS_THAT_ARE_CUT

CATALOG = Catalog()
NAMES = list(CATALOG.paths())
NODES = [name for name in NAMES if CATALOG.path(name).parent.name == "nodes"]
GPUS = [name for name in NAMES if CATALOG.path(name).parent.name == "gpus"]

# asked for by name when the project began
WANTED = {
    "nvidia-v100-sxm2-32gb",
    "nvidia-a100-sxm-40gb",
    "nvidia-a100-sxm-80gb",
    "nvidia-h100-sxm-80gb",
    "nvidia-h200-sxm-141gb",
    "nvidia-b200-sxm-180gb",
    "nvidia-l4",
    "nvidia-l40s",
    "nvidia-t4",
    "amd-mi250x",
    "amd-mi300x",
    "bloom-training-node",
    "dgx-a100",
    "dgx-h100",
    "hgx-h200",
    "a2-megagpu-16g-like",
}


def test_the_catalog_holds_what_it_promises() -> None:
    assert set(NAMES) >= WANTED


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_profile_is_sound(name: str) -> None:
    profile = CATALOG.read(name)
    text = CATALOG.path(name).read_text()
    cited = set(re.findall(r"source: ([\w-]+)", text))
    notes = " ".join(line for line in text.splitlines() if "author:" not in line and "title:" not in line)
    for key in set(profile.sources) - cited:  # then a derivation must draw on it by name
        assert profile.sources[key].author.split()[0] in notes, f"nothing cites {key}"
    assert "RECALLED" not in text
    assert "../" not in text


@pytest.mark.parametrize("name", NODES)
def test_a_node_at_rest_draws_less_than_at_work_and_both_are_plausible(name: str) -> None:
    node = CATALOG.node(name)
    gpu = CATALOG.gpu(node.gpus.profile) if node.gpus is not None else None
    hardware = node_hardware(node, gpu, CATALOG)
    tdp_w = float(gpu.tdp.value) if gpu is not None else 0.0
    full = (Share("x", node.slots, "active", tdp_w, 1.0),)
    watts = {
        state: sum(d.watts for d in node_draws(hardware, "on", held)) for state, held in (("idle", ()), ("full", full))
    }
    off = sum(d.watts for d in node_draws(hardware, "off", ()))
    assert 0 < off < watts["idle"] < watts["full"]
    limits_w = {  # the vendor's maxima
        "dgx-a100": 6500,
        "dgx-h100": 10200,
        "dgx-b200": 14300,
        "dgx-b300": 14500,
        "gb200-nvl72": 120_000,
        "gb200-nvl72-tray": 6667,
        "gb300-nvl72": 142_000,
        "gb300-nvl72-tray": 142_000 / 18,
    }
    assert watts["full"] < limits_w.get(name, 20_000)
    if name in limits_w:
        assert watts["full"] > 0.8 * limits_w[name]


@pytest.mark.parametrize("name", GPUS)
def test_dense_work_at_the_sustained_rate_stays_near_the_cap(name: str) -> None:
    """What it asks for at the highest clock is beyond the cap on some boards, and what it draws is near it; a slip of a
    unit would be far outside."""
    gpu = CATALOG.gpu(name)
    for precision, rate in gpu.sustained.items():
        joule = gpu.power.energy_per_flop[precision].value
        asked_w = float(gpu.power.loaded.value) + float(rate.value) * joule
        assert asked_w < 2.0 * gpu.tdp.value
        if name in BOARDS_THAT_ARE_CUT:  # their limit is not what holds them
            asked_w += float(gpu.power.active.value) if gpu.power.active is not None else 0.0
            assert 0.6 * gpu.tdp.value < drawn_w(asked_w, float(gpu.tdp.value)) <= gpu.tdp.value
            assert rate.value <= gpu.peak[precision].value
            continue
        assert 0.7 * gpu.tdp.value < drawn_w(asked_w, float(gpu.tdp.value)) <= gpu.tdp.value
        assert rate.value <= gpu.peak[precision].value


def _plain(name: str) -> dict[str, Any]:
    data: dict[str, Any] = YAML(typ="safe").load(CATALOG.path(name))
    return data


def _refused(tmp_path: Path, data: dict[str, Any], *says: str) -> None:
    path = tmp_path / f"{data['name']}.yaml"
    path.write_text(to_yaml(data))
    with pytest.raises(InputError) as caught:
        read_profile(path)
    for word in says:
        assert word in str(caught.value)


def test_a_number_without_a_source_is_refused(tmp_path: Path) -> None:
    data = _plain("nvidia-t4")
    data["tdp"] = "70 W"
    _refused(tmp_path, data, "tdp", "must be a mapping")
    data["tdp"] = {"value": "70 W", "confidence": "datasheet"}
    _refused(tmp_path, data, "tdp.source", "required")
    data["tdp"] = {"value": "70 W", "source": "hearsay", "confidence": "datasheet"}
    _refused(tmp_path, data, "hearsay")
    data["tdp"] = {"value": "70 W", "source": next(iter(data["sources"])), "confidence": "sure"}
    _refused(tmp_path, data, "tdp.confidence", "measured")
    data["tdp"] = {"value": "70 W", "source": next(iter(data["sources"])), "confidence": "assumed"}
    _refused(tmp_path, data, "note")
    data["tdp"] = {"value": "70 W", "source": next(iter(data["sources"])), "confidence": "cited", "low": "80 W"}
    _refused(tmp_path, data, "between its low and its high")


def test_states_out_of_order_are_refused(tmp_path: Path) -> None:
    data = _plain("nvidia-t4")
    data["power"]["idle"]["value"] = "69 W"
    for bound in ("low", "high"):
        data["power"]["idle"].pop(bound, None)
    _refused(tmp_path, data, "idle <= loaded < tdp")
    data = _plain("nvidia-t4")
    data["embodied"]["low"]["value"] = "9 t"
    for bound in ("low", "high"):
        data["embodied"]["low"].pop(bound, None)
    _refused(tmp_path, data, "must not decrease")


def test_a_component_left_out_in_silence_is_refused(tmp_path: Path) -> None:
    data = _plain("dgx-a100")
    del data["fans"]
    _refused(tmp_path, data, "'fans' must be given, or named in not_metered")


def test_a_profile_is_named_as_its_file(tmp_path: Path) -> None:
    path = tmp_path / "other.yaml"
    path.write_text(to_yaml(_plain("nvidia-t4")))
    with pytest.raises(InputError, match="must be 'other'"):
        read_profile(path)


def test_one_s_own_profiles_come_first(tmp_path: Path) -> None:
    data = _plain("nvidia-t4")
    data["title"] = "my own T4"
    (tmp_path / "nvidia-t4.yaml").write_text(to_yaml(data))
    catalog = Catalog((tmp_path, shipped_folder("hardware_profiles")))
    assert catalog.gpu("nvidia-t4").title == "my own T4"
    assert isinstance(catalog.read("dgx-a100"), NodeProfile)
    assert isinstance(catalog.read("nvidia-l4"), GPUProfile)


def test_a_profile_that_comes_or_goes_is_seen_by_the_next_catalog(tmp_path: Path) -> None:
    """At any depth, though the folder was looked through before."""
    inner = tmp_path / "gpus" / "mine"
    inner.mkdir(parents=True)
    for folder in (tmp_path, tmp_path / "gpus", inner):
        os.utime(folder, ns=(0, 0))  # long ago
    catalogs = Catalog((tmp_path,)), Catalog((tmp_path,))
    assert not catalogs[0].paths()
    (inner / "own.yaml").write_text("kind: gpu")
    assert not catalogs[0].paths()  # it sees what it saw
    assert catalogs[1].paths() == {"own": inner / "own.yaml"}
    (inner / "own.yaml").unlink()
    assert not Catalog((tmp_path,)).paths()


def test_a_stack_of_another_kind_is_refused_with_those_that_are() -> None:
    """Both kinds of stacks lie in one folder; only those that fit are named."""
    for name in ("vllm-2026", "no-such-stack"):
        with pytest.raises(InputError, match=r"\(deepspeed-2021, fsdp-2024, megatron-2026, torchtitan-2024\)"):
            Catalog().training_stack(name)
    with pytest.raises(InputError, match=r"\(generic-2025, .*vllm-2026\)") as refused:
        Catalog().stack("megatron-2026")
    assert "fsdp" not in str(refused.value)


def test_the_command_shows_every_number_with_its_source(tmp_path: Path) -> None:
    shown = coldaisle("profiles", cwd=tmp_path)
    assert shown.returncode == 0
    assert all(name in shown.stdout for name in NAMES)
    assert max(len(line) for line in shown.stdout.splitlines()) <= 80
    one = coldaisle("profiles", "nvidia-a100-sxm-80gb", cwd=tmp_path)
    assert one.returncode == 0
    assert "400 W" in one.stdout
    assert "datasheet" in one.stdout
    assert coldaisle("scenarios", cwd=tmp_path).stdout.count("bloom-") == 4


def test_a_profile_of_ones_own_is_shown_by_its_file(tmp_path: Path) -> None:
    own = tmp_path / "my-server.yaml"
    shipped = Catalog().path("l40s-server").read_text(encoding="utf-8")
    own.write_text(re.sub("^name: .*", "name: my-server", shipped, flags=re.MULTILINE), encoding="utf-8")
    shown = coldaisle("profiles", "my-server.yaml", cwd=tmp_path)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "(my-server)" in shown.stdout
    absent = coldaisle("profiles", "nowhere.yaml", cwd=tmp_path)
    assert absent.returncode == 2
    assert "nowhere.yaml" in absent.stderr


def test_power_is_linear_in_work_and_a_cap_lengthens_the_step() -> None:
    work = {"flop_per_s": 1e14, "joule_per_flop": 1e-12, "byte_per_s": 1e12, "joule_per_byte": 6e-11}
    one = gpu_power_w(loaded_w=90.0, **work)
    two = gpu_power_w(loaded_w=90.0, **{**work, "flop_per_s": 2e14, "byte_per_s": 2e12})
    assert two - 90 == pytest.approx(2 * (one - 90))
    assert capped_step_s(1.0, dynamic_j=100.0, loaded_w=90.0, cap_w=400.0) == 1.0
    slowed = capped_step_s(1.0, dynamic_j=620.0, loaded_w=90.0, cap_w=400.0)
    assert slowed == 2.0
    assert 90 + 620 / slowed == pytest.approx(400)


def test_cpu_power_is_concave_between_its_ends() -> None:
    def power(load: float) -> float:
        return cpu_power_w(load, idle_w=50.0, full_w=250.0, exponent=0.7)

    assert (power(0.0), power(1.0)) == (50.0, 250.0)
    assert power(0.5) > (power(0.0) + power(1.0)) / 2


def test_no_value_of_a_profile_is_cut_short_in_a_narrow_terminal() -> None:
    from rich.console import Console

    from sim.results.profile_tables import profile_tables

    console = Console(width=80)
    with console.capture() as shown:
        console.print(profile_tables(Catalog().stack("vllm-2026")))
    printed = shown.get()
    assert "0.01 ms" in printed
    assert "425 us" in printed
