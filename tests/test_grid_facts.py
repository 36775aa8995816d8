"""Factors of fuels and averages of regions: reproduced, within bounds, and never zero for want of a number."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.errors import InputError
from sim.instants import epoch_ns
from sim.profiles.catalog import Catalog
from sim.profiles.grids import GridsProfile, carbon_factors, water_factors
from sim.signals import Signal
from sim.signals.csv_table import open_table
from sim.signals.grid.eia import read_eia
from sim.signals.grid.mix import IS_A, weighted
from sim.signals.grid.series import Terms
from sim.units import HOUR_NS, J_PER_KWH, parse

CATALOG = Catalog()


@pytest.mark.shared_data
@pytest.mark.parametrize("region", ["ERCO", "CISO", "NYIS"])
def test_the_intensity_of_the_eia_files_follows_from_their_mix(shared_data: Path, region: str) -> None:
    path = shared_data / "grid" / f"eia_2022_{region}.csv.gz"
    mix = read_eia(path, Terms("hold", epoch_ns(datetime(2022, 1, 1, tzinfo=UTC)))).mix
    assert mix is not None
    intensity = weighted(mix, carbon_factors(CATALOG.fuels("dcrl-eia-lifecycle")), unit="g/J", named="x")
    with open_table(path) as table:
        column = table.column("avg_CI")
        written = [float(row[column] or "nan") for _, row in table.rows()]
    known = ~np.isnan(written)
    assert known.sum() >= 8757
    difference = np.abs(intensity.values[known] * J_PER_KWH - np.array(written)[known])
    assert difference.max() < 1e-4


FUELS = ["coal", "gas", "wind", "hydro-reservoir", "lignite"]


@st.composite
def mixes(draw: st.DrawFn) -> dict[str, Signal]:
    """Shares of five fuels over a few hours."""
    hours = draw(st.integers(1, 6))
    made = np.array(
        draw(
            st.lists(st.lists(st.floats(0.01, 100), min_size=5, max_size=5), min_size=hours, max_size=hours),
        )
    )
    shares = made / made.sum(axis=1, keepdims=True)
    edges = np.arange(hours + 1, dtype=np.int64) * HOUR_NS
    return {fuel: Signal(edges, shares[:, i], "J/J") for i, fuel in enumerate(FUELS)}


@given(mixes(), st.lists(st.floats(0, 1200), min_size=5, max_size=5), st.floats(0.1, 10))
def test_a_mean_of_fuels_lies_between_them_and_scales_with_them(
    mix: dict[str, Signal], factors: list[float], times: float
) -> None:
    by_fuel = dict(zip(FUELS, factors, strict=True))
    mean = weighted(mix, by_fuel, unit="g/J", named="x")
    assert bool((mean.values >= min(factors) * (1 - 1e-12)).all())
    assert bool((mean.values <= max(factors) * (1 + 1e-12)).all())
    scaled = weighted(mix, {fuel: value * times for fuel, value in by_fuel.items()}, unit="g/J", named="x")
    assert scaled.values == pytest.approx(mean.values * times, rel=1e-12)
    assert mean.edges_ns.tolist() == mix["coal"].edges_ns.tolist()


def test_a_fuel_without_a_factor_is_refused_unless_it_is_a_kind_of_one_that_has_or_is_never_used() -> None:
    edges = np.array([0, HOUR_NS], dtype=np.int64)
    mix = {fuel: Signal(edges, np.array([share]), "J/J") for fuel, share in (("coal", 0.5), ("peat", 0.5))}
    with pytest.raises(InputError, match=r"mine: has no factor for peat  \(it has coal, gas\)"):
        weighted(mix, {"coal": 1.0, "gas": 2.0}, unit="g/J", named="mine")
    never = {"coal": Signal(edges, np.ones(1), "J/J"), "peat": Signal(edges, np.zeros(1), "J/J")}
    assert weighted(never, {"coal": 3.0}, unit="g/J", named="mine").values.tolist() == [3.0]
    for kind, of in IS_A.items():
        only = {kind: Signal(edges, np.ones(1), "J/J")}
        assert weighted(only, {of: 7.0}, unit="g/J", named="mine").values.tolist() == [7.0]
        assert weighted(only, {of: 7.0, kind: 5.0}, unit="g/J", named="mine").values.tolist() == [5.0]


@pytest.mark.parametrize("name", ["ipcc-2014-lifecycle", "dcrl-eia-lifecycle", "ren-2023", "waterwise-2025"])
def test_sets_of_one_basis_lie_within_the_ranges_of_the_ipcc(name: str) -> None:
    """AR5's ranges are those of the studies it found; gas and coal of other sets may be somewhat outside."""
    ipcc = CATALOG.fuels("ipcc-2014-lifecycle").carbon
    profile = CATALOG.fuels(name)
    assert profile.basis == "life-cycle"
    for fuel, sourced in profile.carbon.items():
        if fuel in ipcc and (low := ipcc[fuel].low) is not None and (high := ipcc[fuel].high) is not None:
            assert low * 0.9 <= sourced.value <= high * 1.2, (name, fuel)
    factors = carbon_factors(profile)
    assert factors["coal"] > factors["gas"] > 10 * factors["nuclear"]


def test_hydropower_drinks_nothing_or_more_than_all_else_and_the_user_chooses() -> None:
    for name, litres in (("waterwise-2025", 17.0), ("macknick-2012-tower", 4491 * 3.785411784e-3)):
        without = water_factors(CATALOG.fuels(name), hydro="without-reservoirs")
        dammed = water_factors(CATALOG.fuels(name), hydro="with-reservoirs")
        assert without["hydro"] == dammed["hydro-run-of-river"] == 0
        assert dammed["hydro"] * J_PER_KWH == pytest.approx(litres)
        assert dammed["hydro"] > max(without.values())
        assert {f: v for f, v in dammed.items() if "hydro" not in f} == {
            f: v for f, v in without.items() if f != "hydro"
        }
    with pytest.raises(InputError, match="choose hydro: without-reservoirs"):
        water_factors(CATALOG.fuels("ren-2023"), hydro="with-reservoirs")
    with pytest.raises(InputError, match="has no water consumption"):
        water_factors(CATALOG.fuels("ipcc-2014-lifecycle"), hydro="without-reservoirs")
    with pytest.raises(InputError, match="has water, and no carbon"):
        carbon_factors(CATALOG.fuels("macknick-2012-tower"))


def test_a_tower_withdraws_more_than_it_consumes() -> None:
    towers = CATALOG.fuels("macknick-2012-tower")
    consumed = water_factors(towers, hydro="without-reservoirs")
    withdrawn = water_factors(towers, hydro="without-reservoirs", use="withdrawal")
    assert {f for f in withdrawn if withdrawn[f] > consumed[f]} == {"coal", "gas", "nuclear"}
    assert withdrawn["wind"] == consumed["wind"] == 0


def test_regions_are_found_by_code_with_year_and_basis() -> None:
    table, france = CATALOG.region("FRA")
    assert (table.basis, france.year, france.title) == ("life-cycle", 2024, "France")
    states, texas = CATALOG.region("US-TX")
    assert (states.basis, texas.year, texas.ewif) == ("direct", 2023, None)
    assert texas.intensity.value == pytest.approx(parse("349.8 gCO2e/kWh", "carbon intensity"), rel=2e-4)  # as printed
    with pytest.raises(InputError, match="unknown region 'US-TZ'; did you mean 'US-"):
        CATALOG.region("US-TZ")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Ireland", "'IRL' (Ireland)"),
        ("singapore", "'SGP' (Singapore)"),
        ("Iowa", "'US-IA' (Iowa)"),
        ("IA", "'US-IA' (Iowa)"),
    ],
)
def test_a_region_by_its_name_is_answered_by_its_code(written: str, meant: str) -> None:
    with pytest.raises(InputError) as refused:
        CATALOG.region(written)
    assert f"did you mean {meant}?" in str(refused.value)


@pytest.mark.shared_data
def test_the_regions_are_those_of_the_survey_without_the_stand_ins(shared_data: Path) -> None:
    countries, states = CATALOG.read("countries"), CATALOG.read("us-states")
    assert isinstance(countries, GridsProfile)
    assert isinstance(states, GridsProfile)
    with (shared_data / "factors" / "grid_intensity_countries.csv").open() as file:
        for row in csv.DictReader(file):
            if not row["year"]:  # the world: no year is stated
                assert row["iso3"] not in countries.regions
                continue
            region = countries.regions[row["iso3"]]
            assert region.year == int(row["year"])
            assert region.intensity.value * J_PER_KWH == pytest.approx(float(row["owid_ember_gco2e_per_kwh"]))
            if row["ewif_is_world_fallback"] == "True":
                assert region.ewif is None
            else:
                assert region.ewif is not None
                assert region.ewif.value * J_PER_KWH == pytest.approx(float(row["ewif_l_per_kwh_wri"]))
    with (shared_data / "factors" / "us_egrid2023_states.csv").open() as file:
        for row in csv.DictReader(file):
            code = "US" if row["code"] == "usa" else f"US-{row['code']}"
            grams = states.regions[code].intensity.value * J_PER_KWH
            assert grams == pytest.approx(float(row["g_co2e_per_kwh"]), abs=0.051)  # printed to 0.1
