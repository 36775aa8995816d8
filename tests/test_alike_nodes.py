"""Nodes that are alike share a meter until something happens to one of them: the same as one object a node."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.engine import control as engine_control
from sim.engine import world as engine_world
from sim.engine.clock import Clock
from sim.engine.control import CapPlan, Throttle
from sim.engine.machines import gang as engine_gang
from sim.engine.machines.cluster import Cluster, Spares
from sim.engine.machines.failures import NodeFailures
from sim.engine.machines.gang import Gang
from sim.engine.machines.group import NodeGroup, SharedMeter
from sim.engine.machines.node import Node
from sim.engine.metering.draws import NodeHardware, Rest
from sim.engine.metering.meter import Recorder
from sim.engine.metering.unit_effects import LognormalUnits, UnitEffect
from sim.engine.world import Outcome
from tests.test_any_policy import World, policed_world
from tests.test_caps import simple
from tests.test_forecasts import hourly
from tests.test_reliability import RECOVERY, hazards
from tests.test_service import service
from tests.worlds import H, S, Tape, hardware, job, pool, run


class NodesAlone(Sequence[Node]):
    """The slow twin of ``Nodes``: every node is made at once and metered for itself, whatever the others do."""

    def __init__(
        self,
        env: Clock,
        recorder: Recorder,
        name: str,
        count: int,
        hardware: NodeHardware | Sequence[NodeHardware],
        powered: bool,
        cold: int = 0,
    ) -> None:
        kinds = [hardware] * count if isinstance(hardware, NodeHardware) else hardware
        self.pool, self.slots = name, kinds[0].slots
        self._nodes = [
            Node(
                env,
                recorder,
                name,
                i,
                SharedMeter(recorder, name, kind, "on" if powered and i < count - cold else "off", 0),
            )
            for i, kind in enumerate(kinds)
        ]

    def __len__(self) -> int:
        return len(self._nodes)

    def __getitem__(self, i: Any) -> Any:
        return self._nodes[i]

    def __iter__(self) -> Iterator[Node]:
        return iter(self._nodes)

    def at(self, numbers: Sequence[int]) -> list[Node]:
        """Those with these numbers."""
        return [self._nodes[i] for i in numbers]

    def tell(self, on_free: Callable[[Node], None]) -> None:
        """Every node tells what of it is free."""
        for node in self._nodes:
            node.on_free = on_free
            on_free(node)

    def settle(self) -> None:
        """One by one."""
        for node in self._nodes:
            node.settle()


def freed_one_by_one(group: NodeGroup) -> list[Node]:
    """What ``NodeGroup.free`` does for all at once; nothing is left to be counted."""
    for node in list(group._nodes):
        node.release(group.holder)
    return []


def both_ways(run: Callable[[], tuple[Outcome, Tape]]) -> list[tuple[Outcome, Tape]]:
    """With nodes that share meters, and by the twin; gangs of two nodes and more are summed up in both."""
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine_gang, "FEWEST_NODES", 2)
        found.append(run())
        patch.setattr(engine_world, "Nodes", NodesAlone)
        patch.setattr(NodeGroup, "free", freed_one_by_one)
        patch.setattr(Gang, "take_together", lambda _gang, nodes, _slots: nodes)
        found.append(run())
    return found


def failing_world(seed: int) -> World:
    """Large gangs on pools that fail, by node or by component, with spares, units that differ, cut GPUs, nodes that
    sleep, caps, a limit of the site and a service beside."""
    rng = np.random.default_rng(seed)

    def chance(share: float) -> bool:
        return bool(rng.random() < share)

    pools, jobs = [], []
    for i in range(int(rng.integers(1, 3))):
        count = int(rng.integers(2, 13))
        by_part = chance(0.5)
        shows = [name for name in ("crash", "hang", "silent", "slow") if chance(0.6)] or ["crash"]
        mtbf_ns = round(count * rng.uniform(2.0, 40.0) * H)
        cut: dict[str, Any] = {"gpu_slots": 2, "gpu_awake_w": 70.0} if chance(0.2) else {}
        pools.append(
            replace(
                pool(count, name=f"p{i}", powered=chance(0.8)),
                hardware=replace(hardware(boot_s=int(rng.integers(1, 900))), name=f"node{i}", **cut),
                idle_timeout_ns=int(rng.integers(1, 3 * H)) if chance(0.25) else None,
                failures=(
                    hazards(*shows, mtbf_ns=mtbf_ns, repair_ns=int(rng.integers(1, 5 * H)))  # type: ignore[arg-type]
                    if by_part
                    else NodeFailures(mtbf_ns, int(rng.integers(0, 5 * H)))
                    if chance(0.8)
                    else None
                ),
                spares=(
                    Spares(int(rng.integers(1, count)), rng.choice(["hot", "warm", "cold"]), 45 * S, 80.0)
                    if by_part and count > 2 and chance(0.5)
                    else None
                ),
                unit_effect=UnitEffect("node", LognormalUnits(0.05, 0.03, 0.5)) if chance(0.2) else None,
            )
        )
        spared = pools[-1].spares
        most = count - (spared.count if spared is not None else 0)
        jobs += [
            replace(
                job(
                    name=f"job{i}{k}",
                    pool=f"p{i}",
                    gpus=int(rng.integers(1, 4 * most + 1)) if chance(0.5) else 4 * most,
                    work_ns=int(rng.integers(1, 40 * H)),
                    submit_ns=int(rng.integers(0, 3 * H)),
                    setup_ns=int(rng.integers(0, H // 2)),
                    checkpoint_every_ns=int(rng.integers(H // 4, 4 * H)) if chance(0.8) else None,
                    checkpoint_ns=int(rng.integers(0, H // 10)),
                    under_cap=simple,
                ),
                recovery=RECOVERY if by_part else None,
                waiting_w=140.0,
                idle_w=50.0,
            )
            for k in range(int(rng.integers(1, 4)))
        ]
    caps = [
        CapPlan("policies.0", plan.name, lambda at=at: iter(at))  # type: ignore[misc]
        for plan in jobs
        if chance(0.3)
        for at in [[(int(t), float(rng.uniform(81.0, 400.0))) for t in np.unique(rng.integers(0, 48 * H, 6))]]
    ]
    services = [service(np.sort(rng.integers(0, 12 * H, 30)), pool="p0", gpus_per_replica=1)] if chance(0.2) else []
    limit = hourly(rng.uniform(2e3, 2e4, 60).tolist()) if chance(0.3) else None
    return World(list(pools), jobs, services, int(rng.integers(H, 60 * H)), caps, limit)


def check_same(world: World, seed: int) -> None:
    (shared, tape), (alone, twin) = both_ways(lambda: world.run(seed))
    assert tape.segments == twin.segments, "every piece of every node, in its order"
    assert shared == alone


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32))
def test_nodes_that_share_meters_are_booked_as_nodes_alone_are(seed: int) -> None:
    check_same(failing_world(seed), seed)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_under_policies_too(seed: int) -> None:
    check_same(policed_world(seed), seed)


@pytest.mark.parametrize("on_hosts", [False, True])
def test_many_nodes_draw_what_few_do_also_where_they_work_on_hosts_alone(on_hosts: bool) -> None:
    """As a group and one by one: GPUs of nodes whose hosts alone work stay idle, and what serves them at rest."""
    drawn = []
    kind = replace(hardware(), parts=(Rest("nic", 5.0, 20.0),))
    for fewest in (2, 1_000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(engine_gang, "FEWEST_NODES", fewest)
            plan = job(gpus=16, on_hosts=on_hosts)
            _, ledger = run([pool(4, hardware=kind)], [plan], duration_ns=2 * H)
            drawn.append(ledger.total_j())
    assert drawn[0] == pytest.approx(drawn[1], rel=1e-12), "sums of nodes round otherwise"


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_idle_nodes_are_known_without_a_walk(seed: int) -> None:
    """Whenever nodes may be about to shut down, those that are on with nobody on them are those that a walk finds."""
    world = failing_world(seed)
    world.pools[:] = [replace(plan, idle_timeout_ns=H // 3) for plan in world.pools]
    watch, looks = Cluster._watch_changed, 0

    def checked(cluster: Cluster) -> None:
        nonlocal looks
        for name, idle in cluster._idle.items():
            assert idle == {
                node for node in cluster._pools[name] if node.state == "on" and node.free == node.hardware.slots
            }
            looks += 1
        watch(cluster)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine_gang, "FEWEST_NODES", 2)
        patch.setattr(Cluster, "_watch_changed", checked)
        world.run(seed)
    assert looks


def check_looks(world: World, seed: int) -> None:
    """Whenever the limit looks, it finds as many machines of each kind as a walk, in the same order: it adds floats."""
    known, looks = Throttle._machines, 0

    def checked(throttle: Throttle) -> Any:
        nonlocal looks
        looks += 1
        found = known(throttle)
        walk = Counter((node.hardware, node.state, node.shares) for node in throttle._nodes)
        assert list(found.items()) == list(walk.items())
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine_gang, "FEWEST_NODES", 2)
        patch.setattr(engine_control, "MOST_KNOWN", 0)
        patch.setattr(Throttle, "_machines", checked)
        world.run(seed)
    assert looks


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_a_limit_of_the_site_knows_its_machines_without_a_walk(seed: int) -> None:
    world = failing_world(seed)
    limit = hourly(np.random.default_rng(seed).uniform(1e3, 1e4, 60).tolist())
    check_looks(World(world.pools, world.jobs, world.services, world.duration_ns, world.caps, limit), seed)


@pytest.mark.parametrize("minutes", range(0, 40, 5))
def test_a_limit_knows_nodes_that_a_gang_has_while_it_waits_for_others_to_boot(minutes: int) -> None:
    asked = {"half": (8, H), "all": (16, 2 * H + minutes * 60 * S)}
    jobs = [
        replace(job(name=name, gpus=gpus, work_ns=H, submit_ns=at_ns), waiting_w=140.0, idle_w=50.0)
        for name, (gpus, at_ns) in asked.items()
    ]
    slept = replace(pool(4), idle_timeout_ns=H // 3)
    check_looks(World([slept], jobs, [], 6 * H, [], hourly([1e6] * 10)), 1)
