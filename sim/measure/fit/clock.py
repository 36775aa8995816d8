"""The clock curve of a board, from power and time under locked clocks and power caps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.measure.fit.least_squares import Bound, Fit, fit
from sim.profiles.power_laws.clock import ClockCurve, clock_under_cap, power_w, slowdown

Floats = npt.NDArray[np.float64]

CURVE = {"floor": Bound(0.7, 0.6, 0.9), "slope": Bound(1.2, 0.5, 2.0), "memory_share": Bound(0.25, 0.0, 0.6)}
"""Judged, not cited: the least voltage a chip works at is taken to be 0.6 to 0.9 of that at its highest clock. Without
such bounds floor, slope and static power trade off against each other, and no table seen so far tells them apart."""


@dataclass(frozen=True)
class ClockRows:
    """Measured points (n,): the locked clock as a share of the highest, the cap in W, watts, and seconds; and of the
    same work at the highest clock without a binding cap: watts, seconds, and its core-bound share of the time."""

    clock: Floats
    cap_w: Floats
    watts: Floats
    seconds: Floats
    full_w: Floats
    full_s: Floats
    core_share: Floats

    def where(self, mask: npt.NDArray[np.bool_]) -> ClockRows:
        """Some of them."""
        return ClockRows(**{name: getattr(self, name)[mask] for name in self.__dataclass_fields__})


def predict(rows: ClockRows, curve: ClockCurve, loaded_w: float) -> tuple[Floats, Floats]:
    """W and s (rows,) from the uncapped twin of each: the lower of the locked clock and the clock the cap leaves."""
    static, full_w, share = np.asarray(loaded_w), rows.full_w, rows.core_share
    capped = clock_under_cap(rows.cap_w, loaded_w=static, full_w=full_w, core_share=share, curve=curve)
    clock = np.minimum(rows.clock, capped)
    watts = power_w(clock, loaded_w=static, full_w=full_w, core_share=share, curve=curve)
    return watts, rows.full_s * slowdown(clock, share)


def fit_curve(rows: ClockRows, *, loaded_w: float, clocked_w: float = 0.0) -> Fit:
    """``floor``, ``slope`` and ``memory_share`` that fit watts and seconds of ``rows``.

    ``loaded_w`` is what the board draws at its highest clock without dynamic work, ``clocked_w`` how much of that goes
    with the clock. They are the profile's and not fitted: a curve fitted beside another rest would be wrong in a run,
    which has the profile's.
    """

    def residuals(values: Mapping[str, float]) -> Floats:
        watts, seconds = predict(rows, curve_of(values, clocked_w), loaded_w)
        return np.concatenate([np.log(watts / rows.watts), np.log(seconds / rows.seconds)])

    return fit(residuals, CURVE)


def curve_of(values: Mapping[str, float], clocked_w: float = 0.0) -> ClockCurve:
    """The fitted constants as a curve."""
    return ClockCurve(values["floor"], values["slope"], values["memory_share"], clocked_w)
