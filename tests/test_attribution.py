"""Every job's share of energy, carbon, water and cost: all shares sum to the meters, whoever pays for idle machines."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.accounting.attribution import Attribution, IdleRule, attribute
from sim.accounting.bins import Bins
from sim.accounting.conventions import UNALLOCATED, ByTerms, Convention, Line, Metered, PerSlot, Physical
from sim.accounting.fold import fold
from sim.accounting.footprint import QUANTITIES
from sim.accounting.ledger import Ledger
from sim.accounting.plan import (
    AccountingPlan,
    Amortization,
    ByExpectedUtilisation,
    ByTime,
    ByUse,
    CarbonPrice,
    EmbodiedItem,
    GridPlan,
    PlantItem,
    SitePlan,
)
from sim.accounting.recorder import LedgerRecorder
from sim.engine.fleet.logged import FleetNodes, PowerStates, logged
from sim.engine.fleet.metering_plain import fold_plainly
from sim.facility.building import FixedPUE
from sim.signals import Signal
from sim.units import HOUR_NS, LEAP_YEAR_NS, MAX_NS
from sim.workload.allocations import PACE_STATES
from sim.workload.job_energy import WHOSE, JobLabels, JobsEnergy
from sim.workload.jobs.table import UNKNOWN, Loads
from tests.fleet_logs import OWNERS, POOLS, Case, Stint, cases, host, log_of
from tests.worlds import S

RULES: tuple[IdleRule, ...] = get_args(IdleRule)
SITES = {"gpus": "north", "cpus": "south"}
LUCCIONI = ByTerms(
    "luccioni-2023",
    (Line("gpu", ("gpu",), "reserved", PerSlot({"gpus": 700.0}, "gpu")),),
    {"infrastructure": 300.0, "idle_nodes": 200.0},
)
AT_WORK = ByTerms("narrow", (Line("at_work", ("gpu", "cpu"), "active", Metered()),), holders_alone=True)
CONVENTIONS: tuple[Convention, ...] = (Physical(), LUCCIONI, AT_WORK)
AMORTIZATIONS: tuple[Amortization, ...] = (ByTime(), ByExpectedUtilisation(0.85), ByUse(LEAP_YEAR_NS // 2))
ACTIVE = PACE_STATES.index("active")


def plan(intensity: Signal, convention: Convention, amortization: Amortization) -> AccountingPlan:
    """Two sites that have everything priced, in one of which carbon changes over time; GPUs, servers and a building
    that were made."""
    devices = [
        EmbodiedItem("gpu", "gpu", "gpu", 1, 100.0, 150.0, 200.0, lifetime_ns=LEAP_YEAR_NS, water_l=2.0),
        EmbodiedItem("server", "node", "board", 4, 900.0, 1000.0, 1100.0, lifetime_ns=LEAP_YEAR_NS, credit_g=5.0),
        EmbodiedItem("server", "host", "board", 2, 500.0, 600.0, 700.0, lifetime_ns=LEAP_YEAR_NS),
    ]
    grids = {
        "north": GridPlan(intensity, price=Signal.constant(3e-8, "EUR/J"), water=Signal.constant(5e-7, "L/J")),
        "south": GridPlan(Signal.constant(1e-5, "g/J"), price=Signal.constant(1e-8, "EUR/J")),
    }
    return AccountingPlan(
        convention=convention,
        sites={name: SitePlan(FixedPUE(1.3), grid, wue_l_per_j=2e-7) for name, grid in grids.items()},
        currency="EUR",
        amortization=amortization,
        embodied=tuple(devices),
        plants=(PlantItem("building", 1.0e6, 2.0e6, 3.0e6, lifetime_ns=20 * LEAP_YEAR_NS),),
        carbon_price=CarbonPrice(8e-5, "EUR", frozenset({1, 2, 3}), False, frozenset({"north"}), "80 EUR/t"),
    )


def ran(case: Case, cuts_ns: list[int]) -> tuple[Ledger, JobsEnergy]:
    """The ledger of a case with edges at ``cuts_ns``, and what its jobs drew; nobody knows whose the last is."""
    books = LedgerRecorder(SITES, Bins(case.bin_ns, [np.array(cuts_ns, dtype=np.int64)]))
    run = logged(
        case.log, case.nodes, case.states, owners=OWNERS, owner_of=case.owner_of, loads=case.loads, end_ns=case.end_ns
    )
    energy = fold_plainly(run, books)
    n = len(case.owner_of)
    users = np.arange(n) % 3
    users[-1] = UNKNOWN
    names = {"workload": OWNERS, "user": ("ann", "bob", "eve"), "account": ("physics",), "queue": ("long", "short")}
    labels = JobLabels(np.arange(n), case.owner_of, users, np.zeros(n, np.int64), np.arange(n) % 2, names)
    return books.ledger(case.end_ns), JobsEnergy(energy, labels)


@st.composite
def priced(draw: st.DrawFn) -> tuple[Ledger, JobsEnergy, AccountingPlan]:
    """A run of a small fleet, and a plan for it."""
    case = draw(cases())
    cuts = sorted(draw(st.sets(st.integers(1, max(1, case.end_ns - 1)), max_size=3)))
    steps = np.array([0, *cuts], dtype=np.int64)
    values = np.array([draw(st.floats(1e-6, 1e-3)) for _ in steps])
    intensity = Signal(np.append(steps, MAX_NS), values, "g/J")
    convention = draw(st.sampled_from(CONVENTIONS))
    amortization = draw(st.sampled_from(AMORTIZATIONS))
    ledger, jobs = ran(case, cuts)
    return ledger, jobs, plan(intensity, convention, amortization)


def close(found: np.ndarray, expected: np.ndarray) -> None:
    """Sums of a few hundred shares of some thousand each, within 1e-9 of the largest: shares below it are rounding."""
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * float(np.abs(expected).max(initial=0.0)))


@given(priced())
def test_all_shares_sum_to_the_footprint_under_every_rule(run: tuple[Ledger, JobsEnergy, AccountingPlan]) -> None:
    ledger, jobs, plan = run
    whole = fold(ledger, plan).values.sum(axis=0)
    for rule in RULES:
        found = attribute(ledger, plan, jobs, rule)
        for total, everybody in zip(whole, (found.values.sum(axis=0) + found.unallocated).tolist(), strict=True):
            assert everybody == pytest.approx(total, rel=1e-9, abs=1e-12)
        for word in WHOSE:
            shares = found.by(word)  # type: ignore[arg-type]  # they are its words
            close(shares.values.sum(axis=0), found.values.sum(axis=0))
            assert shares.jobs.sum() == len(found.jobs)
            assert len(set(shares.names)) == len(shares.names)


@given(priced())
def test_apart_each_workload_is_what_its_lines_are(run: tuple[Ledger, JobsEnergy, AccountingPlan]) -> None:
    ledger, jobs, plan = run
    footprint, found = fold(ledger, plan), attribute(ledger, plan, jobs, "apart")
    shares = found.by("workload")
    for i, quantity in enumerate(QUANTITIES):
        expected = footprint.by(lambda key, _: key.owner, quantity)
        assert found.unallocated[i] == pytest.approx(expected.pop(UNALLOCATED, 0.0), rel=1e-9, abs=1e-12)
        of_workload = dict(zip(shares.names, shares.values[:, i].tolist(), strict=True))
        for owner, amount in expected.items():
            assert of_workload.get(owner, 0.0) == pytest.approx(amount, rel=1e-9, abs=1e-12)


@given(priced())
def test_jobs_answer_for_all_that_their_workloads_drew(run: tuple[Ledger, JobsEnergy, AccountingPlan]) -> None:
    """Physically all of it: nothing is left for a workload apart from its jobs."""
    ledger, jobs, plan = run
    found = attribute(ledger, replace(plan, convention=Physical()), jobs, "apart")
    of_workloads = found.values[len(found.jobs) :]
    assert np.abs(of_workloads).max(initial=0.0) <= 1e-8 * np.abs(found.values).max(initial=1.0)
    close(found.it_j[: len(found.jobs)], jobs.energy.joules(len(jobs.labels))[found.jobs])


@given(priced(), st.sampled_from(RULES))
def test_nobody_is_given_less_by_a_rule_than_its_own(
    run: tuple[Ledger, JobsEnergy, AccountingPlan], rule: IdleRule
) -> None:
    ledger, jobs, plan = run
    apart, found = attribute(ledger, plan, jobs, "apart"), attribute(ledger, plan, jobs, rule)
    slack = 1e-9 * max(np.abs(apart.values).max(initial=0.0), np.abs(apart.unallocated).max())
    assert (found.values >= apart.values - slack).all()
    assert (found.unallocated <= apart.unallocated + slack).all()


def two_jobs() -> tuple[Ledger, JobsEnergy, AccountingPlan]:
    """Ann has two of four GPUs for the first of two hours at 400 W, Bob one of them for both hours at 200 W."""
    nodes = FleetNodes(POOLS, np.zeros(1, np.int64), (host(gpus=True, supply=False),), np.zeros(1, np.int64))
    stints = [
        Stint(0, 0, HOUR_NS, [(0, 2000, 0.5)], [(0, ACTIVE, 400.0, 0.0, 1.0)], 0),
        Stint(1, 0, 2 * HOUR_NS, [(0, 1000, 0.25)], [(0, ACTIVE, 200.0, 0.0, 1.0)], 0),
        Stint(2, 0, S, [(0, 1000, 0.25)], [(0, ACTIVE, 100.0, 0.0, 1.0)], 0),
    ]
    no_loads = Loads(np.zeros(4, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0))
    owner_of = np.zeros(3, np.int64)
    case = Case(log_of(stints), nodes, PowerStates.always_on(), owner_of, no_loads, 2 * HOUR_NS, HOUR_NS)
    ledger, jobs = ran(case, [])
    changing = Signal(np.array([0, HOUR_NS, MAX_NS]), np.array([1e-4, 5e-4]), "g/J")
    return ledger, jobs, plan(changing, Physical(), ByTime())


def of(found: Attribution, quantity: str) -> dict[str, float]:
    """A quantity by user."""
    shares = found.by("user")
    return dict(zip(shares.names, shares.values[:, QUANTITIES.index(quantity)].tolist(), strict=True))


def test_two_users_by_hand() -> None:
    ledger, jobs, plan = two_jobs()
    found = attribute(ledger, plan, jobs, "apart")
    rest_w = 100.0 + 20.0 + 30.0  # CPUs, DRAM and board of the node, by its four slots
    ann_j = (2 * 400.0 + 2 / 4 * (rest_w + 20.0)) * 3600.0
    bob_w = 200.0 + 1 / 4 * (rest_w + 20.0)
    assert of(found, "energy_j")["ann"] == pytest.approx(1.3 * ann_j, rel=1e-12)
    assert of(found, "operational_g")["ann"] == pytest.approx(1.3 * ann_j * 1e-4, rel=1e-12)
    assert of(found, "operational_g")["bob"] == pytest.approx(1.3 * bob_w * 3600.0 * (1e-4 + 5e-4), rel=1e-12)
    assert of(found, "cost")["bob"] == pytest.approx(1.3 * bob_w * 7200.0 * 3e-8, rel=1e-12)
    # of two GPUs for an hour and of a quarter of a server for two, by time; the building that was made by IT energy
    years = HOUR_NS / LEAP_YEAR_NS
    made_g = 2.0e6 * 2 * years / 20
    it_j = ledger.total_j()
    assert of(found, "embodied_g")["ann"] == pytest.approx(
        2 * 150.0 * years + 0.5 * 1000.0 * years + made_g * ann_j / it_j, rel=1e-12
    )
    assert of(found, "embodied_g")["bob"] == pytest.approx(
        150.0 * 2 * years + 0.25 * 1000.0 * 2 * years + made_g * bob_w * 7200.0 / it_j, rel=1e-12
    )


def test_idle_gpus_go_by_slots_held_or_by_energy_in_each_bin() -> None:
    ledger, jobs, plan = two_jobs()
    apart, held, used = (attribute(ledger, plan, jobs, rule) for rule in RULES[:1] + RULES[2:] + RULES[1:2])
    assert held.rule == "by-reservation"
    assert used.rule == "by-use"
    rest_w = 50.0 + 1 / 4 * 150.0  # an idle slot
    # in the second hour Bob is alone, and three slots are idle; in the first Ann has two and Bob one of three and a bit
    second_j = 3 * rest_w * 3600.0
    first_j = 1 * rest_w * 3599.0
    slots = 2 * 3600.0 + 3600.0 + 1.0
    bob = first_j * 3600.0 / slots + second_j
    assert of(held, "energy_j")["bob"] - of(apart, "energy_j")["bob"] == pytest.approx(1.3 * bob, rel=1e-9)
    joules = np.bincount(jobs.energy.job[jobs.energy.bin == 0], jobs.energy.energy_j[jobs.energy.bin == 0], 3)
    ann = first_j * joules[0] / joules.sum()
    assert of(used, "energy_j")["ann"] - of(apart, "energy_j")["ann"] == pytest.approx(1.3 * ann, rel=1e-9)
    for found in (held, used):
        assert np.abs(found.unallocated).max() <= 1e-9 * np.abs(found.values).max()


def test_what_no_job_is_told_of_stays_with_its_workload() -> None:
    """A service beside the jobs, whose draws are its own: it answers for itself, under its name (the second
    of two: what is laid to the first by mistake may be its own)."""
    ledger, jobs, plan = two_jobs()
    rows = [(key, ledger.energy_j[i], ledger.slot_ns[i]) for i, key in enumerate(ledger.keys)]
    talk = [(key._replace(owner="talk"), 0.5 * j, slot_ns) for key, j, slot_ns in rows if key.owner == "research"]
    both = Ledger.of(ledger.edges_ns, [*rows, *talk])
    found = attribute(both, plan, jobs, "by-use")
    assert of(found, "energy_j")["(talk)"] > 0.0
    shares = found.by("workload")
    assert dict(zip(shares.names, shares.jobs.tolist(), strict=True)) == {"research": 3, "talk": 0}
    total = found.values.sum(axis=0) + found.unallocated
    close(total, fold(both, plan).values.sum(axis=0))
    # What it drew is told of no job, and owed by no workload.
    alone, beside = (of(attribute(one, plan, jobs, "apart"), "energy_j") for one in (ledger, both))
    assert beside == pytest.approx({**alone, "(talk)": 0.5 * sum(alone.values())}, rel=1e-9, abs=1e-9)
