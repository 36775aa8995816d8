"""A run books the same joules, and tells every job its own, whether its nodes have meters or its log is folded; and
what jobs answer for can be priced anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.build.built import Built
from sim.loading.scenario import load_scenario
from sim.results.files import read, write
from sim.running.metering import loads_of
from sim.running.run import built_of, reprice
from sim.running.simulation import simulate
from sim.units import J_PER_KWH
from sim.workload.job_energy import COLUMNS, job_of_owner, labels_of, owner_of_job
from sim.workload.jobs.table import UNKNOWN, Loads
from tests.job_worlds import jobs_scenario, table
from tests.worlds import S


def built(*, logged: bool) -> Built:
    """That scenario, its pool metered by the log or by meters of its nodes."""
    made = built_of(load_scenario(jobs_scenario()))
    assert all(pool.logged for pool in made.pools)
    return replace(made, pools=tuple(replace(pool, logged=logged) for pool in made.pools))


def test_nodes_with_meters_and_the_log_give_the_same_joules_to_the_ledger_and_to_jobs() -> None:
    folded, metered = simulate(built(logged=True)), simulate(built(logged=False))
    assert folded.ledger.keys == metered.ledger.keys
    assert {key.owner for key in metered.ledger.keys} == {"research", "unallocated"}
    np.testing.assert_allclose(folded.ledger.energy_j, metered.ledger.energy_j, rtol=1e-12, atol=0.0)
    assert (folded.ledger.slot_ns == metered.ledger.slot_ns).all()
    assert folded.job_energy is not None
    assert metered.job_energy is not None
    for name in COLUMNS:
        one, other = getattr(folded.job_energy.energy, name), getattr(metered.job_energy.energy, name)
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=0.0)


def test_units_of_a_fleet_draw_alike_by_the_log_and_by_meters() -> None:
    """Where the profile says how much GPUs differ: node by node the same factors."""
    one, other = (
        simulate(replace(each, pools=tuple(replace(pool, unit_spread=0.05) for pool in each.pools)))
        for each in (built(logged=True), built(logged=False))
    )
    assert one.ledger.total_j() == pytest.approx(other.ledger.total_j(), rel=1e-12)
    even = simulate(built(logged=True)).ledger
    assert one.ledger.total_j() != pytest.approx(even.total_j(), rel=1e-6)


def test_shares_of_a_run_sum_to_it_and_survive_its_folder(tmp_path: Path) -> None:
    results = sim.run(jobs_scenario())
    found = results.at("attribution")
    assert found["idle"] == "apart"
    assert {row["name"] for row in found["by_account"]} == {"vision", "physics"}
    assert len(found["by_user"]) == 5
    for word in ("workload", "user", "account", "queue"):
        rows = [*found[f"by_{word}"], found["unallocated"]]
        assert sum(row["energy_kwh"] for row in rows) == pytest.approx(results.at("energy_kwh.facility"), rel=1e-9)
        assert sum(row["carbon_kg"] for row in rows) == pytest.approx(results.at("carbon_kg.total"), rel=1e-9)
        assert sum(row["embodied_kg"] for row in rows) == pytest.approx(results.at("carbon_kg.embodied"), rel=1e-9)
        assert sum(row["water_l"] for row in rows) == pytest.approx(results.at("water_l.total"), rel=1e-9)
        assert sum(row["cost"] for row in rows) == pytest.approx(results.at("cost.energy"), rel=1e-9)
    own = results.job_energy()
    it_kwh = results.at("energy_kwh.by_workload")["research"]
    assert own["energy_j"].sum() / J_PER_KWH == pytest.approx(it_kwh, rel=1e-12)
    jobs = results.attribution()
    assert jobs["it_kwh"].sum() == pytest.approx(it_kwh, rel=1e-12)
    assert jobs["energy_kwh"].sum() == pytest.approx(1.25 * it_kwh, rel=1e-12)
    told = results.jobs()
    told = told[told["energy_kwh"] > 0.0]
    assert told["energy_kwh"].tolist() == pytest.approx(jobs["it_kwh"].tolist(), rel=1e-12)
    write(results, tmp_path / "run")
    again = read(tmp_path / "run")
    assert again.at("attribution") == found
    assert again.attribution().equals(jobs)
    assert reprice(again, {}).at("attribution") == found
    assert reprice(again, {}).attribution().equals(jobs)


def test_a_finished_run_is_attributed_anew() -> None:
    results = sim.run(jobs_scenario())
    double = reprice(results, {"site.grid.intensity": "800 gCO2e/kWh"})
    before, after = results.attribution(), double.attribution()
    assert after["operational_kg"].tolist() == pytest.approx((2 * before["operational_kg"]).tolist(), rel=1e-12)
    assert after["embodied_kg"].tolist() == before["embodied_kg"].tolist()
    for rule in ("by-use", "by-reservation"):
        given = reprice(results, {"accounting.attribution.idle": rule})
        assert given.at("attribution.idle") == rule
        assert given.at("attribution.unallocated.energy_kwh") == pytest.approx(0.0, abs=1e-9)
        assert sum(row["energy_kwh"] for row in given.at("attribution.by_user")) == pytest.approx(
            results.at("energy_kwh.facility"), rel=1e-9
        )
        assert given.at("energy_kwh") == results.at("energy_kwh")


def test_more_users_than_are_named_are_summed(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = sim.run(jobs_scenario()).at("attribution.by_user")
    monkeypatch.setattr("sim.results.attribution.MOST_NAMED", 2)
    rows = sim.run(jobs_scenario()).at("attribution.by_user")
    assert rows[:2] == whole[:2]
    assert rows[2]["name"] == "(3 others)"
    assert rows[2]["carbon_kg"] == pytest.approx(sum(row["carbon_kg"] for row in whole[2:]), rel=1e-12)
    assert rows[2]["jobs"] == sum(row["jobs"] for row in whole[2:])


def test_labels_of_two_tables_share_their_names() -> None:
    one = table([0, 1], [1, 1], [1, 1], user=[0, UNKNOWN], names={"user": ["ann"]})
    two = table([0, 1], [1, 1], [1, 1], user=[1, 0], names={"user": ["bob", "ann"]})
    labels = labels_of([("a", one), ("b", two)])
    assert labels.names["user"] == ("ann", "bob")
    assert labels.user.tolist() == [0, UNKNOWN, 0, 1]
    assert labels.workload.tolist() == [0, 0, 1, 1]
    assert labels.row.tolist() == [0, 1, 0, 1]
    assert set(labels.account.tolist()) == {UNKNOWN}


@given(st.text(st.characters(exclude_characters="\t"), min_size=1), st.integers(0, 10**9))
def test_the_name_of_a_jobs_slots_tells_both(workload: str, job: int) -> None:
    assert job_of_owner(owner_of_job(workload, job)) == (job, workload)
    assert job_of_owner(workload) == (None, workload)


def test_loads_of_tables_stand_one_after_the_other() -> None:
    """A table without loads has none, and its rows are counted."""
    own = Loads(
        np.array([0, 2, 3, 3]), np.array([0, 5 * S, 0]), np.array([100.0, 500.0, 9.0]), np.array([0.1, 0.2, 0.3])
    )
    loads = loads_of([own, None], [3, 1])
    assert loads is not None
    assert loads.first.tolist() == [0, 2, 3, 3, 3]
    assert loads.offset_ns.tolist() == [0, 5 * S, 0]
    assert loads_of([None, None], [3, 1]) is None
