"""What collectives move and take: closed forms, limits, and that the quickest way is the quickest."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.training.collectives import Algorithm, Cost, Kind, algorithms, cost, lines
from sim.training.protocols import PCIE_SHARE, RING, TREE, Library
from sim.training.reach import Reach
from sim.training.topology import Island, Network, Switched, Tier, switched
from sim.training.torus import Torus

LINK, PORT = 450e9, 50e9
KINDS: tuple[Kind, ...] = (
    "all-reduce",
    "reduce-scatter",
    "all-gather",
    "all-to-all",
    "broadcast",
    "point-to-point",
)
LIBRARY = Library(0.75, 0.9)
PLAIN = Island(8, LINK, 5e-11)
SHARP = replace(PLAIN, in_switch=0.85)


def cluster(
    island: Island = PLAIN, *, oversubscription: float = 1.0, port: float = PORT, sharp: float = 0.0
) -> Switched:
    tiers = (Tier(4, oversubscription),)
    return switched(1024, island, Network(port, 2e-6, 3e-7, 1e-10, tiers, rails=True, in_switch=sharp))


SIZES = st.sampled_from([2, 4, 8, 16, 32, 128, 512])
STRIDES = st.sampled_from([1, 2, 8, 16])
BYTES = st.floats(1.0, 1e11)
GROUPS = st.tuples(SIZES, STRIDES).filter(lambda at: at[0] * at[1] <= 1024)
CLUSTERS = st.sampled_from([cluster(), cluster(SHARP), cluster(oversubscription=4.0), cluster(SHARP, sharp=0.9)])


@given(CLUSTERS, GROUPS, BYTES)
def test_an_all_reduce_sends_its_share(at: Switched, group: tuple[int, int], byte: float) -> None:
    """2 (n - 1) / n of the buffer by each GPU (Patarasuk and Yuan, 2009), by every algorithm that adds on GPUs."""
    reach, n = at.reach(*group), group[0]
    for algorithm in ("ring", "tree", "hierarchical"):
        done = cost("all-reduce", byte, reach, LIBRARY, algorithm)
        assert done.link_byte + done.network_byte == pytest.approx(2.0 * (n - 1) / n * byte)
        assert (done.network_byte > 0.0) == (reach.islands > 1)
        assert (done.link_byte > 1e-9 * byte) == (reach.beside > 1)


@given(CLUSTERS, GROUPS, BYTES)
def test_half_of_it_is_scattered_and_half_is_gathered(at: Switched, group: tuple[int, int], byte: float) -> None:
    """A ring's all-reduce is a reduce-scatter and an all-gather under one launch."""
    reach = at.reach(*group)
    whole = cost("all-reduce", byte, reach, LIBRARY, "ring")
    halves = [cost(kind, byte, reach, LIBRARY, "ring") for kind in ("reduce-scatter", "all-gather")]
    assert sum(half.link_byte for half in halves) == pytest.approx(whole.link_byte)
    assert sum(half.network_byte for half in halves) == pytest.approx(whole.network_byte)
    launches = max(protocol.launch_s for protocol in RING)
    taken_s = sum(half.seconds for half in halves)
    # The halves launch twice, and copy their own shards twice: 0.4 / n of the buffer over the link.
    own_s = 0.4 / group[0] * byte / (LINK * LIBRARY.link_efficiency * RING[0].share)
    assert whole.seconds <= taken_s * (1.0 + 1e-9)
    assert taken_s <= whole.seconds + launches + own_s + 1e-9 * taken_s


@given(st.sampled_from(KINDS), st.floats(0.0, 1e12))
def test_alone_nothing_is_sent(kind: Kind, byte: float) -> None:
    done = cost(kind, byte, cluster().reach(1, 1), LIBRARY)
    assert (done.seconds, done.link_byte, done.network_byte) == (0.0, 0.0, 0.0)


@given(st.sampled_from(KINDS), CLUSTERS, GROUPS, BYTES, st.floats(1.0, 100.0))
def test_more_bytes_take_longer(kind: Kind, at: Switched, group: tuple[int, int], byte: float, more: float) -> None:
    reach = at.reach(*group)
    less, greater = cost(kind, byte, reach, LIBRARY), cost(kind, more * byte, reach, LIBRARY)
    assert less.seconds <= greater.seconds <= more * less.seconds * (1.0 + 1e-12)


@given(st.sampled_from(["all-reduce", "reduce-scatter", "all-gather", "broadcast"]), STRIDES, BYTES)
def test_more_gpus_take_longer(kind: Kind, stride: int, byte: float) -> None:
    """Around rings and up trees; where switches add, four GPUs send more each than eight."""
    at = cluster()
    taken = [cost(kind, byte, at.reach(2**i, stride), LIBRARY).seconds for i in range(7)]
    for less, more in pairwise(taken):
        assert more >= less
    assert taken[-1] > taken[1]


BUS = switched(8, Island(8, 32e9, 5e-11, pcie=True), None)
ALIKE = switched(8, Island(8, 32e9, 5e-11), None)


@pytest.mark.parametrize(("gpus", "ring_us"), [(2, 8.6), (4, 12.6), (8, 20.6)])
def test_small_messages_over_pcie_take_nccls_latencies(gpus: int, ring_us: float) -> None:
    """6.6 us to launch LL, and 1.0 us a step of 2 (n - 1) (tuning.cc, hwLatencies of PCI; 0.6 on NVLink)."""
    bus, fabric = BUS.reach(gpus, 1), ALIKE.reach(gpus, 1)
    taken = [1e6 * cost("all-reduce", 1e-3, reach, LIBRARY, "ring").seconds for reach in (bus, fabric)]
    assert taken == pytest.approx([ring_us, 6.6 + 1.2 * (gpus - 1)], rel=1e-6)


def test_more_than_a_pair_share_the_bus() -> None:
    """Large messages: neighbours go at the link's rate, four, eight, and two of different pairs at two thirds of it."""

    def share(size: int, stride: int) -> float:
        fabric, bus = (cost("all-reduce", 1e12, at.reach(size, stride), LIBRARY, "ring").seconds for at in (ALIKE, BUS))
        return fabric / bus

    assert share(2, 1) == pytest.approx(1.0, rel=1e-3)
    assert [share(4, 1), share(8, 1), share(2, 4)] == pytest.approx([PCIE_SHARE] * 3, rel=1e-3)


@given(st.sampled_from([BUS, switched(8, PLAIN, None), switched(8, SHARP, None)]), st.sampled_from([2, 4, 8]), BYTES)
def test_lines_are_the_cost(at: Switched, gpus: int, byte: float) -> None:
    """The lowest of the lines of a kind within one island is what it takes, whatever the size."""
    reach = at.reach(gpus, 1)
    for kind in KINDS:
        best = min(line.latency_s + line.s_per_byte * byte for line in lines(kind, reach, LIBRARY))
        assert best == pytest.approx(cost(kind, byte, reach, LIBRARY).seconds, rel=1e-6)


@given(CLUSTERS, GROUPS, BYTES)
def test_the_best_is_the_quickest(at: Switched, group: tuple[int, int], byte: float) -> None:
    reach = at.reach(*group)
    each = [cost("all-reduce", byte, reach, LIBRARY, one) for one in algorithms("all-reduce", reach)]
    best = cost("all-reduce", byte, reach, LIBRARY)
    assert best.seconds == min(one.seconds for one in each)
    assert best in each


@given(st.sampled_from([2, 4, 8]), BYTES)
def test_on_one_island_a_hierarchy_is_flat(gpus: int, byte: float) -> None:
    reach = cluster().reach(gpus, 1)
    flat, tiered = (cost("all-reduce", byte, reach, LIBRARY, one) for one in ("ring", "hierarchical"))
    assert replace(tiered, algorithm="ring") == flat


def bus_byte_per_s(
    kind: Kind, byte: float, reach: Reach, library: Library, algorithm: Algorithm | None = None
) -> float:
    """As nccl-tests print it."""
    times = {"all-reduce": 2.0}.get(kind, 1.0)
    return times * (reach.gpus - 1) / reach.gpus * byte / cost(kind, byte, reach, library, algorithm).seconds


def test_large_messages_fill_what_they_cross() -> None:
    """A node's ring its links; a ring through every port of a node all of them; one GPU of each node its port."""
    at, much = cluster(), 1e13
    ideal = Library(1.0, 1.0)
    assert bus_byte_per_s("all-gather", much, at.reach(8, 1), ideal) == pytest.approx(LINK * 7.0 / 7.4, rel=1e-3)
    assert bus_byte_per_s("all-gather", much, at.reach(256, 1), ideal) == pytest.approx(8 * PORT, rel=1e-3)
    assert bus_byte_per_s("all-gather", much, at.reach(32, 8), ideal) == pytest.approx(PORT, rel=1e-3)
    assert bus_byte_per_s("all-to-all", much, at.reach(32, 8), ideal) == pytest.approx(PORT, rel=1e-3)
    sent_s = cost("point-to-point", much, at.reach(4, 8), ideal).seconds
    assert much / sent_s == pytest.approx(PORT, rel=1e-3)


def test_uplinks_hold_up_what_crosses_them() -> None:
    """Of 32 GPUs, one a node, four share a leaf: a ring leaves it once, an all-to-all with 28 of 31 messages."""
    even, narrow, much = cluster(), cluster(oversubscription=8.0), 1e13
    ideal = Library(1.0, 1.0)
    ring = [bus_byte_per_s("all-reduce", much, at.reach(32, 8), ideal, "ring") for at in (even, narrow)]
    assert ring == pytest.approx([PORT, 4 * PORT / 8.0], rel=1e-3)
    swapped = [cost("all-to-all", much, at.reach(32, 8), ideal).seconds for at in (even, narrow)]
    assert swapped[1] / swapped[0] == pytest.approx(8.0 * 28.0 / 31.0, rel=1e-3)


@given(GROUPS, st.sampled_from(KINDS))
def test_infinite_bandwidth_leaves_latency(group: tuple[int, int], kind: Kind) -> None:
    fast = switched(1024, replace(PLAIN, byte_per_s=1e30), Network(1e30, 2e-6, 3e-7, 0.0, (Tier(4, 1.0),), rails=True))
    reach = fast.reach(*group)
    little, much, more = (cost(kind, size, reach, LIBRARY).seconds for size in (1.0, 1e12, 1e15))
    assert much == pytest.approx(more)
    if reach.islands == 1:
        assert little == pytest.approx(much)
    else:  # the quickest protocol is held to 20.4 GB/s between islands: large messages leave it
        assert little <= much <= little * max(one.network_s for one in RING) / min(one.network_s for one in RING)
    assert cost(kind, 1e9, cluster().reach(*group), LIBRARY).seconds > cost(kind, 1e9, reach, LIBRARY).seconds


def test_trees_climb_with_the_logarithm_and_rings_with_the_number() -> None:
    at = cluster()
    by = {
        name: [cost("all-reduce", 1.0, at.reach(n, 8), LIBRARY, name).seconds for n in (8, 32, 128)]
        for name in algorithms("all-reduce", at.reach(8, 8))
    }
    tree = [later - sooner for sooner, later in pairwise(by["tree"])]
    # Two levels more each time, up and down; beyond one leaf a message takes two switches more.
    assert tree == pytest.approx([4 * (TREE[0].network_s + 2.9e-6)] * 2, rel=0.01)
    assert by["ring"][2] / by["ring"][1] > 3.5
    assert by["tree"][2] < 0.2 * by["ring"][2]


def test_a_switch_that_adds_sends_half() -> None:
    """Each buffer once up, the sum once down, in eight shares: 9/8 of it where a ring sends 14/8."""
    plain, sharp = cluster().reach(8, 1), cluster(SHARP).reach(8, 1)
    assert "in-switch" not in algorithms("all-reduce", plain)
    done = cost("all-reduce", 1e9, sharp, LIBRARY, "in-switch")
    assert done.link_byte == pytest.approx(9.0 / 8.0 * 1e9)
    assert done.seconds < cost("all-reduce", 1e9, plain, LIBRARY, "ring").seconds
    # Between islands: what an island's eight ports carry, once instead of twice.
    trees, switches = cluster(SHARP).reach(64, 1), cluster(SHARP, sharp=1.0).reach(64, 1)
    sent = [cost("all-reduce", 1e9, at, LIBRARY, "in-switch").network_byte for at in (trees, switches)]
    assert sent == pytest.approx([2.0 * 7.0 / 8.0 * 1e9 / 8.0, 1e9 / 8.0])


def test_an_algorithm_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="has no algorithm 'tree'"):
        cost("all-gather", 1e6, cluster().reach(8, 1), LIBRARY, "tree")
    with pytest.raises(ValueError, match="in-switch"):
        cost("all-reduce", 1e6, cluster().reach(8, 1), LIBRARY, "in-switch")


@given(GROUPS, BYTES, st.sampled_from(KINDS), st.floats(1.0, 4.0))
def test_a_slower_library_takes_longer(group: tuple[int, int], byte: float, kind: Kind, times: float) -> None:
    reach = cluster().reach(*group)
    best = cost(kind, byte, reach, LIBRARY).seconds
    slower = (
        replace(LIBRARY, latency=times),
        replace(LIBRARY, link_efficiency=LIBRARY.link_efficiency / times),
        replace(LIBRARY, network_efficiency=LIBRARY.network_efficiency / times),
    )
    for library in slower:
        assert best <= cost(kind, byte, reach, library).seconds <= times * best * (1.0 + 1e-9)


def test_a_torus_uses_every_link() -> None:
    """All-reduce over a whole pod of 16 x 16: 2 (n - 1) / n of the buffer over four links at once."""
    pod, ideal, rate = Torus((16, 16), 200e9, 1e-6, 1e-11), Library(1.0, 1.0), 200e9
    assert bus_byte_per_s("all-reduce", 1e13, pod.reach(256, 1), ideal, "ring") == pytest.approx(rate, rel=2e-3)
    assert bus_byte_per_s("all-reduce", 1e13, pod.reach(16, 1), ideal, "ring") == pytest.approx(rate / 2.0, rel=0.02)
    hops_s = cost("all-gather", 1.0, pod.reach(256, 1), ideal).seconds
    assert hops_s == pytest.approx(RING[0].launch_s + 30 * (RING[0].link_s + 1e-6), rel=1e-3)


HOPPER = switched(4096, SHARP, Network(50e9, 2e-6, 3e-7, 1e-10, (Tier(32, 1.0),), rails=True))
AMPERE = switched(64, Island(8, 300e9, 5e-11), Network(25e9, 2e-6, 3e-7, 1e-10, (Tier(32, 1.0),), rails=True))


@pytest.mark.parametrize(
    ("at", "gpus", "byte", "algorithm", "published"),
    [
        (HOPPER, 8, 8e9, None, 480e9),  # "peak busBw of ~480GB/s", NVIDIA, nccl-tests issue 212
        (HOPPER, 8, 8e9, "ring", 370e9),  # "370GB/s ... when running with NCCL_ALGO=RING", ibid.
        (HOPPER, 16, 8e9, None, 430e9),  # two nodes, 8 x 400 Gbit/s: nccl issue 1221
        (HOPPER, 16, 8e9, "ring", 330e9),  # the same without NVLink SHARP
        (HOPPER, 32, 8e9, "ring", 320e9),  # four nodes, ibid.
        (HOPPER, 1984, 512 * 2.0**20, None, 350e9),  # 248 nodes of H200: nccl-tests issue 283
        (AMPERE, 16, 8e9, "ring", 192e9),  # DGX A100, 8 x 200 Gbit/s: NVIDIA, nccl issue 1576
    ],
)
def test_published_bus_bandwidths(
    at: Switched, gpus: int, byte: float, algorithm: Algorithm | None, published: float
) -> None:
    """One library for all, of shares that large messages reach within a node (AIConfigurator) and nothing of these."""
    library = Library(0.77, 0.95)
    assert bus_byte_per_s("all-reduce", byte, at.reach(gpus, 1), library, algorithm) == pytest.approx(
        published, rel=0.16
    )


def test_costs_are_kept() -> None:
    reach = cluster().reach(8, 1)
    assert isinstance(cost("all-reduce", 1e6, reach, LIBRARY), Cost)
    assert cost("all-reduce", 1e6, reach, LIBRARY) is cost("all-reduce", 1e6, reach, LIBRARY)
