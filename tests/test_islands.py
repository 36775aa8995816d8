"""Islands within a node (pairs joined by a bridge, boards of four): who lies on how many, and what that costs."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.build.resolved import Resolved
from sim.build.training.gangs import gang_in, straddling_rate
from sim.engine.fleet.islands import split
from sim.engine.fleet.machines import Machines
from sim.engine.fleet.placements.anywhere import Anywhere
from sim.engine.fleet.placements.packed import Packed
from sim.engine.fleet.placements.spread import Spread
from sim.engine.fleet.placements.topology import Topology
from sim.engine.fleet.request import Place, Request
from sim.engine.fleet.shape import PoolShape
from sim.errors import InputError
from sim.profiles.catalog import Catalog
from sim.profiles.machines.node import NodeProfile, link_of
from sim.training.collectives import cost
from sim.training.protocols import Library
from sim.training.topology import Island, switched
from sim.units import NS_PER_S
from tests.job_worlds import jobs_scenario, plan, pool, run, table
from tests.test_every_field_of_jobs import changed
from tests.test_fabric import model_job
from tests.test_serving_service import changed as serving_world
from tests.worlds import H, hardware, job
from tests.worlds import pool as nodes
from tests.worlds import run as simulated

CATALOG = Catalog()
PAIRS = "h100-pcie-bridged-server"
PLAIN = "h100-pcie-server"
BRIDGE, PCIE = 600e9, 128e9


@given(st.lists(st.integers(0, 4), min_size=1, max_size=6).filter(any), st.data())
def test_slots_are_taken_of_as_few_islands_as_have_them(free: list[int], data: st.DataObject) -> None:
    slots = data.draw(st.integers(1, sum(free)))
    taken = split(free, slots)
    assert sum(taken) == slots
    assert all(0 <= part <= there for part, there in zip(taken, free, strict=True))
    fewest = next(n for n in range(1, len(free) + 1) if any(sum(some) >= slots for some in combinations(free, n)))
    assert sum(1 for part in taken if part) == fewest
    if fewest == 1:
        (island,) = (i for i, part in enumerate(taken) if part)
        assert free[island] == min(there for there in free if there >= slots), "the one that keeps least"


@given(st.lists(st.tuples(st.integers(1, 8), st.booleans(), st.booleans()), max_size=40), st.sampled_from([2, 4]))
def test_no_island_is_given_away_twice_and_gangs_take_one_where_one_has_room(
    asked: list[tuple[int, bool, bool]], size: int
) -> None:
    machines = Machines([PoolShape("a", 3, 8, island_slots=size)])
    running: list[Request] = []
    for i, (slots, leaves, compact) in enumerate(asked):
        if leaves and running:
            one = running.pop(0)
            machines.give(one, one.places)
            one.places = ()
        request = Request("j", i, (0,), slots, 0, None, compact=compact)
        placement = (Packed(), Topology(), Anywhere(), Spread())[i % 4]
        before = {node: list(free) for node, free in machines.islands.free.items()}
        places = placement.places(request, machines)
        if places is None:
            continue
        machines.take(request, places)
        request.places = places
        running.append(request)
        had_room = any(there >= slots for free in before.values() for there in free)
        if slots <= size and had_room and (i % 4 < 2 or compact):
            assert not machines.islands.straddles(request)
        if compact:
            assert not machines.islands.straddles(request)
    for node, free in machines.islands.free.items():
        held = [[*machines.islands.held(one, node)] for one in running if any(p.node == node for p in one.places)]
        assert [size - there for there in free] == [sum(parts) for parts in zip(*held, strict=True)] or not held
        assert all(0 <= there <= size for there in free)
        assert sum(free) == machines.free[node]


def test_the_fullest_node_comes_behind_one_whose_island_has_room() -> None:
    machines = Machines([PoolShape("a", 2, 4, island_slots=2)])
    for i, (node, slots) in enumerate([(0, 1), (0, 2), (1, 1)]):  # node 0: one left in an island; node 1: one and two
        machines.take(Request("j", i, (0,), slots, 0, None), (Place(node, slots),))
    one = Request("j", 9, (0,), 1, 0, None)
    assert Packed().places(one, machines) == (Place(0, 1),)
    two = Request("j", 10, (0,), 2, 0, None)
    assert Topology().places(two, machines) == (Place(1, 2),)


ISLANDS: dict[str, Any] = {"hardware": hardware(slots=4), "island_slots": 2}


RATE = 1.0 / (1.0 + 0.25 * (BRIDGE / PCIE - 1.0))


@pytest.mark.parametrize("logged", [True, False])
@pytest.mark.parametrize(("leaves", "takes"), [(0, H / RATE), (2, H)])
def test_a_row_that_lies_on_two_islands_goes_by_the_slower_link(logged: bool, leaves: int, takes: float) -> None:
    """Of three that hold one slot each two share an island. If one of these leaves, one slot of each island is free for
    a pair of which a quarter of an hour is exchange, at 128 in place of 600 GB/s; if the third does, an island is."""
    runs = [9 * H, 9 * H, 9 * H, H]
    runs[leaves] = H
    made = plan(table([0, 0, 0, 10], runs, [1, 1, 1, 2]))
    made = replace(made, pools={name: replace(here, straddling=RATE) for name, here in made.pools.items()})
    outcome, _ = run([pool(count=1, logged=logged, **ISLANDS)], [made])
    assert outcome.rows[0].ended_ns[3] == pytest.approx(H + takes, rel=1e-11)  # rates are counted in 2^-40


@pytest.mark.parametrize("leaves", [0, 2])
def test_a_training_that_straddles_waits_for_the_link_and_says_so(leaves: int) -> None:
    """The same with three quarters of the rate: its GPUs wait for the rest of the time, at 120 in place of 350 W."""
    beside = [job(name=f"b{i}", gpus=1, work_ns=H if i == leaves else 9 * H) for i in range(3)]
    late = job(name="late", gpus=2, submit_ns=1, straddling=0.75, waiting_w=120.0)
    outcome, ledger = simulated([nodes(1, island_slots=2)], [*beside, late])
    record = next(one for one in outcome.jobs if one.workload == "late")
    takes = H / 0.75 if leaves == 0 else H
    assert record.ended_ns - H == pytest.approx(takes, abs=2)
    assert record.straddling_ns == pytest.approx(takes - H, abs=2)
    drawn_w = 0.75 * 350.0 + 0.25 * 120.0 if leaves == 0 else 350.0
    own = ledger.where(lambda key: key.owner == "late" and key.component == "gpu")
    assert own.total_j() == pytest.approx(2 * drawn_w * takes / NS_PER_S, rel=1e-6)


def resolved(profile: str, gpus: int, **parallel: Any) -> tuple[Resolved, Any]:
    """A model in training on so many GPUs of one node."""
    found = Resolved.of(sim.load(model_job(profile, 1, gpus, None, **parallel)).scenario, CATALOG)
    return found, found.jobs["train"]


def step_s(profile: str, gpus: int, **parallel: Any) -> float:
    found, of_job = resolved(profile, gpus, **parallel)
    return gang_in(of_job, "here", found).under(None).work_ns / 10e9


@pytest.mark.parametrize(("gpus", "parallel"), [(2, {"tensor": 2}), (4, {"tensor": 2}), (8, {})])
def test_a_model_is_trained_faster_where_its_groups_share_a_bridge(gpus: int, parallel: dict[str, Any]) -> None:
    bridged, plain = step_s(PAIRS, gpus, **parallel), step_s(PLAIN, gpus, **parallel)
    assert bridged < plain
    found, of_job = resolved(PAIRS, gpus, **parallel)
    rate = straddling_rate(of_job, "here", found)
    assert bridged / rate == pytest.approx(plain, rel=1e-6), "straddling, it goes by PCIe alone, as without bridges"
    found, of_job = resolved(PLAIN, gpus, **parallel)
    assert straddling_rate(of_job, "here", found) == 1.0


def test_what_crosses_islands_is_as_slow_as_what_joins_them() -> None:
    """An all-reduce of large buffers: two GPUs at the bridge's rate, or at PCIe's; four at two ports of it."""
    library, byte = Library(1.0, 1.0), 64e9
    node = Island(8, PCIE / 2, 0.0, inner=Island(2, BRIDGE / 2, 0.0))
    joined, apart = switched(8, node, None), switched(8, Island(8, PCIE / 2, 0.0), None)

    def bus(topology: Any, gpus: int) -> float:
        return 2 * (gpus - 1) / gpus * byte / cost("all-reduce", byte, topology.reach(gpus, 1), library, "ring").seconds

    assert bus(joined, 2) / bus(apart, 2) == pytest.approx(BRIDGE / PCIE, rel=0.05)
    for gpus in (4, 8):
        assert bus(apart, gpus) <= bus(joined, gpus) <= bus(joined, 2)
        assert bus(joined, gpus) == pytest.approx(2 * PCIE / 2, rel=0.05)


def test_steps_of_known_traffic_take_the_link_they_lie_on() -> None:
    node, gpu = CATALOG.node(PAIRS), CATALOG.gpu("nvidia-h100-pcie-80gb")
    rates = {
        (n, apart): float(link_of(node, gpu, n, straddling=apart).bandwidth.value)
        for n in (2, 4)
        for apart in (False, True)
    }
    assert rates == {(2, False): BRIDGE, (2, True): PCIE, (4, False): PCIE, (4, True): PCIE}
    assert link_of(CATALOG.node(PLAIN), gpu, 2) is gpu.link


def test_a_pair_serves_faster_with_a_bridge() -> None:
    def tpot(profile: str) -> float:
        world = serving_world(
            replicas__count=1, replicas__tensor_parallel=2, arrivals__rate="2 request/s", top__duration="5 min"
        )
        world["cluster"]["nodes"] = [{"profile": profile, "count": 1}]
        return float(sim.run(world).summary["serving"]["chat"]["tpot_s"]["mean"])

    assert tpot(PAIRS) < tpot(PLAIN)


def test_a_replica_waits_for_an_island() -> None:
    """Eight trainings of one GPU begin on four pairs, and two of different pairs end after a minute. A second replica,
    wanted from then on, waits all the same; without islands it would be up."""
    world = serving_world(
        replicas__count={"min": 1, "max": 2},
        replicas__tensor_parallel=2,
        autoscale={"on": "queue", "target": 0.1, "interval": "30 s", "settle": "10 min"},
        arrivals__rate="20 request/s",
        top__duration="5 min",
    )
    world["cluster"] = {"nodes": [{"profile": PAIRS, "count": 1}], "scheduler": {"kind": "fifo", "placement": PACKED}}
    for i in range(6):
        work = {"kind": "gpu-hours", "gpu_hours": 1 / 120 if i in (1, 2) else 2, "load": LOAD}
        world["workloads"][f"t{i}"] = {"kind": "training", "gpus": 1, "cpu_load": 0.1, "work": work}
    assert sim.run(world).summary["serving"]["chat"]["replicas_most"] == 1
    world["cluster"]["nodes"][0]["profile"] = PLAIN
    assert sim.run(world).summary["serving"]["chat"]["replicas_most"] == 2


PACKED = {"kind": "packed"}
LOAD = {"kind": "measured", "active": "300 W"}


def test_what_exchange_takes_must_be_said_where_nodes_have_islands() -> None:
    data = changed(jobs_scenario(), {"cluster.nodes.0.profile": PAIRS})
    with pytest.raises(InputError, match="what share of their time do they exchange"):
        sim.load(data)
    sim.load(changed(data, {"workloads.research.communication": 0.2}))
    with pytest.raises(InputError, match="no node of its pools has several islands"):
        sim.load(changed(jobs_scenario(), {"workloads.research.communication": 0.2}))


@pytest.mark.parametrize(
    ("islands", "why"),
    [
        ({"gpus": 3}, "several of equally many"),
        ({"gpus": 8}, "several of equally many"),
        ({"within": None}, "give 'within' or 'between'"),
    ],
)
def test_islands_that_no_node_has_are_refused(islands: dict[str, Any], why: str) -> None:
    node = CATALOG.node(PAIRS).model_dump(mode="json", exclude_none=True)
    if "gpus" in islands:
        node["islands"]["gpus"]["value"] = islands["gpus"]
    else:
        del node["islands"]["within"]
    with pytest.raises(ValueError, match=why):
        NodeProfile.model_validate(node)
