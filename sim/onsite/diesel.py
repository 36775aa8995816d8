"""Backup generators on diesel: fuel by load, the carbon of burning it (scope 1), and the tests that keep them ready."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.units import L_PER_US_GALLON, SECONDS_PER_NS

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# 40 CFR Part 98, Subpart C: Table C-1, distillate fuel oil No. 2 (0.138 mmBtu/gallon, 73.96 kg CO2/mmBtu); Table C-2,
# petroleum (3.0e-3 kg CH4 and 6.0e-4 kg N2O per mmBtu). GWP over 100 years from IPCC AR5 (28 and 265), as Table A-1 of
# the same part has since 2025.
_MMBTU_PER_GALLON = 0.138
_G_PER_MMBTU = {"CO2": 73_960.0, "CH4": 3.0, "N2O": 0.6}
_GWP = {"CO2": 1.0, "CH4": 28.0, "N2O": 265.0}

SCOPE_1_G_PER_L = sum(_G_PER_MMBTU[gas] * _GWP[gas] for gas in _GWP) * _MMBTU_PER_GALLON / L_PER_US_GALLON
"""g of CO2e from burning one litre of diesel: 2,705; making and moving the fuel (scope 3) is not in it."""


@dataclass(frozen=True)
class DieselUnit:
    """All backup generators of one site taken together, in SI.

    ``no_load_l_per_j`` is fuel per joule that running at the rating would give, burned whatever the load;
    ``slope_l_per_j`` is fuel per joule generated. Below ``minimum_load`` of the rating they are not run: the rest is
    dumped.
    """

    capacity_w: float
    minimum_load: float
    no_load_l_per_j: float
    slope_l_per_j: float


def fuel_curve(full_l_per_j: float, half_l_per_j: float) -> tuple[float, float]:
    """No-load and incremental fuel, L/J, of the straight line through a data sheet's points at full and half load.

    At a share x of the rating P, fuel flow is (no_load + slope x) P. Full load: no_load + slope = full. Half load:
    no_load + slope / 2 = half / 2. Hence slope = 2 full - half and no_load = half - full. Straight fuel curves are the
    usual form (HOMER's), good to a few per cent between 25 % and 100 % of the rating. Raises ``ValueError`` where
    the line would burn less for more load, or less than nothing at none.
    """
    no_load, slope = half_l_per_j - full_l_per_j, 2.0 * full_l_per_j - half_l_per_j
    if no_load < 0.0 or slope <= 0.0:
        raise ValueError("a generator burns at least as much per kWh at half load as at full, and less than twice")
    return no_load, slope


def fuel_l(unit: DieselUnit, generated_j: Floats | float, running_s: Floats | float) -> Floats:
    """Litres burned for ``generated_j`` over ``running_s`` of running; the arguments broadcast.

    The curve is a straight line, so it needs no more than the sums: exact for any course of the load in between.
    """
    no_load_w = unit.no_load_l_per_j * unit.capacity_w
    return np.asarray(no_load_w * np.asarray(running_s) + unit.slope_l_per_j * np.asarray(generated_j))


def seconds_on_test(edges_ns: Ints, *, first_ns: int, every_ns: int, duration_ns: int) -> Floats:
    """Seconds of running on test in each bin between ``edges_ns`` (m + 1,) -> (m,).

    Tests start at ``first_ns`` and every ``every_ns`` after, each ``duration_ns`` long. NFPA 110 (2019) 8.4.2 asks for
    30 minutes a month at 30 % of the nameplate or more.
    """
    whole, into = np.divmod(edges_ns - first_ns, every_ns)
    before = whole * duration_ns + np.minimum(into, duration_ns)
    return np.diff(np.where(edges_ns > first_ns, before, 0)) * SECONDS_PER_NS
