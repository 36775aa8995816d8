"""The ledger keeps every joule whatever the reporting interval, and the draws of a node always add up."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.accounting.bins import Bins
from sim.accounting.recorder import LedgerRecorder
from sim.engine.metering.draws import NodeState, Share, ShareState, node_draws
from sim.engine.metering.meter import Draw, Meter
from sim.profiles.power_laws.devices import psu_loss_w
from sim.results.frames import ledger_of, ledger_table, ledger_tables
from sim.units import SECONDS_PER_NS
from tests.plain_draws import plain_node_draws
from tests.worlds import Tape, hardware

DRAWS = (Draw("gpu", "gpu", "a", "active", 350.0, 3), Draw("gpu", "gpu", "unallocated", "idle", 50.0, 1))


@st.composite
def segments(draw: st.DrawFn) -> list[tuple[tuple[Draw, ...], int, int]]:
    """Consecutive segments of varying watts, owners and lengths from 1 ns to about three hours.

    No watts between 0 and a microwatt: nothing draws 1e-308 W, and doubles that small have no 16 digits to compare.
    """
    now = 0
    made: list[tuple[tuple[Draw, ...], int, int]] = []
    for _ in range(draw(st.integers(1, 12))):
        length = draw(st.integers(1, 10**13))
        watts = draw(st.just(0.0) | st.floats(1e-6, 1e4))
        owner = draw(st.sampled_from(["a", "b", "unallocated"]))
        made.append(((Draw("gpu", "gpu", owner, "active", watts, 2), *DRAWS), now, now + length))
        now += length
    return made


@given(segments(), st.lists(st.integers(10**9, 10**14), min_size=1, max_size=4), st.integers(0, 10**18))
def test_energy_is_the_same_for_any_reporting_interval(
    made: list[tuple[tuple[Draw, ...], int, int]], steps: list[int], start_ns: int
) -> None:
    end = made[-1][2]
    exact: dict[tuple[str, str], list[float]] = defaultdict(list)
    slot_ns: dict[tuple[str, str], int] = defaultdict(int)
    for draws, begin, until in made:
        for d in draws:
            exact[d.owner, d.state].append(d.watts * (until - begin) * SECONDS_PER_NS)
            slot_ns[d.owner, d.state] += d.slots * (until - begin)
    for step in steps:
        step = max(step, end // 2000 + 1)  # at most 2,000 bins
        cuts = np.array([end // 3, end // 2, 2 * end], dtype=np.int64)
        recorder = LedgerRecorder({"pool": "site"}, Bins(step, [cuts], start_ns))
        for draws, begin, until in made:
            recorder.record("pool", draws, begin, until)
        ledger = recorder.ledger(end)
        assert ledger.end_ns == end
        assert np.isin([cut for cut in cuts.tolist() if 0 < cut < end], ledger.edges_ns).all()
        assert set((ledger.edges_ns[1:-1] + start_ns) % step) - {0} <= {(c + start_ns) % step for c in cuts.tolist()}
        for i, key in enumerate(ledger.keys):
            # 1e-12: some 4,000 additions of doubles, each within 1.2e-16 of a sum of non-negative terms
            expected = math.fsum(exact[key.owner, key.state])
            assert float(ledger.energy_j[i].sum()) == pytest.approx(expected, rel=1e-12, abs=0)
            assert int(ledger.slot_ns[i].sum()) == slot_ns[key.owner, key.state]


@given(segments())
def test_a_ledger_survives_its_table(made: list[tuple[tuple[Draw, ...], int, int]]) -> None:
    recorder = LedgerRecorder({"pool": "site"}, Bins(10**13))
    for draws, begin, until in made:
        recorder.record("pool", draws, begin, until)
    ledger = recorder.ledger(made[-1][2])
    read, start_ns = ledger_of(ledger_table(ledger, 5))
    assert start_ns == 5
    assert read.keys == ledger.keys
    assert read.edges_ns.tolist() == ledger.edges_ns.tolist()
    assert (read.energy_j == ledger.energy_j).all()
    assert (read.slot_ns == ledger.slot_ns).all()


@given(segments(), st.integers(10**10, 10**14))
def test_what_waits_is_added_in_the_order_in_which_it_came(
    made: list[tuple[tuple[Draw, ...], int, int]], step_ns: int
) -> None:
    """One addition after the other, cell by cell: the same bits."""
    end = made[-1][2]
    step_ns = max(step_ns, end // 200 + 1)
    recorder = LedgerRecorder({"pool": "site"}, Bins(step_ns))
    cells: dict[tuple[str, str, int], float] = defaultdict(float)
    for draws, begin, until in made:
        recorder.record("pool", draws, begin, until)
        while begin < until:
            upto = min(until, (begin // step_ns + 1) * step_ns)
            for d in draws:
                cells[d.owner, d.state, begin // step_ns] += d.watts * ((upto - begin) * SECONDS_PER_NS)
            begin = upto
    ledger = recorder.ledger(end)
    for key, energy_j in zip(ledger.keys, ledger.energy_j, strict=True):
        assert energy_j.tolist() == [cells[key.owner, key.state, i] for i in range(len(energy_j))]


def test_a_ledger_in_groups_of_rows_is_the_same_table() -> None:
    recorder = LedgerRecorder({"pool": "site"}, Bins(10**10))
    recorder.record("pool", DRAWS, 0, 10**12)
    recorder.record("pool", DRAWS[:1], 3 * 10**10, 7 * 10**11 + 5)
    ledger = recorder.ledger(10**12)
    whole = ledger_table(ledger, 5)
    for rows in (1, 2, 3, 7, 64):
        groups = list(ledger_tables(ledger, 5, rows))
        assert [group.num_rows for group in groups[:-1]] == [rows] * (len(groups) - 1)
        assert pa.concat_tables(groups).equals(whole)


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=20))
def test_the_segments_of_a_meter_tile_the_run(changes: list[int]) -> None:
    tape = Tape()
    meter = Meter(tape, "pool", 0)
    times = sorted(changes)
    for i, t in enumerate(times):
        meter.settle((Draw("gpu", "gpu", "a", "active", float(i), 4),), t)
    end = times[-1] + 7
    meter.settle(DRAWS, end)
    meter.settle(DRAWS, end)  # settling twice books nothing twice
    edges = [0] + [until for *_, until in tape.segments]
    assert [begin for _, _, begin, _ in tape.segments] == edges[:-1]
    assert edges[-1] == end
    assert all(begin < until for _, _, begin, until in tape.segments)


@st.composite
def shares(draw: st.DrawFn) -> tuple[Share, ...]:
    """Reservations of at most the four slots of a node, by two owners."""
    free = 4
    made = []
    while free and draw(st.booleans()):
        slots = draw(st.integers(1, free))
        free -= slots
        state: ShareState = draw(st.sampled_from(("idle", "loaded", "active", "booting")))
        owner = draw(st.sampled_from(("a", "b")))
        made.append(Share(owner, slots, state, draw(st.floats(0, 700)), draw(st.floats(0, 1))))
    return tuple(made)


STATES: tuple[NodeState, ...] = ("off", "booting", "on", "stopping", "failed")


@given(shares(), st.sampled_from(STATES), st.booleans())
def test_the_draws_of_a_node_add_up(held: tuple[Share, ...], state: NodeState, supply: bool) -> None:
    node = hardware(supply=supply)
    draws = node_draws(node, state, held)
    by_component: dict[str, list[Draw]] = defaultdict(list)
    for d in draws:
        by_component[d.component].append(d)
    assert set(by_component) == {"gpu", "cpu", "dram", "board"} | ({"psu_loss"} if supply else set())
    for rows in by_component.values():
        assert sum(row.slots for row in rows) == node.slots
        assert all(row.watts >= 0 for row in rows)
    total = sum(d.watts for d in draws)
    dc = sum(d.watts for d in draws if d.component != "psu_loss")
    if state in ("off", "failed"):
        assert total == pytest.approx(node.standby_w)
        return
    if state == "booting":
        assert dc == pytest.approx(max(node.boot_w, 0), rel=1e-12)
    elif state == "stopping":
        assert dc == pytest.approx(node.shutdown_w, rel=1e-12)
    else:
        active = sum(share.slots for share in held if share.state == "active") / node.slots
        gpus = sum(s.slots * s.gpu_w for s in held) + 50.0 * (node.slots - sum(s.slots for s in held))
        assert sum(d.watts for d in by_component["gpu"]) == pytest.approx(gpus)
        assert sum(d.watts for d in by_component["dram"]) == pytest.approx(20.0 + 20.0 * active)
        assert sum(d.watts for d in by_component["board"]) == pytest.approx(30.0)
        load = sum(s.slots * s.cpu_load for s in held if s.state == "active") / node.slots
        assert sum(d.watts for d in by_component["cpu"]) == pytest.approx(100.0 + 200.0 * load**0.8 if load else 100.0)
    if supply:
        loss = psu_loss_w(dc, rated_w=4000.0, loads=(0.1, 0.5, 1.0), efficiencies=(0.90, 0.96, 0.94))
        assert total - dc == pytest.approx(loss, rel=1e-9, abs=1e-9)


@st.composite
def odd_shares(draw: st.DrawFn) -> tuple[Share, ...]:
    """The same with parts of slots, work on hosts alone, and owners that hold twice in one state."""
    parts = (st.sampled_from((0, 250)), st.sampled_from((0.0, 0.1)), st.booleans())
    made = [replace(s, milli=draw(parts[0]), host_load=draw(parts[1]), on_hosts=draw(parts[2])) for s in draw(shares())]
    return tuple(replace(s, slots=s.slots - 1) if s.milli else s for s in made)


@given(odd_shares(), st.sampled_from(STATES), st.booleans(), st.booleans())
def test_draws_worked_out_together_are_those_worked_out_one_by_one(
    held: tuple[Share, ...], state: NodeState, supply: bool, gpus: bool
) -> None:
    """To the bit, and in the same order."""
    node = replace(hardware(supply=supply), gpu_scale=1.03, gpu_offset_w=1.5)
    node = node if gpus else replace(node, gpu=None)
    assert node_draws(node, state, held) == plain_node_draws(node, state, held)


@given(st.floats(1, 6000))
def test_power_supplies_lose_what_their_curve_says(dc_w: float) -> None:
    loads, efficiencies = (0.1, 0.5, 1.0), (0.90, 0.96, 0.94)
    loss = psu_loss_w(dc_w, rated_w=4000.0, loads=loads, efficiencies=efficiencies)
    assert dc_w / (dc_w + loss) == pytest.approx(float(np.interp(dc_w / 4000.0, loads, efficiencies)))
