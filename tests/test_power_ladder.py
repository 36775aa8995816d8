"""Pure laws of shared power: the ladder of answers, the ramp, and what many nodes draw at their plugs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.engine.fleet.power.ladder import Answer, Setting, climb, rungs
from sim.engine.fleet.power.machines import Plugs
from sim.engine.fleet.power.ramp import Ramp, Rising
from sim.engine.metering.draws import NodeHardware, Rest, Share, Supply, node_draws
from sim.units import NS_PER_S

BOARD_W, REST_W = 700.0, 100.0

LADDER = (
    Answer("cap", "training", 0.5),
    Answer("cap", "serving", 0.7),
    Answer("pause", "training"),
    Answer("shed", "all"),
)


class Loads:
    """n loads of one board each: those capped draw at most the level, those paused rest, those shed draw nothing."""

    def __init__(self, wanted_w: list[float], priority: list[int], serving: list[bool]) -> None:
        self.wanted_w = np.array(wanted_w)
        self.rungs = rungs(LADDER, np.array(priority), np.array(serving), np.arange(len(wanted_w)))

    def each(self, setting: Setting) -> np.ndarray:
        capped = np.minimum(self.wanted_w, np.maximum(setting.level * BOARD_W, REST_W))
        capped = np.where(setting.paused, np.minimum(REST_W, capped), capped)
        return np.where(setting.shed, 0.0, capped)

    def draws(self, setting: Setting) -> float:
        return float(self.each(setting).sum())

    def climb(self, target_w: float) -> Setting:
        return climb(self.rungs, self.draws, target_w, len(self.wanted_w))


@st.composite
def loads(draw: st.DrawFn) -> Loads:
    n = draw(st.integers(1, 8))
    each = st.lists(st.floats(REST_W, BOARD_W), min_size=n, max_size=n)
    priorities = st.lists(st.integers(0, 2), min_size=n, max_size=n)
    return Loads(draw(each), draw(priorities), draw(st.lists(st.booleans(), min_size=n, max_size=n)))


@given(loads(), st.floats(0.0, 6000.0))
def test_a_ladder_that_ends_in_shedding_meets_any_target(some: Loads, target_w: float) -> None:
    """And does nothing where nothing is needed."""
    setting = some.climb(target_w)
    assert some.draws(setting) <= target_w
    assert (setting.rungs == 0) == (some.draws(Setting.none(len(some.wanted_w))) <= target_w)


@given(loads(), st.floats(0.0, 6000.0), st.floats(0.0, 1.0))
def test_a_lower_target_never_gives_a_load_more(some: Loads, target_w: float, share: float) -> None:
    """Monotone, in what is asked of each and in what each draws."""
    high, low = some.climb(target_w), some.climb(target_w * share)
    assert np.all(low.level <= high.level)
    assert np.all(low.paused >= high.paused)
    assert np.all(low.shed >= high.shed)
    assert np.all(some.each(low) <= some.each(high))


@given(loads(), st.floats(0.0, 6000.0))
def test_nobody_comes_below_a_floor_and_serving_comes_after_training(some: Loads, target_w: float) -> None:
    """Serving is capped only once all of training is at its floor; the higher priority once the lower is."""
    setting = some.climb(target_w)
    training, serving = [r for r in some.rungs if r.what == "cap"], some.rungs
    floors = np.full(len(some.wanted_w), np.inf)
    for rung in training:
        floors[rung.loads] = rung.floor
    assert np.all(setting.level >= floors)
    met = False
    for rung in serving:  # climbed in order: after one that is not climbed to its end, none is
        if rung.what == "cap":
            assert not (met and np.any(np.isfinite(setting.level[rung.loads])))
            met = met or not np.all(setting.level[rung.loads] == rung.floor)
        else:
            chosen = setting.paused if rung.what == "pause" else setting.shed
            assert not (met and np.any(chosen[rung.loads]))
            met = met or not np.all(chosen[rung.loads])


def test_caps_are_water_filling() -> None:
    """One level for all: who draws below it is left alone. 650 + 600 + 200 at 1 200 W: the level is 500 W."""
    some = Loads([650.0, 600.0, 200.0], [0, 0, 0], [False] * 3)
    assert some.each(some.climb(1200.0)).tolist() == pytest.approx([500.0, 500.0, 200.0], rel=2e-4)


def test_the_last_to_come_is_paused_first_and_no_more_are_than_must() -> None:
    """Three at their floor of 350 W: pausing one saves 250 W."""
    some = Loads([700.0] * 3, [0, 0, 0], [False] * 3)
    assert some.climb(1050.0).paused.tolist() == [False, False, False]
    assert some.climb(1049.0).paused.tolist() == [False, False, True]
    assert some.climb(799.0).paused.tolist() == [False, True, True]


@given(
    st.lists(st.tuples(st.floats(0.0, 30.0), st.floats(0.0, 5000.0)), min_size=1, max_size=30),
    st.floats(1.0, 500.0),
    st.integers(1, 10),
)
def test_power_under_a_ramp_rises_no_faster_over_any_span(
    wishes: list[tuple[float, float]], w_per_s: float, step_s: int
) -> None:
    """Somebody draws what he wishes, as far as he may: every pair of instants keeps the rule."""
    ramp = Ramp(w_per_s, step_s * NS_PER_S)
    now_ns, drawn = 0, {0: 1000.0}  # what is replaced in the same instant was never drawn
    rising = Rising(ramp, 1000.0, 0)
    for wait_s, wish_w in wishes:
        now_ns += round(wait_s * NS_PER_S)
        watts = min(wish_w, rising.ceiling_w(now_ns))
        rising.draw(watts, now_ns)
        drawn[now_ns] = watts
    instants = list(drawn.items())
    for i, (s_ns, before_w) in enumerate(instants):
        for t_ns, after_w in instants[i + 1 :]:
            assert after_w <= before_w + w_per_s * ((t_ns - s_ns) / NS_PER_S + step_s) + 1e-6
    reached = Rising(ramp, 0.0, 0)
    assert reached.ceiling_w(0) == pytest.approx(ramp.jump_w)  # and the rule is no stricter than it says


HARDWARE = NodeHardware(
    name="node",
    slots=8,
    gpu="gpu",
    gpu_idle_w=60.0,
    sockets=2,
    cpu_idle_w=80.0,
    cpu_full_w=300.0,
    cpu_exponent=0.8,
    parts=(Rest("dram", 40.0, 90.0), Rest("fans", 100.0, 400.0)),
    supply=Supply(6000.0, (0.1, 0.5, 1.0), (0.9, 0.96, 0.94)),
    standby_w=20.0,
    boot_ns=0,
    boot_w=500.0,
    shutdown_ns=0,
    shutdown_w=300.0,
    gpu_scale=1.03,
    gpu_offset_w=-2.5,
)


@given(
    st.lists(st.tuples(st.integers(1, 2), st.booleans(), st.floats(60.0, 700.0), st.floats(0.0, 1.0)), max_size=4),
    st.booleans(),
)
def test_what_many_nodes_draw_is_what_each_draws(held: list[tuple[int, bool, float, float]], supplied: bool) -> None:
    """The sum over the components of a node, by the one law that books it."""
    hardware = HARDWARE if supplied else replace(HARDWARE, supply=None)
    shares = tuple(
        Share(f"job {i}", slots, "active" if works else "loaded", gpu_w, load)
        for i, (slots, works, gpu_w, load) in enumerate(held)
    )
    free = 8 - sum(share.slots for share in shares)
    gpu_w = sum(share.slots * share.gpu_w for share in shares) + free * hardware.gpu_idle_w
    load = sum(share.cpu_load * share.slots / 8 for share in shares if share.state == "active")
    at_work = sum(share.slots / 8 for share in shares if share.state == "active")
    plugs = Plugs.of([hardware, replace(hardware, slots=4), hardware])
    told = plugs.watts(np.array([2]), np.array([gpu_w]), np.array([load]), np.array([at_work]), np.array([at_work]))
    assert told[0] == pytest.approx(sum(draw.watts for draw in node_draws(hardware, "on", shares)), rel=1e-12)
