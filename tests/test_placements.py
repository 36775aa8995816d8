"""Where jobs start: few nodes, few racks, little waste; and an index of parts that finds what a walk finds."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.engine.fleet.machines import AWAY, Machines
from sim.engine.fleet.placements.anywhere import Anywhere
from sim.engine.fleet.placements.best_fit import BestFit
from sim.engine.fleet.placements.fgd import LeastFragmentation, TypicalTask, expected_fragment, fragmentation
from sim.engine.fleet.placements.least_power import LeastPower
from sim.engine.fleet.placements.packed import Packed
from sim.engine.fleet.placements.spread import Spread
from sim.engine.fleet.placements.topology import Topology
from sim.engine.fleet.request import Place, Places, Request
from sim.engine.fleet.scheduling import Placement
from sim.engine.fleet.shape import PoolShape
from sim.workload.jobs.table import JobTable
from sim.workload.jobs.traces import read_jobs
from tests import fleets

PODS = Path("../shared/data/jobs/alibaba_gpu_2023_pods.csv.gz")


def request(slots: int = 0, **more: int) -> Request:
    """Asks in the only pool."""
    return Request("j", 0, (0,), slots, 0, None, **more)  # type: ignore[arg-type]  # fields by name, of several types


def nodes(places: Places | None) -> list[tuple[int, int]]:
    """Node and slots of each."""
    assert places is not None
    return [(place.node, place.slots) for place in places]


def filled(pool: PoolShape, held: dict[int, int]) -> Machines:
    """A pool some of whose slots are held."""
    machines = Machines([pool])
    for node, slots in held.items():
        machines.take(request(slots), (Place(node, slots),))
    return machines


def test_packed_takes_the_fullest_node_and_whole_ones_for_gangs() -> None:
    machines = filled(PoolShape("a", 5, 8), {0: 2, 1: 5, 2: 8})  # 6, 3, 0, 8 and 8 are free
    assert nodes(Packed().places(request(3), machines)) == [(1, 3)]
    assert nodes(Packed().places(request(5), machines)) == [(0, 5)]
    assert nodes(Packed().places(request(18), machines)) == [(3, 8), (4, 8), (1, 2)]
    assert nodes(Packed().places(request(22), machines)) == [(3, 8), (4, 8), (0, 6)]
    assert Packed().places(request(23), machines) is None, "25 are free, and 7 on no node"
    assert nodes(Anywhere().places(request(23), machines)) == [(1, 3), (0, 6), (3, 8), (4, 6)]
    assert nodes(Packed().places(request(12, nodes=2), machines)) == [(0, 6), (3, 6)]
    assert nodes(Spread().places(request(3), machines)) == [(3, 3)]


def test_gangs_stand_in_as_few_racks_as_can_be() -> None:
    """Racks of 4, 4 and 2 nodes. Two whole nodes fill the smallest rack, three do not fit there, six take two racks."""
    pool = PoolShape("a", 10, 8, rack_of=(0,) * 4 + (1,) * 4 + (2,) * 2)
    machines = Machines([pool])
    assert nodes(Topology().places(request(16), machines)) == [(8, 8), (9, 8)]
    assert nodes(Topology().places(request(24), machines)) == [(0, 8), (1, 8), (2, 8)]
    assert {int(machines.rack[node]) for node, _ in nodes(Topology().places(request(48), machines))} == {0, 2}
    assert Topology(most_racks=1).places(request(48), machines) is None
    assert nodes(Topology().places(request(8, nodes=4), machines)) == [(0, 2), (1, 2), (2, 2), (3, 2)]
    machines = filled(pool, {0: 1, 4: 1, 5: 1})
    assert nodes(Topology().places(request(24), machines)) == [(1, 8), (2, 8), (3, 8)]
    assert nodes(Topology().places(request(20), machines)) == [(6, 8), (7, 8), (4, 4)]


@given(st.lists(st.integers(0, 4), min_size=12, max_size=12), st.integers(1, 40))
def test_no_gang_crosses_more_racks_than_it_must(held: list[int], slots: int) -> None:
    """Against all subsets of four racks of three nodes of 4: whole nodes, and the rest on any node of them."""
    machines = filled(PoolShape("a", 12, 4, rack_of=tuple(i // 3 for i in range(12))), dict(enumerate(held)))
    places = Topology().places(request(slots), machines)
    free = [4 - taken for taken in held]
    whole, rest = divmod(slots, 4)
    fewest = None
    for racks in sorted(range(1, 16), key=lambda bits: bits.bit_count()):
        own = [free[i] for i in range(12) if racks >> (i // 3) & 1]
        empty = own.count(4)
        if empty >= whole + (rest > 0) or (empty == whole and any(rest <= slots < 4 for slots in own)):
            fewest = racks.bit_count()
            break
    assert (places is None) == (fewest is None)
    if places is not None and fewest is not None:
        assert len({place.node // 3 for place in places}) <= fewest + (rest > 0)
        assert len({place.node // 3 for place in places if place.slots == 4}) <= fewest


def test_least_power_keeps_nodes_asleep() -> None:
    """Pools old (on) and new (off): new is more efficient, but somebody who need not wake a node does not."""
    machines = Machines([PoolShape("old", 2, 8), PoolShape("new", 2, 8, powered=False)])
    both = Request("j", 0, (0, 1), 4, 0, None)
    assert nodes(LeastPower(("new", "old")).places(both, machines)) == [(0, 4)]
    machines.move(2, 0)
    assert nodes(LeastPower(("new", "old")).places(both, machines)) == [(2, 4)]
    assert nodes(LeastPower(("old",)).places(both, machines)) == [(0, 4)]


def walked(asked: Request, machines: Machines) -> tuple[int, int] | None:
    """The slot with the least left that has a part, by going through them all; the first node of equals."""
    best: tuple[int, int, int] | None = None
    for node in machines.of_pool(0):
        if machines.rank[node] == AWAY or not machines.holds(asked, node):
            continue
        for slot, left in enumerate(machines.parts[node]):
            if 1000 > left >= asked.milli and (best is None or left < best[0]):
                best = (left, node, slot)
    return best[1:] if best is not None else None


@given(fleets.asked(), st.integers(1, 999), st.lists(st.integers(0, 7)), st.integers(0, 7000))
def test_the_index_of_parts_finds_what_a_walk_finds(
    held: list[dict[str, int]], milli: int, back: list[int], cpu: int
) -> None:
    """After any takes and gives; where no shared slot has it, a whole one of the fullest node."""
    machines = Machines([PoolShape("a", 3, 3, 16_000, shared=True)])
    given_away = []
    for one in fleets.requests(held, 1):
        places = Anywhere().places(one, machines)
        if places is not None:
            machines.take(one, places)
            given_away.append((one, places))
    for i in back:
        if i < len(given_away):
            machines.give(*given_away.pop(i))
    asked = request(milli=milli, cpu_milli=cpu)
    before = {node: parts[:] for node, parts in machines.parts.items()}
    imagined = machines.copy()
    for one, places in given_away:
        imagined.give(one, places)
    assert all(part == 1000 for parts in imagined.parts.values() for part in parts)
    assert machines.parts == before
    found, expected = machines.fullest_part(asked, 0), walked(asked, machines)
    if expected is not None:
        assert found == expected
    else:
        whole = [n for n in range(3) if machines.free[n] and machines.holds(asked, n)]
        assert (found[0] if found else None) == min(whole, key=lambda n: (machines.free[n], n), default=None)


def test_what_is_a_fragment() -> None:
    """A node with 0.3 + 1 + 1 GPUs and 8 cores free. For half a GPU, 0.3 is of no use; for two, also; for three, or for
    more cores than there are, or for no GPU, all 2.3 are."""
    left, cpu, memory = np.array([[300, 1000, 1000]]), np.array([8000]), np.array([100])

    def fragment(slots: int, milli: int, cores: int) -> float:
        task = TypicalTask(1.0, slots, milli, cores * 1000, 0)
        return float(expected_fragment((task,), left, cpu, memory)[0])

    assert fragment(0, 500, 4) == 300
    assert fragment(0, 200, 4) == 0
    assert fragment(2, 0, 4) == 300
    assert fragment(3, 0, 4) == fragment(1, 0, 9) == fragment(0, 0, 1) == 2300
    mixed = (TypicalTask(0.75, 0, 500, 0, 0), TypicalTask(0.25, 3, 0, 0, 0))
    assert expected_fragment(mixed, left, cpu, memory)[0] == 0.75 * 300 + 0.25 * 2300


def test_least_fragmentation_and_best_fit_choose_otherwise() -> None:
    """One slot has 0.6 left, another node is whole; tasks ask for 0.6 or a whole GPU. 0.5 of a GPU fits best where 0.6
    is left, and leaves 0.1 of no use to anybody there; so it does where most tasks ask for whole ones. Where nearly all
    ask for 0.5 it costs nothing to break a whole one, and 0.6 are kept."""
    machines = Machines([PoolShape("a", 2, 1, shared=True)])
    machines.take(request(milli=400), (Place(0, 0, 400, 0),))
    half = request(milli=500)
    assert BestFit().places(half, machines) == (Place(0, 0, 500, 0),)
    whole = LeastFragmentation((TypicalTask(0.9, 1, 0, 0, 0), TypicalTask(0.1, 0, 500, 0, 0)))
    halves = LeastFragmentation((TypicalTask(0.02, 1, 0, 0, 0), TypicalTask(0.98, 0, 500, 0, 0)))
    assert whole.places(half, machines) == (Place(0, 0, 500, 0),)
    assert halves.places(half, machines) == (Place(1, 0, 500, 0),)


@pytest.mark.shared_data
@pytest.mark.slow
def test_least_fragmentation_wastes_less_than_best_fit_on_pods_of_alibaba() -> None:
    """Pods of 2023 come one after the other and never leave, as in Weng et al. (2023), on 60 nodes of 8 GPUs, until no
    more fit: more GPUs are allocated in the end under FGD than under best fit, and less of the others is of no use.
    Tasks are typical by the trace's first half; the second half is placed."""
    if not PODS.exists():
        pytest.skip("the data is not here")
    table = read_jobs(PODS).table
    half = len(table) // 2
    typical = typical_tasks(table.take(np.arange(half)))
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(np.arange(half, len(table)))[:1500]
        allocated, wasted = {}, {}
        for name, placement in (("best fit", BestFit()), ("fgd", LeastFragmentation(typical))):
            machines = Machines([PoolShape("a", 60, 8, 96_000, 786_432, shared=True)])
            curve = fill(table, order.tolist(), placement, machines)
            allocated[name] = curve[-1]
            wasted[name] = fragmentation(typical, machines, 0) * (480 - curve[-1])
        assert allocated["fgd"] > allocated["best fit"]
        assert wasted["fgd"] < wasted["best fit"]


def fill(table: JobTable, rows: list[int], placement: Placement, machines: Machines) -> list[float]:
    """GPUs allocated after each pod that was tried."""
    held, curve = 0.0, []
    for row in rows:
        one = request(
            max(0, int(table.gpus[row])),
            milli=int(table.gpu_milli[row]),
            cpu_milli=max(0, int(table.cpu_milli[row])),
            memory_mib=max(0, int(table.memory_mib[row])),
        )
        places = placement.places(one, machines)
        if places is not None:
            machines.take(one, places)
            held += sum(place.total_milli for place in places) / 1000
        curve.append(held)
    return curve


def typical_tasks(table: JobTable) -> tuple[TypicalTask, ...]:
    """What the most frequent jobs ask for, as many kinds as make up 95 % of all (as Weng et al. do)."""
    kinds = Counter(
        zip(
            table.gpus.tolist(),
            table.gpu_milli.tolist(),
            table.cpu_milli.tolist(),
            table.memory_mib.tolist(),
            strict=True,
        )
    )
    found, covered = [], 0
    for (gpus, milli, cpu, memory), count in kinds.most_common():
        found.append(TypicalTask(count / len(table), max(0, gpus), milli, max(0, cpu), max(0, memory)))
        covered += count
        if covered >= 0.95 * len(table):
            break
    return tuple(found)
