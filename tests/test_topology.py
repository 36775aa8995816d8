"""What a group crosses, by the summary and by the whole graph: the graph is the slow twin that cannot be wrong."""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import Any

import networkx as nx
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sim.training.reach import Reach
from sim.training.topology import (
    Island,
    Network,
    Switched,
    Tier,
    flow_byte_per_s,
    graph,
    hops,
    latency_s,
    only,
    spread_evenly,
    switched,
)
from sim.training.torus import Torus, bisection_byte_per_s, torus_graph

LINK, PORT, WIRE_S, SWITCH_S = 450e9, 50e9, 2e-6, 3e-7


def island(gpus: int) -> Island:
    return Island(gpus, LINK, 5e-11)


def network(*tiers: tuple[int, float], rails: bool = False) -> Network:
    return Network(PORT, WIRE_S, SWITCH_S, 1e-10, tuple(Tier(*tier) for tier in tiers), rails)


def gpus_of(made: nx.Graph[Any]) -> list[Any]:
    return sorted(node for node in made if node[0] == "gpu")


@given(st.integers(1, 4), st.sampled_from([1, 2, 4]), st.sampled_from([1.0, 2.0, 7.0]), st.booleans())
def test_bisection_by_flow(blocks: int, gpus: int, oversubscription: float, rails: bool) -> None:
    """Half of the GPUs reach the other half at the rate of their ports, divided by what the uplinks are narrower by."""
    made = only(graph(island(gpus), network((2, oversubscription), rails=rails), 4 * blocks), "network")
    ends = gpus_of(made)
    half = len(ends) // 2
    assert flow_byte_per_s(made, ends[:half], ends[half:]) == pytest.approx(half * PORT / oversubscription)


def test_a_leaf_of_rails_joins_what_has_the_same_rank() -> None:
    by_rail = graph(island(4), network((4, 1.0), rails=True), 8)
    of_node = graph(island(4), network((4, 1.0)), 8)
    net = only(by_rail, "network")
    assert hops(net, ("gpu", 0, 1), ("gpu", 3, 1)) == 1
    assert hops(net, ("gpu", 0, 1), ("gpu", 3, 2)) == 3  # over the spine, or over the island's own link to the rail
    assert hops(only(of_node, "network"), ("gpu", 0, 1), ("gpu", 3, 2)) == 1
    assert hops(net, ("gpu", 0, 1), ("gpu", 4, 1)) == 3
    assert latency_s(net, ("gpu", 0, 1), ("gpu", 3, 1)) == pytest.approx(WIRE_S + SWITCH_S)
    assert latency_s(net, ("gpu", 0, 1), ("gpu", 4, 1)) == pytest.approx(WIRE_S + 3 * SWITCH_S)


def test_tiers_multiply_what_they_narrow() -> None:
    """Llama 3's cluster in the small: racks of two nodes, pods that are narrower by 7 (arXiv:2407.21783, 3.3.1)."""
    made = only(graph(island(2), network((2, 1.0), (4, 7.0)), 8), "network")
    ends = gpus_of(made)
    rack, pod = ends[:4], ends[:8]
    assert flow_byte_per_s(made, rack, ends[4:8]) == pytest.approx(4 * PORT)
    assert flow_byte_per_s(made, pod, ends[8:]) == pytest.approx(8 * PORT / 7.0)
    assert hops(made, ends[0], ends[8]) == 5


def units_by_graph(made: nx.Graph[Any], ranks: list[Any], size: int, stride: int, tiers: int) -> list[tuple[int, int]]:
    """Over how many islands, leaves, ... groups spread, and the fewest members in one: counted on the graph.

    Two GPUs share a unit where cutting away all that is above it leaves them joined.
    """
    found = []
    for level in range(tiers + 1):
        kept = [n for n in made if n[0] in ("gpu", "island") or (n[0] == "tier" and n[1] < level)]
        part = made.subgraph(kept)
        unit = {node: i for i, whole in enumerate(nx.connected_components(part)) for node in whole}
        worst, fewest = 0, size
        for start in range(0, len(ranks) - size * stride + 1, size * stride):
            for offset in range(stride):
                own = [unit[ranks[start + offset + i * stride]] for i in range(size)]
                counts = [own.count(one) for one in set(own)]
                worst, fewest = max(worst, len(counts)), min(fewest, *counts)
        found.append((worst, fewest))
    return found


LAYOUTS = st.tuples(st.integers(1, 8), st.integers(1, 8)).filter(lambda at: at[0] * at[1] <= 24)


@settings(max_examples=40)
@given(LAYOUTS, st.sampled_from([1, 2, 3, 4]), st.booleans(), st.sampled_from([1.0, 4.0]))
def test_the_summary_is_the_graph(at: tuple[int, int], gpus: int, rails: bool, oversubscription: float) -> None:
    size, stride = at
    net, islands = network((2, oversubscription), (4, 2.0), rails=rails), 24 // gpus
    made = graph(island(gpus), net, islands)
    ranks = gpus_of(made)
    assume(len(ranks) % (size * stride) == 0)
    reach = switched(len(ranks), island(gpus), net).reach(size, stride)
    units, inside, spans = size, 1, iter(reach.spans)
    rates = [LINK, PORT, PORT / oversubscription, PORT / oversubscription / 2.0]
    counted = [*units_by_graph(made, ranks, size, stride, 2), (1, size)]
    for level, (above, larger) in enumerate(counted):
        if above < units:
            span = next(spans)
            assert (span.units, span.inside, span.steps) == (units, inside, units - above)
            assert span.gpu_byte_per_s == pytest.approx(rates[level])
            assert span.unit_byte_per_s == pytest.approx(inside * rates[level])
            assert span.fabric == ("link" if level == 0 else "network")
        units, inside = above, larger
    assert next(spans, None) is None


@given(st.sampled_from([1, 2, 4]), st.sampled_from([1.0, 3.0]), st.booleans())
def test_rates_of_the_summary_are_flows_of_the_whole(gpus: int, oversubscription: float, rails: bool) -> None:
    """Of leaves that hold more islands than the representative has."""
    net = network((3, oversubscription), (6, 2.0), rails=rails)
    made = only(graph(island(gpus), net, 12), "network")
    ends = gpus_of(made)
    summary = switched(12 * gpus, island(gpus), net)
    edges = [1, 3, 6, 12]
    for level, (below, above) in zip(summary.levels[1:], pairwise(edges), strict=True):
        mine, others = ends[: below * gpus], ends[below * gpus : above * gpus]
        assert level.byte_per_s == pytest.approx(flow_byte_per_s(made, mine, others) / len(mine))
        assert level.latency_s == pytest.approx(latency_s(made, ends[0], others[0]))


def test_known_groups() -> None:
    """Two GPUs apart in a node of eight, a node's all, one of each node, and a pipeline over pods."""
    net = network((32, 1.0), (384, 7.0), rails=True)
    meta = switched(16384, island(8), net)
    assert meta.reach(1, 8) == Reach(1, ())
    alone = meta.reach(8, 1)
    assert (alone.islands, alone.beside, len(alone.spans)) == (1, 8, 1)
    data = meta.reach(128, 8)
    assert (data.islands, data.beside) == (128, 1)
    assert [span.units for span in data.spans] == [128, 4]
    far = meta.reach(16, 1024)
    assert far.spans[-1].gpu_byte_per_s == pytest.approx(PORT / 7.0)


@given(st.integers(1, 40), st.sampled_from([8, 72]), st.sampled_from([4, 8]))
def test_a_gang_is_spread_over_whole_nodes(nodes: int, island_gpus: int, node_gpus: int) -> None:
    gpus = nodes * node_gpus
    each = spread_evenly(gpus, island_gpus, node_gpus)
    assert each <= island_gpus
    assert each % node_gpus == 0
    islands = -(-gpus // each)
    assert islands >= -(-gpus // island_gpus)
    assert gpus % each == 0 or each == island_gpus


def test_a_gang_of_256_takes_64_gpus_of_each_rack() -> None:
    assert spread_evenly(256, 72, 4) == 64
    assert spread_evenly(1024, 72, 4) == 64
    assert spread_evenly(72, 72, 4) == 72
    racks = switched(256, island(72), network((1, 1.0)), beside=64)
    assert racks.reach(64, 1).islands == 1
    assert racks.reach(128, 1).islands == 2


SHAPES = st.sampled_from([(4,), (8,), (4, 4), (4, 8), (2, 4), (4, 4, 4), (6, 4)])


@settings(max_examples=30, deadline=None)
@given(SHAPES, st.booleans())
def test_a_torus_is_cut_where_its_summary_says(shape: tuple[int, ...], wraps: bool) -> None:
    """An all-to-all of a buffer each: half of the accelerators send half of it over the narrowest cut."""
    rate = 200e9
    torus = Torus(shape, rate, 1e-6, 1e-11, wraps)
    made = torus_graph(shape, rate, 1e-6, wraps=wraps)
    n = prod(shape)
    cut = min(bisection_byte_per_s(made, side) for side in range(len(shape)))
    reach = torus.reach(n, 1)
    even = (n - 1) / n / (n / 4.0 / cut)
    assert reach.spans[0].gpu_byte_per_s == pytest.approx(even)
    assert reach.spans[0].steps == sum(side - 1 for side in shape)
    if not wraps:
        assert reach.spans[0].steps == nx.diameter(made)
    elif all(side > 2 for side in shape):
        assert reach.spans[0].unit_byte_per_s == pytest.approx(rate)  # every link of every accelerator


def test_blocks_of_a_torus() -> None:
    pod = Torus((16, 16), 200e9, 1e-6, 1e-11)
    assert pod.sides(16, 1) == ((16, 1, True),)
    assert pod.sides(16, 16) == ((16, 1, True),)
    assert pod.sides(4, 1) == ((4, 1, False),)
    assert pod.sides(4, 4) == ((4, 4, True),)
    assert pod.sides(32, 8) == ((2, 8, True), (16, 1, True))
    assert pod.sides(5, 1) is None
    with pytest.raises(ValueError, match="no block"):
        pod.reach(24, 1)


def test_groups_that_interleave_share_links() -> None:
    pod = Torus((16, 16), 200e9, 1e-6, 1e-11)
    side, apart = pod.reach(16, 1).spans[0], pod.reach(4, 4).spans[0]
    assert apart.unit_byte_per_s == pytest.approx(side.unit_byte_per_s / 4.0)


def test_a_summary_is_solved_once() -> None:
    assert switched(64, island(8), network((4, 1.0))) is switched(64, island(8), network((4, 1.0)))
    assert isinstance(switched(8, island(8), None), Switched)
