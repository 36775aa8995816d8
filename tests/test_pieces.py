"""What nodes drew is left, worked out in columns and booked in turn: the same bits as node by node, piece by piece."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sim
from sim.accounting.bins import Bins
from sim.accounting.recorder import LedgerRecorder
from sim.engine.clock import Clock
from sim.engine.machines import node, nodes
from sim.engine.machines.group import SharedMeter
from sim.engine.machines.node import Node
from sim.engine.metering.columns import supplies
from sim.engine.metering.courses import Activity
from sim.engine.metering.deferred import Later
from sim.engine.metering.draws import Share, ShareState, node_draws
from sim.engine.metering.meter import Draw, Recorder
from sim.profiles.power_laws.devices import psu_loss_w
from sim.units import HOUR_NS
from tests.repeats import repeats
from tests.test_serving_service import changed
from tests.worlds import S, hardware


class Teller:
    """Holds slots, and tells what it has been given to tell."""

    knows_later = True

    def __init__(self, tells: Activity | None) -> None:
        self.tells = tells

    def node_lost(self, node: Node) -> None:
        """Nothing fails here."""

    def activity(self, _node: Node, _start_ns: int, _end_ns: int) -> Activity | None:
        """What it was given."""
        return self.tells


class AtOnce:
    """Books with a ledger what it is told, and gives no turns: nodes work out their draws whenever they settle."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def record(self, pool: str, draws: Sequence[Draw], start_ns: int, end_ns: int, count: int = 1) -> None:
        """Books every draw."""
        self._recorder.record(pool, draws, start_ns, end_ns, count)


def settled(recorder: Recorder, seed: int) -> None:
    """Nodes of a kind or two with holders of all kinds, settled a few times, now one after the other and now all."""
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
    for i in range(int(rng.integers(1, 30))):
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
            if chance(0.03):
                slots, extra = slots - 1, {"milli": 300}
            state: ShareState = "loaded" if chance(0.7) else "active"
            node.hold(teller, Share(owner, slots, state, 90.0, 0.25, **extra))
    for span_ns in (7 * S, int(rng.integers(1, 3 * HOUR_NS)), S, 3 * S):
        cpu_load = float(rng.choice([0.0, 0.1, 0.3]))
        for teller, tells in tellers:
            active_ns = int(rng.choice([0, span_ns, span_ns // 3, int(rng.integers(0, span_ns + 1))]))
            load = cpu_load if chance(0.8) else float(rng.random())
            told = Activity(active_ns, float(rng.uniform(80.0, 700.0)), float(rng.uniform(60.0, 120.0)), load)
            teller.tells = told if tells else None
        env.run(until=env.now_ns + span_ns)
        for node in nodes:
            if chance(0.8):
                node.settle()
            if chance(0.1):
                recorder.record("pool", node_draws(kind, "on", ()), env.now_ns - 1, env.now_ns, int(rng.integers(1, 3)))
    for node in nodes:
        node.settle()


def told_alike(seed: int, bin_ns: int) -> None:
    """Settled later and at once, the same to the bit."""
    left, told = (LedgerRecorder({"pool": "site"}, Bins(bin_ns)) for _ in range(2))
    settled(left, seed)
    settled(AtOnce(told), seed)
    in_columns, each = left.ledger(4 * HOUR_NS), told.ledger(4 * HOUR_NS)
    assert in_columns.keys == each.keys
    assert (in_columns.energy_j == each.energy_j).all()
    assert (in_columns.slot_ns == each.slot_ns).all()


SEEDS, BINS_NS = st.integers(0, 2**32), st.sampled_from([S, 3600 * S, 10**13])


@settings(max_examples=50, deadline=None)
@given(SEEDS, BINS_NS)
def test_their_ledger_is_the_same_to_the_bit(seed: int, bin_ns: int) -> None:
    told_alike(seed, bin_ns)


@pytest.mark.proof
@settings(max_examples=repeats(300, nightly=3000), deadline=None)
@given(SEEDS, BINS_NS)
def test_many_ledgers_are_the_same_to_the_bit(seed: int, bin_ns: int) -> None:
    told_alike(seed, bin_ns)


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 10 * S), min_size=3, max_size=3), min_size=8, max_size=12),
    st.integers(10 * S, 20 * S),
)
def test_pieces_tile_the_time_and_count_all_slots(active_ns: list[list[int]], now_ns: int) -> None:
    recorder = LedgerRecorder({"pool": "site"}, Bins(HOUR_NS))
    later = Later.of(recorder, "pool", hardware())
    shares = (Share("chat", 1, "loaded", 80.0, 0.0),) * 3
    for each in active_ns:
        later.leave(hardware(), "on", shares, tuple(Activity(ns, 300.0, 75.0, 0.3) for ns in each), 0, now_ns)
    (columns,), apart = later.take()
    spans_ns = columns.end_ns - columns.start_ns
    assert not apart
    assert (spans_ns > 0).all()
    assert spans_ns.sum() == len(active_ns) * now_ns
    assert (columns.slots.sum(axis=2) == 4).all()
    gpu = [component for _, component in columns.components].index("gpu")
    at_work = np.array([state == "active" for _, state in columns.who])[columns.code]
    at_work_ns = (np.where(at_work, columns.slots[:, gpu], 0).sum(axis=1) * spans_ns).sum()
    assert at_work_ns == np.sum(active_ns), "each replica is at work as long as it was"


@given(st.lists(st.floats(0.0, 6000.0), min_size=1, max_size=20))
def test_supplies_lose_the_same_in_columns(dc_w: list[float]) -> None:
    kind = hardware()
    assert kind.supply is not None
    each = [psu_loss_w(w, rated_w=4000.0, loads=kind.supply.loads, efficiencies=kind.supply.efficiencies) for w in dc_w]
    assert supplies(kind, np.array(dc_w)).tolist() == each


@pytest.mark.parametrize("interval", ["1 h", "7 min"])
def test_a_service_is_booked_the_same_at_once_and_node_by_node(monkeypatch: pytest.MonkeyPatch, interval: str) -> None:
    data = changed(replicas={"count": 21}, top__cluster__nodes=[{"profile": "dgx-h100", "count": 3}])
    data["outputs"] = {"bin": interval}
    at_once = sim.run(data)
    for asks in (node, nodes):
        monkeypatch.setattr(asks, "is_patient", lambda _: False)
    each = sim.run(data)
    assert at_once.summary == each.summary
    assert at_once.ledger().equals(each.ledger())
