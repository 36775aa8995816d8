"""From a fuel mix to what its kilowatt-hours emit, or drink: means of the fuels' factors, weighted by their shares."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sim.errors import InputError
from sim.signals.signal import Signal

IS_A = {
    "hydro-run-of-river": "hydro",
    "hydro-reservoir": "hydro",
    "wind-onshore": "wind",
    "wind-offshore": "wind",
    "lignite": "coal",
}
"""What a fuel is a kind of: it takes that factor where a set has none of its own. Lignite emits more than coal does."""


def factor_of(fuel: str, factors: Mapping[str, float]) -> float | None:
    """The factor of ``fuel``, or of what it is a kind of; None where the set has neither."""
    return factors.get(fuel, factors.get(IS_A.get(fuel, "")))


def weighted(mix: Mapping[str, Signal], factors: Mapping[str, float], *, unit: str, named: str) -> Signal:
    """Sum over fuels of share x factor, a signal in ``unit`` on the edges of the mix.

    ``factors`` are in ``unit`` (``g/J`` or ``L/J``). A fuel that is never used needs none. Raises ``InputError``,
    naming the set (``named``), for one that is used and has none: it is not taken for zero.
    """
    total = None
    missing = []
    for fuel, share in mix.items():
        factor = factor_of(fuel, factors)
        if factor is None:
            if bool(share.values.any()):
                missing.append(fuel)
            factor = 0.0
        total = share.values * factor if total is None else total + share.values * factor
    if missing:
        lacking = ", ".join(missing)
        raise InputError.one(named, f"has no factor for {lacking}  (it has {', '.join(factors)})")
    edges = next(iter(mix.values())).edges_ns
    return Signal(edges, np.asarray(total, dtype=np.float64), unit)
