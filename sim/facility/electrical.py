"""Losses on the way from the grid to the racks: transformers, UPS, PDUs, rectifiers, each by its share of load.

A loss is a no-load part, a part in proportion to load and one with its square. Elements stand in a chain: what one puts
in is what the one before it puts out, so each loss is counted once and feeds the losses upstream of it.

Source: N. Rasmussen, "Electrical Efficiency Modeling for Data Centers", APC White Paper 113, 2006 (the three parts).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LossCurve:
    """Losses of an element as shares of its rated power, at load share x: no_load + proportional x + square x2.

    None of the three is negative.
    """

    no_load: float
    proportional: float
    square: float


@dataclass(frozen=True)
class Element:
    """One stage of the power chain; ``installed_w`` is what all its modules together are rated for, spares included."""

    name: str
    installed_w: float
    capacity_w: float
    curve: LossCurve

    def loss_w(self, output_w: Floats) -> Floats:
        """Power lost, W (n,), while ``output_w`` (n,) leave the element; its modules share the load evenly."""
        load = output_w / self.installed_w
        curve = self.curve
        return np.asarray(self.installed_w * (curve.no_load + load * (curve.proportional + load * curve.square)))


def curve_through(loads: Sequence[float], efficiencies: Sequence[float]) -> LossCurve:
    """The loss curve nearest to measured ``efficiencies`` (0..1] at shares of load (0..1].

    Least squares, with no negative part.
    """
    x = np.asarray(loads, dtype=np.float64)
    losses = x * (1.0 / np.asarray(efficiencies, dtype=np.float64) - 1.0)
    from scipy.optimize import nnls  # a fifth of a second to import

    parts, _ = nnls(np.column_stack([np.ones_like(x), x, x * x]), losses)
    return LossCurve(*(float(part) for part in parts))


def installed_w(capacity_w: float, redundancy: str, modules: int) -> float:
    """Rated power of all modules where ``modules`` carry the capacity: N has none to spare, N+1 one, 2N as many again.

    Redundant modules run and share the load, so a spare lowers each one's share and adds its no-load loss.
    """
    spare = {"N": 0, "N+1": 1, "2N": modules}[redundancy]
    return capacity_w * (modules + spare) / modules


@dataclass(frozen=True, eq=False)
class Passed:
    """One element in each bin: W that leave it and W that it loses (n,)."""

    element: Element
    output_w: Floats
    loss_w: Floats


def through(chain: Sequence[Element], output_w: Floats) -> tuple[Floats, list[Passed]]:
    """Power that enters a chain while ``output_w`` (n,) leave it, W (n,), and what passes each element.

    The chain is listed from the grid on.
    """
    passed = []
    for element in reversed(chain):
        lost = element.loss_w(output_w)
        passed.append(Passed(element, output_w, lost))
        output_w = output_w + lost
    return output_w, passed
