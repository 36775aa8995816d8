"""Jobs on parts of one GPU: how fast each goes while which others are there, and where the joules go."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.accounting.bins import Bins
from sim.accounting.recorder import LedgerRecorder
from sim.engine.fleet.machines import Machines
from sim.engine.fleet.placements.best_fit import BestFit
from sim.engine.fleet.placements.packed import Packed
from sim.engine.fleet.plan import ROW_STATUS, Keeps
from sim.engine.fleet.request import Request
from sim.engine.fleet.schedulers.easy import Easy
from sim.engine.fleet.schedulers.fifo import FirstCome
from sim.engine.fleet.shape import PoolShape
from sim.engine.machines.failures import NodeFailures
from sim.engine.plans import Policies, Workloads
from sim.engine.world import simulate
from sim.errors import InputError
from sim.profiles.catalog import Catalog
from sim.profiles.shared_gpu.interference import AtOnce, Demand, Exclusive, Instances, Sharing, TimeSlices, shared
from sim.profiles.shared_gpu.tenants import SharedGPU
from sim.rng import Streams
from sim.units import HOUR_NS, NS_PER_S
from sim.workload.allocations import PACE_STATES, Allocations
from tests.job_worlds import book_log, plan, pool, run, table
from tests.small import small
from tests.worlds import hardware, job

S = NS_PER_S
IDLE_W, REST_W, WORK_W = 50.0, 90.0, 400.0
GEOMETRY = Catalog().slices("nvidia-mig-a100-80gb").geometry
MIG = Instances(GEOMETRY, {name: kind.compute / GEOMETRY.compute for name, kind in GEOMETRY.kinds.items()})
WAYS: dict[str, Sharing] = {
    "exclusive": Exclusive(),
    "mig": MIG,
    "mps": AtOnce(0.1, 48, 0.3),
    "time-slicing": TimeSlices(2_000_000, 390_000, 4),
}


@dataclass
class Played:
    """What became of jobs on the GPUs of a pool: when each ended, and the J that the GPUs drew, by the ledger."""

    ended_ns: list[int]
    gpu_j: float
    end_ns: int
    log: Allocations


def play(way: Sharing | None, rows: Sequence[tuple[int, int, int]], *, limit_w: float = 500.0, **more: Any) -> Played:
    """Rows (s of submission, s of run time, milli) on one GPU, unless told otherwise."""
    submit, runs, milli = ([*column] for column in zip(*rows, strict=True))
    jobs = table([s * S for s in submit], [s * S for s in runs], [0] * len(rows), gpu_milli=milli)
    made = plan(jobs, **more.pop("plan", {}))
    node = more.pop("hardware", hardware(slots=1, supply=False))
    gpu = SharedGPU(way, IDLE_W, REST_W, limit_w) if way is not None else None
    pools = [pool(count=1, hardware=node, shared=True, sharing=gpu)]
    outcome, recorder = run(pools, [made], FirstCome(Packed()), **more)
    book_log(pools, [made], outcome, recorder)
    gpu_j = float(recorder.ledger(outcome.end_ns).by_component["gpu"].sum())
    assert outcome.allocations is not None
    return Played(outcome.rows[0].ended_ns.tolist(), gpu_j, outcome.end_ns, outcome.allocations)


def test_alone_it_goes_as_the_trace_says_and_the_gpu_rests_on_its_account() -> None:
    """Half of a GPU at 400 W for the whole is 200 W; the free half rests at 90 W for it, not 50."""
    for way in (MIG, AtOnce(0.1, 48)):
        played = play(way, [(0, 100, 500)])
        assert played.ended_ns == [100 * S]
        assert played.gpu_j == pytest.approx((REST_W + 0.5 * (WORK_W - REST_W)) * 100.0)


@pytest.mark.parametrize("name", WAYS)
def test_two_halves(name: str) -> None:
    """Both at once for as long as it takes by the law, or one after the other."""
    way = WAYS[name]
    half = way.asked(0.5, 0.5 * (WORK_W - REST_W) * way.slowdowns([way.asked(0.5, 0.0)])[0])
    played = play(way, [(0, 100, 500), (0, 100, 500)])
    if not way.fits([half, half]):
        assert played.ended_ns == [100 * S, 200 * S]
        return
    found = shared(way, [half, half], rest_w=REST_W, limit_w=500.0)
    takes_s = 100.0 / (found.rates[0] * way.slowdowns([half])[0])
    assert played.ended_ns == pytest.approx([takes_s * S] * 2)
    assert played.gpu_j == pytest.approx(found.gpu_w * takes_s)
    assert (takes_s == pytest.approx(100.0)) == (name == "mig")


rows_of_parts = st.lists(
    st.tuples(st.integers(0, 200), st.integers(1, 200), st.sampled_from([100, 143, 200, 250, 400, 500, 600, 999])),
    min_size=1,
    max_size=6,
).map(sorted)


@given(st.sampled_from(sorted(WAYS)), rows_of_parts, st.sampled_from([0, 7]), st.sampled_from([250.0, 500.0]))
def test_joules_are_those_of_who_was_there(
    name: str, rows: list[tuple[int, int, int]], setup: int, limit: float
) -> None:
    """On one GPU: at every instant what ``shared`` gives for those of the log, and idle power where nobody is; and all
    work gets done, nobody faster than alone."""
    way = WAYS[name]
    played = play(way, rows, limit_w=limit, plan={"setup_ns": setup * S})
    log = played.log
    paces = [
        (job, int(log.pace_start_ns[p]), until, PACE_STATES[log.pace_state[p]], float(log.pace_rate[p]))
        for job, first, last, end in zip(log.job, log.first_pace[:-1], log.first_pace[1:], log.end_ns, strict=True)
        for p, until in zip(range(first, last), [*log.pace_start_ns[first + 1 : last].tolist(), int(end)], strict=True)
    ]
    for i, (_, takes, _) in enumerate(rows):
        done = sum((until - start) * rate for job, start, until, _, rate in paces if job == i)
        assert done == pytest.approx(takes * S, abs=10.0 + 4.0 * len(paces))
    assert all(rate <= 1.0 for *_, rate in paces)
    instants = sorted({0, played.end_ns, *(start for _, start, *_ in paces), *(until for _, _, until, *_ in paces)})
    joules = 0.0
    for start, until in pairwise(instants):
        there = [(rows[job][2], state) for job, low, high, state, _ in paces if low <= start < high]
        assert sum(milli for milli, _ in there) <= 1000
        demands = []
        for milli, state in there:
            alone = way.slowdowns([way.asked(milli / 1000, 0.0)])[0]
            work_w = (WORK_W - REST_W) * milli / 1000 * alone
            at_work = way.asked(milli / 1000, work_w)
            demands.append(at_work if state == "active" else Demand(0.0, 0.0, 0.0, milli / 1000))
        assert way.fits(demands)
        gpu_w = shared(way, demands, rest_w=REST_W, limit_w=limit).gpu_w if demands else IDLE_W
        assert gpu_w <= max(limit, REST_W) + 1e-6
        joules += gpu_w * (until - start) / S
    assert played.gpu_j == pytest.approx(joules, rel=1e-9)


def test_instances_have_places_that_a_sum_does_not_know() -> None:
    """Two of 400 take 3g.40gb each: all memory slices of an A100 are gone, and a 1g.10gb for 100 more waits; where no
    law is given, 200 are left, and it does not."""
    rows = [(0, 100, 400), (0, 100, 400), (0, 100, 100)]
    assert play(MIG, rows).ended_ns == [100 * S, 100 * S, 200 * S]
    assert play(None, rows).ended_ns == [100 * S] * 3


def test_instances_are_not_moved() -> None:
    """Of seven 1g.10gb every other ends: four sevenths are free, but not four in a row."""
    rows = [(0, 100 if i % 2 else 1000, 142) for i in range(7)]
    alone = play(MIG, [*rows, (200, 100, 400)])
    assert alone.ended_ns[-1] > 1000 * S
    assert play(AtOnce(0.0, 48), [*rows, (200, 100, 400)]).ended_ns[-1] < 1000 * S


@given(st.sampled_from(sorted(WAYS)), st.lists(st.integers(1, 999), min_size=1, max_size=12), st.randoms())
def test_machines_give_nobody_a_part_that_does_not_fit(name: str, parts: list[int], random: Any) -> None:
    """However parts are placed and given back, all that are on a GPU fit there; and all of it comes free again."""
    way = WAYS[name]
    machines = Machines([PoolShape("a", 2, 2, shared=True, sharing=SharedGPU(way, IDLE_W, REST_W, 500.0))])
    placement = random.choice([Packed(), BestFit()])
    held: list[Request] = []
    for i, milli in enumerate(parts):
        request = Request("j", i, (0,), 0, 0, None, milli=milli)
        places = placement.places(request, machines)
        if places is not None:
            assert machines.has_room(request, places)
            machines.take(request, places)
            request.places = places
            held.append(request)
        if held and random.random() < 0.4:
            gone = held.pop(random.randrange(len(held)))
            machines.give(gone, gone.places)
        twin = machines.copy()
        for gpu in {(one.places[0].node, one.places[0].slot) for one in held}:
            there = [one for one in held if (one.places[0].node, one.places[0].slot) == gpu]
            assert way.fits([way.asked(one.milli / 1000, 0.0) for one in there])
        for one in held:
            twin.imagine_given(one, one.places)
        assert twin.free_slots == [4]
    for one in held:
        machines.give(one, one.places)
    assert machines.free_slots == [4]
    assert all(Packed().places(Request("j", 99, (0,), 0, 0, None, milli=999), machines) for _ in range(1))


def test_who_is_killed_leaves_the_gpu_to_the_others() -> None:
    """A job killed at its limit frees the others, who go on at their own pace."""
    way = AtOnce(0.0, 48)
    limit_ns = [50 * S, 10_000 * S]
    made = plan(table([0, 0], [100 * S] * 2, [0, 0], gpu_milli=[500, 500], limit_ns=limit_ns), keeps=Keeps(saves=False))
    gpu = SharedGPU(way, IDLE_W, REST_W, 500.0)
    outcome, _ = run(
        [pool(count=1, hardware=hardware(slots=1), shared=True, sharing=gpu)], [made], Easy("first-come", Packed())
    )
    slower = way.slowdowns([way.asked(0.5, 0.0)] * 2)[0]
    assert outcome.rows[0].ended_ns[0] == 50 * S
    assert outcome.rows[0].ended_ns[1] == pytest.approx((50 + 100 - 50 / slower) * S)


def world(tmp_path: Path, **pool_fields: Any) -> dict[str, Any]:
    """Eight jobs for a quarter of a GPU each, an hour long, on one node."""
    rows = "\n".join("0,3600,250,0.1" for _ in range(8))
    (tmp_path / "jobs.csv").write_text(f"submit_s,run_s,gpu_milli,cpu_load\n{rows}\n")
    data = small()
    data["cluster"] = {
        "nodes": [{"profile": "dgx-a100", "count": 1, **pool_fields}],
        "scheduler": {"kind": "fifo", "placement": {"kind": "packed"}},
    }
    data["workloads"] = {
        "parts": {
            "kind": "jobs",
            "source": {"kind": "trace", "file": str(tmp_path / "jobs.csv"), "format": "coldaisle"},
            "load": {"kind": "measured", "active": "300 W"},
            "cpu_load": 0.1,
        }
    }
    return data


def test_a_scenario_with_parts_of_gpus(tmp_path: Path) -> None:
    """Four quarters on each of two GPUs: by the sum as fast as alone; under MPS slower; one GPU each, if exclusive."""
    ways: dict[str, dict[str, Any]] = {
        "sum": {},
        "mig": {"sharing": {"kind": "mig"}},
        "mps": {"sharing": {"kind": "mps", "contention": 0.0, "memory_bound": 0.0}},
        "exclusive": {"sharing": {"kind": "exclusive"}},
    }
    found = {name: sim.run(world(tmp_path, **fields)).summary for name, fields in ways.items()}
    makespan = {name: summary["batch"]["parts"]["makespan_s"] for name, summary in found.items()}
    assert makespan["sum"] == makespan["exclusive"] == pytest.approx(3600.0)
    assert 1.1 * 3600.0 < makespan["mps"] < 1.3 * 3600.0
    assert makespan["mig"] == pytest.approx(3600.0), "2g.10gb each: three of them on a GPU"
    gpu_kwh = {name: summary["energy_kwh"]["by_component"]["gpu"] for name, summary in found.items()}
    assert gpu_kwh["exclusive"] > gpu_kwh["mig"] > gpu_kwh["sum"], "more GPUs are awake"
    for summary in found.values():
        assert sum(summary["energy_kwh"]["by_workload"].values()) == pytest.approx(
            summary["energy_kwh"]["it"], rel=1e-9
        )


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"profile": "jean-zay-v100-node", "sharing": {"kind": "mig"}}, "cannot be cut"),
        ({"profile": "cpu-2s-epyc-9654", "sharing": {"kind": "exclusive"}}, "has no GPUs to share"),
        ({"mig": {"layout": ["1g.10gb"]}, "sharing": {"kind": "exclusive"}}, "'mig' has cut these already"),
    ],
)
def test_what_is_refused(tmp_path: Path, fields: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        sim.run(copy.deepcopy(world(tmp_path, **fields)))


def test_it_is_refused_where_nobody_asks_for_parts() -> None:
    data = small()
    data["cluster"]["nodes"][0]["sharing"] = {"kind": "exclusive"}
    with pytest.raises(InputError, match="only jobs"):
        sim.run(data)


whatever = st.lists(
    st.tuples(st.integers(0, 200), st.integers(1, 100), st.sampled_from([0, 250, 500, 999, 1000, 2000]), st.booleans()),
    min_size=1,
    max_size=8,
).map(sorted)


def alike(way: Sharing | None, rows: Sequence[tuple[int, int, int, bool]], **fields: Any) -> list[Any]:
    """Rows (s of submission and run time, thousandths of GPUs, whether they ask for two cores of eight) on one node of
    two GPUs, metered by the log and by itself: when each ended, and J by component."""
    submit, runs, milli, asks = ([*column] for column in zip(*rows, strict=True))
    jobs = table(
        [s * S for s in submit],
        [s * S for s in runs],
        [one // 1000 for one in milli],
        gpu_milli=[one % 1000 for one in milli],
        cpu_milli=[2000 if cores or not one else 0 for cores, one in zip(asks, milli, strict=True)],
    )
    found = []
    for logged in (True, False):
        made = plan(jobs, setup_ns=3 * S)
        made = replace(made, pools={"a": replace(made.pools["a"], cpu_milli=8000)})
        gpu = SharedGPU(way, IDLE_W, REST_W, 500.0) if way is not None else None
        node = hardware(slots=2)
        pools = [pool(count=1, hardware=node, logged=logged, shared=True, sharing=gpu, cpu_milli=8000, **fields)]
        outcome, recorder = run(pools, [made], FirstCome(Packed()))
        book_log(pools, [made], outcome, recorder)
        joules = recorder.ledger(outcome.end_ns).by_component
        found.append((outcome.rows[0].ended_ns.tolist(), {name: float(j.sum()) for name, j in joules.items()}))
    return found


@given(st.sampled_from([None, *sorted(WAYS)]), whatever)
def test_nodes_with_meters_of_their_own_draw_the_same(name: str | None, rows: list[tuple[int, int, int, bool]]) -> None:
    """Parts of GPUs, jobs on CPUs alone and whole GPUs on one node."""
    by_log, by_meter = alike(WAYS[name] if name is not None else None, rows)
    assert by_meter[0] == by_log[0]
    assert by_meter[1] == pytest.approx(by_log[1], rel=1e-9)


def test_jobs_for_parts_beside_a_gang_of_another_workload() -> None:
    """A training that holds one of two GPUs leaves the other for parts: two halves at once, and a third one after."""
    jobs = table([1 * S] * 3, [3600 * S] * 3, [0] * 3, gpu_milli=[500] * 3)
    shape = pool(count=1, hardware=hardware(slots=2), logged=False, shared=True)
    recorder = LedgerRecorder({"a": "site"}, Bins(HOUR_NS, []))
    gang = job(pool="a", gpus=1, work_ns=4 * HOUR_NS)
    work = Workloads(training=[gang], rows=[plan(jobs)])
    outcome = simulate([shape], work, Policies(), duration_ns=None, streams=Streams(1), recorder=recorder)
    assert outcome.rows[0].ended_ns.tolist() == [3601 * S, 3601 * S, 7201 * S]


def test_parts_on_a_node_that_fails_wait_for_another() -> None:
    """All rows of a GPU lose it at once, and all work is done in the end."""
    jobs = table([0] * 6, [4 * 3600 * S] * 6, [0] * 6, gpu_milli=[250] * 6)
    gpu = SharedGPU(WAYS["mps"], IDLE_W, REST_W, 500.0)
    failing = NodeFailures(2 * HOUR_NS, 600 * S)
    pools = [pool(count=2, hardware=hardware(slots=1), logged=False, shared=True, sharing=gpu, failures=failing)]
    outcome, _ = run(pools, [plan(jobs, keeps=Keeps(True, 0, 0, 600 * S))], FirstCome(Packed()))
    record = outcome.rows[0]
    assert record.failed.sum() > 3
    assert [ROW_STATUS[code] for code in record.status] == ["completed"] * 6
    assert record.done_ns.tolist() == [4 * 3600 * S] * 6


def test_a_node_with_a_job_on_its_cpus_does_not_go_to_sleep() -> None:
    jobs = table([0], [3600 * S], [0], cpu_milli=[2000])
    made = plan(jobs)
    made = replace(made, pools={"a": replace(made.pools["a"], cpu_milli=8000)})
    pools = [pool(count=1, hardware=hardware(), logged=False, idle_timeout_ns=60 * S, cpu_milli=8000)]
    outcome, recorder = run(pools, [made], FirstCome(Packed()), duration_ns=2 * 3600 * S)
    assert outcome.rows[0].ended_ns.tolist() == [3600 * S]
    ledger = recorder.ledger(outcome.end_ns)
    idle_j = sum(float(j.sum()) for (_, state), j in ledger.by_owner_and_state.items() if state == "idle")
    work_j = sum(float(j.sum()) for (owner, _), j in ledger.by_owner_and_state.items() if owner == "batch")
    assert idle_j > 3600 * 300.0, "it idles at 4 x 50 W and more while the job runs"
    assert work_j > 0.0
