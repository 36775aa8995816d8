"""Training jobs: what is charged to whom while nodes boot, work, fail, are killed and shut down."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.engine.metering.draws import node_draws
from sim.errors import RunError
from sim.rng import Streams
from tests.worlds import H, S, Tape, hardware, job, pool, run

NODE = hardware()


def _energy(ledger: object, **wanted: str) -> float:
    rows = ledger.where(lambda key: all(getattr(key, name) == value for name, value in wanted.items()))  # type: ignore[attr-defined]
    return float(rows.total_j())


def test_an_hour_of_work_draws_an_hour_of_its_power() -> None:
    outcome, ledger = run([pool()], [job()])
    assert outcome.end_ns == H
    assert _energy(ledger, component="gpu", owner="job", state="active") == 4 * 350.0 * 3600
    assert _energy(ledger, owner="unallocated") == 0
    (record,) = outcome.jobs
    assert (record.status, record.done_ns, record.held_ns, record.lost_ns) == ("completed", H, H, 0)


@given(st.integers(1, 5 * H), st.integers(1, 2 * H), st.integers(0, 600 * S))
def test_checkpoints_add_their_writes_and_lose_nothing(work_ns: int, every_ns: int, write_ns: int) -> None:
    every_ns = max(every_ns, work_ns // 50)
    outcome, _ = run(
        [pool()], [job(work_ns=work_ns, checkpoint_every_ns=every_ns, checkpoint_ns=write_ns, setup_ns=5 * S)]
    )
    (record,) = outcome.jobs
    writes = -(-work_ns // every_ns) - 1  # none after the last stretch
    assert record.checkpoints == writes
    assert outcome.end_ns == 5 * S + work_ns + writes * write_ns
    assert record.done_ns == work_ns


def test_a_node_booted_for_a_job_is_charged_to_it_and_its_shutdown_to_nobody() -> None:
    off = pool(powered=False, idle_timeout_ns=60 * S)
    outcome, ledger = run([off], [job(submit_ns=500 * S)], duration_ns=2 * H)
    boot_w = sum(draw.watts for draw in node_draws(NODE, "booting", ()))
    stop_w = sum(draw.watts for draw in node_draws(NODE, "stopping", ()))
    assert _energy(ledger, owner="job", state="booting") == pytest.approx(boot_w * 100, rel=1e-12)
    assert _energy(ledger, owner="unallocated", state="stopping") == pytest.approx(stop_w * 20, rel=1e-12)
    off_s = 500 + (7200 - 500 - 100 - 3600 - 60 - 20)
    assert _energy(ledger, state="off") == pytest.approx(10.0 * off_s, rel=1e-12)
    (record,) = outcome.jobs
    assert record.started_ns == 600 * S
    assert record.held_ns == 100 * S + H


def test_a_killed_job_pays_for_what_it_did() -> None:
    outcome, ledger = run([pool()], [job(time_limit_ns=H // 4)], duration_ns=H)
    (record,) = outcome.jobs
    assert (record.status, record.done_ns, record.lost_ns) == ("killed", 0, H // 4)
    assert _energy(ledger, component="gpu", owner="job", state="active") == pytest.approx(4 * 350.0 * 900, rel=1e-12)
    assert _energy(ledger, component="gpu", owner="unallocated", state="idle") == pytest.approx(4 * 50.0 * 2700)


def test_a_job_cut_short_by_the_end_of_the_run_keeps_its_progress() -> None:
    outcome, _ = run([pool()], [job()], duration_ns=H // 3)
    (record,) = outcome.jobs
    assert (record.status, record.done_ns, record.held_ns) == ("unfinished", H // 3, H // 3)


def test_a_gang_waits_its_turn_and_owners_do_not_mix() -> None:
    outcome, ledger = run([pool()], [job(name="first"), job(name="second", gpus=2)])
    assert [record.started_ns for record in outcome.jobs] == [0, H]
    assert _energy(ledger, component="gpu", owner="second", state="active") == pytest.approx(2 * 350.0 * 3600)
    assert _energy(ledger, component="gpu", owner="unallocated") == pytest.approx(2 * 50.0 * 3600)


FAILING = {"mtbf_ns": 2 * H, "repair_ns": 300 * S}


@given(st.integers(0, 2**32))
def test_failures_cost_time_and_energy_but_never_lose_a_nanosecond(seed: int) -> None:
    pools = [pool(3, **FAILING)]
    plan = job(gpus=8, work_ns=4 * H, checkpoint_every_ns=H // 2, checkpoint_ns=30 * S, setup_ns=60 * S)
    outcome, ledger = run(pools, [plan], duration_ns=40 * H, seed=seed)
    (record,) = outcome.jobs
    assert record.done_ns + record.lost_ns <= record.held_ns
    assert record.lost_ns <= (record.interruptions + (record.status != "completed")) * H // 2
    if record.status == "completed":
        assert record.done_ns == 4 * H
    # every node's time is somebody's: three nodes of four slots, in each component
    for component in ("gpu", "cpu", "dram", "board", "psu_loss"):
        rows = ledger.where(lambda key, component=component: key.component == component)  # type: ignore[misc]  # mypy infers no lambda with a default
        assert int(rows.slot_ns.sum()) == 12 * outcome.end_ns
    held = ledger.where(lambda key: key.component == "gpu" and key.owner == "job")
    assert int(held.slot_ns.sum()) >= 8 * record.held_ns - 8 * record.interruptions * H  # its held nodes are metered


def test_without_checkpoints_a_failure_starts_the_work_again() -> None:
    failing = pool(2, **FAILING)
    for seed in range(20):
        outcome, _ = run([failing], [job(work_ns=H)], duration_ns=50 * H, seed=seed)
        (record,) = outcome.jobs
        assert record.status == "completed"
        if record.interruptions:
            assert record.held_ns == H + record.lost_ns
            return
    pytest.fail("no seed of twenty broke a node under the job")


def test_a_failure_draws_standby_then_boots_on_nobodys_account() -> None:
    outcome, ledger = run([pool(**FAILING)], [], duration_ns=20 * H, seed=3)
    failed = ledger.where(lambda key: key.component == "gpu" and key.state == "failed")
    booted = ledger.where(lambda key: key.component == "gpu" and key.state == "booting")
    failures = int(failed.slot_ns.sum()) / (4 * 300 * S)
    assert failures == int(failures) > 0
    assert int(booted.slot_ns.sum()) == failures * 4 * 100 * S
    assert {key.owner for key in ledger.keys} == {"unallocated"}
    assert outcome.end_ns == 20 * H


def test_an_aborting_job_stops_at_its_first_failure() -> None:
    for seed in range(20):
        outcome, _ = run([pool(2, **FAILING)], [job(work_ns=8 * H, on_failure="abort")], duration_ns=30 * H, seed=seed)
        (record,) = outcome.jobs
        if record.interruptions:
            assert (record.status, record.interruptions) == ("killed", 1)
            return
    pytest.fail("no seed of twenty broke a node under the job")


def test_work_that_never_ends_is_reported() -> None:
    with pytest.raises(RunError, match="100 simulated years"):
        run([pool()], [job(work_ns=10**6 * H)], bin_ns=10**16)


def test_the_segments_of_every_node_tile_the_run() -> None:
    from sim.engine.plans import Policies, Workloads
    from sim.engine.world import simulate

    tape = Tape()
    pools = [pool(1, name=f"n{i}", idle_timeout_ns=60 * S, **FAILING) for i in range(3)]
    plans = [job(pool=f"n{i}", work_ns=3 * H, checkpoint_every_ns=H // 2, checkpoint_ns=S) for i in range(3)]
    outcome = simulate(
        pools, Workloads(training=plans), Policies(), duration_ns=15 * H, streams=Streams(1), recorder=tape
    )
    for i in range(3):
        spans = [(begin, until) for name, _, begin, until in tape.segments if name == f"n{i}"]
        assert spans[0][0] == 0
        assert spans[-1][1] == outcome.end_ns
        assert all(left[1] == right[0] for left, right in pairwise(spans))


def test_work_done_exactly_at_its_limit_is_done() -> None:
    for setup_ns in (0, 600 * S):
        outcome, _ = run([pool()], [job(setup_ns=setup_ns, time_limit_ns=H + setup_ns)])
        (record,) = outcome.jobs
        assert (record.status, record.done_ns) == ("completed", H)


def test_booting_counts_as_held() -> None:
    outcome, ledger = run([pool(powered=False)], [job()])
    (record,) = outcome.jobs
    assert record.held_ns == H + 100 * S
    held = ledger.where(lambda key: key.component == "gpu" and key.owner == "job")
    assert int(held.slot_ns.sum()) == 4 * record.held_ns


def test_a_job_that_can_never_save_anything_gives_up() -> None:
    with pytest.raises(RunError, match="do not fit between failures"):
        run([pool(mtbf_ns=H // 4, repair_ns=60 * S)], [job(work_ns=400 * H)], bin_ns=10**15)


def test_a_run_without_any_time_is_refused() -> None:
    with pytest.raises(RunError, match="as soon as it begins"):
        run([pool()], [])
