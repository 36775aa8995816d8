"""Many nodes whose holders tell afterwards what they did are booked at once: the same bits as piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sim
from sim.accounting.bins import Bins
from sim.accounting.ledger import LedgerRecorder
from sim.engine.clock import Clock
from sim.engine.draws import Share
from sim.engine.group import SharedMeter
from sim.engine.meter import Recorder
from sim.engine.node import Activity, Node
from sim.engine.pieces import pieces_of, settle_all
from sim.engine.serving import service
from sim.units import HOUR_NS
from tests.test_serving_service import changed
from tests.worlds import S, Tape, hardware

Told = list[Activity | None]


class Teller:
    """Holds slots, and tells what it has been given to tell."""

    def __init__(self, tells: Activity | None) -> None:
        self.tells = tells

    def node_lost(self, node: Node) -> None:
        """Nothing fails here."""

    def activity(self, _node: Node, _start_ns: int, _end_ns: int) -> Activity | None:
        """What it was given."""
        return self.tells


def one_by_one(nodes: Iterable[Node]) -> None:
    """The slow twin of ``settle_all``."""
    for node in nodes:
        node.settle()


def settled(recorder: Recorder, seed: int, settle: Callable[[Iterable[Node]], None]) -> None:
    """A handful of nodes of some kind with holders of all kinds, settled twice."""
    rng = np.random.default_rng(seed)

    def chance(share: float) -> bool:
        return bool(rng.random() < share)

    cut: dict[str, Any] = {"gpu_slots": 2, "gpu_awake_w": 70.0} if chance(0.3) else {}
    odd: dict[str, Any] = {"gpu_scale": 1.07, "gpu_offset_w": 3.0} if chance(0.3) else {}
    kind = replace(hardware(slots=8, supply=chance(0.7)), **cut, **odd)
    if chance(0.2):
        kind = replace(kind, gpu=None)
    if chance(0.2):
        kind = replace(kind, parts=(*kind.parts, replace(kind.parts[0], component="fans", idle_w=9.0, active_w=4.0)))
    env = Clock()
    kinds = [kind, replace(kind, name="another", cpu_idle_w=90.0)]
    nodes, tellers = [], []
    for i in range(int(rng.integers(1, 9))):
        mine = kinds[int(chance(0.2))]
        node = Node(env, recorder, "pool", i, SharedMeter(recorder, "pool", mine, "on", 0))
        nodes.append(node)
        free = 8
        size = int(rng.integers(1, 4))
        while free and not chance(0.1):
            slots = size if chance(0.8) else int(rng.integers(1, 9))
            slots = min(free, slots)
            free -= slots
            teller = Teller(None)
            tellers.append((teller, chance(0.9)))
            owner = "chat" if chance(0.95) else "other"
            extra: dict[str, Any] = {"host_load": 0.1} if chance(0.03) else {}
            node.hold(teller, Share(owner, slots, "loaded", 90.0, 0.0, **extra))
    for span_ns in (7 * S, int(rng.integers(1, 3 * HOUR_NS))):
        cpu_load = float(rng.choice([0.0, 0.1, 0.3]))
        for teller, tells in tellers:
            active_ns = int(rng.choice([0, span_ns, span_ns // 3, int(rng.integers(0, span_ns + 1))]))
            load = cpu_load if chance(0.8) else float(rng.random())
            told = Activity(active_ns, float(rng.uniform(80.0, 700.0)), float(rng.uniform(60.0, 120.0)), load)
            teller.tells = told if tells else None
        env.run(until=env.now_ns + span_ns)
        settle(nodes)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_pieces_of_many_nodes_are_those_of_each(seed: int) -> None:
    at_once, each = Tape(), Tape()
    settled(at_once, seed, settle_all)
    settled(each, seed, one_by_one)
    assert at_once.segments == each.segments


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([S, 3600 * S, 10**13]))
def test_their_ledger_is_the_same_to_the_bit(seed: int, bin_ns: int) -> None:
    ledgers = []
    for settle in (settle_all, one_by_one):
        recorder = LedgerRecorder({"pool": "site"}, Bins(bin_ns))
        settled(recorder, seed, settle)
        ledgers.append(recorder.ledger(4 * HOUR_NS))
    at_once, each = ledgers
    assert at_once.keys == each.keys
    assert (at_once.energy_j == each.energy_j).all()
    assert (at_once.slot_ns == each.slot_ns).all()


@given(
    st.lists(st.lists(st.integers(0, 10 * S), min_size=3, max_size=3), min_size=1, max_size=5),
    st.integers(10 * S, 20 * S),
)
def test_pieces_tile_the_time_and_count_all_slots(active_ns: list[list[int]], now_ns: int) -> None:
    watts = np.full((len(active_ns), 3), 300.0)
    pieces = pieces_of(
        hardware(),
        [Share("chat", 1, "loaded", 80.0, 0.0)] * 3,
        np.array(active_ns),
        watts,
        watts / 4.0,
        watts / 1000.0,
        np.zeros(len(active_ns), dtype=np.int64),
        now_ns,
    )
    spans_ns = pieces.end_ns - pieces.start_ns
    assert (spans_ns > 0).all()
    assert spans_ns.sum() == len(active_ns) * now_ns
    at_work_ns = 0
    for draws, start_ns, end_ns in pieces.each():
        for component in ("gpu", "cpu", "dram", "psu_loss"):
            assert sum(draw.slots for draw in draws if draw.component == component) == 4
        at_work = sum(draw.slots for draw in draws if draw.component == "gpu" and draw.state == "active")
        at_work_ns += at_work * (end_ns - start_ns)
    assert at_work_ns == np.sum(active_ns), "each replica is at work as long as it was"


@pytest.mark.parametrize("interval", ["1 h", "7 min"])
def test_a_service_is_booked_the_same_at_once_and_node_by_node(monkeypatch: pytest.MonkeyPatch, interval: str) -> None:
    data = changed(replicas={"count": 21}, top__cluster__nodes=[{"profile": "dgx-h100", "count": 3}])
    data["outputs"] = {"bin": interval}
    at_once = sim.run(data)
    monkeypatch.setattr(service, "settle_all", one_by_one)
    monkeypatch.setattr("sim.engine.nodes.settle_all", one_by_one)
    each = sim.run(data)
    assert at_once.summary == each.summary
    assert at_once.ledger().equals(each.ledger())
