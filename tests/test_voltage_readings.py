"""Voltages read on cards of a generation tell the clocks' curves of its boards; watts that were read there are met.

None of these watts told a curve. An A100's, which stood for all of them before, misses them by as much as is said.
"""

from __future__ import annotations

import numpy as np
import pytest

from sim.profiles.catalog import Catalog
from sim.profiles.machines.gpu import clock_curve
from sim.profiles.power_laws.clock import ClockCurve, clocked, voltage

VOLTS = {  # MHz: V, as TechPowerUp read them
    "nvidia-l40s": {787: 0.875, 2295: 0.870, 2548: 0.971},
    "nvidia-rtx-a6000": {1430: 0.764, 1740: 0.875, 1915: 0.972},
    "nvidia-a40": {1095: 0.706, 1430: 0.764, 1740: 0.875},
    "nvidia-rtx-pro-6000-server": {1767: 0.810, 2362: 0.902},
    "nvidia-rtx-4090": {787: 0.875, 2295: 0.870, 2548: 0.971, 2730: 1.050},
    "nvidia-rtx-3090": {1095: 0.706, 1430: 0.764, 1740: 0.875},
    "nvidia-rtx-5090": {1767: 0.810, 2362: 0.902, 2716: 1.025},
}


def _boost_mhz(name: str) -> float:
    clock = Catalog().gpu(name).power.clock
    assert clock is not None
    assert clock.boost is not None
    return float(clock.boost.value) / 1e6


def _curve(name: str) -> ClockCurve:
    curve = clock_curve(Catalog().gpu(name))
    assert curve is not None
    return curve


A100 = _curve("nvidia-a100-sxm-80gb")


@pytest.mark.parametrize("name", sorted(VOLTS))
def test_voltages_that_were_read_on_the_generation_are_met(name: str) -> None:
    """All relative to the highest that was read, within a tenth."""
    mhz, volts = np.array(list(VOLTS[name])), np.array(list(VOLTS[name].values()))
    ours = voltage(mhz / _boost_mhz(name), _curve(name))
    assert ours / ours[-1] == pytest.approx(volts / volts[-1], rel=0.1)


def _worst(curve: ClockCurve, boost_mhz: float, watts: dict[int, float], still_w: float) -> float:
    """The largest relative error of watts by clock, where ``still_w`` never fall and the highest clock is met."""
    mhz, read = np.array(list(watts)), np.array(list(watts.values()))
    share = clocked(mhz / boost_mhz, curve)
    ours = still_w + (read[-1] - still_w) * share / share[-1]
    return float(np.abs(ours / read - 1.0).max())


@pytest.mark.parametrize("still_w", [80.0, 100.0])
@pytest.mark.parametrize("name", ["nvidia-rtx-a6000", "nvidia-rtx-3090"])
def test_an_rtx_3090_under_limits_is_met_by_the_curve_of_its_chip(name: str, still_w: float) -> None:
    """club-3090 (docs/HARDWARE.md): prompts by llama.cpp draw all that a limit leaves, at clocks that were read. What
    memory (GDDR6X) and board draw at any clock is not known: 80 to 100 W."""
    watts = {1350: 250.0, 1612: 327.0, 1665: 355.0, 1710: 381.0}
    boost = _boost_mhz(name)
    assert _worst(_curve(name), boost, watts, still_w) < 0.05
    assert _worst(A100, _boost_mhz("nvidia-rtx-a6000"), watts, still_w) > 0.14


@pytest.mark.parametrize("name", ["nvidia-l40s", "nvidia-rtx-4090"])
def test_an_rtx_4090_under_limits_is_met_by_the_curve_of_its_chip(name: str) -> None:
    """Quasarzone, by Hardware Times: games draw 347 W without a limit, 305 and 268 W under 70 and 60 % of 450 W."""
    watts = {2443: 268.0, 2602: 305.0, 2726: 347.0}
    assert _worst(_curve(name), _boost_mhz(name), watts, 70.0) < 0.03


def test_an_rtx_5090_at_locked_clocks_is_met_by_the_curve_of_its_generation() -> None:
    """club-3090 (docs/img/freq-cap-5090-gemma4.py), memory at full clock, six requests at once, from a fourteenth
    of the board's clock to more than it has; the lowest tells what no clock takes away."""
    watts = {180: 80.31, 667: 132.66, 1147: 186.53, 1635: 242.71, 2122: 313.63, 2602: 417.07}
    boost = _boost_mhz("nvidia-rtx-pro-6000-server")
    assert _worst(_curve("nvidia-rtx-pro-6000-server"), boost, watts, 64.0) < 0.13
    assert _worst(A100, boost, watts, 64.0) > 0.35


@pytest.mark.parametrize("name", sorted(VOLTS))
def test_a_limit_leaves_these_boards_a_lower_clock_than_an_a100_s_curve_would(name: str) -> None:
    """Where 40 % is left of what moves with the clock."""
    clocks = np.linspace(0.2, 1.0, 801)
    own, other = (clocks[np.searchsorted(clocked(clocks, curve), 0.4)] for curve in (_curve(name), A100))
    assert own < 0.9 * other
