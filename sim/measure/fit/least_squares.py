"""Robust least squares within physical bounds: the constants, how sure they are, and what is left over.

Residuals are relative errors (logarithms of ratios), so that a board of 70 W counts as much as a node of 7 kW; beyond
``SOFT`` their weight falls off (soft L1), so that a few broken rows do not bend the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

Floats = npt.NDArray[np.float64]

SOFT = 0.05
"""Relative errors beyond this are taken for something other than noise."""


@dataclass(frozen=True)
class Bound:
    """A constant to fit: where to start, and what physics allows."""

    start: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Fit:
    """Constants by name, their covariance (in the order of the names), and the residuals at the optimum."""

    values: Mapping[str, float]
    covariance: Floats
    residuals: Floats

    @property
    def spread(self) -> dict[str, float]:
        """Standard errors by name."""
        return {
            name: float(np.sqrt(max(v, 0.0))) for name, v in zip(self.values, np.diag(self.covariance), strict=True)
        }


def fit(residuals: Callable[[Mapping[str, float]], Floats], bounds: Mapping[str, Bound]) -> Fit:
    """The constants that make ``residuals`` small. ``residuals`` gets them by name.

    The covariance is that of linear least squares at the optimum, (J'J)^-1 s^2, by the pseudo-inverse: a constant that
    the data do not tell has no small variance by accident, it keeps the whole of its bounds. Raises ``ValueError`` for
    fewer residuals than constants.
    """
    names = list(bounds)
    low = np.array([bounds[name].low for name in names])
    wide = np.array([bounds[name].high for name in names]) - low
    start = (np.array([bounds[name].start for name in names]) - low) / wide

    def scaled(u: Floats) -> Floats:
        return residuals(dict(zip(names, (low + u * wide).tolist(), strict=True)))

    found: Any = least_squares(scaled, np.clip(start, 1e-3, 1 - 1e-3), bounds=(0.0, 1.0), loss="soft_l1", f_scale=SOFT)
    left = scaled(found.x)
    if len(left) < len(names):
        raise ValueError(f"has {len(left)} measurements for {len(names)} constants")
    variance = float(left @ left) / max(len(left) - len(names), 1)
    jacobian = np.asarray(found.jac, dtype=np.float64)
    _, s, vt = np.linalg.svd(jacobian, full_matrices=False)
    told = s > 1e-8 * max(float(s[0]), 1e-300)
    inverse = (vt[told].T / s[told] ** 2) @ vt[told]
    untold = vt[~told].T @ vt[~told]
    covariance = (variance * inverse + untold) * np.outer(wide, wide)
    values = dict(zip(names, (low + found.x * wide).tolist(), strict=True))
    return Fit(values, np.asarray(covariance, dtype=np.float64), left)


def others_tell(groups: Sequence[Any], *, least: int) -> bool:
    """Whether there are ``least`` rows of others for each group that is held out."""
    return min((int(known.sum()) for known, _ in held_out(groups)), default=0) >= least


def held_out(groups: Sequence[Any]) -> Iterator[tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]]:
    """Masks of rows to fit on and rows to judge by, each group in turn held out whole."""
    labels = np.asarray(groups)
    for group in sorted(set(labels.tolist())):
        judged = labels == group
        yield ~judged, judged
