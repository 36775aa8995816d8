"""The fold over a log gives what machines with meters give, joule by joule, and tells every job its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings

from sim.accounting.bins import Bins
from sim.accounting.ledger import Ledger
from sim.accounting.recorder import LedgerRecorder
from sim.engine.fleet import metering
from sim.engine.fleet.logged import FleetNodes, LoggedRun, PowerStates, logged
from sim.engine.fleet.metering import fold_compiled
from sim.engine.fleet.metering_plain import fold_plainly
from sim.engine.metering.meter import BinnedRecorder
from sim.units import SECONDS_PER_NS
from sim.workload.allocations import PACE_STATES
from sim.workload.job_energy import JobEnergy
from sim.workload.jobs.table import Loads
from tests.fleet_logs import OWNERS, POOLS, Case, Stint, cases, host, log_of, metered, recorder
from tests.worlds import S

Fold = Callable[[LoggedRun, BinnedRecorder], JobEnergy]
FOLDS: tuple[Fold, ...] = (fold_plainly, fold_compiled)
ACTIVE = PACE_STATES.index("active")
NO_LOADS = Loads(np.zeros(2, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0))


def run_of(case: Case) -> LoggedRun:
    """A case with all that a fold needs."""
    return logged(
        case.log,
        case.nodes,
        case.states,
        owners=OWNERS,
        owner_of=case.owner_of,
        loads=case.loads,
        end_ns=case.end_ns,
    )


def folded(case: Case, fold: Fold) -> tuple[Ledger, JobEnergy]:
    """The ledger of a case by a fold, and what its jobs drew."""
    books = recorder(case)
    energy = fold(run_of(case), books)
    return books.ledger(case.end_ns), energy


def rows(ledger: Ledger) -> dict[tuple[str, ...], tuple[np.ndarray, np.ndarray]]:
    """Rows that hold or draw anything, by their keys."""
    return {
        key: (energy_j, slot_ns)
        for key, energy_j, slot_ns in zip(ledger.keys, ledger.energy_j, ledger.slot_ns, strict=True)
        if energy_j.any() or slot_ns.any()
    }


def only(ledger: Ledger, names: Mapping[str, str]) -> Ledger:
    """The rows whose keys have these names."""
    return ledger.where(lambda key: all(getattr(key, part) == name for part, name in names.items()))


def sum_of(ledger: Ledger, **names: str) -> np.ndarray:
    """J in each bin of the rows of some names."""
    return np.asarray(only(ledger, names).energy_j.sum(axis=0))


def slot_ns_of(ledger: Ledger, **names: str) -> np.ndarray:
    """Slots x ns in each bin of the rows of some names."""
    return np.asarray(only(ledger, names).slot_ns.sum(axis=0))


@given(cases())
@settings(max_examples=200)
def test_a_log_gives_what_machines_with_meters_give(case: Case) -> None:
    expected = rows(metered(case))
    for fold in FOLDS:
        ledger, _ = folded(case, fold)
        found = rows(ledger)
        assert found.keys() == expected.keys()
        for key, (energy_j, slot_ns) in expected.items():
            # 1e-12: a few hundred additions of products of a dozen doubles, none of them a difference of like numbers
            np.testing.assert_allclose(found[key][0], energy_j, rtol=1e-12, atol=0.0)
            assert found[key][1].tolist() == slot_ns.tolist()


@given(cases())
def test_all_slots_of_all_nodes_are_somebodys_or_nobodys(case: Case) -> None:
    slots = np.array([kind.slots for kind in case.nodes.hardware])[case.nodes.kind_of]
    for fold in FOLDS:
        ledger, _ = folded(case, fold)
        for component in ("gpu", "cpu", "board"):
            there = case.nodes.pool_of == 0 if component == "gpu" else case.nodes.pool_of >= 0
            held = slot_ns_of(ledger, component=component)
            assert held.tolist() == (np.diff(ledger.edges_ns) * int(slots[there].sum())).tolist()


@given(cases())
def test_the_joules_of_jobs_sum_to_their_owners_in_every_bin(case: Case) -> None:
    for fold in FOLDS:
        ledger, jobs = folded(case, fold)
        assert (np.diff(jobs.job) >= 0).all()
        assert jobs.edges_ns.tolist() == ledger.edges_ns.tolist()
        bins = len(ledger.edges_ns) - 1
        for owner, (pool, name) in product(range(len(OWNERS)), enumerate(jobs.pools)):
            there = (case.owner_of[jobs.job] == owner) & (jobs.pool == pool)
            drawn = np.bincount(jobs.bin[there], jobs.energy_j[there], bins)
            energy_j = sum_of(ledger, owner=OWNERS[owner], pool=name)
            # a job's row is a sum over its nodes, its owner's one over jobs: the order alone tells them apart
            np.testing.assert_allclose(drawn, energy_j, rtol=1e-12, atol=0.0)
            held_s = np.bincount(jobs.bin[there], jobs.slot_s[there], bins)
            held_ns = slot_ns_of(ledger, owner=OWNERS[owner], pool=name, component="cpu")
            # the ledger rounds thousandths of slots to a ns in each of its rows
            np.testing.assert_allclose(held_s, held_ns * SECONDS_PER_NS, rtol=1e-12, atol=8e-9)


@given(cases())
def test_both_folds_tell_jobs_the_same(case: Case) -> None:
    plain, compiled = (folded(case, fold)[1] for fold in FOLDS)
    for name in ("job", "pool", "bin"):
        assert getattr(plain, name).tolist() == getattr(compiled, name).tolist()
    for name in ("energy_j", "slot_s", "active_slot_s"):
        np.testing.assert_allclose(getattr(compiled, name), getattr(plain, name), rtol=1e-12, atol=0.0)
    jobs = len(case.owner_of)
    assert plain.joules(jobs).sum() == pytest.approx(plain.energy_j.sum(), rel=1e-12)
    assert plain.of(1, jobs - 1).tolist() == plain.joules(jobs)[1:].tolist()


@given(cases())
def test_nodes_with_meters_of_their_own_are_left_to_them(case: Case) -> None:
    """What the log books of one pool is the same whether it books the other or not, and of that it books nothing."""
    mine = replace(case, nodes=replace(case.nodes, logged=case.nodes.pool_of == 0))
    for fold in FOLDS:
        everything, some = rows(folded(case, fold)[0]), folded(mine, fold)[0]
        assert {key.pool for key in some.keys} <= {"gpus"}
        for key, (energy_j, slot_ns) in rows(some).items():
            np.testing.assert_allclose(energy_j, everything[key][0], rtol=1e-12, atol=0.0)
            assert slot_ns.tolist() == everything[key][1].tolist()


HALF_A_GPU = Stint(0, 0, 10 * S, [(0, 500, 0.125)], [(0, ACTIVE, 300.0, 0.5, 1.0)], 0)


@pytest.mark.parametrize("fold", FOLDS)
def test_half_a_gpu_for_ten_seconds_by_hand(fold: Fold) -> None:
    """One of four GPUs is 50 W idle; CPUs 100 to 300 W at load**0.8, DRAM 20 to 40 W, board 30 W; no supplies."""
    nodes = FleetNodes(POOLS, np.zeros(1, np.int64), (host(gpus=True, supply=False),), np.zeros(1, np.int64))
    case = Case(log_of([HALF_A_GPU]), nodes, PowerStates.always_on(), np.zeros(1, np.int64), NO_LOADS, 20 * S, 3600 * S)
    ledger, jobs = folded(case, fold)
    rest = 100.0 / 8 + 20.0 / 8 + 30.0 / 8  # an eighth of the node
    work = 200.0 * (0.5 * 0.125) ** 0.8 + 20.0 / 8
    assert jobs.energy_j.tolist() == pytest.approx([(0.5 * 300.0 + rest + work) * 10.0], rel=1e-14)
    assert jobs.slot_s.tolist() == [5.0]
    idle_w = 4 * 50.0 + 150.0
    assert ledger.total_j() == pytest.approx(idle_w * 20.0 + (0.5 * (300.0 - 50.0) + work) * 10.0, rel=1e-14)
    assert slot_ns_of(ledger, owner="research", component="gpu").tolist() == [5 * S]


@pytest.mark.parametrize("fold", FOLDS)
def test_half_the_rate_draws_twice_as_long(fold: Fold) -> None:
    """300 W for the first 4 s of work and 100 W for the next 4: at half the rate each lasts 8 s."""
    loads = Loads(np.array([0, 2]), np.array([0, 4 * S]), np.array([300.0, 100.0]), np.zeros(2))
    nodes = FleetNodes(POOLS, np.zeros(1, np.int64), (host(gpus=True, supply=False),), np.zeros(1, np.int64))
    drawn = []
    for rate, end_ns in ((1.0, 8 * S), (0.5, 16 * S)):
        stint = Stint(0, 0, end_ns, [(0, 1000, 0.25)], [(0, ACTIVE, np.nan, np.nan, rate)], 0)
        case = Case(log_of([stint]), nodes, PowerStates.always_on(), np.zeros(1, np.int64), loads, end_ns, 3600 * S)
        drawn.append(sum_of(folded(case, fold)[0], owner="research", component="gpu").tolist())
    assert drawn == [[4 * 300.0 + 4 * 100.0], [8 * 300.0 + 8 * 100.0]]


def test_a_large_log_is_folded_by_the_compiled_code(monkeypatch: pytest.MonkeyPatch) -> None:
    told = []
    for name in ("fold_plainly", "fold_compiled"):
        monkeypatch.setattr(metering, name, lambda *_, name=name: told.append(name))
    nodes = FleetNodes(POOLS, np.zeros(1, np.int64), (host(gpus=True, supply=False),), np.zeros(1, np.int64))
    cut = replace(nodes, hardware=(replace(nodes.hardware[0], gpu_slots=2, gpu_awake_w=80.0),))
    for stints, there in ((1, nodes), (metering.MOST_PLAIN, nodes), (metering.MOST_PLAIN, cut)):
        log = log_of([replace(HALF_A_GPU, start=i, end=i + 1) for i in range(stints)])
        books = LedgerRecorder(dict.fromkeys(POOLS, "site"), Bins(S))
        on = PowerStates.always_on()
        whose = np.zeros(1, np.int64)
        metering.meter(log, there, on, owners=OWNERS, owner_of=whose, loads=None, end_ns=S, recorder=books)
    assert told == ["fold_plainly", "fold_compiled", "fold_plainly"]
