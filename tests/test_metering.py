"""The fold over a log gives what machines with meters give, joule by joule, and tells every job its own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from sim.accounting.ledger import Ledger
from sim.engine.draws import UNALLOCATED
from sim.engine.fleet.logged import LoggedRun, logged
from sim.engine.fleet.metering import fold_compiled
from sim.engine.fleet.metering_plain import fold_plainly
from sim.workload.allocations import MILLI
from sim.workload.job_energy import JobEnergy
from tests.fleet_logs import OWNERS, Case, cases, metered, recorder

FOLDS = (fold_plainly, fold_compiled)


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


def folded(case: Case, fold: object) -> tuple[Ledger, JobEnergy]:
    """The ledger of a case by a fold, and what its jobs drew."""
    books = recorder(case)
    energy = fold(run_of(case), books)  # type: ignore[operator]  # one of FOLDS
    return books.ledger(case.end_ns), energy


def rows(ledger: Ledger) -> dict[tuple[str, ...], tuple[np.ndarray, np.ndarray]]:
    """Rows that hold or draw anything, by their keys."""
    return {
        key: (energy_j, slot_ns)
        for key, energy_j, slot_ns in zip(ledger.keys, ledger.energy_j, ledger.slot_ns, strict=True)
        if energy_j.any() or slot_ns.any()
    }


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
            held = ledger.where(lambda key, component=component: key.component == component).slot_ns.sum(axis=0)
            assert held.tolist() == (np.diff(ledger.edges_ns) * int(slots[there].sum())).tolist()


@given(cases())
def test_the_joules_of_jobs_sum_to_their_owners_in_every_bin(case: Case) -> None:
    for fold in FOLDS:
        ledger, jobs = folded(case, fold)
        assert (np.diff(jobs.job) >= 0).all()
        assert jobs.edges_ns.tolist() == ledger.edges_ns.tolist()
        for code, owner in enumerate(OWNERS):
            own = case.owner_of[jobs.job] == code
            for pool, name in enumerate(jobs.pools):
                there = own & (jobs.pool == pool)
                drawn = np.bincount(jobs.bin[there], jobs.energy_j[there], len(ledger.edges_ns) - 1)
                of_owner = ledger.where(lambda key, owner=owner, name=name: key.owner == owner and key.pool == name)
                # the row of a job is a sum over its nodes, that of its owner over its jobs: order alone tells them apart
                np.testing.assert_allclose(drawn, of_owner.energy_j.sum(axis=0), rtol=1e-12, atol=0.0)
                held = np.bincount(jobs.bin[there], jobs.slot_s[there], len(ledger.edges_ns) - 1)
                cpu = of_owner.where(lambda key: key.component == "cpu").slot_ns.sum(axis=0)
                # thousandths of slots are rounded to a ns a row in the ledger
                np.testing.assert_allclose(held, cpu * 1e-9, rtol=1e-12, atol=8e-9)


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


def test_one_job_on_half_a_gpu_by_hand() -> None:
    """Half of one of four GPUs, 300 W a whole one, half of its eighth of the CPUs busy, for ten seconds."""
