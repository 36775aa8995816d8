"""Conventions as data: each term against arithmetic by hand, what they share with the meters, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sim
from sim.accounting.conventions import HOURS
from sim.accounting.ledger import OUTSIDE
from sim.build.accounts.conventions import module_count, modules_w, sold_as_b
from sim.errors import InputError
from sim.loading.scenario import load_scenario
from sim.profiles.catalog import Catalog, shipped_folder
from sim.profiles.conventions import PARTS, ConventionProfile, PerModule
from sim.report.run import report
from sim.results.conventions import convention_remarks
from sim.results.results import Results
from sim.units import J_PER_KWH
from tests.commands import coldaisle
from tests.small import small

CATALOG = Catalog()
FOLDER = shipped_folder("hardware_profiles") / "conventions"
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))
PUE, INTENSITY = {"pue": 1.2}, {"intensity": "94 gCO2e/kWh"}
GIVEN: dict[str, dict[str, Any]] = {
    "tdp-hours": {**PUE, **INTENSITY},
    "stated-gpu-power": {**PUE, **INTENSITY, "power": {"gpu": "300 W"}},
    "measured-mean": {**PUE, **INTENSITY, "power": {"node": "2 kW"}},
    "luccioni-2023": {"power": {"infrastructure": "1 kW", "idle_nodes": "2 kW"}},
    "google-2025": {**PUE, **INTENSITY, "wue": "1.15 L/kWh"},
    "google-2025-machines": {**PUE, **INTENSITY, "wue": "1.15 L/kWh"},
    "google-2025-narrow": {**INTENSITY, "wue": "1.15 L/kWh"},
    "stated-parts": {
        **PUE,
        **INTENSITY,
        "wue": "1.15 L/kWh",
        "power": {"accelerators": "300 W", "host": "800 W", "idle_machines": "1.2 kW"},
    },
}
MARKET = {"residual_mix": "500 gCO2e/kWh", "contracts": []}


def under(name: str, **given_more: Any) -> dict[str, Any]:
    return {"kind": "profile", "profile": name, "given": {**GIVEN.get(name, {}), **given_more}}


def world() -> dict[str, Any]:
    """Two DGX A100 of which a training job and a service hold parts, with a market."""
    data = small()
    data["site"]["grid"]["market"] = MARKET
    return data


@pytest.fixture(scope="module")
def run() -> Results:
    return sim.run(world())


def counted(run: Results, name: str, **given_more: Any) -> dict[str, Any]:
    summary: dict[str, Any] = sim.account(run, set={"accounting.convention": under(name, **given_more)}).summary
    return summary


def slot_hours(run: Results, component: str, over: str) -> float:
    keys = zip(run.energy.keys, run.energy.held_ns, strict=True)
    return sum(ns for key, ns in keys if key.component == component and HOURS[over](key)) / 3.6e12


def metered_kwh(run: Results, components: tuple[str, ...], over: str) -> float:
    rows = zip(run.energy.keys, run.energy.energy_j, strict=True)
    return float(sum(j.sum() for key, j in rows if key.component in components and HOURS[over](key))) / J_PER_KWH


NODE, CPU, GPU = CATALOG.node("dgx-a100"), CATALOG.cpu("amd-epyc-7742"), CATALOG.gpu("nvidia-a100-sxm-80gb")
TDP_KW = {"gpu": float(GPU.tdp.value) / 1e3, "cpu": float(CPU.tdp.value) / 1e3}


def test_the_machines_are_those_of_the_arithmetic_below() -> None:
    assert (NODE.cpus.profile, NODE.cpus.count, NODE.slots) == ("amd-epyc-7742", 2, 8)
    assert NODE.gpus is not None
    assert CATALOG.gpu(NODE.gpus.profile).tdp.value == GPU.tdp.value


@pytest.mark.parametrize("name", NAMES)
def test_every_shipped_convention_counts_a_run_and_says_how(run: Results, name: str) -> None:
    needs = {"sci-ai-provider": "llama", "sci-ai-consumer": "api"}
    summary = counted(run, name)
    told, metered = summary["convention"], run.summary
    assert told["physical"]["it_kwh"] == pytest.approx(metered["energy_kwh"]["it"], rel=1e-12)
    assert told["physical"]["total_kg"] == pytest.approx(metered["carbon_kg"]["total"], rel=1e-12)
    assert told["physical"]["onsite_water_l"] == pytest.approx(metered["water_l"]["onsite"], rel=1e-12)
    assert told["counted"]["it_kwh"] == pytest.approx(summary["energy_kwh"]["it"], rel=1e-12)
    for figure, more in told["counted_less_physical"].items():
        assert more == pytest.approx(told["counted"][figure] - told["physical"][figure], abs=1e-9)
    assert summary["boundary"]["convention"] == name
    assert set(summary["energy_kwh"]["by_workload"]) <= {needs.get(name, "api"), *metered["energy_kwh"]["by_workload"]}
    assert sum(summary["energy_kwh"]["by_component"].values()) == pytest.approx(summary["energy_kwh"]["it"])


def test_what_all_meters_read_at_all_times_is_the_physical_account(run: Results) -> None:
    summary = counted(run, "ghg-protocol-location")
    assert summary["energy_kwh"]["it"] == pytest.approx(run.summary["energy_kwh"]["it"], rel=1e-12)
    assert summary["carbon_kg"]["operational_location"] == pytest.approx(
        run.summary["carbon_kg"]["operational_location"], rel=1e-12
    )


def test_tdp_hours_are_gpu_hours_held_times_tdp_pue_and_intensity(run: Results) -> None:
    hours = slot_hours(run, "gpu", "reserved")
    told = counted(run, "tdp-hours")["convention"]["counted"]
    assert told["it_kwh"] == pytest.approx(hours * TDP_KW["gpu"], rel=1e-9)
    assert told["facility_kwh"] == pytest.approx(1.2 * hours * TDP_KW["gpu"], rel=1e-9)
    assert told["total_kg"] == pytest.approx(0.094 * 1.2 * hours * TDP_KW["gpu"], rel=1e-9)
    stated = counted(run, "stated-gpu-power")["convention"]["counted"]
    assert stated["it_kwh"] == pytest.approx(hours * 0.3, rel=1e-9)


def test_a_mean_of_nodes_counts_once_whatever_the_components(run: Results) -> None:
    hours = slot_hours(run, "cpu", "reserved") / 8
    assert counted(run, "measured-mean")["energy_kwh"]["it"] == pytest.approx(2.0 * hours, rel=1e-9)


def test_stated_parts_add_up_over_their_own_hours(run: Results) -> None:
    by = counted(run, "stated-parts")["energy_kwh"]["by_component"]
    assert by["accelerators"] == pytest.approx(0.3 * slot_hours(run, "gpu", "reserved"), rel=1e-9)
    assert by["host"] == pytest.approx(0.8 * slot_hours(run, "cpu", "reserved") / 8, rel=1e-9)
    assert by["idle_machines"] == pytest.approx(1.2 * slot_hours(run, "cpu", "unallocated") / 8, rel=1e-9)


def test_codecarbon_2_is_nvml_and_half_the_tdp_and_three_watts_for_eight_gb(run: Results) -> None:
    by = counted(run, "codecarbon-2")["energy_kwh"]["by_component"]
    held = slot_hours(run, "cpu", "reserved") / 8
    gb = sold_as_b(float(NODE.dram.capacity.value)) / 1e9
    assert by["gpu"] == pytest.approx(metered_kwh(run, ("gpu",), "reserved"), rel=1e-9)
    assert by["cpu"] == pytest.approx(0.5 * TDP_KW["cpu"] * held, rel=1e-9)  # of one socket, which 2.x takes for all
    both = counted(run, "codecarbon-constant-cpu")["energy_kwh"]["by_component"]
    assert both["cpu"] == pytest.approx(0.5 * 2 * TDP_KW["cpu"] * held, rel=1e-9)
    unknown = counted(run, "codecarbon-2-unknown-cpu")["energy_kwh"]["by_component"]
    assert unknown["cpu"] == pytest.approx(0.0425 * held, rel=1e-9)
    assert by["ram"] == pytest.approx(3.0 / 8.0 * gb / 1e3 * held, rel=1e-9)


def test_codecarbon_multiplies_energy_by_its_pue_and_water_comes_after(run: Results) -> None:
    plain = counted(run, "codecarbon-3")["convention"]["counted"]
    more = counted(run, "codecarbon-3", pue=1.5, wue="2 L/kWh")["convention"]["counted"]
    assert plain["facility_kwh"] == plain["it_kwh"]
    assert plain["onsite_water_l"] == 0.0
    assert more["facility_kwh"] == pytest.approx(1.5 * plain["it_kwh"], rel=1e-12)
    assert more["onsite_water_l"] == pytest.approx(2.0 * more["facility_kwh"], rel=1e-12)
    assert "onsite_water_l" not in counted(run, "codecarbon-2")["convention"]["counted"]


@pytest.mark.parametrize("load", [0.0, 0.2, 0.7, 1.0])
def test_codecarbon_3_reads_the_load_of_the_cpus(load: float) -> None:
    """A job on whole nodes: TDP x (0.1 + 0.9 x load^3), which the tracker takes of a machine's CPUs."""
    data = small()
    work = {"kind": "gpu-hours", "gpu_hours": 16, "load": {"kind": "measured", "active": "300 W"}}
    data["workloads"] = {"job": {"kind": "training", "gpus": 16, "work": work, "cpu_load": load}}
    data.pop("duration")
    summary = sim.run(data, set={"accounting.convention": under("codecarbon-3")}).summary
    hours = summary["simulated_s"] / 3600 * 2
    wanted = 2 * TDP_KW["cpu"] * (0.1 + 0.9 * load**3) * hours
    assert summary["energy_kwh"]["by_component"]["cpu"] == pytest.approx(wanted, rel=1e-6)


# GB -> modules and W of codecarbon 3.3.2's RAM on x86 (external/ram.py, printed by running it)
CODECARBON_3_RAM = {
    2: (1, 10.0),
    4: (2, 10.0),
    16: (2, 10.0),
    17: (4, 20.0),
    32: (4, 20.0),
    64: (4, 20.0),
    65: (8, 38.0),
    128: (8, 38.0),
    256: (8, 38.0),
    384: (12, 54.0),
    512: (8, 38.0),
    768: (12, 54.0),
    1024: (8, 38.0),
    1339: (11, 50.0),
    2048: (16, 70.0),
    4096: (32, 126.0),
    8192: (32, 126.0),
}


def ram_rule() -> PerModule:
    rule = CATALOG.convention("codecarbon-3").lines["ram"].count
    assert isinstance(rule, PerModule)
    return rule


@pytest.mark.parametrize(("gb", "wanted"), CODECARBON_3_RAM.items())
def test_memory_is_guessed_as_the_tracker_does(gb: int, wanted: tuple[int, float]) -> None:
    rule = ram_rule()
    assert module_count(rule, gb * 1e9) == wanted[0]
    assert modules_w(rule, gb * 1e9) == pytest.approx(wanted[1])
    assert sold_as_b(gb * 2.0**30) == gb * 1e9
    assert sold_as_b(gb * 1e9) == gb * 1e9


@given(st.floats(1.0, 1e5))
def test_modules_draw_no_less_than_the_least_and_no_more_than_all(gb: float) -> None:
    rule = ram_rule()
    assert 10.0 <= modules_w(rule, gb * 1e9) <= 126.0
    assert 1 <= module_count(rule, gb * 1e9) <= 32


def test_software_s_intensity_takes_what_is_reserved_and_its_share_of_making(run: Results) -> None:
    summary = counted(run, "sci")
    it_kwh = metered_kwh(run, NODE_PARTS, "reserved")
    assert summary["energy_kwh"]["it"] == pytest.approx(it_kwh, rel=1e-9)
    assert "unallocated" not in summary["carbon_kg"]["embodied_by_workload"]
    physical = run.summary["carbon_kg"]["embodied_by_workload"]
    for name in ("api", "tune"):
        if name in physical:
            assert summary["carbon_kg"]["embodied_by_workload"][name] == pytest.approx(physical[name], rel=1e-12)


NODE_PARTS = ("gpu", "cpu", "dram", "storage", "nic", "fans", "board", "psu_loss")


def test_consumer_and_provider_are_two_halves_of_what_is_reserved(run: Results) -> None:
    whole = counted(run, "sci")["convention"]["counted"]
    halves = [counted(run, f"sci-ai-{side}")["convention"]["counted"] for side in ("consumer", "provider")]
    for figure in ("it_kwh", "operational_kg", "embodied_kg", "total_kg"):
        assert all(half[figure] > 0.0 for half in halves)
        assert sum(half[figure] for half in halves) == pytest.approx(whole[figure], rel=1e-9)


def test_an_inventory_counts_machines_whole_whatever_the_run_is_long(run: Results) -> None:
    node_kg = float(NODE.embodied.central.value) / 1e3 + 8 * float(GPU.embodied.central.value) / 1e3
    assert counted(run, "ghg-protocol-location")["carbon_kg"]["embodied"] == pytest.approx(2 * node_kg, rel=1e-9)
    data = world()
    data["duration"] = "30 min"
    shorter = sim.run(data, set={"accounting.convention": under("ghg-protocol-location")}).summary
    assert shorter["carbon_kg"]["embodied"] == pytest.approx(2 * node_kg, rel=1e-9)


def test_scope_2_by_market_takes_the_residual_mix(run: Results) -> None:
    by_market = counted(run, "ghg-protocol-market")
    told = by_market["convention"]
    assert told["carbon_of_a_kwh"] == "market"
    assert told["counted"]["operational_kg"] == pytest.approx(0.5 * told["counted"]["facility_kwh"], rel=1e-9)
    assert told["counted"]["operational_kg"] == by_market["carbon_kg"]["operational_market"]
    assert by_market["carbon_kg"]["total"] != pytest.approx(told["counted"]["total_kg"], rel=1e-6)
    assert "at the carbon of the location: this table has what it counts" in next(convention_remarks(by_market))
    by_location = counted(run, "ghg-protocol-location")
    assert by_location["carbon_kg"]["total"] == pytest.approx(
        by_location["convention"]["counted"]["total_kg"], rel=1e-9
    )
    assert "this table" not in next(convention_remarks(by_location))


def test_google_s_parts_are_the_meters_of_their_hours(run: Results) -> None:
    wide = counted(run, "google-2025-machines")
    by = wide["energy_kwh"]["by_component"]
    assert by["accelerators"] == pytest.approx(metered_kwh(run, ("gpu",), "reserved"), rel=1e-9)
    assert by["host"] == pytest.approx(metered_kwh(run, NODE_PARTS[1:], "reserved"), rel=1e-9)
    assert by["idle_machines"] == pytest.approx(metered_kwh(run, NODE_PARTS, "unallocated"), rel=1e-9)
    assert wide["energy_kwh"]["it"] == pytest.approx(run.summary["energy_kwh"]["it"], rel=1e-9)
    told = wide["convention"]["counted"]
    assert told["onsite_water_l"] == pytest.approx(1.15 * told["it_kwh"], rel=1e-9)
    narrow = counted(run, "google-2025-narrow")["energy_kwh"]
    assert narrow["facility"] == pytest.approx(metered_kwh(run, ("gpu",), "active"), rel=1e-9)


def test_luccioni_s_profile_is_the_kind_of_its_name(run: Results) -> None:
    kind = {"kind": "luccioni-2023", "infrastructure": "1 kW", "idle": "2 kW"}
    by_kind = sim.account(run, set={"accounting.convention": kind}).summary
    by_profile = counted(run, "luccioni-2023")
    assert by_kind["energy_kwh"]["by_component"] == by_profile["energy_kwh"]["by_component"]
    hours = by_kind["simulated_s"] / 3600
    assert by_kind["energy_kwh"]["by_component"]["idle_nodes"] == pytest.approx(2.0 * hours, rel=1e-9)
    assert by_profile["energy_kwh"]["facility_overhead"] == 0.0


def test_expected_utilisation_charges_servers_by_server_hours(run: Results) -> None:
    embodied = counted(run, "luccioni-2023")["carbon_kg"]["by_component"]
    life_h = 6 * 365.25 * 24 * 0.85
    held = slot_hours(run, "gpu", "reserved")
    assert embodied["embodied_gpu"] == pytest.approx(150 * held / life_h, rel=1e-9)
    assert embodied["embodied_server"] == pytest.approx(2500 * held / 8 / life_h, rel=1e-9)


@settings(max_examples=10, deadline=None)
@given(pue=st.floats(1.0, 3.0), grams=st.floats(1.0, 1000.0))
def test_what_is_stated_multiplies_and_changes_nothing_of_the_meters(pue: float, grams: float) -> None:
    run = sim.run(small())
    told = counted(run, "tdp-hours", pue=pue, intensity=f"{grams} gCO2e/kWh")["convention"]
    assert told["counted"]["facility_kwh"] == pytest.approx(pue * told["counted"]["it_kwh"], rel=1e-9)
    assert told["counted"]["total_kg"] == pytest.approx(told["counted"]["facility_kwh"] * grams / 1e3, rel=1e-9)
    assert told["physical"]["it_kwh"] == pytest.approx(run.summary["energy_kwh"]["it"], rel=1e-12)


def test_reserved_and_unallocated_are_all_and_so_are_active_and_idle(run: Results) -> None:
    for key in run.energy.keys:
        if key.component not in OUTSIDE:
            assert HOURS["reserved"](key) != HOURS["unallocated"](key)
            assert HOURS["active"](key) != HOURS["idle"](key)
    assert set(PARTS) == set(HOURS)


REFUSED = [
    ({"profile": "tdp-hour"}, "accounting.convention.profile", "did you mean 'tdp-hours'"),
    ({"profile": "dgx-a100"}, "accounting.convention.profile", "where a convention is needed"),
    ({"profile": "tdp-hours"}, "accounting.convention.given.pue", "asks for it: the PUE that the paper"),
    ({"profile": "tdp-hours"}, "accounting.convention.given.intensity", "asks for it"),
    ({"profile": "measured-mean", "given": {"pue": 1, "intensity": "1 gCO2e/kWh"}}, "given.power", "asks for node"),
    ({"profile": "sci", "given": {"pue": 1.1}}, "given.pue", "does not ask for it: as at the site"),
    ({"profile": "sci", "given": {"utilisation": 0.5}}, "given.utilisation", "does not ask for it"),
    ({"profile": "codecarbon-3", "given": {"power": {"gpu": "1 W"}}}, "given.power.gpu", "asks for no such power"),
    ({"profile": "ghg-protocol-market"}, "accounting.convention", "counts the market carbon of a kWh"),
    ({"profile": "sci", "pue": 1.0}, "accounting.convention.pue", "unknown name 'pue'"),
]


@pytest.mark.parametrize(("convention", "path", "says"), REFUSED)
def test_what_a_convention_lacks_or_ignores_is_refused(convention: dict[str, Any], path: str, says: str) -> None:
    data = small()
    data["accounting"]["convention"] = {"kind": "profile", **convention}
    with pytest.raises(InputError) as refused:
        load_scenario(data)
    assert any(problem.path.endswith(path) and says in problem.message for problem in refused.value.problems), (
        refused.value.problems
    )


def test_one_side_alone_needs_work_of_that_side() -> None:
    data = small()
    data["workloads"].pop("api")
    with pytest.raises(InputError, match="counts what serves alone, and nothing here does"):
        load_scenario({**data, "accounting": {**data["accounting"], "convention": under("sci-ai-consumer")}})


def test_units_of_one_s_own_follow_the_site_and_no_stated_pue() -> None:
    solar = {"accounting.convention": under("tdp-hours")}
    with pytest.raises(InputError, match="units of its own"):
        sim.load("solar-and-battery", set=solar)


def plain(name: str) -> dict[str, Any]:
    profile: dict[str, Any] = CATALOG.convention(name).model_dump(mode="json", exclude_none=True)
    return profile


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"not_counted": {}}, "'cpu' must be in a line, or named in not_counted"),
        ({"lines": {}}, "'gpu' must be in a line"),
        ({"water": {"kind": "site", "source": "llama", "confidence": "cited"}}, "needs the site's 'building'"),
        ({"intensity": {"kind": "location", "source": "hearsay", "confidence": "cited"}}, "hearsay"),
        ({"building": {"kind": "stated", "source": "llama", "confidence": "cited"}}, "give 'pue'"),
        ({"embodied": {"kind": "nothing", "source": "llama", "confidence": "assumed"}}, "needs a note"),
        (
            {"embodied": {"kind": "purchase", "lifetime": "5 years", "source": "llama", "confidence": "cited"}},
            "counts only",
        ),
    ],
)
def test_a_profile_that_leaves_something_in_the_dark_is_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ConventionProfile.model_validate({**plain("tdp-hours"), **change})


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ({"of": ["dram"], "over": "reserved", "count": {"kind": "tdp", "share": 1.0}}, "says nothing of dram"),
        ({"of": ["gpu"], "over": "active", "count": {"kind": "metered"}}, "both count gpu while at work"),
        (
            {"of": ["cpu"], "over": "all", "count": {"kind": "mean", "per": "gpu", "power": "1 W"}},
            "'per: gpu' goes with",
        ),
        ({"of": ["cpu"], "over": "all", "count": {"kind": "mean", "per": "node"}}, "give 'power'"),
        ({"of": ["cpu"], "over": "all", "count": {"kind": "guessed"}}, "guessed"),
    ],
)
def test_a_line_that_cannot_be_is_refused(line: dict[str, Any], says: str) -> None:
    data = plain("tdp-hours")
    data["lines"]["more"] = {**line, "source": "llama", "confidence": "cited"}
    with pytest.raises(ValueError, match=says):
        ConventionProfile.model_validate(data)


def test_one_s_own_convention_is_a_file(tmp_path: Path, run: Results) -> None:
    text = (FOLDER / "tdp-hours.yaml").read_text(encoding="utf-8")
    text = text.replace("name: tdp-hours", "name: ours").replace("share: 100 %", "share: 60 %")
    (tmp_path / "ours.yaml").write_text(text, encoding="utf-8")
    data = {**world(), "profiles": str(tmp_path)}
    given_numbers = {"pue": 1.2, **INTENSITY}
    data["accounting"]["convention"] = {"kind": "profile", "profile": "ours", "given": given_numbers}
    own = sim.run(data).summary["energy_kwh"]["it"]
    assert own == pytest.approx(0.6 * counted(run, "tdp-hours")["energy_kwh"]["it"], rel=1e-9)


def test_the_difference_to_the_meters_is_shown(tmp_path: Path) -> None:
    convention = {"accounting.convention": under("codecarbon-2")}
    results = sim.run("bloom-training-physical", set=convention)
    page = report(results)
    assert "The convention beside the meters" in page
    assert "fans: not counted" in page
    told = ("--set", "accounting.convention.kind=profile", "accounting.convention.profile=codecarbon-2")
    shown = coldaisle("run", "bloom-training-physical", *told, cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "by the meters" in shown.stdout
    assert results.manifest["convention_sha256"].keys() == {"codecarbon-2"}
    listed = coldaisle("profiles", "luccioni-2023", cwd=tmp_path)
    assert "idle_nodes" in listed.stdout


def test_no_convention_leaves_the_summary_as_it_was(run: Results) -> None:
    assert "convention" not in run.summary
    assert not any(math.isnan(value) for value in run.summary["energy_kwh"]["by_component"].values())
